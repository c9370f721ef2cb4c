// What goes on in the cluster, told by the server as it happens. A page has one line to the server for what it looks at
// now; whatever it shows is thrown away when the line is closed, so that a page that stays open does not grow.
import { api } from "./api.js";

const PATH = "/rillcast/v1/live";
const HIDDEN_MS = 60_000;
const FIRST_RETRY_MS = 1_000, LAST_RETRY_MS = 15_000;
const MOST_EVENTS = 200;
const WORDS = { off: "", late: "Connecting…", live: "Live", lost: "Connection lost" };

const feeds = new Set();
let allowed = false;

function pulse() {
  const place = document.getElementById("pulse"), words = document.getElementById("pulse-words");
  if (!place) return;
  const states = [...feeds].map((feed) => feed.status);
  const state = ["lost", "late", "live"].find((one) => states.includes(one)) ?? "off";
  place.hidden = state === "off";
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  words.textContent = WORDS[state];
}

/** One part of the cluster. `state` is null until something was heard, then `{ head, rows, order, events, moves, atMs,
 * everyMs }`: `rows` has a Map by key for each section, `moves` those of the last message alone. */
class Feed {
  constructor(query, listener) {
    this.query = query;
    this.listener = listener;
    this.state = null;
    this.status = "off";
    this.fault = "";
    this.source = null;
    this.retryMs = FIRST_RETRY_MS;
    this.timer = 0;
    feeds.add(this);
    if (allowed && document.visibilityState !== "hidden") this.open();
  }

  open() {
    if (this.source || !feeds.has(this)) return;
    clearTimeout(this.timer);
    const source = this.source = new EventSource(`${PATH}?${new URLSearchParams(this.query)}`);
    this.says("late");
    source.addEventListener("open", () => { this.retryMs = FIRST_RETRY_MS; });
    source.addEventListener("snapshot", (event) => this.take(event, true));
    source.addEventListener("delta", (event) => this.take(event, false));
    source.addEventListener("error", () => {
      this.says("lost");
      if (source.readyState === EventSource.CLOSED) this.again();
    });
  }

  // A browser gives up after a refusal. Why it was refused is asked for, since the line itself does not say.
  async again() {
    this.shut();
    const delay = this.retryMs;
    this.retryMs = Math.min(LAST_RETRY_MS, 2 * this.retryMs);
    this.timer = setTimeout(() => this.open(), delay * (0.75 + Math.random() / 2));
    const answer = await fetch(`${PATH}?${new URLSearchParams(this.query)}`, { method: "HEAD" }).catch(() => null);
    if (answer?.status === 403) await api.get("/rillcast/v1/me").catch(() => null);
    else if (answer?.status === 503) this.says("lost", "All places for consoles are taken. It is tried again.");
    else if (answer?.status === 400) { clearTimeout(this.timer); this.says("lost", "The server cannot show this."); }
  }

  take(event, whole) {
    let told;
    try { told = JSON.parse(event.data); } catch { return; }
    if (whole) this.state = { head: null, rows: {}, order: null, events: [], moves: [], atMs: 0, everyMs: 0 };
    const state = this.state;
    if (!state) return;
    if (told.head) state.head = told.head;
    for (const [section, rows] of Object.entries(told.rows ?? {})) {
      const known = state.rows[section] ??= new Map();
      for (const [key, row] of Object.entries(rows)) known.set(key, row);
    }
    for (const [section, keys] of Object.entries(told.gone ?? {})) {
      for (const key of keys) state.rows[section]?.delete(key);
    }
    if (told.order) state.order = told.order;
    if (told.events?.length) state.events = [...state.events, ...told.events].slice(-MOST_EVENTS);
    state.moves = told.moves ?? [];
    state.atMs = told.at_ms;
    state.everyMs = told.every_ms;
    this.says("live", "", false);
    this.listener(state, this);
  }

  says(status, fault = "", tell = true) {
    this.status = status;
    this.fault = fault;
    pulse();
    if (tell) this.listener(this.state, this);
  }

  shut() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    this.shut();
    feeds.delete(this);
    this.state = null;
    pulse();
  }
}

let hiddenTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.visibilityState === "hidden") {
    hiddenTimer = setTimeout(() => { for (const feed of feeds) feed.shut(); }, HIDDEN_MS);
  } else if (allowed) {
    for (const feed of feeds) feed.open();
  }
});
addEventListener("pagehide", () => { for (const feed of feeds) feed.shut(); });

const listeners = new Set();
let overview = null;

export const live = {
  /** The overview of the whole cluster while somebody listens to it; null before something was heard. */
  get state() { return overview?.state ?? null; },
  /** Calls `listener(state, feed)` whenever the overview has changed; returns what ends that. */
  subscribe(listener) {
    listeners.add(listener);
    overview ??= new Feed({ view: "overview" }, (state, feed) => { for (const one of listeners) one(state, feed); });
    if (overview.state) listener(overview.state, overview);
    return () => {
      listeners.delete(listener);
      if (!listeners.size) { overview?.close(); overview = null; }
    };
  },
  /** Looks at another part: `query` as `GET /rillcast/v1/live` takes it. `listener(state, feed)` hears every change, and
   * also when the line breaks. Returns the feed, which is to be closed. */
  look: (query, listener) => new Feed(query, listener),
  /** The shell calls it when somebody has signed in who may look at the whole cluster. */
  start() {
    allowed = true;
    for (const feed of feeds) feed.open();
  },
  /** The shell calls it when the session is over. */
  stop() {
    allowed = false;
    for (const feed of feeds) feed.shut();
    pulse();
  },
};
