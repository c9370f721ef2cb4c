// One app: all its settings with their meanings, looked for by words, and saved together.
import { h, name } from "../parts/dom.js";
import { loading, problem } from "../parts/empty.js";
import { select } from "../parts/form.js";
import { count } from "../parts/format.js";
import { setting } from "../parts/setting.js";
import { toast } from "../parts/toast.js";

/** What was changed and not saved, by app: it outlives the view, and a session that ends. */
const drafts = new Map();
const EFFECTS = ["acts", "stored", "refused", "told"];
const SHOWN = [["", "All settings"], ["changed", "Changed ones"], ["acts", "Those that act"], ["stored", "Those that are stored"], ["refused", "Those that are refused"]];

export const title = (params) => name(params.app, 64);

/** The keys that a refusal names, each with what is wrong. */
export function faultsOf(raw, known) {
  const found = new Map();
  for (const part of raw.split(/;\s+|\n/)) {
    const [, keys, words] = part.match(/^\s*(\w+(?:, \w+)*):\s*(.+)$/s) ?? [];
    for (const key of keys?.split(", ") ?? []) if (known.has(key)) found.set(key, words);
  }
  return found;
}

export function mount(element, { params, query, api, me, to, actions, current, setQuery }) {
  const { app } = params;
  const draft = drafts.get(app) ?? drafts.set(app, new Map()).get(app);
  const wrong = new Map(), parts = new Map();
  const editable = me.setsApp(app);
  let words = [], values = {};

  const search = h("input", { type: "search", maxlength: "255", placeholder: "Search settings", "aria-label": "Search settings", autocomplete: "off", spellcheck: "false", value: query.q ?? "", oninput: filter });
  const which = select(SHOWN, query.show ?? "", { "aria-label": "Which settings", onchange: filter });
  const shown = h("p", { class: "shown", role: "status", "aria-live": "polite" });
  const list = h("ul", { class: "settings" });
  const fault = h("div");
  const save = h("button", { class: "primary", type: "button", onclick: store }, "Save");
  const discard = h("button", { type: "button", onclick: () => { draft.clear(); wrong.clear(); fault.replaceChildren(); fill(); } }, "Discard");
  const summary = h("span", { role: "status", "aria-live": "polite" });
  const bar = h("div", { class: "save-bar", hidden: true }, summary, discard, save);

  function filter() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const one of words) {
      const part = parts.get(one.key);
      const text = `${one.key} ${one.meaning}`.toLowerCase();
      const fits = wanted.every((word) => text.includes(word)) &&
        (which.value === "" || (which.value === "changed" ? part.unlike || draft.has(one.key) : one.effect === which.value));
      part.element.hidden = !fits;
      seen += fits;
    }
    shown.textContent = seen ? count(seen, "setting") : "No setting fits. Search for another word, or show all settings.";
    setQuery({ q: search.value.trim(), show: which.value });
  }

  function tell() {
    bar.hidden = !editable || (!draft.size && !wrong.size);
    summary.textContent = wrong.size ? `${count(wrong.size, "value")} cannot be saved yet` : count(draft.size, "change");
    save.disabled = Boolean(wrong.size) || !draft.size;
  }

  function fill() {
    parts.clear();
    for (const one of words) {
      parts.set(one.key, setting({
        words: one, value: values[one.key], draft: draft.get(one.key), editable,
        changed(value, fault) {
          if (fault) wrong.set(one.key, fault); else wrong.delete(one.key);
          if (value === undefined) draft.delete(one.key); else draft.set(one.key, value);
          tell();
        },
      }));
    }
    const first = ({ key, effect }) => (parts.get(key).unlike || draft.has(key) ? 0 : 1 + EFFECTS.indexOf(effect));
    words = [...words].sort((one, other) => first(one) - first(other) || one.key.localeCompare(other.key));
    list.replaceChildren(...words.map((one) => parts.get(one.key).element));
    filter();
    tell();
  }

  async function store() {
    save.disabled = true;
    fault.replaceChildren();
    const keys = [...draft.keys()];
    try {
      api.done(await api.post(api.path`/rest/v2/applications/settings/${app}`, Object.fromEntries(draft)));
      draft.clear();
      toast(`Saved: ${keys.join(", ")}.`);
      await load();
    } catch (error) {
      const found = faultsOf(error.raw ?? "", parts);
      for (const [key, text] of found) {
        const part = parts.get(key);
        part.element.hidden = false;
        part.say(`Refused: ${text}`);
      }
      fault.replaceChildren(problem(found.size ? `Nothing was saved. ${error.message}` : error.message));
      const [first] = found.keys();
      if (first) parts.get(first).focus();
      tell();
    }
  }

  function nothing() {
    element.replaceChildren(problem("There is no app of this name."), h("p", {}, h("a", { href: to`/apps` }, "All apps")));
  }

  async function load() {
    try {
      const [all, present] = await Promise.all([api.get("/rillcast/v1/app-settings"), api.get(api.path`/rillcast/v1/apps/${app}/settings`)]);
      if (!current()) return;
      if (!present) return nothing();
      words = all;
      values = present;
      state.replaceChildren();
      fill();
    } catch (error) {
      if (!current()) return;
      if (error.status === 404) nothing();
      else state.replaceChildren(problem(error.message, load));
    }
  }

  const leaving = (event) => { if (draft.size) event.preventDefault(); };
  addEventListener("beforeunload", leaving);
  const state = h("div", {}, loading());
  if (me.operatesApp(app)) actions.append(h("a", { class: "button", href: `${to`/tokens`}?app=${encodeURIComponent(app)}` }, "Tokens"));
  element.append(
    h("p", { class: "lead" }, editable ? "Changes act at once, at all nodes. What is refused names its reason." : "Your role lets you look at the settings, and not change them."),
    h("div", { class: "table-head" }, search, which, shown), state, fault, h("section", { class: "panel", "aria-label": "Settings" }, list), bar);
  void load();
  return {
    update() { if (!draft.size && !wrong.size) void load(); },
    unmount() { removeEventListener("beforeunload", leaving); },
  };
}
