// The apps of the cluster.
import { confirm, dialog } from "../parts/dialog.js";
import { h, link, mark } from "../parts/dom.js";
import { empty, loading, problem } from "../parts/empty.js";
import { check, field, form } from "../parts/form.js";
import { number } from "../parts/format.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toast.js";

export const title = "Apps";

const door = (open) => (open ? mark("everybody", "warn") : mark("with a token", "good"));

export function mount(element, { api, me, to, go, actions, current }) {
  const state = h("div", {}, loading());
  const open = h("p", { class: "caution", hidden: true });
  const list = table({
    caption: "Apps", what: "app", key: (row) => row.app, filter: (row) => row.app, sort: { by: 0 },
    sign: (row) => JSON.stringify(row),
    columns: [
      { name: "App", value: (row) => row.app, cell: (row) => link(to`/apps/${row.app}`, row.app) },
      ...(me.cluster ? [
        { name: "Who may publish", value: (row) => row.openTo.includes("publish"), cell: (row) => door(row.openTo.includes("publish")) },
        { name: "Who may play", value: (row) => row.openTo.includes("play"), cell: (row) => door(row.openTo.includes("play")) },
        { name: "Streams", number: true, value: (row) => row.streams, cell: (row) => number(row.streams) },
        { name: "Viewers", number: true, value: (row) => row.viewers, cell: (row) => number(row.viewers) },
      ] : [{ name: "Your role", cell: (row) => me.roles[row.app] ?? "" }]),
      { name: "Actions", unseen: true, cell: (row) => h("div", { class: "row end" },
        me.operatesApp(row.app) && h("a", { class: "button small", href: `${to`/tokens`}?app=${encodeURIComponent(row.app)}` }, "Tokens"),
        me.admin && h("button", { type: "button", class: "small", "aria-label": `Delete the app ${row.app}`, onclick: () => remove(row) }, "Delete")) },
    ],
    empty: () => empty("There is no app yet", "An app is a room for streams with settings of its own.",
      me.admin && h("button", { type: "button", class: "primary", onclick: create }, "Create an app")),
  });

  async function load() {
    try {
      const rows = me.cluster ? await api.get("/rillcast/v1/apps") : me.apps.map((app) => ({ app, openTo: [] }));
      if (!current()) return;
      state.replaceChildren();
      list.update(rows);
      const names = rows.filter((row) => row.openTo.length).map((row) => row.app);
      open.hidden = !names.length;
      open.textContent = `Open to everybody: ${names.join(", ")}. Anybody may publish or play there until the app asks for a token.`;
    } catch (error) {
      if (current()) state.replaceChildren(problem(error.message, load));
    }
  }

  async function create() {
    const name = h("input", { type: "text", required: true, maxlength: "64", pattern: "[A-Za-z0-9_\\-]+", autocomplete: "off", spellcheck: "false", autofocus: true });
    const made = await dialog("Create an app", (body, close) => body.append(form("Create", async () => {
      api.done(await api.post(api.path`/rest/v2/applications/${name.value}`));
      close(name.value);
    }, field("Name", name, "Letters, digits, hyphens and underscores; at most 64 characters."))));
    if (!made) return;
    toast(`The app ${made} is there.`);
    go(to`/apps/${made}`);
  }

  async function remove({ app, streams }) {
    const records = check("Delete its broadcasts, tokens and subscribers as well", true, "Otherwise the next app of this name has them.");
    const done = await confirm({
      title: "Delete the app?", button: "Delete", typed: app,
      words: [streams ? `Its ${streams} live streams end at once, and nobody can come in any more.` : "Nobody can come in any more.", records.element],
      act: async () => api.done(await api.del(api.path`/rest/v2/applications/${app}`, { query: { deleteDB: records.box.checked } })),
    });
    if (!done) return;
    toast(`The app ${app} is deleted.`);
    await load();
  }

  if (me.admin) actions.append(h("button", { type: "button", class: "primary", onclick: create }, "Create an app"));
  element.append(open, state, h("section", { class: "panel" }, list.element));
  void load();
  return { update: load, unmount() {} };
}
