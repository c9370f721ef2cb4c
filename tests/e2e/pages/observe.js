// Put into every page before its own scripts: keeps each peer connection, and tells what it receives and sends.
(() => {
  if (window.rillcastObserve) return;
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      this.tracksSeen = 0;
      this.descriptionsSeen = 0;
      this.handshakesSeen = 0;
      this.transports = new Set();
      this.addEventListener("signalingstatechange", () => this.watchHandshakes());
      this.addEventListener("track", () => (this.tracksSeen += 1));
      connections.push(this);
    }

    setRemoteDescription(...args) {
      this.descriptionsSeen += 1;
      return super.setRemoteDescription(...args);
    }

    watchHandshakes() {
      for (const { transport } of [...this.getSenders(), ...this.getReceivers()]) {
        if (!transport || this.transports.has(transport)) continue;
        this.transports.add(transport);
        const look = () => (this.handshakesSeen += transport.state === "connected" ? 1 : 0);
        transport.addEventListener("statechange", look);
        look();
      }
    }
  };

  function picture() {
    const video = [...document.querySelectorAll("video")].find((element) => element.videoWidth > 0 && element.srcObject);
    if (!video) return { width: 0, height: 0, grey: [] };
    const canvas = new OffscreenCanvas(32, 18);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 18);
    const data = context.getImageData(0, 0, 32, 18).data;
    const grey = Array.from({ length: 32 * 18 }, (_, i) => Math.round((data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3));
    return { width: video.videoWidth, height: video.videoHeight, grey };
  }

  /** Of the server, in hex. The statistics of Chromium name it late, and keep the former one for a while. */
  function certificate(pc) {
    const ends = [...pc.getSenders(), ...pc.getReceivers()];
    const [der] = ends.find((end) => end.transport)?.transport.getRemoteCertificates?.() ?? [];
    return der ? [...new Uint8Array(der)].map((byte) => byte.toString(16).padStart(2, "0")).join("") : "";
  }

  async function connection(pc, index) {
    const report = [...(await pc.getStats()).values()];
    const of = (type, kind) => report.find((stats) => stats.type === type && stats.kind === kind) ?? {};
    const codec = (stats) => report.find((entry) => entry.id === stats.codecId)?.mimeType ?? "";
    const transport = report.find((stats) => stats.type === "transport") ?? {};
    const pair = report.find((stats) => stats.id === transport.selectedCandidatePairId) ?? {};
    const remote = report.find((stats) => stats.id === pair.remoteCandidateId) ?? {};
    const local = report.find((stats) => stats.id === pair.localCandidateId) ?? {};
    const [video, audio, sent] = [of("inbound-rtp", "video"), of("inbound-rtp", "audio"), of("outbound-rtp", "video")];
    return {
      index,
      state: pc.connectionState,
      tracks: pc.tracksSeen,
      negotiations: pc.descriptionsSeen,
      srtp: transport.srtpCipher ?? "",
      port: remote.port ?? 0,
      transport: local.relayProtocol ?? local.protocol ?? "",
      certificate: certificate(pc),
      handshakes: pc.handshakesSeen,
      videoCodec: codec(video) || codec(sent),
      framesDecoded: video.framesDecoded ?? 0,
      freezes: video.freezeCount ?? 0,
      audioPackets: audio.packetsReceived ?? 0,
      audioEnergy: audio.totalAudioEnergy ?? 0,
      framesSent: sent.framesSent ?? 0,
    };
  }

  window.rillcastIceServers = () => connections.at(-1)?.getConfiguration().iceServers ?? [];

  window.rillcastObserve = async () => {
    const open = connections.map((pc, index) => [pc, index]).filter(([pc]) => pc.connectionState !== "closed");
    return {
      made: connections.length,
      connections: await Promise.all(open.map(([pc, index]) => connection(pc, index))),
      picture: picture(),
      events: window.clientEvents ?? [],
    };
  };
})();
