// Elements made of text, never of markup: names that others chose cannot become anything but text.

const SVG = "http://www.w3.org/2000/svg";

function set(made, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
  else if (name === "class") made.setAttribute("class", value);
  else if (name === "value") made.value = value;
  else if (name === "checked") made.checked = Boolean(value);
  else if (name === "style") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
  else made.setAttribute(name, value === true ? "" : String(value));
}

const BIDI = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g;
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200d\u2060\ufeff]/g;
const STEERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/;
const STEERING = new RegExp(STEERS.source, "g");

/** Reasons and errors, too, may quote what somebody chose: no text turns the direction of what is around it. */
const calm = (one) => (typeof one === "string" && STEERS.test(one) ? one.replace(BIDI, "").replace(STEERING, "␣") : one);

/** h("button", { class: "primary", onclick: act }, "Save"). Children that are null or false are left out. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(made, name, value);
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false).map(calm));
  return made;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) set(made, name, value);
  made.append(...children.flat(Infinity).filter(Boolean));
  return made;
}

/** Text that somebody else chose: kept apart from the direction of what is around it, cut after `most` characters, and
 * whole in its title. What could not be seen is shown as a box. */
export function name(text, most = 48) {
  const shown = String(text ?? "").replace(BIDI, "").replace(UNSEEN, "␣");
  const letters = [...shown];
  const cut = letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : shown;
  return h("bdi", cut === shown ? {} : { title: shown }, cut);
}

/** The same as a link. */
export function link(href, text, most) {
  return h("a", { href }, name(text, most));
}

/** A word that stands out: `kind` is good, warn, bad or quiet. Its colour never says it alone. */
export function mark(text, kind = "quiet") {
  return h("span", { class: `mark ${kind}` }, text);
}

let ids = 0;

/** An id that no other element of the page has. */
export const newId = (prefix = "i") => `${prefix}-${++ids}`;

/** Text for screen readers alone. */
export const unseen = (text) => h("span", { class: "unseen" }, text);
