// One join and what became of it: who, where, when it came how far, how it goes, why it ended.
import { h, link, mark, name } from "../parts/dom.js";
import { bitrate, duration, number, time } from "../parts/format.js";
import { empty } from "../parts/empty.js";
import { line, sentence, why } from "../parts/health.js";
import { sparkline } from "../parts/sparkline.js";

export const title = "A viewer";

const KINDS = { live: "good", over: "quiet", refused: "warn", failed: "bad", lost: "warn" };
const HEALTH = { lower_rendition: "strained", long_way: "strained" };

function stages(join) {
  const begun = join.askedMs;
  const steps = [["Asked for", join.askedMs], ["A node answered", join.openedMs], ["Connected", join.connectedMs], [join.role === "play" ? "First packet sent" : "First packet came", join.mediaMs]];
  const list = steps.filter(([, at]) => at).map(([words, at]) => ({ at, words, note: at === begun ? "" : `after ${duration(at - begun)}` }));
  for (const move of join.trail) {
    list.push({ at: move.atMs, words: h("span", {}, "Had to leave ", name(move.left)), note: String(move.why).replaceAll("_", " "), bad: true });
    if (move.backMs) list.push({ at: move.backMs, words: h("span", {}, "Went on at ", name(move.node)), note: `after ${duration(move.backMs - move.atMs)}` });
  }
  if (join.endedMs) list.push({ at: join.endedMs, words: "Over", note: String(join.reason).replaceAll("_", " ") });
  return list.sort((one, other) => one.at - other.at);
}

export function mount(element, { params, live, to, setTitle, current }) {
  const state = line();
  const answer = h("div");
  const facts = h("dl", { class: "facts" });
  const now = h("dl", { class: "facts" });
  const steps = h("ol", { class: "timeline" });
  const sent = sparkline({ label: "What is sent to the viewer", shown: (value) => bitrate(value), height: 90, axes: true });
  const quality = h("div", { class: "panel" }, h("h2", {}, "How it goes now"), now, sent.element);
  const body = h("div", { hidden: true }, answer,
    h("div", { class: "grid" }, h("div", { class: "panel" }, h("h2", {}, "Who and where"), facts), quality),
    h("div", { class: "panel below" }, h("h2", {}, "What became of it"), steps));
  const gone = h("div", { hidden: true }, empty("Nothing is known of this join", "The last 10 000 joins are remembered, for a week at most.", h("a", { class: "button", href: "#/sessions" }, "All sessions")));
  element.append(state.element, body, gone);
  let sign = "", pushedAt = 0;

  function update(told, feed) {
    if (!state.show(told, feed)) return;
    const { join, look } = told.head;
    gone.hidden = told.head.found;
    body.hidden = !told.head.found;
    if (!told.head.found) return;
    const pair = (term, ...value) => [h("dt", {}, term), h("dd", {}, ...value)];
    const mine = JSON.stringify(join);
    if (mine !== sign) {
      sign = mine;
      setTitle(h("span", {}, join.role === "publish" ? "Publisher " : "Viewer ", name(join.who || join.address || join.id, 40)));
      facts.replaceChildren(...[
        pair("State", mark(join.state, KINDS[join.state]), join.reason ? h("span", { class: "quiet" }, " ", name(join.reason.replaceAll("_", " "), 60)) : ""),
        pair("Stream", link(to`/streams/${join.app}/${join.stream}`, `${join.app}/${join.stream}`, 60)), pair("Who", join.who ? name(join.who, 60) : "nobody has said"),
        pair("From", join.address ? h("code", {}, name(join.address)) : "–"), pair(join.role === "publish" ? "Origin" : "Edge", join.node ? link(to`/nodes/${join.node}`, join.node) : "none took it"),
        pair("Zone", name(join.zone || "–")), pair("Let in by", join.instance ? link(to`/nodes/${join.instance}`, join.instance) : "–"), pair("Moves", number(join.moves)),
        pair("Lasted", join.connectedMs ? duration((join.endedMs ?? told.atMs) - join.connectedMs) : "it was never connected"), pair("Id", h("code", {}, name(join.id, 60))),
      ].flat());
      steps.replaceChildren(...stages(join).map((one) => h("li", {}, time(one.at), one.bad ? mark("move", "warn") : h("span", { class: "dot", "aria-hidden": "true" }, "•"), h("span", {}, one.words, one.note ? h("span", { class: "quiet" }, " · ", name(one.note, 80)) : ""))));
    }
    const health = look ? (look.trouble ? HEALTH[look.trouble] ?? "bad" : "good") : "unknown";
    answer.className = `answer ${look ? { good: "good", strained: "warn", bad: "bad" }[health] : "quiet"}`;
    const words = look ? (look.trouble ? sentence(look.trouble) : "This viewer is well.")
      : join.state === "live" ? (join.role === "play" ? "Its edge has not said yet how it goes." : "It is connected.") : join.state === "over" ? `It is over: ${(join.reason || "no reason is known").replaceAll("_", " ")}.` : `It is ${join.state}${join.reason ? `: ${join.reason.replaceAll("_", " ")}` : ""}.`;
    answer.replaceChildren(h("p", { class: "answer-words" }, words));
    quality.hidden = !look;
    if (!look) return;
    now.replaceChildren(...[
      pair("Health", why(health, look.trouble)), pair("Gets", look.height ? `${look.height} lines (${look.track})` : look.track || "no picture"),
      pair("Sent", bitrate(look.sent_bps)), pair("Its link takes", look.room_bps ? bitrate(look.room_bps) : "not known yet"),
      pair("Loss", `${(100 * look.loss).toFixed(1)} %`), pair("Round trip", look.rtt_ms ? duration(look.rtt_ms) : "–"), pair("Behind", look.lag_ms ? duration(look.lag_ms) : "–"),
      pair("Asked for again", number(look.nacks), look.nacks ? ` packets, ${number(look.repaired)} were sent again` : " packets"), pair("At this edge", duration(look.here_s * 1000)),
    ].flat());
    if (told.atMs - pushedAt >= 1_000) { pushedAt = told.atMs; sent.push(told.atMs, look.sent_bps); }
  }

  const feed = live.look({ view: "viewer", id: params.id }, (told, one) => { if (current()) update(told, one); });
  return { unmount() { feed.close(); sent.destroy(); } };
}
