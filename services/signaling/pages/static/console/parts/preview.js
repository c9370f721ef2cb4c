// A small picture of a stream. It is asked for while it can be seen, and again after a while.
import { api } from "../api.js";
import { h, svg } from "./dom.js";

const EVERY_MS = 10_000, REFUSED_MS = 5_000, LONGEST_MS = 60_000;
const AT_ONCE = 3;

const waiting = [];
let asking = 0;

/** Asks for few at a time: a list shows fifty, and joins go first. */
function next() {
  while (asking < AT_ONCE && waiting.length) {
    const one = waiting.shift();
    one.inLine = false;
    if (one.closed || !one.visible) continue;
    asking += 1;
    void one.ask().finally(() => { asking -= 1; next(); });
  }
}

const all = new Map();
const eye = new IntersectionObserver((entries) => {
  for (const entry of entries) all.get(entry.target)?.appears(entry.isIntersecting);
}, { rootMargin: "120px" });
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "hidden") for (const one of all.values()) one.wish();
});

class Preview {
  constructor(app, stream, { large = false } = {}) {
    this.where = api.path`/rillcast/v1/apps/${app}/streams/${stream}/preview`;
    this.stop = new AbortController();
    this.visible = this.closed = this.inLine = this.asked = false;
    this.due = this.timer = this.pause = 0;
    this.image = h("img", { alt: `Picture of ${stream}`, hidden: true, decoding: "async" });
    this.sign = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
      svg("rect", { x: 3, y: 6, width: 12, height: 12, rx: 2 }), svg("path", { d: "m15 11 6-3v8l-6-3" }));
    this.words = h("figcaption", { class: "quiet" }, "The picture is asked for.");
    this.frame = h("span", { class: "preview", "data-state": "waiting" }, this.image, this.sign);
    this.element = large ? h("figure", { class: "preview-large" }, this.frame, this.words) : this.frame;
    all.set(this.frame, this);
    eye.observe(this.frame);
  }

  appears(visible) {
    this.visible = visible;
    if (visible) this.wish();
  }

  /** Asks now, or when it is time. */
  wish() {
    clearTimeout(this.timer);
    if (this.closed || this.inLine || this.asked || !this.visible || document.visibilityState === "hidden") return;
    const left = this.due - Date.now();
    if (left > 0) { this.timer = setTimeout(() => this.wish(), left); return; }
    this.inLine = true;
    waiting.push(this);
    next();
  }

  async ask() {
    this.asked = true;
    try {
      const picture = await api.picture(this.where, { signal: this.stop.signal });
      if (this.closed) return;
      this.pause = 0;
      this.image.src = picture;
      this.show("shown", "A picture of some seconds ago.");
      this.due = Date.now() + EVERY_MS;
    } catch (error) {
      if (this.closed) return;
      this.pause = Math.min(LONGEST_MS, Math.max(REFUSED_MS, 2 * this.pause));
      // What may soon be otherwise leaves the picture of before.
      if (![0, 429, 503].includes(error.status) || this.frame.dataset.state !== "shown") this.show("none", `No picture: ${error.message[0].toLowerCase()}${error.message.slice(1)}`);
      this.due = Date.now() + this.pause;
    }
    this.asked = false;
    this.wish();
  }

  show(state, words) {
    this.frame.dataset.state = state;
    this.image.hidden = state !== "shown";
    this.sign.toggleAttribute("hidden", state === "shown");
    if (state === "none") this.frame.title = words;
    else this.frame.removeAttribute("title");
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.stop.abort();
    eye.unobserve(this.frame);
    all.delete(this.frame);
  }
}

/** Returns `{ element, close() }`. With `large`, words below it say what it is, or why there is none. */
export const preview = (app, stream, options) => new Preview(app, stream, options);
