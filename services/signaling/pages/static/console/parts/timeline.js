// What happened, the newest first.
import { h, link, name } from "./dom.js";
import { time } from "./format.js";
import { eventMark } from "./health.js";
import { to } from "../routes.js";

function about(event) {
  const words = [];
  const fate = event.session;
  if (event.app && event.stream) words.push(link(to`/streams/${event.app}/${event.stream}`, `${event.app}/${event.stream}`, 40));
  if (fate?.trail?.length) words.push(h("span", {}, name(fate.trail.at(-1).left), " → ", name(event.node)));
  else if (event.node) words.push(link(to`/nodes/${event.node}`, event.node));
  if (fate?.who) words.push(name(fate.who, 24));
  if (fate?.reason || event.why) words.push(h("span", { class: "quiet" }, name(String(fate?.reason || event.why).replaceAll("_", " "), 60)));
  if (fate?.id) words.push(h("a", { href: to`/viewers/${fate.id}` }, fate.role === "publish" ? "the publisher" : "the viewer"));
  return words.flatMap((one, at) => (at ? [" · ", one] : [one]));
}

/** Returns `{ element, show(events) }`. Lines are kept by the ids of their events. */
export function timeline({ most = 30, nothing = "Nothing has happened here lately." } = {}) {
  const list = h("ol", { class: "timeline" });
  const kept = new Map();
  let last = null;
  return {
    element: list,
    show(events) {
      const shown = events.slice(-most).reverse();
      const mark = `${shown.length}/${shown[0]?.id}`;
      if (mark === last) return;
      last = mark;
      const ids = new Set(shown.map((one) => one.id));
      for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id);
      list.replaceChildren(...shown.map((one) => {
        if (!kept.has(one.id)) kept.set(one.id, h("li", {}, time(one.event.at_ms), eventMark(one.event.kind), h("span", {}, about(one.event))));
        return kept.get(one.id);
      }), ...(shown.length ? [] : [h("li", { class: "quiet" }, nothing)]));
    },
  };
}
