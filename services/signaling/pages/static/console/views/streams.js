// All streams, those that suffer first.
import { h, link, name } from "../parts/dom.js";
import { ago, bitrate, number } from "../parts/format.js";
import { empty } from "../parts/empty.js";
import { why } from "../parts/health.js";
import { livePage } from "../parts/live-page.js";
import { preview } from "../parts/preview.js";

export const title = "Streams";

export function mount(element, { live, query, setQuery, to }) {
  const key = (row) => `${row.app}/${row.stream}`;
  const pictures = new Map();
  const picture = (row) => {
    const id = key(row);
    if (!pictures.has(id)) pictures.set(id, preview(row.app, row.stream));
    return pictures.get(id).element;
  };
  const keep = (ids) => {
    for (const [id, one] of pictures) if (!ids.has(id)) { one.close(); pictures.delete(id); }
  };
  const page = livePage({
    live, query, setQuery, view: "streams", section: "streams", what: "stream", caption: "Streams", key,
    listed: (rows) => keep(new Set(rows.map(key))),
    sorts: [["health", "who suffers"], ["viewers", "viewers"], ["started", "newest"], ["name", "name"]],
    choices: { health: { label: "Health", options: [["", "any"], ["bad", "suffers"], ["strained", "strained"], ["good", "well"]] }, ...(query.app ? { app: { label: "App", options: [["", "any"], [query.app, query.app]] } } : {}) },
    columns: [
      { name: "Stream", cell: (row) => h("span", { class: "with-picture" }, picture(row), h("span", { class: "two-lines" }, link(to`/streams/${row.app}/${row.stream}`, row.stream, 44), h("small", { class: "quiet" }, name(row.name ? `${row.app} · ${row.name}` : row.app, 48)))) },
      { name: "Health", cell: (row) => why(row.health, row.trouble) },
      { name: "Viewers", number: true, cell: (row) => number(row.viewers) },
      { name: "Suffering", number: true, cell: (row) => (row.suffering ? h("strong", { class: "tone-bad" }, number(row.suffering)) : "0") },
      { name: "Edges", number: true, cell: (row) => number(row.edges) },
      { name: "Comes in with", number: true, cell: (row) => (row.kbps ? bitrate(row.kbps * 1000) : "–") },
      { name: "Sizes", cell: (row) => (row.heights?.length ? row.heights.map((one) => `${one}p`).join(", ") : "–") },
      { name: "Origin", cell: (row) => (row.owner ? link(to`/nodes/${row.owner}`, row.owner, 24) : "–") },
      { name: "Since", cell: (row) => (row.started_ms ? ago(row.started_ms) : "–") },
    ],
    nothing: (total) => (total ? empty("No stream fits", "Take away part of what is looked for.")
      : empty("Nobody publishes a stream now", "As soon as somebody does, it is shown here.", h("a", { class: "button", href: "/live/publish.html", target: "_blank", rel: "noopener" }, "Publish one from this browser"))),
  });
  element.append(page.element);
  return { unmount() { page.close(); keep(new Set()); } };
}
