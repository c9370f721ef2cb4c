// What stands at the top of the page: colours, and who has signed in.
import { h, name, svg } from "./parts/dom.js";
import { toast } from "./parts/toast.js";

const KEPT = "rillcast.theme";
const THEMES = ["system", "light", "dark"];
const WORDS = { system: "as the system has them", light: "light", dark: "dark" };
const SHAPES = {
  system: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
};

export function themeSwitch(button) {
  const present = () => document.documentElement.dataset.theme ?? "system";
  function draw() {
    const words = `Colours: ${WORDS[present()]}`;
    button.setAttribute("aria-label", words);
    button.title = words;
    button.replaceChildren(svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: SHAPES[present()] })));
    document.dispatchEvent(new Event("rillcast:theme"));
  }
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(present()) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem(KEPT, next); } catch { /* Then it holds for this page alone. */ }
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
}

const ROLES = { ADMIN: "administrator", USER: "operator", READ_ONLY: "may only look" };

function roleOf(me) {
  if (me.roles.system) return ROLES[me.roles.system];
  return me.apps.length === 1 ? `${ROLES[me.roles[me.apps[0]]]} of one app` : `${me.apps.length} apps`;
}

/** `leave` signs out. */
export function account(place, me, leave) {
  const button = h("button", {
    type: "button", class: "small", id: "sign-out",
    onclick: async () => {
      button.disabled = true;
      try { await leave(); } catch (error) { toast(error.message, "bad"); } finally { button.disabled = false; }
    },
  }, "Sign out");
  place.replaceChildren(h("a", { href: "#/users", class: "me", title: "Your account" }, name(me.name, 24), h("small", {}, roleOf(me))), button);
}
