// What is shown where there is nothing, or where something went wrong: always with what to do.
import { h } from "./dom.js";

/** `actions`: elements, such as links and buttons. */
export function empty(title, words, ...actions) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), words && h("p", {}, words),
    actions.length ? h("div", { class: "row" }, actions) : null);
}

/** A problem in a sentence, with a button that tries again if `again` is given. */
export function problem(text, again) {
  return h("div", { class: "problem", role: "alert" }, h("p", {}, text),
    again && h("button", { type: "button", onclick: again }, "Try again"));
}

export function loading(what = "Loading…") {
  return h("p", { class: "loading", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), what);
}
