// The operators' page: signing in and out, the state of the cluster, and which apps are open to everybody.
import { appFromAddress, linkPages } from "./rillcast.js";

const REFRESH_MS = 3000;
const show = (id, shown) => { document.getElementById(id).hidden = !shown; };
const say = (id, text) => { document.getElementById(id).textContent = text; };

function problem(text) {
  say("problem", text);
  show("problem", Boolean(text));
}

// What a request was answered; throws an Error with the server's sentence.
async function ask(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.startsWith("application/json") && text ? JSON.parse(text) : null;
  const page = text.startsWith("<") ? new DOMParser().parseFromString(text, "text/html").querySelector("p") : null;
  const words = page?.textContent.replace("Message ", "");
  if (!answer.ok) throw Object.assign(new Error(json?.message || words || text || answer.statusText), { status: answer.status });
  return json;
}

function row(...cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const place = document.createElement("td");
    if (typeof cell === "number" || cell.percent !== undefined) place.className = "number";
    place.append(cell instanceof Node ? cell : cell.percent === undefined ? String(cell) : `${cell.percent} %`);
    line.append(place);
  }
  return line;
}

function mark(text, kind) {
  const made = document.createElement("span");
  made.className = `mark ${kind}`;
  made.textContent = text;
  return made;
}

function fill(id, rows, nothing) {
  const empty = row(nothing);
  empty.firstChild.colSpan = 6;
  empty.firstChild.className = "nothing";
  document.getElementById(id).replaceChildren(...(rows.length ? rows : [empty]));
}

function door(app, role) {
  return app.openTo.includes(role) ? mark("everybody", "warn") : mark("with a token", "good");
}

function media(stream) {
  if (stream.backup) return mark(`on backup ${stream.backup}`, "warn");
  return stream.media_flowing ? mark("live", "good") : mark("waiting for media", "warn");
}

function state(report) {
  if (report.draining) return mark("draining", "warn");
  return report.ready ? mark("ready", "good") : mark(report.not_ready_reason || "not ready", "bad");
}

function render(status, apps) {
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const license = status.license ? `license ${status.license.state}` : "no license service answers";
  say("summary", [count(status.nodes.length, "node"), count(status.streams.length, "stream"), count(status.viewers, "viewer"), license].join(" · "));
  const open = apps.filter((app) => app.openTo.length).map((app) => app.app);
  say("open", `Open to everybody: ${open.join(", ")}. Anybody may publish or play there until the app asks for a token.`);
  show("open", open.length > 0);
  fill("apps", apps.map((app) => row(app.app, door(app, "publish"), door(app, "play"), app.streams, app.viewers)), "there is no app");
  fill("streams", status.streams.map((one) => row(`${one.app}/${one.stream}`, media(one), (one.codecs ?? []).join(", "), one.origin, one.viewers)), "no stream is live");
  fill("nodes", status.nodes.map((one) => row(one.info.node, one.info.kind, [one.info.region, one.info.zone].filter(Boolean).join(" ") || "–", state(one), { percent: Math.round((one.load?.cpu ?? 0) * 100) }, one.load?.sessions ?? 0)), "no node is heard of");
}

let timer = 0;

async function refresh() {
  clearTimeout(timer);
  try {
    const [status, apps] = await Promise.all([ask("GET", "/rillcast/v1/status"), ask("GET", "/rillcast/v1/apps")]);
    render(status, apps);
    problem("");
    inside(true);
  } catch (error) {
    if (error.status === 403) return refused(error.message);
    problem(error.status ? error.message : "The server does not answer.");
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

// `all`: whether the cluster may be looked at; if not, only one's own password is there.
function inside(all) {
  const came = document.getElementById("inside").hidden;
  show("cluster", all);
  show("door", false);
  show("inside", true);
  if (came) document.querySelector("#inside h1").focus();
}

// Operators of single apps have signed in all the same.
async function refused(reason) {
  const signedIn = await ask("GET", "/rest/v2/authentication-status").catch(() => null);
  if (!signedIn?.success) return outside(reason);
  say("summary", "");
  problem(reason);
  inside(false);
}

function outside(reason) {
  clearTimeout(timer);
  show("inside", false);
  show("door", true);
  document.getElementById("change").reset();
  say("changed", "");
  problem(reason === "Not authenticated user" ? "" : reason);
  document.getElementById("name").focus();
}

document.getElementById("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  try {
    const result = await ask("POST", "/rest/v2/users/authenticate", Object.fromEntries(new FormData(event.target)));
    if (!result.success) throw new Error(result.message || "The name or the password is wrong.");
    document.getElementById("password").value = "";
    await refresh();
  } catch (error) {
    problem(error.message);
    document.getElementById("password").focus();
  } finally {
    button.disabled = false;
  }
});

document.getElementById("sign-out").addEventListener("click", async () => {
  try {
    await ask("DELETE", "/rest/v2/users/logout");
    outside("Not authenticated user");
  } catch (error) {
    problem(error.message);
  }
});

document.getElementById("change").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  try {
    const result = await ask("POST", "/rest/v2/users/password", Object.fromEntries(new FormData(form)));
    if (!result.success) throw new Error(result.message.startsWith("User not exist") ? "The present password is wrong." : result.message);
    form.reset();
    say("changed", "Changed. Your other sessions have ended.");
  } catch (error) {
    say("changed", error.message);
  }
});

linkPages(appFromAddress());
const signedIn = await ask("GET", "/rest/v2/authentication-status").catch((error) => error);
if (signedIn.success) await refresh();
else outside(signedIn instanceof Error ? signedIn.message : "Not authenticated user");
