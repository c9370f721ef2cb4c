// The license of the cluster: seats, its end, and what was used.
import { copyButton } from "../parts/copy.js";
import { h, mark, name } from "../parts/dom.js";
import { empty, loading, problem } from "../parts/empty.js";
import { day, duration, number } from "../parts/format.js";
import { table } from "../parts/table.js";

export const title = "License";

const STATES = {
  valid: ["valid", "good", "Everything runs."],
  grace: ["in grace", "warn", "It has ended and is honoured for a while. Install another one before the grace ends."],
  expired: ["expired", "bad", "New publishes and plays are refused until another one is installed. What runs goes on."],
  not_yet_valid: ["not yet valid", "bad", "It begins later."],
  invalid: ["invalid", "bad", "It is not honoured."],
};
const SOON_MS = 30 * 86_400_000;

const total = (hours) => Object.values(hours ?? {}).reduce((sum, one) => sum + one, 0);

function bar(kind, used, most) {
  const text = most ? `${number(used)} of ${number(most)}` : number(used);
  const share = most ? Math.min(1, used / most) : 0;
  const gauge = most ? h("span", { class: `gauge ${share >= 1 ? "bad" : share > 0.85 ? "warn" : ""}`, "aria-hidden": "true" }, h("span", { style: { width: `${share * 100}%` } })) : h("span");
  return h("div", { class: "seat" }, h("span", {}, kind), gauge, h("span", { class: "number" }, text));
}

export function mount(element, { api, current }) {
  const top = h("div", {}, loading()), below = h("div");
  const days = table({
    caption: "Node-hours by day", what: "day", key: (row) => `${row.day} ${row.license_id}`, sort: { by: 0, down: true }, page: 31,
    columns: [
      { name: "Day", value: (row) => row.day, cell: (row) => row.day },
      { name: "License", cell: (row) => name(row.license_id, 24) },
      { name: "Node-hours", number: true, value: (row) => total(row.node_hours), cell: (row) => total(row.node_hours).toFixed(1) },
      { name: "Most nodes at once", number: true, value: (row) => total(row.peak), cell: (row) => number(total(row.peak)) },
    ],
    empty: () => empty("No day was counted yet", "Node-hours are counted from the first start on."),
  });

  function show(license) {
    if (!license) {
      top.replaceChildren(empty("No license service answers", "Media that runs goes on. Start a license service, or look at its log; nodes go on for their grace meanwhile."));
      return;
    }
    const [words, kind, meaning] = STATES[license.state] ?? [license.state, "warn", ""];
    const end = license.not_after_s === null ? null : license.not_after_s * 1000;
    const stops = end === null ? null : end + license.grace_s * 1000;
    const left = end === null ? null : end - Date.now();
    const used = total(license.used_by_kind);
    const facts = [
      ["State", h("span", {}, mark(words, kind), " ", license.reason || meaning)],
      ["Licensee", name(license.licensee, 80)], ["License", name(license.license_id, 64)], ["Cluster", h("code", {}, license.cluster || "–")],
      ["Begins", day(license.not_before_s * 1000)],
      ["Ends", end === null ? "never" : h("span", {}, day(end), left > 0 ? `, in ${duration(left)}` : `, ${duration(-left)} ago`, left > 0 && left < SOON_MS && [" ", mark("soon", "warn")])],
      ["Publishing and playing stop", stops === null ? "never" : day(stops)],
      ["Grace", duration(license.grace_s * 1000)], ["Features", license.features.length ? license.features.join(", ") : "none beyond the product"],
      ["Used so far", `${license.node_hours.toFixed(1)} node-hours`], ["Answered by", name(license.answered_by)],
    ];
    const kinds = [...new Set([...Object.keys(license.used_by_kind), ...Object.keys(license.limits_by_kind)])].sort();
    top.replaceChildren(h("div", { class: "grid" },
      h("section", { class: "panel", "aria-labelledby": "seats" }, h("h2", { id: "seats" }, "Seats"),
        bar("all", used, license.limit_total), kinds.map((one) => bar(one, license.used_by_kind[one] ?? 0, license.limits_by_kind[one] ?? 0)),
        h("p", { class: "hint" }, used >= license.limit_total ? "No seat is left: the next node waits until one is free." : `${number(license.limit_total - used)} more nodes can start.`)),
      h("section", { class: "panel", "aria-labelledby": "terms" }, h("h2", { id: "terms" }, license.community ? "Community license" : "License"),
        h("dl", { class: "facts" }, facts.flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, value)])))));
  }

  async function load() {
    try {
      const license = await api.get("/rillcast/v1/license");
      if (!current()) return;
      show(license);
    } catch (error) {
      if (current()) top.replaceChildren(problem(error.message, load));
      return;
    }
    try {
      const usage = await api.get("/rillcast/v1/license/usage");
      if (!current()) return;
      days.update(usage.report.days);
      below.replaceChildren(h("section", { class: "panel", "aria-labelledby": "usage" },
        h("div", { class: "table-head" }, h("h2", { id: "usage" }, "Usage"), copyButton(usage.signed, "the signed usage report", "Copy the signed report")), days.element));
    } catch (error) {
      if (current()) below.replaceChildren(problem(error.message, load));
    }
  }

  element.append(h("div", { class: "stack" }, top, below));
  void load();
  return { update: load, unmount() {} };
}
