// Short words about what was done, at the edge of the page and to screen readers.
import { h } from "./dom.js";

const STAYS_MS = 6_000;
const MOST = 4;

/** `kind`: good or bad. A bad one stays until it is closed. */
export function toast(text, kind = "good") {
  const place = document.getElementById("toasts");
  const close = () => made.remove();
  const made = h("div", { class: `toast ${kind}` }, h("p", {}, text),
    h("button", { type: "button", class: "icon small", "aria-label": "Close this message", onclick: close }, "×"));
  place.append(made);
  while (place.children.length > MOST) place.firstChild.remove();
  if (kind !== "bad") setTimeout(close, STAYS_MS);
}
