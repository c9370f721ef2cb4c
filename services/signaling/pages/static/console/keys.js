// Shortcuts of the keyboard, and the dialog that lists them.
import { h, newId } from "./parts/dom.js";
import { dialog } from "./parts/dialog.js";

const KEPT = "rillcast.keys";
const SECOND_KEY_MS = 1_500;

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

function enabled() {
  try { return localStorage.getItem(KEPT) !== "off"; } catch { return true; }
}

/** `routes()`: those that can be gone to. `go(address)`. `help`: the button that lists the keys. `search`: the field. */
export function shortcuts({ routes, go, help, search }) {
  let firstAt = 0;
  const list = () => dialog("Keyboard shortcuts", (body) => {
    const off = h("input", { type: "checkbox", id: newId("keys"), checked: enabled(), onchange: () => {
      try { localStorage.setItem(KEPT, off.checked ? "on" : "off"); } catch { /* Then they stay on. */ }
    } });
    const line = (keys, words) => h("div", {}, h("dt", {}, keys.map((key) => h("kbd", {}, key))), h("dd", {}, words));
    body.append(
      h("dl", { class: "keys" },
        line(["/"], "Search"), line(["?"], "This list"), line(["Esc"], "Close what is open"),
        routes().filter((one) => one.key).map((one) => line(["g", one.key], one.name))),
      h("p", { class: "check" }, off, h("label", { for: off.id }, "Use shortcuts of single keys")));
  });

  help.addEventListener("click", list);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target) || document.querySelector("dialog[open]") || !enabled()) return;
    const second = event.timeStamp - firstAt < SECOND_KEY_MS;
    firstAt = 0;
    if (second) {
      const found = routes().find((one) => one.key === event.key);
      if (!found) return;
      event.preventDefault();
      go(found.at);
    } else if (event.key === "g") {
      firstAt = event.timeStamp;
    } else if (event.key === "/" && !search.closest("[hidden]")) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") {
      event.preventDefault();
      void list();
    }
  });
}
