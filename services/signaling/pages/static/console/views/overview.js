// Ten seconds: is everybody watching well, and if not, who and why.
import { h, link, name } from "../parts/dom.js";
import { count, number } from "../parts/format.js";
import { line, plain, sentence, stateOf, why } from "../parts/health.js";
import { map } from "../parts/map.js";
import { lostJoins, outlook } from "../parts/outlook.js";
import { timeline } from "../parts/timeline.js";
import { asQuery } from "../routes.js";

export const title = "Overview";

function card(figure, what, href, kind = "") {
  return h("a", { class: `card ${kind}`, href }, h("span", { class: "figure" }, figure), h("span", { class: "what" }, what));
}

export function mount(element, { live, go, to, api }) {
  const state = line();
  const answer = h("div", { class: "answer" });
  const cards = h("div", { class: "cards" });
  const worst = h("div", { class: "panel" });
  const happened = timeline({ most: 10 });
  const picture = map({ open: (row) => go(row.kinds ? `/topology${asQuery({ region: row.region, zone: row.zone })}` : to`/nodes/${row.id}`), height: "22rem" });
  const next = outlook({ api, to }), lost = lostJoins({ api, to });
  const outside = h("div", { class: "panel below", hidden: true }, h("h2", {}, "Who did not get in"), lost.element);
  element.append(state.element, answer, cards, outside,
    h("div", { class: "grid below" }, worst, next.element),
    h("div", { class: "panel flush" }, picture.element),
    h("div", { class: "panel" }, h("div", { class: "table-head" }, h("h2", {}, "Just now"), h("a", { class: "push", href: to`/events` }, "All events")), happened.element));
  let signs = {};
  const anew = (part, sign, draw) => { if (signs[part] !== sign) { signs[part] = sign; draw(); } };

  function update(told, feed) {
    if (!state.show(told, feed)) return;
    const { head, rows } = told;
    const bad = [...(rows.nodes?.values() ?? [])].filter((row) => row.health === "bad");
    const streams = [...(rows.streams?.values() ?? [])];
    const well = !head.suffering && !bad.length && !(head.health.bad > 0);
    anew("answer", JSON.stringify([well, head.suffering, head.viewers === 0, bad, head.health.bad, head.troubles]), () => {
      const reasons = Object.entries(head.troubles).filter(([, many]) => many > 0).sort((one, other) => other[1] - one[1]).slice(0, 3);
      answer.className = `answer ${well ? "good" : "bad"}`;
      answer.replaceChildren(
        h("p", { class: "answer-words" }, well ? (head.viewers ? "Everybody is watching well." : "Nobody is watching, and nothing is wrong.")
          : head.suffering ? `${count(head.suffering, "viewer suffers", "viewers suffer")}.` : bad.length ? `${count(bad.length, "node is", "nodes are")} not well.` : `${count(head.health.bad ?? 0, "stream suffers", "streams suffer")}.`),
        ...(well ? [] : reasons.map(([trouble, many]) => h("p", {}, h("strong", {}, `${number(many)} × ${plain(trouble)}: `), sentence(trouble)))),
        ...bad.slice(0, 4).map((row) => h("p", {}, link(to`/nodes/${row.id}`, row.id), " ", stateOf(row), " ", sentence(row.trouble))));
    });
    anew("cards", JSON.stringify([head.viewers, head.streams, head.nodes, head.troubled, head.suffering, head.health]), () => cards.replaceChildren(
      card(number(head.viewers), head.viewers === 1 ? "viewer" : "viewers", "#/streams?sort=viewers"),
      card(number(head.suffering), "of them suffer", "#/streams", head.suffering ? "bad" : ""),
      card(number(head.streams), head.streams === 1 ? "stream" : "streams", "#/streams"),
      card(number(head.health.bad ?? 0), "streams that suffer", "#/streams?health=bad", head.health.bad ? "bad" : ""),
      card(number(head.nodes), "nodes", "#/nodes"),
      card(number(head.troubled), "nodes not well", "#/nodes", head.troubled ? "warn" : "")));
    anew("worst", JSON.stringify(streams), () => worst.replaceChildren(h("h2", {}, "Streams that need a look"),
      streams.length ? h("ul", { class: "plain-list" }, streams.map((row) => h("li", {}, h("span", { class: "grow" }, link(to`/streams/${row.app}/${row.stream}`, `${row.app}/${row.stream}`, 40)), why(row.health, row.trouble), h("span", { class: "quiet" }, row.suffering ? `${number(row.suffering)} of ${count(row.viewers ?? 0, "viewer")}` : count(row.viewers ?? 0, "viewer")))))
        : h("p", { class: "quiet" }, head.streams ? "All streams go well." : "Nobody publishes a stream now.")));
    happened.show(told.events);
    lost.hear(told.events);
    outside.hidden = lost.element.hidden;
    next.show(told);
    picture.show(told);
  }

  const ends = live.subscribe(update);
  async function ask() {
    await Promise.all([next.ask(), lost.ask()]);
    outside.hidden = lost.element.hidden;
  }
  void ask();
  return { update: ask, unmount() { ends(); picture.destroy(); } };
}
