// Put into a watching page before its own scripts: when each flash was shown, when each beep was heard, and what Chromium
// says of both tracks each second. Flashes and beeps come once a second, in four colours and pitches by turns, so that each
// beep belongs to one flash.
(() => {
  const LOUD = 0.1;
  const SILENCE_MS = 300;
  const LISTEN_MS = 40;
  const log = (window.lipSync = { flashes: [], beeps: [], stats: [] });
  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };

  function watch(video) {
    const context = new OffscreenCanvas(4, 4).getContext("2d", { willReadFrequently: true });
    let [was, shown] = [-1, 0];
    const look = (now, { expectedDisplayTime, presentedFrames, rtpTimestamp }) => {
      context.drawImage(video, 0, 0, 4, 4);
      const [red, green, blue] = context.getImageData(1, 1, 1, 1).data;
      const bright = Math.max(red, green, blue) > 100;
      const colour = !bright ? -1 : Math.min(red, green, blue) > 100 ? 0 : 1 + [red, green, blue].indexOf(Math.max(red, green, blue));
      if (bright && was < 0) {
        const missed = presentedFrames - shown - 1;
        log.flashes.push({ at: expectedDisplayTime, number: colour, missed, width: video.videoWidth, rtp: rtpTimestamp ?? 0 });
      }
      [was, shown] = [colour, presentedFrames];
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }

  /** From zero crossings: 600, 1200, 1800, 2400 Hz. */
  function pitch(beep) {
    return Math.round((beep.crossings / 2 / (LISTEN_MS / 1000)) / 600) - 1;
  }

  async function listen(track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 500 }).readable.getReader();
    let [loudAt, last, beep] = [-Infinity, 0, null];
    for (;;) {
      const { value: data, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const began = data.timestamp / 1000;
      const step = 1000 / data.sampleRate;
      data.close();
      for (let i = 0; i < samples.length; i += 1) {
        const at = began + i * step;
        const loud = Math.abs(samples[i]) > LOUD;
        if (loud && at - loudAt > SILENCE_MS && !beep) beep = { at, late: performance.now() - at, crossings: 0 };
        if (loud) loudAt = at;
        if (beep && samples[i] * last < 0) beep.crossings += 1;
        last = samples[i];
        if (beep && at - beep.at > LISTEN_MS) {
          log.beeps.push({ at: beep.at, number: pitch(beep), late: beep.late });
          beep = null;
        }
      }
    }
  }

  async function note() {
    const pc = connections.at(-1);
    if (!pc || pc.connectionState === "closed") return;
    const sides = [];
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type !== "inbound-rtp") continue;
      sides.push({
        kind: entry.kind,
        playout: entry.estimatedPlayoutTimestamp ?? 0,
        waited: entry.jitterBufferDelay ?? 0,
        target: entry.jitterBufferTargetDelay ?? 0,
        emitted: entry.jitterBufferEmittedCount ?? 0,
        concealed: entry.concealedSamples ?? 0,
        frames: entry.framesDecoded ?? 0,
      });
    }
    log.stats.push({ at: performance.now(), sides });
  }

  addEventListener("DOMContentLoaded", () => {
    const video = document.getElementById("remote");
    watch(video);
    let heard = null;
    setInterval(() => {
      const track = video.srcObject?.getAudioTracks?.()[0];
      if (track && track !== heard) listen((heard = track));
    }, 100);
    setInterval(note, 1000);
  });
})();
