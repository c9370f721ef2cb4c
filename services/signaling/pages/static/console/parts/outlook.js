// What runs out next, and who did not get in: what the overview says besides how it goes for those who are in.
import { h, link, mark } from "./dom.js";
import { count, duration, number } from "./format.js";

const HOUR_MS = 3_600_000;
const SOON_MS = 30 * 24 * HOUR_MS;
const BUSY = 70, FULL = 90;
const MOST_NODES = 4, MOST_KNOWN = 2_000, MOST_JOINS = 200;
const LOADS = { cpu: "CPU", packets: "packets", egress: "egress", lag: "lag", sessions: "sessions", encoders: "encoders" };

function gauge(label, percent, words) {
  const share = Math.min(100, Math.max(0, percent));
  return h("div", { class: "seat" }, label,
    h("span", { class: `gauge ${share >= FULL ? "bad" : share >= BUSY ? "warn" : ""}`, "aria-hidden": "true" }, h("span", { style: { width: `${share}%` } })),
    h("span", { class: "number" }, words));
}

/** The nodes that are busiest, the seats and the end of the license. Returns `{ element, show(told), ask() }`: `told` is
 * the state of the live feed, and `ask` asks for the license. */
export function outlook({ api, to }) {
  const nodes = h("div"), terms = h("div");
  const element = h("section", { class: "panel", "aria-label": "What runs out next" }, h("h2", {}, "What runs out next"), nodes, terms);
  let drawn = "";

  function show(told) {
    const busiest = [...(told.rows.nodes?.values() ?? [])].filter((one) => one.load).sort((one, other) => other.load - one.load).slice(0, MOST_NODES);
    const sign = JSON.stringify(busiest.map((one) => [one.id, one.load]));
    if (sign === drawn) return;
    drawn = sign;
    nodes.replaceChildren(...busiest.map((one) => {
      const of = Object.keys(LOADS).find((key) => one[key] === one.load);
      return gauge(link(to`/nodes/${one.id}`, one.id, 18), one.load, `${one.load} % ${LOADS[of] ?? "load"}`);
    }));
    if (!busiest.length) nodes.replaceChildren(h("p", { class: "quiet" }, "No node has anything to do."));
  }

  async function ask() {
    const license = await api.get("/rillcast/v1/license").catch(() => undefined);
    if (license === undefined) return;
    if (!license) { terms.replaceChildren(h("p", { class: "caution" }, "No license service answers.")); return; }
    const used = Object.values(license.used_by_kind).reduce((sum, one) => sum + one, 0);
    const left = license.not_after_s === null ? null : license.not_after_s * 1000 - Date.now();
    terms.replaceChildren(gauge(h("a", { href: to`/license` }, "seats"), license.limit_total ? (100 * used) / license.limit_total : 0, `${number(used)} of ${number(license.limit_total)}`),
      ...(left !== null && left < SOON_MS ? [h("p", { class: "caution" }, left > 0 ? `The license ends in ${duration(left)}. ` : "The license has ended. ", h("a", { href: to`/license` }, "Look at it"))] : []));
  }

  return { element, show, ask };
}

/** Joins of the last hour that came to nothing. Returns `{ element, hear(events), ask(), count() }`. */
export function lostJoins({ api, to }) {
  const element = h("ul", { class: "found", hidden: true });
  const opened = Date.now();
  let many = { failed: 0, refused: 0 }, known = new Set();
  const rows = [["failed", "bad", "They were let in and never connected: the media ports may be closed to them."], ["refused", "warn", "They were not let in, or no node took them."]];

  function draw() {
    const some = rows.filter(([state]) => many[state]);
    element.hidden = !some.length;
    element.replaceChildren(...some.map(([state, tone, words]) => h("li", {},
      h("a", { href: `${to`/sessions`}?state=${state}` }, `${count(many[state], "join")} ${state} in the last hour`), mark(state, tone), h("span", { class: "quiet" }, words))));
  }

  return {
    element,
    hear(events) {
      for (const { id, event } of events) {
        if (known.has(id)) continue;
        known.add(id);
        if (event.at_ms < opened) continue;
        if (event.kind === "join.failed") many.failed += 1;
        if (event.kind === "join.refused") many.refused += 1;
      }
      if (known.size > MOST_KNOWN) known = new Set(events.map(({ id }) => id));
      draw();
    },
    async ask() {
      const since = opened - HOUR_MS;
      const [failed, refused] = await Promise.all(rows.map(([state]) =>
        api.get("/rillcast/v1/sessions", { query: { state, since, until: opened, size: MOST_JOINS } }).catch(() => [])));
      many = { failed: many.failed + failed.length, refused: many.refused + refused.length };
      draw();
    },
    count: () => many.failed,
  };
}
