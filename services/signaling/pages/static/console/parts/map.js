// The cluster as a picture: zones as boxes, nodes in columns by what they do, relays as arrows. A node keeps its place
// for as long as it is shown, so nothing jumps around when others come and go.
import cytoscape from "../vendor/cytoscape.js";
import { h } from "./dom.js";
import { count } from "./format.js";

const COLUMNS = { signaling: 0, license: 0, origin: 1, transcoder: 2, edge: 3 };
const WIDE = 168, HIGH = 74, GAP = 70, PER_COLUMN = 8;
const GROUP_WIDE = 216, GROUP_HIGH = 104;
const ORDER = new Intl.Collator(undefined, { numeric: true });
const MOVE_MS = 5_000, NARROW = 560, MOST_DROPPED = 200;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const tone = (health) => ({ bad: "--bad", strained: "--warn", good: "--good" }[health ?? "good"] ?? "--quiet");
const short = (text, most = 18) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function style() {
  const text = colour("--text"), quiet = colour("--quiet"), line = colour("--line"), panel = colour("--panel");
  return [
    { selector: "node", style: { label: "data(label)", color: text, "font-size": 12, "font-family": "system-ui, sans-serif", "text-wrap": "wrap", "text-valign": "center", "text-halign": "center", shape: "round-rectangle", width: 132, height: 46, "background-color": panel, "border-width": 2, "border-color": "data(tone)", "line-height": 1.25 } },
    { selector: "node.zone", style: { "background-color": colour("--sunk"), "background-opacity": .7, "border-width": 1, "border-color": line, "text-valign": "top", "text-halign": "center", "text-margin-y": -6, color: quiet, "font-size": 13, "font-weight": 600, padding: 18 } },
    { selector: "node.bad", style: { "background-color": colour("--bad-soft"), "border-width": 4, color: colour("--bad"), "font-weight": 700 } },
    { selector: "node.strained", style: { "background-color": colour("--warn-soft") } },
    { selector: "node.dead", style: { "border-style": "dashed" } },
    { selector: "node.group", style: { width: 190, height: 74, "font-size": 15 } },
    { selector: "node:selected", style: { "border-color": colour("--accent") } },
    { selector: "edge", style: { width: "data(width)", "line-color": colour("--edge"), "target-arrow-color": colour("--edge"), "target-arrow-shape": "triangle", "arrow-scale": .9, "curve-style": "bezier", opacity: .75, label: "data(label)", "font-size": 10, color: quiet, "text-background-color": panel, "text-background-opacity": .85, "text-background-padding": 2 } },
    { selector: "edge.move", style: { "line-color": colour("--accent"), "target-arrow-color": colour("--accent"), "line-style": "dashed", width: 4, opacity: 1, "curve-style": "unbundled-bezier", "control-point-distances": "data(bend)", "control-point-weights": .5, "font-size": 13, "font-weight": 700, color: colour("--accent"), "text-background-opacity": 1 } },
  ];
}

/** `open(row)`: somebody chose a node, or a zone (`row.kinds`). Returns `{ element, show(state), destroy() }`. */
export function map({ open, height = "min(56vh, 36rem)" }) {
  const place = h("div", { class: "map", style: { height }, role: "img", "aria-label": "The nodes of the cluster, and who feeds whom. The same is listed below." });
  const element = h("div", { class: "map-frame" }, place);
  let cy = null, fitted = "", touched = false, dropped = 0;
  const slots = new Map();
  const rows = new Map();
  const timers = new Set();

  function start() {
    cy = cytoscape({ container: place, style: style(), elements: [], layout: { name: "preset" }, minZoom: .15, maxZoom: 2, boxSelectionEnabled: false, autoungrabify: true });
    cy.on("tap", "node", (event) => { const row = rows.get(event.target.id()); if (row) open(row); });
    cy.on("mouseover", "node", (event) => { place.style.cursor = rows.has(event.target.id()) ? "pointer" : ""; });
    cy.on("mouseout", "node", () => { place.style.cursor = ""; });
    cy.on("pan zoom", (event) => { if (event.originalEvent || cy.userPans) touched = true; });
  }

  // Cytoscape keeps some of what it has drawn of elements that are gone, 4 kB of each. So it begins anew now and then.
  function anew() {
    const seen = { zoom: cy.zoom(), pan: { ...cy.pan() } };
    cy.destroy();
    start();
    cy.viewport(seen);
    dropped = 0;
  }

  // Places by zone and column; a place that became free is given to the next one who comes.
  function slotOf(id, zone, column) {
    const known = slots.get(id);
    if (known && known.zone === zone && known.column === column) return known;
    const taken = new Set([...slots.values()].filter((one) => one.zone === zone && one.column === column).map((one) => one.at));
    let at = 0;
    while (taken.has(at)) at += 1;
    const slot = { zone, column, at };
    slots.set(id, slot);
    return slot;
  }

  // Transcoders stand below the others, so that no arrow from an origin to an edge passes behind one.
  function below(zone) {
    const others = [...slots.values()].filter((one) => one.zone === zone && (one.column === COLUMNS.origin || one.column === COLUMNS.edge));
    return others.length ? Math.min(PER_COLUMN, Math.max(...others.map((one) => one.at + 1))) : 0;
  }

  function positions(zones) {
    const top = new Map();
    let y = 0;
    for (const zone of zones) {
      const inside = [...slots.values()].filter((one) => one.zone === zone);
      const high = Math.max(1, ...inside.map((one) => Math.min(PER_COLUMN, one.at + 1) + (one.column === COLUMNS.transcoder ? below(zone) : 0)));
      top.set(zone, y);
      y += high * HIGH + GAP;
    }
    if (place.clientWidth < NARROW) return stacked(zones);
    return (slot) => ({
      x: (slot.column + Math.floor(slot.at / PER_COLUMN) * .98) * WIDE * 1.25,
      y: top.get(slot.zone) + ((slot.at % PER_COLUMN) + (slot.column === COLUMNS.transcoder ? below(slot.zone) : 0)) * HIGH,
    });
  }

  // On a phone, what does the same stands in rows of two, and the rows below each other.
  function stacked(zones) {
    const starts = new Map();
    let row = 0;
    for (const zone of zones) {
      for (const column of [0, 1, 2, 3]) {
        const inside = [...slots.values()].filter((one) => one.zone === zone && one.column === column);
        starts.set(`${zone}/${column}`, row);
        if (inside.length) row += Math.ceil(Math.max(...inside.map((one) => one.at + 1)) / 2) + .35;
      }
      row += 1;
    }
    return (slot) => ({ x: (slot.at % 2) * WIDE, y: (starts.get(`${slot.zone}/${slot.column}`) + Math.floor(slot.at / 2)) * HIGH });
  }

  // How many zones stand beside each other, so that they are as large as can be.
  function widest(many) {
    const zoom = (across) => Math.min(place.clientWidth / (across * GROUP_WIDE), place.clientHeight / (Math.ceil(many / across) * GROUP_HIGH));
    let best = 1;
    for (let across = 2; across <= Math.min(many, 24); across += 1) if (zoom(across) > zoom(best)) best = across;
    return best;
  }

  function put(id, data, classes, position, parent) {
    const found = cy.getElementById(id);
    if (found.empty()) {
      cy.add({ group: "nodes", data: { id, ...data, ...(parent ? { parent } : {}) }, classes, position });
      return;
    }
    found.data(data);
    if (found.className?.() !== classes) found.classes(classes);
    const now = found.position();
    if (position && (Math.abs(now.x - position.x) > 1 || Math.abs(now.y - position.y) > 1)) found.position(position);
  }

  function show(state) {
    if (!cy) start();
    else if (dropped > MOST_DROPPED) anew();
    const { head, rows: sections } = state;
    const nodes = [...(sections.nodes?.values() ?? [])], groups = [...(sections.groups?.entries() ?? [])];
    const wanted = new Set();
    rows.clear();
    cy.startBatch();
    if (head.grouped) {
      slots.clear();
      groups.sort(([one], [other]) => ORDER.compare(one, other)).forEach(([id, row], at) => {
        rows.set(id, row);
        wanted.add(id);
        const words = `${short(row.zone || row.region || "no zone", 22)}\n${count(row.nodes ?? 0, "node")}${row.troubled ? `, ${row.troubled} not well` : ""}\n${count(row.viewers ?? 0, "viewer")}`;
        const health = row.health ?? "good", across = widest(groups.length);
        put(id, { label: words, tone: colour(tone(health)) }, `group ${health}`, { x: (at % across) * GROUP_WIDE, y: Math.floor(at / across) * GROUP_HIGH });
      });
    } else {
      const zoneOf = (row) => `zone:${row.region ?? ""}|${row.zone ?? ""}`;
      const zones = [...new Set(nodes.map(zoneOf))].sort();
      for (const id of slots.keys()) if (!sections.nodes?.has(id)) slots.delete(id);
      const ordered = [...nodes].sort((one, other) => (one.id < other.id ? -1 : 1));
      for (const row of ordered) slotOf(row.id, zoneOf(row), COLUMNS[row.kind] ?? 0);
      const where = positions(zones);
      for (const zone of zones) {
        wanted.add(zone);
        const [region, name] = zone.slice(5).split("|");
        put(zone, { label: short([region, name].filter(Boolean).join(" · ") || "all in one place", 40), tone: colour("--line") }, "zone");
      }
      for (const row of ordered) {
        rows.set(row.id, row);
        wanted.add(row.id);
        const health = row.health ?? "good";
        const second = row.state !== "ready" ? row.state.replace("_", " ") : row.kind === "edge" ? count(row.viewers ?? 0, "viewer")
          : row.kind === "origin" ? count(row.streams ?? 0, "stream") : row.kind === "transcoder" ? count(row.encoders ?? 0, "encoder") : row.kind;
        put(row.id, { label: `${short(row.id)}\n${second}`, tone: colour(tone(health)) }, `${health} ${row.state}`, where(slots.get(row.id)), zoneOf(row));
      }
    }
    for (const [id, row] of sections.links?.entries() ?? []) {
      if (!wanted.has(row.parent) || !wanted.has(row.child) || row.parent === row.child) continue;
      const key = `link:${id}`;
      wanted.add(key);
      const data = { label: `${row.streams}`, width: Math.min(7, 1.5 + Math.log2(1 + row.tracks)) };
      const found = cy.getElementById(key);
      if (found.empty()) cy.add({ group: "edges", data: { id: key, source: row.parent, target: row.child, ...data } });
      else found.data(data);
    }
    cy.elements().forEach((one) => { if (!wanted.has(one.id()) && !one.hasClass("move")) { one.remove(); dropped += 1; } });
    cy.endBatch();
    for (const move of state.moves) moved(move);
    fit([...wanted].filter((id) => !id.startsWith("link:")).sort().join());
  }

  function fit(shape) {
    if (shape === fitted && cy.width() === fit.width) return;
    if (touched && fitted) { fitted = shape; return; }
    fitted = shape;
    fit.width = cy.width();
    cy.resize();
    cy.fit(undefined, 26);
    if (cy.zoom() > 1.15) { cy.zoom(1.15); cy.center(); }
  }

  function moved({ left, to, viewers }) {
    if (!cy || cy.getElementById(left).empty() || cy.getElementById(to).empty() || left === to) return;
    const id = `move:${left}>${to}`;
    const found = cy.getElementById(id);
    const total = viewers + (found.empty() ? 0 : found.data("viewers"));
    if (found.empty()) cy.add({ group: "edges", data: { id, source: left, target: to, viewers: total, label: count(total, "viewer"), width: 4, bend: bendOf(left, to) }, classes: "move" });
    else found.data({ viewers: total, label: count(total, "viewer") });
    const timer = setTimeout(() => { timers.delete(timer); cy?.getElementById(id).remove(); dropped += 1; }, MOVE_MS);
    timers.add(timer);
  }

  // Beside the column, so that the arrow passes behind no other node.
  function bendOf(left, to) {
    const from = cy.getElementById(left).position(), end = cy.getElementById(to).position();
    return Math.abs(from.x - end.x) > WIDE ? 50 : from.y < end.y ? -130 : 130;
  }

  const resized = new ResizeObserver(() => { if (cy) { cy.resize(); touched = false; fit.width = -1; fit(fitted); } });
  resized.observe(place);
  const repaint = () => { cy?.style(style()); };
  document.addEventListener("rillcast:theme", repaint);

  return {
    element,
    show,
    /** For tests: where each node stands, and what is drawn of it. */
    drawn: () => Object.fromEntries((cy?.nodes() ?? []).map((one) => [one.id(), { ...one.position(), classes: one.classes() }])),
    destroy() {
      resized.disconnect();
      document.removeEventListener("rillcast:theme", repaint);
      for (const timer of timers) clearTimeout(timer);
      cy?.destroy();
      cy = null;
    },
  };
}
