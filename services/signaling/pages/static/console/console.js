// The console's frame: who is signed in, which view is shown, the navigation, the search box and the keys.
import { api, onApi, SILENT } from "./api.js";
import { live } from "./live.js";
import { shortcuts } from "./keys.js";
import { nav } from "./nav.js";
import { h } from "./parts/dom.js";
import { loading, problem } from "./parts/empty.js";
import { ROUTES, asQuery, routeOf, to } from "./routes.js";
import { rightsOf } from "./rights.js";
import { door } from "./sign-in.js";
import { account, themeSwitch } from "./top.js";

const PROBE_MS = [1_000, 2_000, 4_000, 8_000];
const find = (id) => document.getElementById(id);
const page = { me: rightsOf(null), signedIn: false, shown: null, generation: 0, silentSince: 0, probes: 0, cameFrom: null, unloaded: new Map() };

function place(name) {
  document.body.dataset.place = name;
  find("door").hidden = name !== "door";
  find("inside").hidden = name !== "inside";
  for (const id of ["search", "who", "nav", "menu"]) find(id).hidden = name !== "inside";
}

/** Goes to an address such as `/nodes/edge-1`. With `replace`, the way back leads past it. */
export function go(where, { replace = false } = {}) {
  const address = `#${where.replace(/^#/, "")}`;
  if (!replace) { location.hash = address; return; }
  history.replaceState(null, "", address);
  void show();
}

function say(title) {
  find("title").replaceChildren(title instanceof Node ? title : document.createTextNode(title));
  document.title = `${find("title").textContent} · Rillcast`;
}

function allowed(route) {
  if (route.look === "cluster") return page.me.cluster;
  return route.look !== "admin" || page.me.admin;
}

function unmount() {
  const shown = page.shown;
  page.shown = null;
  try { shown?.unmount?.(); } catch (error) { console.error(error); }
}

/** Shows the view of the present address. `focus`: whether its heading is focused, so that it is read out. */
async function show({ focus = true } = {}) {
  if (!page.signedIn) return;
  const address = decodeHash();
  const found = routeOf(address);
  const mine = ++page.generation;
  page.cameFrom = document.activeElement;
  unmount();
  find("actions").replaceChildren();
  const view = h("div");
  find("view").replaceChildren(view);
  menu.mark(found?.route);
  if (!found) return nowhere(view, focus);
  if (!allowed(found.route)) {
    if (found.route.at === "/" && page.me.apps.length) return go("/apps", { replace: true });
    say(found.route.name ?? "Not for you");
    view.append(problem("Your role does not let you look at this. An administrator of the server can change that."));
    return headed(focus);
  }
  say(found.route.name ?? "…");
  view.append(loading());
  try {
    const module = await load(found.route.view);
    if (mine !== page.generation) return;
    say(typeof module.title === "function" ? module.title(found.params) : module.title);
    view.replaceChildren();
    const handle = module.mount(view, context(found, mine));
    page.shown = handle ?? null;
    headed(focus);
  } catch (error) {
    if (mine !== page.generation) return;
    if (error.status === 0) {
      view.replaceChildren(problem(error.message, () => show()));
      return headed(focus);
    }
    console.error(error);
    view.replaceChildren(problem("This view could not be shown. Load the page again; if that does not help, the browser's console says more.", () => show()));
    headed(focus);
  }
}

/** The module of a view. Browsers may remember that it could not be had, so it is asked for by another address then.
 * Throws `ApiError` while the server does not answer. */
async function load(view) {
  const again = page.unloaded.get(view) ?? 0;
  try {
    return await import(`./views/${view}.js${again ? `?again=${again}` : ""}`);
  } catch (error) {
    page.unloaded.set(view, again + 1);
    await api.get("/rest/v2/authentication-status");
    throw error;
  }
}

/** Focuses the heading, unless somebody has gone elsewhere while the view was loaded. */
function headed(focus) {
  const at = document.activeElement;
  if (!focus || (at !== page.cameFrom && at !== document.body && at?.isConnected)) return;
  scrollTo(0, 0);
  find("title").focus({ preventScroll: true });
}

function nowhere(view, focus) {
  say("There is no such page");
  view.append(problem("The address leads nowhere."), h("p", {}, h("a", { href: to`/` }, "Go to the overview")));
  headed(focus);
}

function decodeHash() {
  return location.hash.replace(/^#/, "") || "/";
}

/** What views get. Nothing in it does anything once another view is shown. */
function context(found, generation) {
  const current = () => generation === page.generation;
  return {
    params: found.params,
    query: found.query,
    api, live, go, to,
    me: page.me,
    actions: find("actions"),
    setTitle: (title) => { if (current()) say(title); },
    /** Writes what is looked for into the address, without showing the view anew. */
    setQuery: (query) => { if (current()) history.replaceState(null, "", `#${found.where}${asQuery(query)}`); },
    /** Shows the view anew. */
    again: () => { if (current()) void show({ focus: false }); },
    /** Whether this view is still the one that is shown. */
    current,
  };
}

async function enter({ focus = true } = {}) {
  page.me = rightsOf(await api.get("/rillcast/v1/me"));
  page.signedIn = true;
  menu.show(ROUTES.filter(allowed));
  account(find("who"), page.me, leave);
  place("inside");
  if (page.me.cluster) live.start?.();
  await show({ focus });
}

function out(words) {
  if (document.body.dataset.place === "door") return;
  page.signedIn = false;
  page.generation += 1;
  live.stop?.();
  unmount();
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  find("view").replaceChildren();
  find("actions").replaceChildren();
  find("who").replaceChildren();
  menu.close();
  place("door");
  document.title = "Sign in · Rillcast";
  entrance.show(words);
}

async function leave() {
  await api.del("/rest/v2/users/logout").catch((error) => { if (error.status === 0) throw error; });
  history.replaceState(null, "", "#/");
  out("You have signed out.");
}

// Nothing is asked again and again while the server answers; while it does not, this asks until it does.
async function probe() {
  await new Promise((resolve) => setTimeout(resolve, PROBE_MS[Math.min(page.probes++, PROBE_MS.length - 1)]));
  if (!page.silentSince) return;
  await api.get("/rest/v2/authentication-status").catch(() => null);
  if (page.silentSince) void probe();
}

function heard({ kind }) {
  if (kind === "signed-out") {
    if (page.signedIn) out("Your session has ended. Sign in again, and you are back where you were.");
  } else if (kind === "silent" && !page.silentSince) {
    page.silentSince = Date.now();
    page.probes = 0;
    const since = new Date().toLocaleTimeString(undefined, { hourCycle: "h23" });
    find("banner").textContent = `${SILENT} What you see is from before ${since}. It is asked again until it does.`;
    void probe();
  } else if (kind === "answered" && page.silentSince) {
    page.silentSince = 0;
    find("banner").textContent = "";
    if (!page.signedIn) void begin();
    else if (document.querySelector("#view .problem")) void show({ focus: false });
    else page.shown?.update?.();
  }
}

async function begin() {
  try {
    const status = await api.get("/rest/v2/authentication-status");
    if (status?.success) return await enter({ focus: false });
    if (document.body.dataset.place !== "door") { place("door"); entrance.show(); }
  } catch (error) {
    if (error.status === 0) return;
    place("door");
    entrance.show(error.message);
  }
}

const menu = nav(find("nav"), find("menu"));
const entrance = door(find("door"), () => enter());
place("starting");
themeSwitch(find("theme"));
shortcuts({ routes: () => (page.signedIn ? ROUTES.filter(allowed) : []), go, help: find("help"), search: find("search-words") });
find("skip").addEventListener("click", (event) => { event.preventDefault(); find("main").focus(); });
find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = find("search-words").value.trim();
  if (words) go(`/search${asQuery({ q: words })}`);
});
onApi(heard);
addEventListener("hashchange", () => { menu.close(); void show(); });
await begin();
