// The cluster as a picture that moves with it.
import { h, link, name } from "../parts/dom.js";
import { count, number } from "../parts/format.js";
import { bar, kindOf, line, plain, sentence, stateOf } from "../parts/health.js";
import { map } from "../parts/map.js";
import { table } from "../parts/table.js";
import { timeline } from "../parts/timeline.js";
import { asQuery } from "../routes.js";

export const title = "Topology";

const MOVED_MS = 20_000, MOST_MOVES = 8;

export function mount(element, context) {
  const { live, go, to, query } = context;
  const place = { region: query.region ?? "", zone: query.zone ?? "" };
  const state = line();
  const open = (row) => (row.kinds ? go(`/topology${asQuery({ region: row.region, zone: row.zone })}`) : go(to`/nodes/${row.id}`));
  const picture = map({ open });
  const summary = h("p", { class: "lead" });
  const moves = h("p", { class: "notice", hidden: true, role: "status" });
  const happened = timeline({ most: 12 });
  const nodes = table({
    caption: "Nodes", what: "node", key: (row) => row.id, sort: { by: 2, down: true }, filter: (row) => `${row.id} ${row.kind} ${row.zone ?? ""}`,
    columns: [
      { name: "Node", cell: (row) => link(to`/nodes/${row.id}`, row.id), value: (row) => row.id },
      { name: "Does", cell: (row) => row.kind, value: (row) => row.kind },
      { name: "State", cell: (row) => h("span", { title: sentence(row.trouble) }, stateOf(row)), value: (row) => ({ bad: 2, strained: 1 }[row.health] ?? 0), first: "desc" },
      { name: "Zone", cell: (row) => h("span", { class: "two-lines place" }, name(row.zone || row.region || "–", 28), row.zone && row.region ? h("small", { class: "quiet" }, name(row.region, 28)) : ""), value: (row) => row.zone ?? "" },
      { name: "Load", cell: (row) => bar(row.load), value: (row) => row.load ?? 0, number: true },
      { name: "Viewers", cell: (row) => number(row.viewers), value: (row) => row.viewers ?? 0, number: true },
    ],
  });
  const listed = h("div", { class: "panel" }, h("h2", {}, "Nodes"), nodes.element);
  const legend = h("p", { class: "hint" }, "Arrows lead from who feeds to who is fed; the figure is the number of streams. A dashed arrow shows viewers who move. Choose a node to see more.");
  element.append(state.element, summary, moves,
    h("div", { class: "panel flush" }, picture.element), legend,
    h("div", { class: "grid below wide-first" }, listed, h("div", { class: "panel" }, h("h2", {}, "Just now"), happened.element)));

  let movedAt = 0, movedMany = new Map();
  function tellMoves(told) {
    const now = Date.now();
    if (told.length) {
      if (now - movedAt > MOVED_MS) movedMany = new Map();
      movedAt = now;
      for (const { left, to: next, viewers } of told) {
        const pair = `${left}\n${next}`, before = movedMany.get(pair) ?? 0;
        movedMany.delete(pair);
        movedMany.set(pair, before + viewers);
      }
      for (const pair of movedMany.keys()) if (movedMany.size > MOST_MOVES) movedMany.delete(pair);
      moves.replaceChildren(...[...movedMany].flatMap(([pair, many], at) => {
        const [left, next] = pair.split("\n");
        return [at ? "; " : "", `${count(many, "viewer")} moved from `, name(left), " to ", name(next)];
      }), ".");
      moves.hidden = false;
    } else if (now - movedAt > MOVED_MS) {
      moves.hidden = true;
    }
  }

  function update(told, feed) {
    if (!state.show(told, feed)) return;
    const { head, rows } = told;
    picture.show(told);
    nodes.update([...(rows.nodes?.values() ?? [])]);
    happened.show(told.events);
    tellMoves(told.moves);
    const bad = [...(rows.nodes?.values() ?? [])].filter((row) => row.health === "bad");
    const words = bad.length ? bad.slice(0, 3).flatMap((row, at) => [at ? ", " : " ", name(row.id), ` (${plain(row.trouble)})`]) : [];
    summary.replaceChildren(`${count(head.nodes, "node")}, ${count(head.streams, "stream")}, ${count(head.viewers, "viewer")}. `,
      h("span", { class: bad.length ? "tone-bad" : "" }, bad.length ? `Not well: ` : head.troubled ? `${count(head.troubled, "node")} strained or draining.` : "All nodes are well."), ...words,
      place.region || place.zone ? h("span", {}, " · ", h("a", { href: "#/topology" }, "show the whole cluster")) : "");
  }

  const feed = place.region || place.zone ? live.look({ view: "overview", ...place }, update) : null;
  const ends = feed ? () => feed.close() : live.subscribe(update);
  element.drawn = picture.drawn;
  return { unmount() { ends(); picture.destroy(); } };
}
