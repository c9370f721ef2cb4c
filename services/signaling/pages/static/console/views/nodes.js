// All nodes, those that are not well first.
import { h, link, name } from "../parts/dom.js";
import { number } from "../parts/format.js";
import { empty } from "../parts/empty.js";
import { bar, sentence, stateOf } from "../parts/health.js";
import { livePage } from "../parts/live-page.js";

export const title = "Nodes";

const KINDS = ["signaling", "origin", "edge", "transcoder", "license"];

export function mount(element, { live, query, setQuery, to }) {
  const page = livePage({
    live, query, setQuery, view: "nodes", section: "nodes", what: "node", caption: "Nodes", key: (row) => row.id,
    sorts: [["health", "who is not well"], ["load", "load"], ["viewers", "viewers"], ["name", "name"]],
    choices: {
      kind: { label: "Does", options: [["", "anything"], ...KINDS.map((one) => [one, one])] },
      health: { label: "Health", options: [["", "any"], ["bad", "not well"], ["strained", "strained"], ["good", "well"]] },
    },
    columns: [
      { name: "Node", cell: (row) => link(to`/nodes/${row.id}`, row.id) },
      { name: "Does", cell: (row) => row.kind },
      { name: "State", cell: (row) => h("span", { class: "two-lines" }, stateOf(row), (row.trouble || row.why) && h("small", { class: "quiet" }, name(row.why || sentence(row.trouble), 70))) },
      { name: "Zone", cell: (row) => name([row.region, row.zone].filter(Boolean).join(" · ") || "–") },
      { name: "Load", cell: (row) => bar(row.load) },
      { name: "Sessions", number: true, cell: (row) => number(row.sessions) },
      { name: "Streams", number: true, cell: (row) => number(row.streams) },
      { name: "Viewers", number: true, cell: (row) => number(row.viewers) },
      { name: "Suffering", number: true, cell: (row) => (row.suffering ? h("strong", { class: "tone-bad" }, number(row.suffering)) : "0") },
      { name: "Version", cell: (row) => name(row.version, 16) },
    ],
    nothing: () => empty("No node fits", "Take away part of what is looked for."),
  });
  element.append(page.element);
  return { unmount: page.close };
}
