// What the pages share: addresses, the signalling socket, errors in words, live figures.

const DEFAULT_APP = "live";
const APP_NAME = /^[A-Za-z0-9_-]{1,32}$/;
const PING_EVERY_MS = 3000;
const SILENCE_LIMIT_MS = 10000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 10000;

/** The app in this page's address: "live" in /live/watch.html, else in ?app=live, else the default. */
export function appFromAddress() {
  const [first, ...rest] = location.pathname.split("/").filter(Boolean);
  const isApp = first && first !== "static" && (rest.length > 0 || location.pathname.endsWith("/"));
  const asked = new URLSearchParams(location.search).get("app") ?? "";
  return isApp ? first : APP_NAME.test(asked) ? asked : DEFAULT_APP;
}

/** Absolute address of a page of an app. */
export function pageUrl(app, page, query = {}) {
  const url = new URL(`/${encodeURIComponent(app)}/${page}`, location.origin);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return url.href;
}

/** Points the header's links at pages of `app`. */
export function linkPages(app) {
  for (const link of document.querySelectorAll("[data-page]")) link.href = pageUrl(app, link.dataset.page);
}

/** Shows where the page stands: body[data-state], badge, status line, cover. */
export function showState(state, badge, status, cover = "") {
  document.body.dataset.state = state;
  document.getElementById("badge").textContent = badge;
  document.getElementById("status").textContent = status;
  document.getElementById("cover").hidden = !cover;
  document.body.toggleAttribute("data-covered", cover !== "" && cover === status);
  document.getElementById("cover-text").textContent = cover;
}

/** Shows a problem in words, or hides it. */
export function showProblem(text) {
  const element = document.getElementById("problem");
  element.textContent = text;
  element.hidden = !text;
}

/**
 * The WebSocket to /{app}/websocket: one JSON object a frame, pings, reconnects with growing pauses.
 * Calls `on.open(again)`, `on.message(object)`, `on.lost(retryInMs)`.
 */
export class Signal {
  constructor(app, target, on) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.url = `${scheme}//${location.host}/${encodeURIComponent(app)}/websocket?target=${target}`;
    this.on = on;
    this.tries = 0;
    /** The app's ICE servers, as the server told them last: before anything that needs them. */
    this.iceServers = [];
    this.opened = false;
    this.closed = false;
    this.connect();
  }

  connect() {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.heard = performance.now();
      this.ping = setInterval(() => this.keepAlive(), PING_EVERY_MS);
      const again = this.opened;
      this.opened = true;
      this.send({ command: "getIceServerConfig" });
      this.on.open(again);
    };
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      this.tries = 0;
      const message = JSON.parse(data);
      if (message.command === "pong") return;
      if (message.command === "iceServerConfig") this.iceServers = iceServersOf(message);
      else if (message.definition === "server_will_stop") this.renew();
      else this.on.message(message);
    };
    socket.onclose = () => this.lost(socket);
  }

  keepAlive() {
    if (performance.now() - this.heard > SILENCE_LIMIT_MS) this.renew();
    else this.send({ command: "ping" });
  }

  /** Drops the socket at once and connects anew; a dead peer would let close() wait. */
  renew() {
    const socket = this.socket;
    socket.close();
    this.lost(socket);
  }

  lost(socket) {
    if (this.closed || socket !== this.socket) return;
    this.socket = null;
    clearInterval(this.ping);
    const pause = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.tries++) * (0.75 + Math.random() / 2);
    this.retry = setTimeout(() => this.connect(), pause);
    this.on.lost(pause);
  }

  send(object) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(object));
  }

  close() {
    this.closed = true;
    clearInterval(this.ping);
    clearTimeout(this.retry);
    this.socket?.close();
  }
}

/** The server's answer to getIceServerConfig as browsers take it. It names one server, or none. */
export function iceServersOf({ stunServerUri = "", turnServerUsername = "", turnServerCredential = "" }) {
  if (/^stuns?:/.test(stunServerUri)) return [{ urls: stunServerUri }];
  if (!/^turns?:/.test(stunServerUri)) return [];
  return [{ urls: stunServerUri, username: turnServerUsername, credential: turnServerCredential }];
}

/** With the app's ICE servers, or without them where an operator wrote one that the browser does not take. */
function newConnection(iceServers) {
  try {
    return new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  } catch (error) {
    console.warn(`The app's ICE server is not usable: ${error.message}`);
    return new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  }
}

/** A peer connection whose candidates go to the server; the server's own are in its description. */
export function peerConnection(signal, streamId) {
  const pc = newConnection(signal.iceServers);
  pc.onicecandidate = ({ candidate }) => {
    if (!candidate) return;
    signal.send({
      command: "takeCandidate",
      streamId,
      label: candidate.sdpMLineIndex,
      id: candidate.sdpMid,
      candidate: candidate.candidate,
    });
  };
  return pc;
}

/** Adds a candidate of the server; before the description it is of no use and left out. */
export async function takeCandidate(pc, message) {
  if (!pc?.remoteDescription || !message.candidate) return;
  await pc.addIceCandidate({ candidate: message.candidate, sdpMLineIndex: message.label, sdpMid: message.id });
}

const WORDS = {
  no_stream_exist: "This stream is not live.",
  streamIdInUse: "Somebody else is publishing under this name. Choose another one.",
  already_publishing: "This page is publishing already.",
  already_playing: "This page is playing the stream already.",
  invalidStreamName: "A stream name may hold letters, digits, dot, underscore and hyphen only.",
  noStreamNameSpecified: "The stream needs a name.",
  unauthorized_access: "Not allowed: this app wants a valid token.",
  user_blocked: "This user is blocked.",
  not_allowed_unregistered_streams: "This app takes registered streams only, and this name is not registered.",
  stream_not_active_or_expired: "This stream is outside its planned time.",
  viewerLimitReached: "The stream has as many viewers as it may have. Try again later.",
  highResourceUsage: "All servers are full just now. Try again in a moment.",
  no_node_available: "No server is free for this just now. Try again in a moment.",
  publishTimeoutError: "The server saw no media in time. A firewall may block UDP between here and the server.",
  noPacketReceivedForTimeoutDuration: "The server stopped receiving media from here.",
  no_codec_enabled_in_the_server: "There is no codec that this browser has and that is possible here.",
  notSetRemoteDescription: "The server could not use this browser's session description.",
  notSetLocalDescription: "The server could not make a session description.",
  data_store_not_available: "The cluster's store cannot be reached. Streams that run go on; new ones must wait.",
  license_suspended_please_renew_license: "The cluster's license is suspended. Its operator must renew it.",
  not_initialized_yet: "The server is still starting.",
  unknown_app: "There is no such app on this server.",
  server_error_check_logs: "The server had an error; its log says more.",
};

/** Definitions after which trying again by itself makes sense. */
export const PASSING = new Set([
  "highResourceUsage",
  "no_node_available",
  "not_initialized_yet",
  "data_store_not_available",
  "viewerLimitReached",
  "publishTimeoutError",
]);

/** An error message of the server as a sentence. */
export function inWords(message) {
  const known = WORDS[message.definition];
  const detail = typeof message.information === "string" && message.information.includes(" ") ? ` (${message.information})` : "";
  return (known ?? `The server refused: ${message.definition}.`) + detail;
}

/** Tells the server what somebody sees: figures for its operators. Nothing hangs on it, and nobody waits for it. */
export function report(app, what, body) {
  const url = new URL(`/${encodeURIComponent(app)}/analytic/events/${what}`, location.origin);
  const headers = { "Content-Type": "application/json" };
  const text = JSON.stringify({ protocol: "webrtc", ...body });
  fetch(url, { method: "POST", keepalive: true, headers, body: text }).catch(() => {});
}

const CAPTURE_WORDS = {
  NotAllowedError: "The browser was not allowed to use the camera, microphone or screen. Allow it in the address bar and start again.",
  NotFoundError: "There is no camera or microphone here. The test picture needs none.",
  NotReadableError: "The camera or microphone is in use by another program.",
  OverconstrainedError: "The camera cannot deliver this kind of picture.",
  AbortError: "The camera stopped before it could be used.",
  NotSupportedError: "This browser cannot capture that source.",
};

/** A getUserMedia or getDisplayMedia failure as a sentence. */
export function captureInWords(error) {
  return CAPTURE_WORDS[error.name] ?? `The source could not be opened: ${error.message}`;
}

/** Why capture is impossible on this page, or "". */
export function captureObstacle(source) {
  if (!window.RTCPeerConnection) return "This browser has no WebRTC.";
  if (source === "test") return "";
  if (!window.isSecureContext) return "Browsers give camera and screen to secure pages only: open this page by https, or on localhost.";
  const devices = navigator.mediaDevices;
  if (source === "screen" && !devices?.getDisplayMedia) return "This browser cannot share its screen.";
  return devices?.getUserMedia ? "" : "This browser gives no access to cameras.";
}

/** Writes {name: text} into a <dl>; empty texts are shown as a dash. */
export function showFigures(list, figures) {
  list.hidden = false;
  for (const [name, text] of Object.entries(figures)) {
    let value = list.querySelector(`[data-figure="${name}"]`);
    if (!value) {
      const box = document.createElement("div");
      const term = document.createElement("dt");
      term.textContent = name;
      value = document.createElement("dd");
      value.dataset.figure = name;
      box.append(term, value);
      list.append(box);
    }
    value.textContent = text || "–";
  }
}

/** Differences of counters between two calls, for rates. */
export class Meter {
  constructor() {
    this.last = new Map();
  }

  /** How much `value` grew since the last call with this name, and over how many seconds. */
  grown(name, value, at) {
    const before = this.last.get(name);
    this.last.set(name, { value, at });
    return before && at > before.at ? { by: value - before.value, seconds: (at - before.at) / 1000 } : null;
  }

  /** kbit/s text from a byte counter. */
  bitrate(name, bytes, at) {
    const step = this.grown(name, bytes ?? 0, at);
    return step && step.by >= 0 ? `${Math.round((step.by * 8) / step.seconds / 1000)} kbit/s` : "";
  }
}

/** "H264" from a stats report's codec. */
export function codecName(report, stats) {
  return report.get(stats.codecId)?.mimeType?.split("/")[1] ?? "";
}

/** Round trip of the pair in use, "" while unknown. */
export function roundTrip(report) {
  for (const stats of report.values()) {
    if (stats.type === "candidate-pair" && stats.nominated && stats.currentRoundTripTime !== undefined) {
      return `${Math.round(stats.currentRoundTripTime * 1000)} ms`;
    }
  }
  return "";
}
