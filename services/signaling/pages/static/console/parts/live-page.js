// A list of which the server sorts, filters and pages, and that changes while it is open.
import { h, newId } from "./dom.js";
import { count, number } from "./format.js";
import { line } from "./health.js";
import { table } from "./table.js";

const SIZE = 50, TYPED_MS = 250, LAST = 5_000;

/** `view`: of the feed. `section`: of its rows. `sorts`: `[[word, name]]`. `choices`: `{ name: { label, options } }`.
 * `query`, `setQuery`: as the context has them.
 * `listed(rows)` is called when there may be other rows. Returns `{ element, close() }`. */
export function livePage({ live, view, section, what, columns, key, caption, sorts, choices = {}, query, setQuery, nothing, listed }) {
  const asked = { q: query.q ?? "", sort: query.sort ?? "health", offset: Math.max(0, Math.min(LAST, Number.parseInt(query.offset, 10) || 0)) };
  for (const name of Object.keys(choices)) asked[name] = query[name] ?? "";
  if (!sorts.some(([word]) => word === asked.sort)) asked.sort = "health";
  const state = line();
  const inner = table({ caption, columns, key, page: SIZE, what });
  const input = h("input", { type: "search", maxlength: "255", placeholder: `Find a ${what}`, "aria-label": `Find a ${what}`, value: asked.q, autocomplete: "off", spellcheck: "false" });
  const select = (label, value, options, chosen) => {
    const id = newId("choice");
    const made = h("select", { id, onchange: () => chosen(made.value) }, options.map(([word, name]) => h("option", { value: word }, name)));
    made.value = value;
    return h("span", { class: "choice" }, h("label", { for: id }, label), made);
  };
  const shown = h("p", { class: "shown", role: "status", "aria-live": "polite" });
  const back = h("button", { type: "button", class: "small", onclick: () => turn(-SIZE) }, "Previous");
  const on = h("button", { type: "button", class: "small", onclick: () => turn(SIZE) }, "Next");
  const pager = h("div", { class: "pager" }, back, on);
  const none = h("div", { hidden: true });
  const element = h("div", { class: "panel live-page" }, state.element,
    h("div", { class: "table-head" }, input,
      ...Object.entries(choices).map(([name, { label, options }]) => select(label, asked[name], options, (value) => { asked[name] = value; anew(); })),
      select("Sort by", asked.sort, sorts, (value) => { asked.sort = value; anew(); }), shown, pager),
    inner.element, none);
  let feed = null, typed = 0;

  input.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => { asked.q = input.value.trim(); anew(); }, TYPED_MS);
  });

  function turn(by) { anew(Math.max(0, Math.min(LAST, asked.offset + by))); }

  function anew(offset = 0) {
    asked.offset = offset;
    setQuery({ ...asked, sort: asked.sort === "health" ? "" : asked.sort, offset: offset || "" });
    look();
  }

  function look() {
    feed?.close();
    const wanted = Object.fromEntries(Object.entries({ view, ...asked, size: SIZE }).filter(([, value]) => value !== ""));
    feed = live.look(wanted, update);
  }

  function update(told, line) {
    if (!state.show(told, line)) return;
    const { head, order, rows } = told;
    const list = (order ?? []).map((id) => rows[section]?.get(id)).filter(Boolean);
    listed?.(list);
    inner.update(list);
    inner.element.hidden = !list.length;
    const range = head.matched > SIZE ? `${head.offset + 1} to ${head.offset + list.length} of ` : "";
    const every = told.everyMs > 1_000 ? `, looked at every ${Math.round(told.everyMs / 1000)} s` : "";
    const words = head.matched === head.total ? `${range}${count(head.total, what)}${every}` : `${range}${number(head.matched)} of ${count(head.total, what)}${every}`;
    if (shown.textContent !== words) shown.textContent = words;
    back.disabled = asked.offset === 0;
    on.disabled = head.offset + list.length >= head.matched || asked.offset >= LAST;
    pager.hidden = back.disabled && on.disabled;
    none.hidden = list.length > 0;
    if (!list.length) none.replaceChildren(nothing(head.total));
  }

  look();
  return { element, close() { clearTimeout(typed); feed?.close(); } };
}
