// Whatever has these words in its name: streams, sessions, nodes, apps and users.
import { h, link, mark } from "../parts/dom.js";
import { empty, loading, problem } from "../parts/empty.js";
import { time } from "../parts/format.js";
import { sessionState } from "../parts/reasons.js";

export const title = "Search";

const MOST = 20;
const MOST_APPS = 25;

export function mount(element, { query, api, me, to, setTitle, current }) {
  const words = (query.q ?? "").trim();
  const has = (...texts) => texts.some((text) => String(text ?? "").toLowerCase().includes(words.toLowerCase()));
  const found = h("div", { class: "stack" });
  const state = h("p", { class: "shown", role: "status", "aria-live": "polite" });

  const about = {
    async Streams() {
      const rows = await api.get("/rest/v2/applications").catch(() => ({ applications: me.apps }));
      const lists = await Promise.all(rows.applications.filter((app) => me.seesApp(app)).slice(0, MOST_APPS).map(async (app) => {
        const some = await api.get(api.path`/${app}/rest/v2/broadcasts/list/0/${MOST}`, { query: { search: words } }).catch(() => []);
        return some.map((one) => ({ app, ...one }));
      }));
      return lists.flat().map((one) => h("li", {}, link(to`/streams/${one.app}/${one.streamId}`, `${one.app}/${one.streamId}`, 64),
        one.status === "broadcasting" ? mark("live", "good") : mark("not live"),
        me.operatesApp(one.app) && h("a", { class: "quiet", href: `${to`/tokens`}?app=${encodeURIComponent(one.app)}&stream=${encodeURIComponent(one.streamId)}` }, "Tokens")));
    },
    async Sessions() {
      if (!me.cluster) return [];
      const lists = await Promise.all(["who", "stream", "node"].map((key) => api.get("/rillcast/v1/sessions", { query: { [key]: words, size: MOST } })));
      const seen = new Map(lists.flat().map((one) => [one.id, one]));
      return [...seen.values()].map((one) => h("li", {}, time(one.askedMs ?? one.endedMs), link(to`/viewers/${one.id}`, one.who || one.address || "somebody", 40),
        h("span", { class: "quiet" }, `${one.role === "publish" ? "published" : "watched"} ${one.app}/${one.stream}`), mark(...sessionState(one.state))));
    },
    async Nodes() {
      if (!me.cluster) return [];
      const nodes = await api.get("/rillcast/v1/nodes");
      return nodes.filter((one) => has(one.node, one.kind, one.region, one.zone, one.address, one.note)).map((one) =>
        h("li", {}, link(to`/nodes/${one.node}`, one.node), h("span", { class: "quiet" }, one.kind), mark(one.state, one.state === "ready" ? "good" : "warn")));
    },
    async Apps() {
      const names = me.cluster ? (await api.get("/rest/v2/applications")).applications : me.apps;
      return names.filter((app) => has(app)).map((app) => h("li", {}, link(to`/apps/${app}`, app)));
    },
    async Settings() {
      const all = await api.get("/rillcast/v1/app-settings");
      const fits = all.filter((one) => has(one.key));
      return fits.length ? [h("li", {}, `${fits.slice(0, 4).map((one) => one.key).join(", ")}${fits.length > 4 ? " …" : ""} — open an app to see and change it.`, h("a", { href: to`/apps` }, "Apps"))] : [];
    },
    async Users() {
      if (!me.cluster) return [];
      const users = await api.get("/rest/v2/user-list");
      return users.filter((one) => has(one.email, one.fullName, one.firstName, one.lastName)).map((one) => h("li", {}, link(to`/users`, one.email)));
    },
  };

  async function load() {
    if (!words) {
      found.replaceChildren(empty("Type what you look for", "Names of streams, subscribers, nodes, apps and users; a part of a name is enough, but for subscribers."));
      return;
    }
    setTitle(`Search: ${words}`);
    found.replaceChildren(loading("Looking…"));
    const parts = await Promise.all(Object.entries(about).map(async ([what, look]) => {
      try {
        const rows = await look();
        return { what, rows: rows.slice(0, MOST), more: rows.length > MOST };
      } catch (error) {
        return { what, rows: [], fault: error.message };
      }
    }));
    if (!current()) return;
    const shown = parts.filter((part) => part.rows.length || part.fault);
    state.textContent = shown.length ? `Found among ${shown.map((part) => part.what.toLowerCase()).join(", ")}.` : "";
    found.replaceChildren(...shown.map((part, at) => h("section", { class: "panel", "aria-labelledby": `found-${at}` },
      h("h2", { id: `found-${at}` }, part.what), part.fault ? problem(part.fault) : h("ul", { class: "found" }, part.rows),
      part.more && h("p", { class: "hint" }, `Only ${MOST} are shown. Type more of the name.`))));
    if (!shown.length) found.replaceChildren(empty("Nothing has this in its name", "Try a part of the name. Sessions are found by the whole name of a subscriber, a stream or a node."));
  }

  element.append(state, found);
  void load();
  return { unmount() {} };
}
