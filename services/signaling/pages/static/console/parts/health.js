// How well it goes, in a word with a colour, and why not, in a sentence.
import { h, mark } from "./dom.js";
import { SENTENCES } from "./troubles.js";

const KINDS = { good: "good", strained: "warn", bad: "bad", unknown: "quiet" };
const WORDS = { good: "well", strained: "strained", bad: "suffers", unknown: "unknown" };

export const kindOf = (health = "good") => KINDS[health] ?? "quiet";
export const sentence = (trouble) => (trouble ? SENTENCES[trouble] ?? SENTENCES.other : "");
export const plain = (trouble) => String(trouble ?? "").replaceAll("_", " ");

/** The word for a health. */
export const health = (word = "good") => mark(WORDS[word] ?? WORDS.unknown, kindOf(word));

/** The word, and the trouble beside it, whose sentence is its title. */
export function why(word, trouble) {
  return h("span", { class: "why" }, health(word),
    trouble && h("span", { class: "quiet", title: sentence(trouble) }, plain(trouble)));
}

const STATES = {
  ready: ["ready", "good"], not_ready: ["not ready", "bad"], draining: ["draining", "warn"], drained: ["drained", "quiet"],
  doubted: ["being asked", "warn"], frozen: ["frozen", "bad"], missing: ["silent", "bad"], isolated: ["cut off", "bad"],
  gone: ["gone", "bad"], dead: ["dead", "bad"],
};

/** The state of a node. */
export function stateOf(node) {
  const [words, kind] = STATES[node.state] ?? [node.state, "quiet"];
  return mark(node.left ? `${words}, ${node.left} left` : words, kind);
}

/** A share of a limit as a bar with its figure, in percent. */
export function bar(percent = 0) {
  const kind = percent >= 100 ? "bad" : percent >= 85 ? "warn" : "";
  return h("span", { class: `bar ${kind}` },
    h("span", { class: "bar-line", "aria-hidden": "true" }, h("span", { style: { width: `${Math.min(100, percent)}%` } })),
    h("span", { class: "bar-figure" }, `${percent} %`));
}

/** What is shown above a view whose line to the server is broken, or that was not heard of yet. Returns
 * `{ element, show(state, feed) }`; `show` says whether there is something to show. */
export function line() {
  const element = h("div", { role: "status", "aria-live": "polite" });
  let shown = null;
  return {
    element,
    show(state, feed) {
      const words = feed.fault || (feed.status === "lost" ? "The connection is lost. What you see is from before; it is tried again." : state ? "" : "Loading…");
      if (words !== shown) {
        shown = words;
        element.replaceChildren(...(!words ? [] : state || feed.status === "lost" ? [h("p", { class: "caution" }, words)]
          : [h("p", { class: "loading" }, h("span", { class: "spinner", "aria-hidden": "true" }), words)]));
      }
      return Boolean(state?.head);
    },
  };
}

/** One line of what happened. */
const KINDS_OF_EVENTS = {
  "node.left": ["node left", "bad"], "node.joined": ["node joined", "good"], "node.draining": ["node drains", "warn"],
  "node.drained": ["node drained", "quiet"], "stream.started": ["stream started", "good"], "stream.ended": ["stream ended", "quiet"],
  "viewer.moved": ["viewer moved", "warn"], "publisher.moved": ["publisher moved", "warn"], "join.failed": ["join failed", "bad"],
  "join.refused": ["join refused", "warn"],
};
export function eventMark(kind) {
  const [words, tone] = KINDS_OF_EVENTS[kind] ?? [String(kind).replace(".", " "), "quiet"];
  return mark(words, tone);
}
