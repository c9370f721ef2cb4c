// Tables that are sorted, filtered and read page by page, and that change in place while the page is open.
import { h, newId, unseen } from "./dom.js";
import { count } from "./format.js";
import { loading, problem } from "./empty.js";

const PAGE = 50;
const ORDER = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compared(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return ORDER.compare(String(one ?? ""), String(other ?? ""));
}

/**
 * A table of rows that are all here.
 *
 * `columns`: `{ name, cell(row), value?(row), number?, first?, unseen? }`. `cell` returns an element or a text; a
 * column with `value` can be sorted by it, and `first: "desc"` says in which order it is sorted first.
 * `key(row)`: the same for the same row, so that a row keeps its place and its focus when it changes.
 * `sign(row)`: a text that is another one when the row looks otherwise; by default all of the row.
 * `filter(row)`: the text in which a word of the filter is looked for; without it there is no filter.
 * `empty`: what is shown when there is no row at all: an element, or a function that makes one.
 *
 * Returns `{ element, update(rows) }`.
 */
export function table({ caption, columns, key, sign = JSON.stringify, filter, empty, sort, page = PAGE, what = "row" }) {
  let rows = [], offset = 0, wanted = "", by = sort?.by ?? -1, down = sort?.down ?? false;
  const kept = new Map();
  const body = h("tbody", { role: "rowgroup" });
  const heads = columns.map((column, at) => {
    const classes = column.number ? "number" : "";
    if (!column.value) {
      return h("th", { scope: "col", role: "columnheader", class: classes }, column.unseen ? unseen(column.name) : column.name);
    }
    return h("th", { scope: "col", role: "columnheader", class: classes },
      h("button", { type: "button", class: "sort", onclick: () => order(at) }, column.name));
  });
  const input = filter && h("input", { type: "search", id: newId("filter"), maxlength: "255", placeholder: "Filter",
    "aria-label": `Filter: ${caption}`, autocomplete: "off", spellcheck: "false",
    oninput: () => { wanted = input.value.trim().toLowerCase(); offset = 0; draw(); } });
  const shown = h("p", { class: "shown", role: "status", "aria-live": "polite" });
  const back = h("button", { type: "button", class: "small", onclick: () => { offset -= page; draw(); } }, "Previous");
  const on = h("button", { type: "button", class: "small", onclick: () => { offset += page; draw(); } }, "Next");
  const pager = h("div", { class: "pager", hidden: true }, back, on);
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { role: "table", "aria-label": caption }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)), body));
  const nothing = h("div", { hidden: true });
  const element = h("div", { class: "table" }, h("div", { class: "table-head" }, input, shown, pager), scroll, nothing);

  function order(at) {
    const first = columns[at].first === "desc" || columns[at].number;
    down = by === at ? !down : Boolean(first);
    by = at;
    offset = 0;
    draw();
  }

  function line(row) {
    const id = String(key(row)), mark = sign(row), old = kept.get(id);
    if (old?.mark === mark) return old.made;
    const cells = columns.map((column) => h("td", { role: "cell", class: column.number ? "number" : "", "data-label": column.unseen ? null : column.name }, column.cell(row)));
    const made = old?.made ?? h("tr", { role: "row" });
    const held = made.contains(document.activeElement) ? [...made.querySelectorAll("a, button")].indexOf(document.activeElement) : -1;
    made.replaceChildren(...cells);
    if (held >= 0) made.querySelectorAll("a, button")[held]?.focus();
    kept.set(id, { made, mark });
    return made;
  }

  function draw() {
    let found = rows;
    if (wanted) found = found.filter((row) => filter(row).toLowerCase().includes(wanted));
    if (by >= 0) {
      const value = columns[by].value;
      found = [...found].sort((one, other) => (down ? -1 : 1) * compared(value(one), value(other)));
    }
    offset = Math.max(0, Math.min(offset, Math.floor(Math.max(0, found.length - 1) / page) * page));
    const part = found.slice(offset, offset + page).map(line);
    const same = body.children.length === part.length && part.every((one, at) => body.children[at] === one);
    if (!same) {
      const held = body.contains(document.activeElement) ? document.activeElement : null;
      body.replaceChildren(...part);
      if (held?.isConnected) held.focus();
    }
    heads.forEach((head, at) => {
      if (at === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const range = found.length > page ? `${offset + 1} to ${offset + part.length} of ` : "";
    const words = wanted && !found.length ? `No ${what} fits the filter.` : `${range}${count(found.length, what)}${wanted ? " that fit the filter" : ""}`;
    if (shown.textContent !== words) shown.textContent = words;
    pager.hidden = found.length <= page;
    back.disabled = offset === 0;
    on.disabled = offset + page >= found.length;
    scroll.hidden = !found.length;
    element.firstChild.hidden = !rows.length;
    nothing.hidden = rows.length > 0;
    if (!rows.length && empty) nothing.replaceChildren(typeof empty === "function" ? empty() : empty.cloneNode(true));
  }

  function update(changed) {
    rows = changed;
    const there = new Set(rows.map((row) => String(key(row))));
    for (const id of kept.keys()) if (!there.has(id)) kept.delete(id);
    draw();
  }

  return { element, update };
}

/**
 * A table of which the server gives one page at a time: `load({ offset, size })` resolves with its rows, and there may
 * be more while a page is full. Takes what `table` takes, but for `filter` and `sort`. Returns `{ element, reload() }`.
 */
export function pagedTable({ load, size = PAGE, ...options }) {
  let offset = 0, generation = 0;
  const inner = table({ ...options, columns: options.columns.map(({ value, ...column }) => column), page: size });
  const state = h("div");
  const back = h("button", { type: "button", class: "small", onclick: () => go(offset - size) }, "Previous");
  const on = h("button", { type: "button", class: "small", onclick: () => go(offset + size) }, "Next");
  const where = h("span", { class: "quiet" });
  const pager = h("div", { class: "pager", hidden: true }, where, back, on);
  const element = h("div", {}, state, inner.element, pager);

  async function go(to) {
    const mine = ++generation;
    if (!inner.element.querySelector("tbody").children.length) state.replaceChildren(loading());
    try {
      const rows = await load({ offset: Math.max(0, to), size });
      if (mine !== generation) return;
      if (!rows.length && to > 0) return await go(to - size);
      offset = Math.max(0, to);
      state.replaceChildren();
      inner.element.hidden = false;
      inner.update(rows);
      pager.hidden = offset === 0 && rows.length < size;
      where.textContent = rows.length ? `${offset + 1} to ${offset + rows.length}` : "";
      back.disabled = offset === 0;
      on.disabled = rows.length < size;
    } catch (error) {
      if (mine !== generation) return;
      inner.element.hidden = true;
      state.replaceChildren(problem(error.message, () => go(to)));
    }
  }

  return { element, reload: (first = false) => go(first ? 0 : offset) };
}
