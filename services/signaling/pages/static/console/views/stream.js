// One stream: the way from the publisher to the edges, its renditions, who is worst off, and what happened.
import { h, link, mark, name } from "../parts/dom.js";
import { ago, bitrate, bytes, count, duration, number } from "../parts/format.js";
import { empty } from "../parts/empty.js";
import { health, line, plain, sentence, why } from "../parts/health.js";
import { preview } from "../parts/preview.js";
import { sparkline } from "../parts/sparkline.js";
import { table } from "../parts/table.js";
import { timeline } from "../parts/timeline.js";

export const title = (params) => name(`${params.app}/${params.stream}`, 60);

const share = (lost, all) => (all ? `${(100 * lost / all).toFixed(2)} %` : "–");

function hop(kind, node, to, ...lines) {
  return h("div", { class: `hop ${kind}` }, h("strong", {}, node ? link(to`/nodes/${node}`, node, 28) : kind), lines.map((one) => h("small", {}, one)));
}

export function mount(element, { params, live, to, actions, current }) {
  const { app, stream } = params;
  const state = line();
  const answer = h("div");
  const facts = h("dl", { class: "facts" });
  const path = h("div", { class: "path" });
  const happened = timeline({ most: 30 });
  const rate = sparkline({ label: "What comes from the publisher", shown: (value) => bitrate(value), height: 90, axes: true });
  const watching = sparkline({ label: "Viewers", shown: (value) => count(Math.round(value), "viewer"), height: 90, axes: true });
  const tracks = table({
    caption: "Tracks and renditions", what: "rendition", key: (row) => `${row.track} ${row.codec}`,
    columns: [
      { name: "Rendition", cell: (row) => h("code", {}, name(row.track, 24)) }, { name: "Kind", cell: (row) => row.kind }, { name: "Codec", cell: (row) => name(row.codec, 16) },
      { name: "Size", cell: (row) => (row.height ? `${row.width}×${row.height}` : "–") },
      { name: "Bit rate", number: true, cell: (row) => (row.kbps ? bitrate(row.kbps * 1000) : "–") },
      { name: "Made at", cell: (row) => link(to`/nodes/${row.node}`, row.node, 24) },
    ],
  });
  const viewers = table({
    caption: "Viewers that are worst off", what: "viewer", key: (row) => row.look.mark,
    columns: [
      { name: "Viewer", cell: (row) => (row.join ? link(to`/viewers/${row.join}`, row.who || row.look.mark.slice(0, 8), 28) : h("code", {}, name(row.who || row.look.mark.slice(0, 8), 28))) },
      { name: "Health", cell: (row) => why(row.health, row.look.trouble) },
      { name: "Edge", cell: (row) => link(to`/nodes/${row.node}`, row.node, 24) },
      { name: "Gets", cell: (row) => (row.look.height ? `${row.look.height}p` : row.look.track || "–") },
      { name: "Sent", number: true, cell: (row) => bitrate(row.look.sent_bps) },
      { name: "Loss", number: true, cell: (row) => `${(100 * row.look.loss).toFixed(1)} %` },
      { name: "Round trip", number: true, cell: (row) => (row.look.rtt_ms ? duration(row.look.rtt_ms) : "–") },
    ],
    empty: () => h("p", { class: "quiet" }, "No edge has told of a viewer."),
  });
  const picture = preview(app, stream, { large: true });
  const watch = h("p", { class: "below" }, h("a", { href: `/${encodeURIComponent(app)}/watch.html?id=${encodeURIComponent(stream)}`, target: "_blank", rel: "noopener" }, "Watch the stream"));
  const body = h("div", { hidden: true }, answer,
    h("div", { class: "panel" }, h("h2", {}, "From the publisher to the viewers"), path),
    h("div", { class: "grid below" }, h("div", { class: "panel" }, h("h2", {}, "This stream"), picture.element, facts, watch), h("div", { class: "panel" }, h("h2", {}, "Comes in with"), rate.element, h("h2", {}, "Viewers"), watching.element)),
    h("div", { class: "panel below" }, h("h2", {}, "Renditions"), tracks.element),
    h("div", { class: "grid below" }, h("div", { class: "panel" }, h("h2", {}, "Viewers, the worst off first"), viewers.element), h("div", { class: "panel" }, h("h2", {}, "What happened"), happened.element)));
  const gone = h("div", { hidden: true }, empty("Nobody publishes this stream now", "It is shown here as soon as somebody does.", h("a", { class: "button", href: "#/streams" }, "All streams"), h("a", { class: "button", href: `#/sessions?app=${encodeURIComponent(app)}&stream=${encodeURIComponent(stream)}` }, "Who was there")));
  element.append(state.element, body, gone);
  actions.append(h("a", { class: "button", href: `#/sessions?app=${encodeURIComponent(app)}&stream=${encodeURIComponent(stream)}` }, "All its sessions"));

  let sign = "", drawn = "", pushedAt = 0;
  function showPath(head, rows) {
    const row = head.stream;
    const carriers = [...(rows.carriers?.values() ?? [])];
    const makers = [...new Set([...(rows.tracks?.values() ?? [])].map((one) => one.node))].filter((one) => one !== row.owner);
    const now = JSON.stringify([row.owner, row.kbps, head.silent, makers, carriers]);
    if (now === drawn) return;
    drawn = now;
    const columns = [
      [h("div", { class: `hop source ${head.silent ? "bad" : ""}` }, h("strong", {}, "Publisher"), h("small", {}, head.silent ? "nothing comes" : row.kbps ? bitrate(row.kbps * 1000) : "…"), h("small", {}, `${share(head.packets_lost, head.packets + head.packets_lost)} lost`))],
      [hop("origin", row.owner, to, "origin")],
      ...(makers.length ? [makers.map((one) => hop("transcoder", one, to, "transcoder"))] : []),
    ];
    const levels = new Map();
    for (const one of carriers) {
      const level = Math.max(1, ...(one.feeds ?? []).map((feed) => feed.level ?? 0));
      levels.set(level, [...(levels.get(level) ?? []), one]);
    }
    for (const level of [...levels.keys()].sort((one, other) => one - other)) {
      const edges = levels.get(level);
      columns.push([...edges.slice(0, 12).map((one) => {
        const parents = [...new Set((one.feeds ?? []).map((feed) => feed.parent).filter(Boolean))];
        const lost = (one.feeds ?? []).reduce((sum, feed) => sum + (feed.lost ?? 0), 0), came = (one.feeds ?? []).reduce((sum, feed) => sum + (feed.packets ?? 0), 0);
        const videos = (one.feeds ?? []).map((feed) => feed.track).join(", ");
        return hop(`edge ${one.health ?? "good"}`, one.node, to, count(one.viewers ?? 0, "viewer"), parents.length ? `fed by ${parents.join(", ")}` : "", videos, came ? `${share(lost, came + lost)} lost on the way` : "");
      }), edges.length > 12 ? h("p", { class: "quiet" }, `and ${count(edges.length - 12, "further edge")}`) : ""]);
    }
    if (!carriers.length) columns.push([h("p", { class: "quiet" }, "No edge carries it: nobody watches.")]);
    path.replaceChildren(...columns.flatMap((column, at) => [at ? h("span", { class: "arrow", "aria-hidden": "true" }, "→") : "", h("div", { class: "path-column" }, column)]));
  }

  function update(told, feed) {
    if (!state.show(told, feed)) return;
    const { head, rows } = told;
    gone.hidden = head.found;
    body.hidden = !head.found;
    if (!head.found) return;
    const row = head.stream;
    const mine = JSON.stringify([row, head.troubles, head.backup, head.received_bytes]);
    if (mine !== sign) {
      sign = mine;
      const good = (row.health ?? "good") === "good";
      const reasons = Object.entries(head.troubles).filter(([, many]) => many > 0).sort((one, other) => other[1] - one[1]);
      answer.className = `answer ${good ? "good" : row.health === "bad" ? "bad" : "warn"}`;
      answer.replaceChildren(h("p", { class: "answer-words" }, good ? (row.viewers ? "Its viewers are well." : "It comes in well, and nobody watches.") : sentence(row.trouble)),
        ...reasons.map(([trouble, many]) => h("p", {}, h("strong", {}, `${count(many, "viewer")}, ${plain(trouble)}: `), sentence(trouble))));
      const pair = (term, ...value) => [h("dt", {}, term), h("dd", {}, ...value)];
      facts.replaceChildren(...[
        pair("Health", why(row.health, row.trouble)), row.name ? pair("Called", name(row.name, 120)) : [],
        pair("App", link(to`/apps/${row.app}`, row.app)), pair("Stream", name(row.stream, 80)),
        pair("Viewers", number(row.viewers), row.suffering ? h("span", {}, ", ", h("strong", { class: "tone-bad" }, `${number(row.suffering)} suffer`)) : ""),
        pair("Comes by", name(row.publish_type, 24)), pair("Since", row.started_ms ? ago(row.started_ms) : "–"),
        head.backup ? pair("Shown instead", mark("backup", "warn"), " ", name(head.backup)) : [],
        pair("Lost from the publisher", share(head.packets_lost, head.packets + head.packets_lost), ` of ${count(head.packets, "packet")}`),
        pair("Received", bytes(head.received_bytes)), pair("Epoch", h("code", {}, String(head.epoch))),
      ].flat());
    }
    if (told.atMs - pushedAt >= 1_000) {
      pushedAt = told.atMs;
      rate.push(told.atMs, (row.kbps ?? 0) * 1000);
      watching.push(told.atMs, row.viewers ?? 0);
    }
    showPath(head, rows);
    tracks.update([...(rows.tracks?.values() ?? [])]);
    const rank = { bad: 0, strained: 1, good: 2, undefined: 2 };
    viewers.update([...(rows.watchers?.values() ?? [])].sort((one, other) => rank[one.health] - rank[other.health] || (one.look.mark < other.look.mark ? -1 : 1)));
    happened.show(told.events);
  }

  const feed = live.look({ view: "stream", app, stream }, (told, one) => { if (current()) update(told, one); });
  return { unmount() { feed.close(); picture.close(); rate.destroy(); watching.destroy(); } };
}
