// One's own account, and those of the others.
import { confirm, dialog } from "../parts/dialog.js";
import { h, mark, name } from "../parts/dom.js";
import { loading, problem } from "../parts/empty.js";
import { field, form, select } from "../parts/form.js";
import { count, time } from "../parts/format.js";
import { table } from "../parts/table.js";
import { toast } from "../parts/toast.js";

export const title = "Users";

const USERS = "/rest/v2/users";
const NONE = "";
const ROLES = [[NONE, "no role"], ["ADMIN", "administrator: everything"], ["USER", "operator: everything but settings and users"], ["READ_ONLY", "may look, and change nothing"]];
const SHORT = { ADMIN: "administrator", USER: "operator", READ_ONLY: "may look" };
const rolesOf = (user) => user.appNameUserType ?? { [user.scope || "system"]: user.userType };

function badges(roles) {
  return h("span", { class: "row" }, Object.entries(roles).map(([scope, role]) =>
    mark(h("span", {}, scope === "system" ? "server" : name(scope, 24), `: ${SHORT[role] ?? role}`), role === "ADMIN" ? "warn" : "quiet")));
}

export function mount(element, { api, me, actions, current }) {
  const own = h("section", { class: "panel", "aria-labelledby": "own" }, h("h2", { id: "own" }, "Your account"), loading());
  const state = h("div");
  const others = h("section", { class: "panel", "aria-labelledby": "others", hidden: !me.cluster }, h("h2", { id: "others" }, "Users"));
  let apps = [];

  const list = table({
    caption: "All users", what: "user", key: (row) => row.email, filter: (row) => `${row.email} ${row.fullName ?? ""} ${row.firstName ?? ""} ${row.lastName ?? ""}`, sort: { by: 0 },
    columns: [
      { name: "Name", value: (row) => row.email, cell: (row) => h("span", {}, name(row.email, 48), row.email === me.name && [" ", mark("you", "good")]) },
      { name: "Full name", value: (row) => fullName(row), cell: (row) => name(fullName(row) || "–", 40) },
      { name: "Roles", value: (row) => Object.values(rolesOf(row)).sort().join(), cell: (row) => badges(rolesOf(row)) },
      { name: "Actions", unseen: true, cell: (row) => me.admin && row.email !== me.name && h("div", { class: "row end" },
        h("button", { type: "button", class: "small", "aria-label": `Change ${row.email}`, onclick: () => edit(row) }, "Change"),
        h("button", { type: "button", class: "small", "aria-label": `Delete ${row.email}`, onclick: () => remove(row) }, "Delete")) },
    ],
  });

  function fullName(row) {
    return row.fullName || [row.firstName, row.lastName].filter(Boolean).join(" ");
  }

  async function showOwn() {
    try {
      const mine = await api.get("/rillcast/v1/me");
      if (!current()) return;
      const other = mine.sessions.filter((one) => !one.this);
      own.replaceChildren(h("h2", { id: "own" }, "Your account"), h("div", { class: "grid" },
        h("div", {},
          h("dl", { class: "facts" }, h("dt", {}, "Name"), h("dd", {}, name(mine.name, 80)), h("dt", {}, "Roles"), h("dd", {}, badges(mine.roles)),
            h("dt", {}, "Signed in"), h("dd", {}, `at ${count(mine.sessions.length, "place")}; `, "here until ", time(mine.sessions.find((one) => one.this)?.untilMs))),
          h("div", { class: "row end" }, h("button", { type: "button", disabled: !other.length, onclick: endOthers }, other.length ? `End the ${count(other.length, "other session")}` : "No other session"))),
        change(mine.name)));
    } catch (error) {
      if (current()) own.replaceChildren(h("h2", { id: "own" }, "Your account"), problem(error.message, showOwn));
    }
  }

  function change(account) {
    const present = h("input", { type: "password", required: true, maxlength: "256", autocomplete: "current-password", id: "present" });
    const fresh = h("input", { type: "password", required: true, minlength: "8", maxlength: "256", autocomplete: "new-password", id: "new" });
    const made = form("Change the password", async () => {
      const result = await api.post(`${USERS}/password`, { password: present.value, newPassword: fresh.value });
      if (result?.success === false && result.message.startsWith("User not exist")) { present.focus(); throw new Error("The present password is wrong."); }
      api.done(result);
      made.reset();
      toast("The password is changed. Your other sessions have ended.");
      await showOwn();
    }, h("input", { type: "text", autocomplete: "username", value: account, hidden: true, "aria-label": "Name" }),
      field("Present password", present), field("New password", fresh, "At least 8 characters."));
    return made;
  }

  async function endOthers() {
    try {
      api.done(await api.del("/rillcast/v1/me/sessions"));
      toast("Your other sessions have ended.");
      await showOwn();
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  /** A select for each scope; roles that are given for apps that are gone stay there to be taken away. */
  function roleFields(roles) {
    const scopes = ["system", ...new Set([...apps, ...Object.keys(roles).filter((one) => one !== "system")])];
    const controls = new Map(scopes.map((scope) => [scope, select(ROLES, roles[scope] ?? NONE)]));
    const element = h("fieldset", {}, h("legend", {}, "Roles"), h("div", { class: "fields" },
      [...controls].map(([scope, control]) => field(scope === "system" ? "Whole server" : `App ${scope}`, control))));
    return { element, read: () => Object.fromEntries([...controls].map(([scope, control]) => [scope, control.value]).filter(([, role]) => role)) };
  }

  async function create() {
    const email = h("input", { type: "text", required: true, maxlength: "254", autocomplete: "off", autocapitalize: "none", spellcheck: "false", autofocus: true });
    const password = h("input", { type: "password", required: true, minlength: "8", maxlength: "256", autocomplete: "new-password" });
    const full = h("input", { type: "text", maxlength: "256", autocomplete: "off" });
    const roles = roleFields({ system: "USER" });
    const made = await dialog("Create a user", (body, close) => body.append(form("Create", async () => {
      const given = roles.read();
      if (!Object.keys(given).length) throw new Error("A user needs one role at least.");
      api.done(await api.post(USERS, { email: email.value, password: password.value, appNameUserType: given, ...(full.value ? { fullName: full.value } : {}) }));
      close(email.value);
    }, field("Name to sign in with", email), field("Full name", full), field("Password", password, "At least 8 characters. The user can change it."), roles.element)), { wide: true });
    if (made) { toast("The user is there."); await load(); }
  }

  async function edit(user) {
    const full = h("input", { type: "text", maxlength: "256", value: user.fullName ?? "", autocomplete: "off" });
    const password = h("input", { type: "password", minlength: "8", maxlength: "256", autocomplete: "new-password" });
    const roles = roleFields(rolesOf(user));
    const done = await dialog("Change a user", (body, close) => body.append(form("Save", async () => {
      const given = roles.read();
      if (!Object.keys(given).length) throw new Error("A user needs one role at least.");
      api.done(await api.put(USERS, { email: user.email, appNameUserType: given, fullName: full.value, ...(password.value ? { newPassword: password.value } : {}) }));
      close(true);
    }, h("p", {}, name(user.email, 80)), field("Full name", full), field("New password", password, "Left empty, the password stays. Another one ends the user's sessions."), roles.element)), { wide: true });
    if (done) { toast("The user is changed."); await load(); }
  }

  async function remove(user) {
    const done = await confirm({
      title: "Delete the user?", button: "Delete", words: [h("p", {}, name(user.email, 80), " cannot sign in any more, and all sessions of this name end at once.")],
      act: async () => api.done(await api.del(api.path`/rest/v2/users/${user.email}`), "There is no such user any more."),
    });
    if (done) { toast("The user is deleted."); await load(); }
  }

  async function load() {
    if (!me.cluster) return;
    try {
      const [users, names] = await Promise.all([api.get("/rest/v2/user-list"), api.get("/rest/v2/applications")]);
      if (!current()) return;
      apps = names.applications;
      state.replaceChildren();
      list.update(users);
    } catch (error) {
      if (current()) state.replaceChildren(problem(error.message, load));
    }
  }

  if (me.admin) actions.append(h("button", { type: "button", class: "primary", onclick: create }, "Create a user"));
  others.append(state, list.element);
  element.append(own, others);
  void showOwn();
  void load();
  return { update: load, unmount() {} };
}
