// The publishing page: a source, a name, a codec, a bitrate; then live figures.
import {
  Meter,
  PASSING,
  Signal,
  appFromAddress,
  captureInWords,
  captureObstacle,
  codecName,
  inWords,
  linkPages,
  pageUrl,
  peerConnection,
  roundTrip,
  showFigures,
  showProblem,
  showState,
  takeCandidate,
} from "./rillcast.js";
import { testPicture } from "./test-picture.js";

const CODECS = ["H264", "VP8", "VP9", "AV1", "H265"];
const RETRY_MS = 3000;
const LIMITATIONS = { none: "none", cpu: "this computer", bandwidth: "the network", other: "other" };
const el = Object.fromEntries(
  ["form", "source-field", "app", "stream", "codec", "bitrate", "token", "start", "stop", "link", "copy", "preview", "figures"].map(
    (id) => [id, document.getElementById(id)],
  ),
);
const query = new URLSearchParams(location.search);

/** What is being published, from Start to Stop. */
let session = null;

class Publishing {
  constructor(choices, source) {
    Object.assign(this, choices);
    this.source = source;
    this.signal = new Signal(this.app, "origin", {
      open: () => this.publish(),
      message: (message) => this.take(message).catch((error) => this.fail(`The session could not be set up: ${error.message}`)),
      lost: () => {
        if (document.body.dataset.state !== "error") showState("connecting", "Reconnecting", "The server's socket was lost; trying again.");
      },
    });
    this.timer = setInterval(() => this.measure(), 1000);
    source.stream.getVideoTracks()[0].addEventListener("ended", () => stop("The source ended."));
  }

  publish() {
    this.dropConnection();
    const kinds = this.source.stream.getTracks().map((track) => track.kind);
    this.signal.send({
      command: "publish",
      streamId: this.stream,
      token: this.token,
      subscriberId: query.get("subscriberId") ?? "",
      subscriberCode: query.get("subscriberCode") ?? "",
      streamName: this.stream,
      mainTrack: "",
      metaData: "",
      role: "",
      video: kinds.includes("video"),
      audio: kinds.includes("audio"),
    });
  }

  async take(message) {
    if (this.ended) return;
    switch (message.command) {
      case "start":
        await this.offer();
        break;
      case "takeConfiguration":
        if (message.type === "answer") await this.pc?.setRemoteDescription({ type: "answer", sdp: message.sdp });
        break;
      case "takeCandidate":
        await takeCandidate(this.pc, message);
        break;
      case "notification":
        this.notice(message);
        break;
      case "error":
        this.refused(message);
        break;
    }
  }

  async offer() {
    this.dropConnection();
    const pc = peerConnection(this.signal, this.stream);
    this.pc = pc;
    this.meter = new Meter();
    for (const track of this.source.stream.getTracks()) {
      const init = { direction: "sendonly", streams: [this.source.stream] };
      if (track.kind === "video") init.sendEncodings = [{ maxBitrate: this.bitrate * 1000 }];
      const transceiver = pc.addTransceiver(track, init);
      if (track.kind === "video" && this.codec) offerCodec(transceiver, this.codec);
    }
    pc.onconnectionstatechange = () => {
      if (pc !== this.pc || !["failed", "closed"].includes(pc.connectionState)) return;
      showState("connecting", "Reconnecting", "The connection was lost; trying again.");
      this.publish();
    };
    await pc.setLocalDescription(await pc.createOffer());
    this.signal.send({ command: "takeConfiguration", streamId: this.stream, type: "offer", sdp: pc.localDescription.sdp });
  }

  notice({ definition, broadcast }) {
    if (definition === "publish_started" || definition === "session_restored") {
      showProblem("");
      showState("live", "Live", `Publishing as ${this.stream}.`);
    } else if (definition === "publish_finished") {
      stop("The server ended the stream.");
    } else if (definition === "broadcastObject") {
      const count = JSON.parse(broadcast).webRTCViewerCount;
      this.viewers = Number.isInteger(count) && count >= 0 ? String(count) : "";
    }
  }

  refused(message) {
    if (message.definition === "no_stream_exist") return; // asked for viewers before the stream was known everywhere
    if (message.definition === "already_publishing") {
      this.signal.send({ command: "stop", streamId: this.stream });
      this.publishLater(500);
      return;
    }
    if (!PASSING.has(message.definition)) {
      this.fail(inWords(message));
      return;
    }
    showProblem(inWords(message));
    showState("connecting", "Waiting", "Trying again shortly.");
    this.publishLater(RETRY_MS);
  }

  publishLater(afterMs) {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.publish(), afterMs * (0.75 + Math.random() / 2));
  }

  fail(text) {
    stop("Nothing is sent.");
    showProblem(text);
    document.body.dataset.state = "error";
  }

  async measure() {
    const pc = this.pc;
    if (document.body.dataset.state !== "live" || !pc) return;
    this.seconds = (this.seconds ?? 0) + 1;
    if (this.seconds % 5 === 1) this.signal.send({ command: "getBroadcastObject", streamId: this.stream });
    const report = await pc.getStats();
    const video = [...report.values()].find((stats) => stats.type === "outbound-rtp" && stats.kind === "video");
    if (!video || pc !== this.pc) return;
    showFigures(el.figures, {
      Frames: video.framesPerSecond === undefined ? "" : `${Math.round(video.framesPerSecond)} /s`,
      Bitrate: this.meter.bitrate("video", video.bytesSent, video.timestamp),
      Picture: video.frameWidth ? `${video.frameWidth}×${video.frameHeight}` : "",
      Codec: codecName(report, video),
      "Round trip": roundTrip(report),
      "Limited by": LIMITATIONS[video.qualityLimitationReason] ?? "",
      Viewers: this.viewers,
    });
  }

  dropConnection() {
    const pc = this.pc;
    this.pc = null;
    pc?.close();
  }

  end() {
    this.ended = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.signal.send({ command: "stop", streamId: this.stream });
    this.dropConnection();
    this.signal.close();
    this.source.stop();
  }
}

/** Offers this codec alone, since the server would choose another one of several. */
function offerCodec(transceiver, codec) {
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const named = (entry, ...names) => names.some((name) => entry.mimeType.toLowerCase() === `video/${name.toLowerCase()}`);
  // Constrained baseline first: the H.264 profile that every viewer plays.
  const rank = (entry) => (/profile-level-id=42e0/i.test(entry.sdpFmtpLine ?? "") ? 0 : 1);
  transceiver.setCodecPreferences([
    ...all.filter((entry) => named(entry, codec)).sort((a, b) => rank(a) - rank(b)),
    ...all.filter((entry) => named(entry, "rtx")),
  ]);
}

async function openSource(kind, name) {
  if (kind === "test") return testPicture(name);
  const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  const stream =
    kind === "camera"
      ? await navigator.mediaDevices.getUserMedia({ video: size, audio: true })
      : await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  return { stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
}

async function start(event) {
  event.preventDefault();
  const kind = new FormData(el.form).get("source");
  showProblem("");
  const obstacle = captureObstacle(kind);
  if (obstacle) {
    showProblem(obstacle);
    return;
  }
  const choices = {
    app: el.app.value,
    stream: el.stream.value,
    codec: el.codec.value,
    bitrate: Number(el.bitrate.value),
    token: el.token.value,
  };
  lock(true);
  showState("connecting", "Starting", "Opening the source.", "Opening the source…");
  try {
    const source = await openSource(kind, choices.stream);
    el.preview.srcObject = source.stream;
    showState("connecting", "Connecting", "Connecting to the server.");
    session = new Publishing(choices, source);
  } catch (error) {
    stop("Choose a source and start.");
    showProblem(captureInWords(error));
  }
}

function stop(status) {
  session?.end();
  session = null;
  el.preview.srcObject = null;
  el.figures.hidden = true;
  el.figures.replaceChildren();
  lock(false);
  showState("idle", "Not live", status, "The preview appears here.");
}

function lock(running) {
  for (const id of ["source-field", "app", "stream", "codec", "bitrate", "token"]) el[id].disabled = running;
  el.start.hidden = running;
  el.stop.hidden = !running;
  (running ? el.stop : el.start).focus();
}

function showLink() {
  el.link.value = pageUrl(el.app.value, "watch.html", { id: el.stream.value });
  linkPages(el.app.value);
}

async function copyLink() {
  el.link.select();
  try {
    await navigator.clipboard.writeText(el.link.value);
    el.copy.textContent = "Copied";
  } catch {
    el.copy.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
  }
  setTimeout(() => (el.copy.textContent = "Copy"), 2000);
}

function randomName() {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return `stream-${[...bytes].map((byte) => byte.toString(36).padStart(2, "0")).join("").slice(0, 7)}`;
}

function fillCodecs() {
  const known = window.RTCRtpSender?.getCapabilities?.("video")?.codecs.map((codec) => codec.mimeType.split("/")[1].toUpperCase()) ?? [];
  for (const name of CODECS.filter((codec) => known.includes(codec))) el.codec.add(new Option(name, name));
  const wished = query.get("codec")?.toUpperCase();
  if (wished && known.includes(wished)) el.codec.value = wished;
}

el.app.value = appFromAddress();
el.stream.value = query.get("id") ?? query.get("name") ?? randomName();
el.token.value = query.get("token") ?? "";
if (query.has("bitrate")) el.bitrate.value = query.get("bitrate");
const wishedSource = el.form.querySelector(`input[value="${CSS.escape(query.get("source") ?? "test")}"]`);
if (wishedSource) wishedSource.checked = true;
fillCodecs();
showLink();
el.app.addEventListener("input", showLink);
el.stream.addEventListener("input", showLink);
el.copy.addEventListener("click", copyLink);
el.form.addEventListener("submit", start);
el.stop.addEventListener("click", () => stop("Stopped."));
addEventListener("pagehide", () => session?.end());
