// Put into every page before its own scripts: keeps each peer connection, and tells what it receives and sends.
(() => {
  if (window.rillcastObserve) return;
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
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

  async function connection(pc, index) {
    const report = [...(await pc.getStats()).values()];
    const of = (type, kind) => report.find((stats) => stats.type === type && stats.kind === kind) ?? {};
    const codec = (stats) => report.find((entry) => entry.id === stats.codecId)?.mimeType ?? "";
    const transport = report.find((stats) => stats.type === "transport") ?? {};
    const pair = report.find((stats) => stats.id === transport.selectedCandidatePairId) ?? {};
    const remote = report.find((stats) => stats.id === pair.remoteCandidateId) ?? {};
    const [video, audio, sent] = [of("inbound-rtp", "video"), of("inbound-rtp", "audio"), of("outbound-rtp", "video")];
    return {
      index,
      state: pc.connectionState,
      srtp: transport.srtpCipher ?? "",
      port: remote.port ?? 0,
      videoCodec: codec(video) || codec(sent),
      framesDecoded: video.framesDecoded ?? 0,
      freezes: video.freezeCount ?? 0,
      audioPackets: audio.packetsReceived ?? 0,
      audioEnergy: audio.totalAudioEnergy ?? 0,
      framesSent: sent.framesSent ?? 0,
    };
  }

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
