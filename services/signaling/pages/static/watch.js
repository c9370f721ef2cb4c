// The watching page: waits for a stream, plays it, shows figures, comes back by itself after losses.
import {
  Meter,
  PASSING,
  Signal,
  appFromAddress,
  codecName,
  inWords,
  linkPages,
  pageUrl,
  peerConnection,
  report,
  roundTrip,
  showFigures,
  showProblem,
  showState,
  takeCandidate,
} from "./rillcast.js";

const ASK_AGAIN_MS = 15000;
const STALL_LIMIT_S = 5;
const RENDITIONS_EVERY_S = 10;
const REPORT_EVERY_S = 60;
const el = Object.fromEntries(
  ["title", "form", "app", "stream", "player", "video", "sound", "quality", "quality-field", "again", "figures"].map((id) => [
    id,
    document.getElementById(id),
  ]),
);
const query = new URLSearchParams(location.search);

function inBits(perSecond) {
  return perSecond < 1e6 ? `${Math.round(perSecond / 1e4) * 10} kbit/s` : `${(perSecond / 1e6).toFixed(1)} Mbit/s`;
}

class Watching {
  constructor(app, stream) {
    this.app = app;
    this.stream = stream;
    this.meter = new Meter();
    this.stalled = 0;
    this.seconds = 0;
    this.seen = { watchTimeMs: 0, freezes: 0, frozenMs: 0 };
    this.signal = new Signal(app, "edge", {
      open: (again) => this.opened(again),
      message: (message) => this.take(message).catch((error) => this.fail(`The session could not be set up: ${error.message}`)),
      lost: () => {
        const text = this.playing() ? "The server's socket was lost; the picture goes on while it reconnects." : "The server cannot be reached; trying again.";
        this.state("connecting", "Reconnecting", text);
      },
    });
    setInterval(() => this.measure(), 1000);
  }

  playing() {
    return this.pc?.connectionState === "connected" && this.stalled < 2;
  }

  /** A new socket: the picture may still run over the old session; if so, leave it. */
  opened(again) {
    if (again && this.playing()) this.state("live", "Live", "");
    else this.play();
  }

  play() {
    clearTimeout(this.retry);
    this.dropConnection();
    this.askedAt = performance.now();
    this.wasHidden = document.hidden;
    this.firstFrameMs = null;
    this.stalled = 0;
    if (document.body.dataset.state !== "waiting") this.state("connecting", "Connecting", "Connecting…");
    this.signal.send({
      command: "play",
      streamId: this.stream,
      token: query.get("token") ?? "",
      room: "",
      trackList: [],
      subscriberId: query.get("subscriberId") ?? "",
      subscriberCode: query.get("subscriberCode") ?? "",
      viewerInfo: "",
      role: "",
      userPublishId: "",
    });
  }

  async take(message) {
    if (message.streamId && message.streamId !== this.stream) return;
    switch (message.command) {
      case "takeConfiguration":
        if (message.type === "offer") await this.answer(message.sdp);
        break;
      case "takeCandidate":
        await takeCandidate(this.pc, message);
        break;
      case "streamInformation":
        this.renditions(message.streamInfo ?? []);
        break;
      case "notification":
        this.notice(message);
        break;
      case "error":
        this.refused(message);
        break;
    }
  }

  /** The first offer of a play makes a connection; later ones (another edge, other tracks) reuse it. */
  async answer(sdp) {
    const pc = this.pc ?? this.connect();
    await pc.setRemoteDescription({ type: "offer", sdp });
    const answer = await pc.createAnswer();
    answer.sdp = answer.sdp.replace(/useinbandfec=1(?!;stereo)/g, "useinbandfec=1;stereo=1");
    await pc.setLocalDescription(answer);
    const tellsFirstFrame = this.firstFrameMs === null && !this.wasHidden;
    const { sdp: ours } = pc.localDescription;
    this.signal.send({ command: "takeConfiguration", streamId: this.stream, type: "answer", sdp: ours, tellsFirstFrame });
  }

  connect() {
    const pc = peerConnection(this.signal, this.stream);
    this.pc = pc;
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => {
      stream.addTrack(track);
      if (el.video.srcObject !== stream) {
        el.video.srcObject = stream;
        this.watchForFirstFrame(pc);
      }
      this.start();
    };
    pc.onconnectionstatechange = () => {
      if (pc === this.pc && pc.connectionState === "failed") this.play();
    };
    return pc;
  }

  /** Plays muted if the browser lets nothing sound without a touch. */
  async start() {
    try {
      await el.video.play();
    } catch (error) {
      if (error.name !== "NotAllowedError") return; // replaced by a newer source
      el.video.muted = true;
      await el.video.play().catch(() => this.state("idle", "Paused", "Press play to begin."));
    }
    el.sound.hidden = !el.video.muted;
  }

  watchForFirstFrame(pc) {
    const seen = () => {
      if (pc !== this.pc || this.firstFrameMs !== null) return;
      this.firstFrameMs = performance.now() - this.askedAt;
      this.reportFirstFrame();
      this.live();
    };
    if (el.video.requestVideoFrameCallback) el.video.requestVideoFrameCallback(seen);
    else el.video.addEventListener("timeupdate", seen, { once: true });
  }

  /** Of a page that nobody saw meanwhile, the browser shows no picture, so that its time says nothing. */
  reportFirstFrame() {
    const event = this.started ? "playStarted" : "playStartedFirstTime";
    const told = this.wasHidden ? {} : { firstFrameMs: Math.round(this.firstFrameMs) };
    this.started = true;
    report(this.app, "play", { streamId: this.stream, event, ...told });
    if (!this.wasHidden) this.signal.send({ command: "firstFrame", streamId: this.stream, ...told });
  }

  /** For how long somebody has watched since the last report, and how well. */
  reportWatching() {
    if (this.seen.watchTimeMs > 0) report(this.app, "watch-time", { streamId: this.stream, ...this.seen });
    this.seen = { watchTimeMs: 0, freezes: 0, frozenMs: 0 };
  }

  live() {
    showProblem("");
    el.again.hidden = true;
    this.state("live", "Live", "");
  }

  notice({ definition, streamHeight }) {
    switch (definition) {
      case "play_started":
        this.signal.send({ command: "getStreamInfo", streamId: this.stream });
        if (!el.video.videoWidth) this.state("connecting", "Connecting", "Waiting for the first picture.");
        else this.live();
        break;
      case "play_finished":
        this.wait("The stream ended. Waiting for it to begin again.");
        this.askLater(1000);
        break;
      case "streaming_started":
      case "session_restored":
        if (!this.playing()) this.play();
        break;
      case "streaming_starts_soon":
        this.wait("The stream is about to begin.");
        break;
      case "resolutionChangeInfo":
        this.state("live", "Live", `Now at ${streamHeight}p.`);
        break;
    }
  }

  refused(message) {
    if (message.definition === "no_stream_exist") {
      if (this.playing()) return;
      this.wait("Waiting for the stream to begin.");
      this.askLater(ASK_AGAIN_MS);
    } else if (message.definition === "already_playing") {
      this.signal.send({ command: "stop", streamId: this.stream });
      this.askLater(500);
    } else if (PASSING.has(message.definition)) {
      showProblem(inWords(message));
      this.state("connecting", "Waiting", "Trying again shortly.");
      this.askLater(3000);
    } else {
      this.fail(inWords(message));
    }
  }

  wait(text) {
    this.dropConnection();
    el.figures.hidden = true;
    el["quality-field"].hidden = true;
    el.sound.hidden = true;
    showProblem("");
    this.state("waiting", "Not live", text);
  }

  /** The server tells waiting viewers when a stream begins; asking again, rarely, covers a lost message. */
  askLater(afterMs) {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.play(), afterMs * (0.75 + Math.random() / 2));
  }

  fail(text) {
    clearTimeout(this.retry);
    this.dropConnection();
    showProblem(text);
    this.state("error", "Stopped", "");
    el.again.hidden = false;
  }

  state(state, badge, status) {
    const cover = state === "error" ? "Nothing to show." : status || "Connecting…";
    const keepsPicture = state === "connecting" && el.video.videoWidth > 0;
    showState(state, badge, status, state === "live" || keepsPicture ? "" : cover);
  }

  /** The menu: automatic and each height once, whatever codecs it comes in. */
  renditions(infos) {
    const rates = new Map();
    for (const { streamHeight, videoBitrate } of infos) {
      if (streamHeight > 0) rates.set(streamHeight, Math.max(videoBitrate ?? 0, rates.get(streamHeight) ?? 0));
    }
    this.rates = new Map([...rates].sort(([one], [other]) => other - one));
    el["quality-field"].hidden = this.rates.size < 2;
    const key = [...this.rates.keys()].join();
    if (el.quality.dataset.heights !== key) {
      el.quality.dataset.heights = key;
      const chosen = Number(el.quality.value);
      const heights = [0, ...this.rates.keys()];
      el.quality.replaceChildren(...heights.map((height) => new Option("", String(height))));
      el.quality.value = String(heights.includes(chosen) ? chosen : 0);
    }
    this.labelQuality();
  }

  /** Says which rendition plays: what the picture itself shows, not what was asked for. */
  labelQuality() {
    const playing = el.video.videoHeight;
    for (const option of el.quality.options) {
      const height = Number(option.value);
      const rate = this.rates?.get(height) ? ` · ${inBits(this.rates.get(height))}` : "";
      const automatic = el.quality.value === "0" && playing ? `Automatic (${playing}p)` : "Automatic";
      const text = height ? `${height}p${rate}${height === playing ? " · playing" : ""}` : automatic;
      if (option.text !== text) option.text = text;
    }
  }

  async measure() {
    const pc = this.pc;
    if (!pc || document.body.dataset.state === "waiting") return;
    this.seconds += 1;
    if (this.playing() && this.seconds % RENDITIONS_EVERY_S === 0) this.signal.send({ command: "getStreamInfo", streamId: this.stream });
    const stats = await pc.getStats();
    const inbound = [...stats.values()].filter((stats) => stats.type === "inbound-rtp");
    if (pc !== this.pc || inbound.length === 0) return;
    this.checkFlow(inbound);
    const video = inbound.find((stats) => stats.kind === "video");
    if (video && this.firstFrameMs !== null) {
      this.look(video);
      this.show(stats, video);
    }
  }

  /** Joins anew when nothing at all arrives: the edge may be gone without a word. */
  checkFlow(inbound) {
    const bytes = inbound.reduce((sum, stats) => sum + (stats.bytesReceived ?? 0), 0);
    const step = this.meter.grown("all", bytes, performance.now());
    this.stalled = step && step.by === 0 ? this.stalled + 1 : 0;
    if (this.stalled >= STALL_LIMIT_S) this.play();
  }

  /** Takes in how the last second was. Not every browser counts freezes. */
  look(video) {
    const at = video.timestamp;
    const freezes = this.meter.grown("freezes", video.freezeCount ?? 0, at);
    const frozen = this.meter.grown("frozen", video.totalFreezesDuration ?? 0, at);
    this.seen.watchTimeMs += 1000;
    this.seen.freezes += Math.max(0, freezes?.by ?? 0);
    this.seen.frozenMs += Math.max(0, Math.round((frozen?.by ?? 0) * 1000));
    if (this.seen.watchTimeMs >= REPORT_EVERY_S * 1000) this.reportWatching();
  }

  show(stats, video) {
    const at = video.timestamp;
    const lost = this.meter.grown("lost", video.packetsLost ?? 0, at);
    const received = this.meter.grown("received", video.packetsReceived ?? 0, at);
    const waited = this.meter.grown("waited", video.jitterBufferDelay ?? 0, at);
    const emitted = this.meter.grown("emitted", video.jitterBufferEmittedCount ?? 0, at);
    const packets = lost && received ? lost.by + received.by : 0;
    showFigures(el.figures, {
      Frames: video.framesPerSecond === undefined ? "" : `${Math.round(video.framesPerSecond)} /s`,
      Bitrate: this.meter.bitrate("video", video.bytesReceived, at),
      Picture: video.frameWidth ? `${video.frameWidth}×${video.frameHeight}` : "",
      Codec: codecName(stats, video),
      "Jitter buffer": waited && emitted?.by > 0 ? `${Math.round((waited.by / emitted.by) * 1000)} ms` : "",
      Loss: packets > 0 ? `${Math.max(0, (100 * lost.by) / packets).toFixed(1)} %` : "",
      "Round trip": roundTrip(stats),
      "First frame after": `${Math.round(this.firstFrameMs)} ms`,
    });
  }

  dropConnection() {
    const pc = this.pc;
    this.pc = null;
    pc?.close();
    this.meter = new Meter();
  }
}

function watch(app, stream) {
  linkPages(app);
  el.title.textContent = stream;
  document.title = `${stream} · Rillcast`;
  el.player.hidden = false;
  if (!window.RTCPeerConnection) {
    showProblem("This browser has no WebRTC.");
    showState("error", "Stopped", "", "Nothing to show.");
    return;
  }
  const watching = new Watching(app, stream);
  document.addEventListener("visibilitychange", () => (watching.wasHidden ||= document.hidden));
  el.sound.addEventListener("click", () => {
    el.video.muted = false;
    el.sound.hidden = true;
  });
  el.video.addEventListener("volumechange", () => {
    if (!el.video.muted) el.sound.hidden = true;
  });
  el.video.addEventListener("resize", () => watching.labelQuality());
  el.quality.addEventListener("change", () => {
    watching.signal.send({ command: "forceStreamQuality", streamId: stream, streamHeight: Number(el.quality.value) });
    watching.labelQuality();
  });
  el.again.addEventListener("click", () => {
    showProblem("");
    el.again.hidden = true;
    watching.play();
  });
  addEventListener("pagehide", () => {
    watching.signal.send({ command: "stop", streamId: stream });
    watching.reportWatching();
    watching.dropConnection();
  });
}

const id = query.get("id") ?? query.get("name") ?? "";
if (id) {
  watch(appFromAddress(), id);
} else {
  linkPages(appFromAddress());
  el.app.value = appFromAddress();
  el.form.hidden = false;
  el.stream.focus();
  el.form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(pageUrl(el.app.value, "watch.html", { id: el.stream.value }));
  });
}
