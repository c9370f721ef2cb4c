// What happens in the cluster, as it happens.
import { h, link, mark, name, newId } from "../parts/dom.js";
import { empty, problem } from "../parts/empty.js";
import { field } from "../parts/form.js";
import { count, time } from "../parts/format.js";
import { ended, reason } from "../parts/reasons.js";
import { listen } from "../parts/sse.js";
import { table } from "../parts/table.js";

export const title = "Events";

const MOST = 500;
const REDRAW_MS = 250;
const SEED_MS = 4_000;
const KINDS = {
  "stream.started": ["Stream started", "good"], "stream.ended": ["Stream ended", "quiet"],
  "join.refused": ["Join refused", "warn"], "join.failed": ["Join failed", "bad"],
  "publisher.joined": ["Publisher joined", "good"], "publisher.moved": ["Publisher moved", "warn"], "publisher.left": ["Publisher left", "quiet"],
  "viewer.joined": ["Viewer joined", "good"], "viewer.moved": ["Viewer moved", "warn"], "viewer.left": ["Viewer left", "quiet"],
  "node.joined": ["Node joined", "good"], "node.left": ["Node left", "bad"],
  "node.draining": ["Node drains", "warn"], "node.drained": ["Node drained", "quiet"],
  "events.missed": ["Some are missing", "warn"],
};

/** Kept while the console is open, so that coming back shows what happened meanwhile: the newest first. */
const kept = { rows: [], last: "" };

export const kindOf = (kind) => KINDS[kind] ?? [kind, "quiet"];

function about({ data }) {
  const fate = data.session;
  if (fate?.reason) return reason(fate.reason);
  if (data.why) return data.why;
  const move = fate?.trail?.at(-1);
  if (data.kind.endsWith(".moved") && move) return h("span", {}, "From ", name(move.left), move.why ? `: ${reason(move.why).toLowerCase()}` : "");
  return "";
}

export function mount(element, { query, actions, live, to, setQuery, current }) {
  let line = null, paused = false, held = [], timer = 0;
  const app = h("input", { type: "text", value: query.app ?? "", maxlength: "64", spellcheck: "false", autocomplete: "off", id: newId("app") });
  const stream = h("input", { type: "text", value: query.stream ?? "", maxlength: "255", spellcheck: "false", autocomplete: "off", id: newId("stream") });
  const state = h("p", { class: "pulse", role: "status", "aria-live": "polite" });
  const fault = h("div");
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: toggle }, "Pause");
  const list = table({
    caption: "Events, the newest first", what: "event", key: (row) => row.id, sign: (row) => row.id, page: 100,
    filter: (row) => `${kindOf(row.data.kind)[0]} ${row.data.node ?? ""} ${row.data.app ?? ""} ${row.data.stream ?? ""} ${row.data.session?.who ?? ""} ${row.data.session?.address ?? ""} ${row.data.session?.reason ?? ""}`,
    columns: [
      { name: "Time", cell: (row) => time(row.data.at_ms) },
      { name: "What", cell: (row) => {
        const [words, kind] = kindOf(row.data.kind);
        const bad = row.data.kind.endsWith(".left") && row.data.session && !ended.has(row.data.session.reason ?? "");
        return mark(words, bad ? "warn" : kind);
      } },
      { name: "Stream", cell: (row) => (row.data.stream ? link(to`/streams/${row.data.app}/${row.data.stream}`, `${row.data.app}/${row.data.stream}`, 40) : "") },
      { name: "Who", cell: (row) => (row.data.session ? link(to`/viewers/${row.data.session.id}`, row.data.session.who || row.data.session.address || "somebody", 28) : "") },
      { name: "Node", cell: (row) => (row.data.node ? link(to`/nodes/${row.data.node}`, row.data.node, 28) : "") },
      { name: "Why", cell: about },
    ],
    empty: () => empty("Nothing has happened lately", "Events appear here as they happen. What happened before stands among the sessions.",
      h("a", { class: "button", href: to`/sessions` }, "Sessions")),
  });

  const fits = (row) => (!app.value || row.data.app === app.value) && (!stream.value || row.data.stream === stream.value);

  function draw() {
    clearTimeout(timer);
    timer = 0;
    if (current()) list.update(kept.rows.filter(fits));
    pause.textContent = paused ? `Go on${held.length ? ` (${count(held.length, "new event")})` : ""}` : "Pause";
  }

  function heard({ id, data }) {
    let event;
    try { event = JSON.parse(data); } catch { return; }
    const row = { id: id || `${event.kind} ${event.at_ms}`, data: event };
    kept.last = id || kept.last;
    if (paused) held = [row, ...held].slice(0, MOST);
    else kept.rows = [row, ...kept.rows].slice(0, MOST);
    timer ||= setTimeout(draw, REDRAW_MS);
  }

  function toggle() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) { kept.rows = [...held, ...kept.rows].slice(0, MOST); held = []; }
    draw();
  }

  function told(word, words) {
    const says = { connecting: ["late", "connecting"], open: ["live", "as it happens"], lost: ["lost", "the line broke; it is tried again"], refused: ["lost", "the server refused"] }[word];
    state.dataset.state = says[0];
    state.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, says[1]));
    fault.replaceChildren(...(word === "refused" ? [problem(words || "The server does not let you listen.", open)] : []));
  }

  function open() {
    line?.close();
    line = listen({ url: () => "/rillcast/v1/events", after: kept.last, heard, state: told });
  }

  // What happened just before comes with the overview; the line goes on from there.
  function begin() {
    if (kept.last) { open(); return; }
    let over = false;
    const done = (state) => {
      if (over) return;
      over = true;
      clearTimeout(waits);
      queueMicrotask(() => ends());
      if (!current()) return;
      kept.rows = (state?.events ?? []).map(({ id, event }) => ({ id, data: event })).reverse();
      kept.last = kept.rows[0]?.id ?? "";
      draw();
      open();
    };
    const waits = setTimeout(done, SEED_MS);
    const ends = live.subscribe((state) => { if (state?.head) done(state); });
  }

  for (const one of [app, stream]) one.addEventListener("input", () => { setQuery({ app: app.value, stream: stream.value }); draw(); });
  actions.append(state, pause);
  element.append(fault, h("section", { class: "panel" },
    h("div", { class: "fields narrow" }, field("App", app), field("Stream", stream)), list.element,
    h("p", { class: "hint" }, `The last ${MOST} are kept while this page is open.`)));
  told("connecting");
  draw();
  begin();
  return { update: open, unmount() { clearTimeout(timer); line?.close(); if (held.length) kept.rows = [...held, ...kept.rows].slice(0, MOST); } };
}
