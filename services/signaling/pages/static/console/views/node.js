// One node: how busy it is, what it carries, who feeds it, and how it is emptied.
import { h, link, mark, name } from "../parts/dom.js";
import { ago, bytes, count, duration, number } from "../parts/format.js";
import { confirm } from "../parts/dialog.js";
import { empty } from "../parts/empty.js";
import { bar, line, sentence, stateOf, why } from "../parts/health.js";
import { sparkline } from "../parts/sparkline.js";
import { table } from "../parts/table.js";
import { timeline } from "../parts/timeline.js";
import { toast } from "../parts/toast.js";

export const title = (params) => name(params.node);

const DRAINS = new Set(["edge", "origin", "transcoder"]);
const LOADS = [["cpu", "Processor"], ["packets", "Packets sent"], ["egress", "Bit rate sent"], ["lag", "Delay of timers"]];
const PHASES = { draining: ["draining", "warn"], drained: ["drained", "good"], cut: ["cut off", "bad"] };

export function mount(element, { params, api, live, me, to, actions, current }) {
  const node = params.node;
  const state = line();
  const facts = h("dl", { class: "facts" });
  const trouble = h("div");
  const loads = h("div", { class: "loads" });
  const drain = h("div", { class: "panel", hidden: true });
  const near = h("ul", { class: "plain-list" });
  const happened = timeline({ most: 15, nothing: "Nothing has happened at this node while this page was open, nor lately." });
  const load = sparkline({ label: "The highest of its loads, in percent of its limits", shown: (value) => `${Math.round(value)} %`, height: 90, axes: true });
  const streams = table({
    caption: "Streams at this node", what: "stream", key: (row) => `${row.app}/${row.stream}`, sort: { by: 2, down: true },
    columns: [
      { name: "Stream", cell: (row) => link(to`/streams/${row.app}/${row.stream}`, `${row.app}/${row.stream}`), value: (row) => `${row.app}/${row.stream}` },
      { name: "Health", cell: (row) => why(row.health, row.trouble), value: (row) => row.health },
      { name: "Here", number: true, cell: (row) => number(row.viewers), value: (row) => row.viewers ?? 0 },
    ],
    empty: () => h("p", { class: "quiet" }, "It carries no stream now."),
  });
  const body = h("div", { hidden: true }, trouble, drain,
    h("div", { class: "grid" }, h("div", { class: "panel" }, h("h2", {}, "This node"), facts), h("div", { class: "panel" }, h("h2", {}, "Load"), loads, load.element)),
    h("div", { class: "grid below" }, h("div", { class: "panel" }, h("h2", {}, "Streams"), streams.element),
      h("div", { class: "panel" }, h("h2", {}, "Fed by, and feeds"), near)),
    h("div", { class: "panel below" }, h("h2", {}, "What happened here"), happened.element));
  const gone = h("div", { hidden: true }, empty("There is no such node", "It was never heard of, or it has been gone for a while.", h("a", { class: "button", href: "#/nodes" }, "All nodes")));
  element.append(state.element, body, gone);

  const path = () => api.path`/rillcast/v1/nodes/${node}/drain`;
  const empties = h("button", { type: "button", class: "danger", hidden: true, onclick: () => confirm({
    title: "Empty this node", button: "Empty it",
    words: [h("p", {}, name(node), " takes nothing new from now on. Its sessions move to other nodes, and nobody should notice."), "The process stays, and the drain can be taken back."],
    act: async () => { await api.post(path()); toast(`${node} drains.`); },
  }) }, "Drain");
  const undo = h("button", { type: "button", hidden: true, onclick: async () => {
    undo.disabled = true;
    try { await api.del(path()); toast(`${node} takes sessions again.`); } catch (error) { toast(error.message, "bad"); }
    undo.disabled = false;
  } }, "Take the drain back");
  actions.append(empties, undo);

  let pushedAt = 0, sign = "";
  function showDrain(head) {
    const told = head.drain;
    drain.hidden = !told || told.phase === "none";
    if (drain.hidden) return;
    const [words, kind] = PHASES[told.phase] ?? [told.phase, "quiet"];
    const parts = [["viewers", "viewer"], ["publishers", "publisher"], ["relays", "relay"], ["jobs", "job"]].map(([part, word]) => [told[part] ?? {}, word]).filter(([one]) => (one.left ?? 0) + (one.moved ?? 0) + (one.ended ?? 0) > 0);
    const left = parts.reduce((sum, [one]) => sum + (one.left ?? 0), 0);
    const all = parts.reduce((sum, [one]) => sum + (one.left ?? 0) + (one.moved ?? 0) + (one.ended ?? 0) + (one.cut ?? 0), 0);
    drain.replaceChildren(h("h2", {}, "Drain ", mark(words, kind)),
      all ? h("progress", { max: all, value: all - left, "aria-label": `${all - left} of ${all} are gone` }) : "",
      h("p", {}, left ? `${parts.filter(([one]) => one.left).map(([one, word]) => count(one.left, word)).join(", ")} left, ${duration((told.left_s ?? 0) * 1000)} before they are cut off.` : "Nobody is left here."),
      told.obstacle ? h("p", { class: "caution" }, name(told.obstacle, 200)) : "");
  }

  function update(told, feed) {
    if (!state.show(told, feed)) return;
    const { head, rows } = told;
    gone.hidden = head.found;
    body.hidden = !head.found;
    if (!head.found) { empties.hidden = undo.hidden = true; return; }
    const row = head.node;
    const can = me.admin && DRAINS.has(row.kind) && row.state !== "dead";
    const draining = ["draining", "drained"].includes(row.state);
    empties.hidden = !can || draining;
    undo.hidden = !can || !draining;
    showDrain(head);
    const mine = JSON.stringify(head);
    if (mine !== sign) {
      sign = mine;
      trouble.replaceChildren(row.trouble && row.health !== "good" ? h("p", { class: row.health === "bad" ? "problem" : "caution" }, row.why ? name(row.why, 200) : sentence(row.trouble)) : "");
      const pair = (term, ...value) => [h("dt", {}, term), h("dd", {}, ...value)];
      facts.replaceChildren(...[
        pair("State", stateOf(row)), pair("Does", row.kind),
        pair("Zone", name([row.region, row.zone].filter(Boolean).join(" · ") || "none is set")),
        pair("Address", h("code", {}, name(head.address, 60))), pair("Version", name(row.version, 40)),
        pair("Runs since", row.since_ms ? ago(row.since_ms) : "–"),
        row.heard_ms ? pair("Heard last", ago(row.heard_ms)) : [],
        head.memory ? pair("Memory of its machine", `${bytes(head.memory.used_mb * 1e6)} of ${bytes(head.memory.total_mb * 1e6)}`) : [],
        pair("Sessions", number(row.sessions)), pair("Viewers", number(row.viewers), row.suffering ? `, ${number(row.suffering)} of them suffer` : ""),
        head.level ? pair("Relays from the origin", number(head.level)) : [],
        head.standbys?.length ? pair("Would ask next", head.standbys.flatMap((one, at) => [at ? ", " : "", link(to`/nodes/${one}`, one)])) : [],
        head.note ? pair("Note", name(head.note, 300)) : [],
      ].flat());
      loads.replaceChildren(...LOADS.map(([key, words]) => h("div", { class: "load" }, h("span", {}, words), bar(row[key]))));
    }
    if (told.atMs - pushedAt >= 1_000) { pushedAt = told.atMs; load.push(told.atMs, row.load ?? 0); }
    streams.update([...(rows.streams?.values() ?? [])]);
    const links = [...(rows.links?.values() ?? [])];
    near.replaceChildren(...(links.length ? links.map((one) => {
      const other = one.parent === node ? one.child : one.parent;
      return h("li", {}, mark(one.parent === node ? "feeds" : "is fed by"), h("span", { class: "grow" }, link(to`/nodes/${other}`, other)),
        h("span", { class: "quiet" }, `${count(one.streams, "stream")}, ${count(one.tracks, "relay")}`));
    }) : [h("li", { class: "quiet" }, "No relay leads here, and none leads away.")]));
    happened.show(told.events);
  }

  const feed = live.look({ view: "node", node }, (told, one) => { if (current()) update(told, one); });
  return { unmount() { feed.close(); load.destroy(); } };
}
