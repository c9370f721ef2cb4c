// The last joins and what became of them: why did this viewer see black at 20:31?
import { h, link, mark, name } from "../parts/dom.js";
import { empty } from "../parts/empty.js";
import { field, select } from "../parts/form.js";
import { duration, time } from "../parts/format.js";
import { ended, reason, sessionState } from "../parts/reasons.js";
import { pagedTable } from "../parts/table.js";

export const title = "Sessions";

const AROUND_MS = 60_000;
const STATES = [["", "Any state"], ["live", "live"], ["over", "over"], ["refused", "refused"], ["failed", "failed"], ["lost", "lost"]];
const ROLES = [["", "Everybody"], ["play", "Viewers"], ["publish", "Publishers"]];
const TYPING_MS = 350;
const AGAIN_MS = 3_000;

export function whyOf(row) {
  if (row.reason && !(row.state === "over" && ended.has(row.reason) && row.moves)) return reason(row.reason);
  if (row.moves) return `Moved ${row.moves === 1 ? "once" : `${row.moves} times`}: ${reason(row.trail.at(-1)?.why ?? "").toLowerCase()}`;
  return row.state === "live" && row.role === "play" && row.mediaMs === null ? "No media has come yet." : "";
}

function joined(row) {
  if (row.mediaMs && row.askedMs) return duration(row.mediaMs - row.askedMs);
  return "–";
}

export function mount(element, { query, api, live, to, setQuery }) {
  const text = (key, label, max = "255") => [label, h("input", { type: "text", name: key, value: query[key] ?? "", maxlength: max, spellcheck: "false", autocomplete: "off" })];
  const inputs = {
    who: text("who", "Subscriber"), app: text("app", "App", "64"), stream: text("stream", "Stream"), node: text("node", "Node"),
    role: ["Role", select(ROLES, query.role ?? "")], state: ["State", select(STATES, query.state ?? "")],
    at: ["Around this time", h("input", { type: "datetime-local", value: query.at ?? "", step: "1" })],
  };
  const asked = () => Object.fromEntries(Object.entries(inputs).map(([key, [, control]]) => [key, control.value.trim()]));
  let timer = 0;

  const list = pagedTable({
    caption: "Sessions, the newest first", what: "session", key: (row) => row.id, size: 50,
    load({ offset, size }) {
      const { at, ...rest } = asked();
      const moment = at ? new Date(at).getTime() : 0;
      const when = moment ? { since: moment - AROUND_MS, until: moment + AROUND_MS } : {};
      return api.get("/rillcast/v1/sessions", { query: { ...rest, ...when, offset, size } });
    },
    columns: [
      { name: "Asked", cell: (row) => time(row.askedMs ?? row.endedMs) },
      { name: "Who", cell: (row) => link(to`/viewers/${row.id}`, row.who || row.address || "somebody", 30) },
      { name: "Stream", cell: (row) => h("span", {}, link(to`/streams/${row.app}/${row.stream}`, `${row.app}/${row.stream}`, 40), row.role === "publish" && [" ", mark("publisher")]) },
      { name: "Node", cell: (row) => (row.node ? link(to`/nodes/${row.node}`, row.node, 28) : "–") },
      { name: "First media", number: true, cell: joined },
      { name: "State", cell: (row) => mark(...sessionState(row.state)) },
      { name: "Why", cell: (row) => h("span", { class: "why", title: row.reason || null }, whyOf(row)) },
    ],
    empty: () => empty("No session fits", "Sessions are kept for seven days, the last 10 000 of them. Ask for less, or for another time.",
      h("button", { type: "button", onclick: clear }, "Show all sessions")),
  });

  function again() {
    setQuery(asked());
    void list.reload(true);
  }

  function clear() {
    for (const [, control] of Object.values(inputs)) control.value = "";
    again();
  }

  for (const [, control] of Object.values(inputs)) {
    control.addEventListener(control.tagName === "SELECT" ? "change" : "input", () => { clearTimeout(timer); timer = setTimeout(again, TYPING_MS); });
  }
  element.append(
    h("p", { class: "lead" }, "Who joined, at which node, how long the first picture took, and why it ended. Ask for a subscriber and a time to see what that viewer met."),
    h("form", { class: "panel filters", "aria-label": "Which sessions", onsubmit: (event) => { event.preventDefault(); again(); } },
      h("div", { class: "fields" }, Object.values(inputs).map(([label, control]) => field(label, control)))),
    h("section", { class: "panel" }, list.element));
  void list.reload(true);

  // The list is asked for anew when something has happened, and not more often than it can be read.
  let last = null, fresh = 0;
  const ends = live.subscribe((state) => {
    const newest = state?.events?.at(-1)?.id ?? "";
    if (!state?.head || newest === last) return;
    if (last !== null) fresh ||= setTimeout(() => { fresh = 0; void list.reload(); }, AGAIN_MS);
    last = newest;
  });
  return { update: () => list.reload(), unmount() { clearTimeout(timer); clearTimeout(fresh); ends(); } };
}
