// Tokens of a stream, and its subscribers.
import { copyButton } from "../parts/copy.js";
import { confirm, dialog } from "../parts/dialog.js";
import { h, mark, name, newId } from "../parts/dom.js";
import { empty, problem } from "../parts/empty.js";
import { field, form, select } from "../parts/form.js";
import { time } from "../parts/format.js";
import { pagedTable } from "../parts/table.js";
import { toast } from "../parts/toast.js";

export const title = "Tokens";

const TYPES = [["play", "Play"], ["publish", "Publish"]];
const KINDS = [["token", "One-time token"], ["jwt-token", "JWT, which cannot be revoked"]];
const LIVES = [["600", "10 minutes"], ["3600", "an hour"], ["86400", "a day"], ["604800", "a week"], ["2592000", "30 days"]];
const BLOCKS = [["600", "10 minutes"], ["3600", "an hour"], ["86400", "a day"], ["31536000", "a year"]];
const TYPING_MS = 350;

function linkOf(app, { streamId, type, tokenId }) {
  const url = new URL(`/${encodeURIComponent(app)}/${type === "publish" ? "publish" : "watch"}.html`, location.origin);
  url.searchParams.set("id", streamId);
  if (tokenId) url.searchParams.set("token", tokenId);
  return url.href;
}

export function mount(element, { query, api, me, to, setQuery, current }) {
  const apps = select([["", "Loading…"]], "", { id: newId("app") });
  const stream = h("input", { type: "text", maxlength: "255", value: query.stream ?? "", spellcheck: "false", autocomplete: "off", list: newId("streams"), placeholder: "stream1" });
  const names = h("datalist", { id: stream.getAttribute("list") });
  const doors = h("div"), body = h("div"), state = h("div");
  let known = [], timer = 0;

  async function start() {
    try {
      const rows = me.cluster ? await api.get("/rillcast/v1/apps") : me.apps.map((app) => ({ app, openTo: [] }));
      if (!current()) return;
      known = rows;
      const usable = rows.filter((row) => me.operatesApp(row.app));
      if (!usable.length) {
        state.replaceChildren(empty("Tokens are not for you", "Your role may look, and a token would let its bearer in. An operator or an administrator makes them."));
        picker.hidden = true;
        return;
      }
      apps.replaceChildren(...usable.map((row) => h("option", { value: row.app }, row.app)));
      apps.value = usable.some((row) => row.app === query.app) ? query.app : usable[0].app;
      state.replaceChildren();
      show();
      void suggest();
    } catch (error) {
      if (current()) state.replaceChildren(problem(error.message, start));
    }
  }

  async function suggest() {
    try {
      const live = await api.get(api.path`/rest/v2/applications/live-streams/${apps.value}`);
      if (current()) names.replaceChildren(...live.slice(0, 200).map((one) => h("option", { value: one.name })));
    } catch { /* They are only suggestions. */ }
  }

  function show() {
    const app = apps.value, id = stream.value.trim();
    setQuery({ app, stream: id });
    const open = known.find((row) => row.app === app)?.openTo ?? [];
    doors.replaceChildren(...(open.length ? [h("p", { class: "caution" },
      `Everybody may ${open.join(" and ")} in this app without a token. `, h("a", { href: `${to`/apps/${app}`}?q=control` }, "Its settings"), " change that.")] : []));
    if (!id) {
      body.replaceChildren(empty("Name a stream", "A token is good for one stream. The stream need not be live, and need not have been."));
      return;
    }
    body.replaceChildren(h("div", { class: "stack" }, links(app, id), tokens(app, id), subscribers(app, id)));
  }

  function links(app, id) {
    const line = (type, words) => {
      const url = linkOf(app, { streamId: id, type });
      return h("div", { class: "copied" }, h("span", {}, words), h("code", { class: "url" }, url), copyButton(url, `the ${type} link`));
    };
    return h("section", { class: "panel", "aria-label": "Links" }, h("h2", {}, "Links"), line("play", "Watch"), line("publish", "Publish"),
      h("p", { class: "hint" }, "Where the app asks for tokens, take the links of the tokens below."));
  }

  function tokens(app, id) {
    const root = api.path`/${app}/rest/v2/broadcasts/${id}`;
    const type = select(TYPES, "play"), kind = select(KINDS, "token"), life = select(LIVES, "3600");
    const made = h("div", { role: "status", "aria-live": "polite" });
    const list = pagedTable({
      caption: "One-time tokens", what: "token", key: (row) => row.tokenId, size: 25,
      load: ({ offset, size }) => api.get(`${root}/tokens/list/${offset}/${size}`),
      columns: [
        { name: "Token", cell: (row) => h("code", {}, name(row.tokenId, 16)) },
        { name: "For", cell: (row) => mark(row.type, row.type === "publish" ? "warn" : "good") },
        { name: "Good until", cell: (row) => h("span", {}, time(row.expireDate * 1000), row.expireDate * 1000 < Date.now() && [" ", mark("expired", "bad")]) },
        { name: "Actions", unseen: true, cell: (row) => h("div", { class: "row end" }, copyButton(row.tokenId, "the token", "Copy token"), copyButton(linkOf(app, row), `the ${row.type} link`, "Copy link")) },
      ],
      empty: () => empty("This stream has no token", "Make one above, and give its link to whoever may come in."),
    });
    const create = form("Make a token", async () => {
      const expireDate = Math.floor(Date.now() / 1000) + Number(life.value);
      const token = await api.get(`${root}/${kind.value}`, { query: { expireDate, type: type.value } });
      const url = linkOf(app, token);
      made.replaceChildren(h("div", { class: "notice" }, h("p", {}, `A token to ${token.type}, good until `, time(token.expireDate * 1000), "."),
        h("div", { class: "copied" }, h("span", {}, "Token"), h("code", { class: "url" }, token.tokenId), copyButton(token.tokenId, "the token")),
        h("div", { class: "copied" }, h("span", {}, "Link"), h("code", { class: "url" }, url), copyButton(url, `the ${token.type} link`))));
      await list.reload(true);
    }, h("div", { class: "fields" }, field("To", type), field("Kind", kind), field("Good for", life)));
    async function revoke() {
      const done = await confirm({ title: "Revoke all tokens?", button: "Revoke", words: "No one-time token of this stream lets anybody in any more. Sessions that used one go on.",
        act: async () => api.done(await api.del(`${root}/tokens`), "There was no token to revoke.") });
      if (done) { toast("The tokens are revoked."); made.replaceChildren(); await list.reload(true); }
    }
    void list.reload(true);
    return h("section", { class: "panel", "aria-labelledby": "tokens" },
      h("div", { class: "table-head" }, h("h2", { id: "tokens" }, "Tokens"), h("button", { type: "button", class: "small push", onclick: revoke }, "Revoke all")), create, made, list.element);
  }

  function subscribers(app, id) {
    const root = api.path`/${app}/rest/v2/broadcasts/${id}`;
    const list = pagedTable({
      caption: "Subscribers of this stream", what: "subscriber", key: (row) => row.subscriberId, size: 25,
      load: ({ offset, size }) => api.get(`${root}/subscribers/list/${offset}/${size}`),
      columns: [
        { name: "Subscriber", cell: (row) => h("span", {}, name(row.subscriberId, 32), row.subscriberName && [" ", h("span", { class: "quiet" }, name(row.subscriberName, 32))]) },
        { name: "May", cell: (row) => row.type ?? "publish and play" },
        { name: "Connections", number: true, cell: (row) => `${row.currentConcurrentConnections} of ${row.concurrentConnectionsLimit < 0 ? "any" : row.concurrentConnectionsLimit}` },
        { name: "State", cell: (row) => (row.blockedUntilUnitTimeStampMs > Date.now() ? h("span", {}, mark("blocked", "bad"), " until ", time(row.blockedUntilUnitTimeStampMs)) : row.connected ? mark("connected", "good") : mark("away")) },
        { name: "Actions", unseen: true, cell: (row) => h("div", { class: "row end" },
          h("a", { class: "button small", href: `${to`/sessions`}?who=${encodeURIComponent(row.subscriberId)}&app=${encodeURIComponent(app)}` }, "Sessions"),
          h("button", { type: "button", class: "small", "aria-label": `Block ${row.subscriberId}`, onclick: () => block(row) }, row.blockedUntilUnitTimeStampMs > Date.now() ? "Unblock" : "Block"),
          h("button", { type: "button", class: "small", "aria-label": `Delete ${row.subscriberId}`, onclick: () => remove(row) }, "Delete")) },
      ],
      empty: () => empty("This stream has no subscriber", "A subscriber is somebody with a name: with a time-based code of its own, a limit of connections, and a history."),
    });
    const ask = (row, more) => api.path`${row.subscriberId}` + more;

    async function add() {
      const sub = h("input", { type: "text", required: true, minlength: "3", maxlength: "255", spellcheck: "false", autocomplete: "off", autofocus: true });
      const full = h("input", { type: "text", maxlength: "255", autocomplete: "off" });
      const secret = h("input", { type: "password", autocomplete: "new-password", spellcheck: "false" });
      const type = select([["", "Publish and play"], ...TYPES], "play");
      const most = h("input", { type: "number", min: "-1", value: "1" });
      const done = await dialog("Add a subscriber", (into, close) => into.append(form("Add", async () => {
        api.done(await api.post(`${root}/subscribers`, { subscriberId: sub.value, ...(full.value ? { subscriberName: full.value } : {}), ...(secret.value ? { b32Secret: secret.value } : {}), ...(type.value ? { type: type.value } : {}), concurrentConnectionsLimit: Number(most.value) }));
        close(true);
      }, field("Id", sub, "At least 3 characters."), field("Name", full), field("Secret in Base32", secret, "For time-based codes; left empty, it has none."), field("May", type), field("Connections at once", most, "-1 for any number."))));
      if (done) { toast("The subscriber is there."); await list.reload(); }
    }

    async function block(row) {
      if (row.blockedUntilUnitTimeStampMs > Date.now()) {
        try {
          api.done(await api.put(`${root}/subscribers/${ask(row, "/block/0/publish_play")}`));
          toast("The block has ended.");
          await list.reload();
        } catch (error) { toast(error.message, "bad"); }
        return;
      }
      const life = select(BLOCKS, "3600"), type = select([["play", "Playing"], ["publish", "Publishing"], ["publish_play", "Both"]], "play");
      const done = await dialog("Block the subscriber", (into, close) => into.append(form("Block", async () => {
        api.done(await api.put(`${root}/subscribers/${ask(row, `/block/${life.value}/${type.value}`)}`));
        close(true);
      }, h("p", {}, name(row.subscriberId, 64), " is thrown out at once."), field("For", life), field("From", type))));
      if (done) { toast("The subscriber is blocked."); await list.reload(); }
    }

    async function remove(row) {
      const done = await confirm({ title: "Delete the subscriber?", button: "Delete", words: [h("p", {}, name(row.subscriberId, 64), " is forgotten. Its sessions go on.")],
        act: async () => api.done(await api.del(`${root}/subscribers/${ask(row, "")}`)) });
      if (done) { toast("The subscriber is deleted."); await list.reload(); }
    }

    void list.reload(true);
    return h("section", { class: "panel", "aria-labelledby": "subscribers" },
      h("div", { class: "table-head" }, h("h2", { id: "subscribers" }, "Subscribers"), h("button", { type: "button", class: "small push", onclick: add }, "Add a subscriber")), list.element);
  }

  const picker = h("form", { class: "panel", "aria-label": "Which stream", onsubmit: (event) => { event.preventDefault(); show(); } },
    h("div", { class: "fields" }, field("App", apps), field("Stream", stream)), names);
  apps.addEventListener("change", () => { show(); void suggest(); });
  stream.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, TYPING_MS); });
  element.append(picker, doors, state, body);
  void start();
  return { unmount() { clearTimeout(timer); } };
}
