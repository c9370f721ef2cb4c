// Put into a watching page before its own scripts: notes ten times a second what the viewer gets.
(() => {
  const EVERY_MS = 100;
  const connections = [];
  const log = { samples: [], negotiations: 0, connections: 0, asked_ms: 0 };
  window.viewerLog = log;
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
      log.connections += 1;
      log.asked_ms = log.asked_ms || Date.now();
    }
    setRemoteDescription(...args) {
      log.negotiations += 1;
      return super.setRemoteDescription(...args);
    }
  };

  async function sample() {
    const pc = connections.at(-1);
    if (!pc || pc.connectionState !== "connected") return;
    const report = [...(await pc.getStats()).values()];
    const inbound = (kind) => report.find((stats) => stats.type === "inbound-rtp" && stats.kind === kind) ?? {};
    const pair = report.find((stats) => stats.type === "candidate-pair" && stats.nominated) ?? {};
    const [video, audio] = [inbound("video"), inbound("audio")];
    log.samples.push({
      at_ms: Date.now(),
      height: video.frameHeight ?? 0,
      frames: video.framesDecoded ?? 0,
      keyframes: video.keyFramesDecoded ?? 0,
      plis: video.pliCount ?? 0,
      freezes: video.freezeCount ?? 0,
      frozen_s: video.totalFreezesDuration ?? 0,
      waited_s: video.jitterBufferDelay ?? 0,
      emitted: video.jitterBufferEmittedCount ?? 0,
      bytes: pair.bytesReceived ?? 0,
      concealed: audio.concealedSamples ?? 0,
      silent: audio.silentConcealedSamples ?? 0,
      samples: audio.totalSamplesReceived ?? 0,
    });
  }

  setInterval(() => sample().catch(() => {}), EVERY_MS);
})();
