// Dialogs of the browser's own kind: focus stays within, Escape closes, and focus goes back to where it was.
import { h, newId } from "./dom.js";

/** Opens a dialog with a title. `fill(body, close)` adds what is in it. Resolves with what `close` was given. */
export function dialog(title, fill, { wide = false } = {}) {
  return new Promise((resolve) => {
    const id = newId("dialog");
    const before = document.activeElement;
    let result;
    const body = h("div", { class: "dialog-body" });
    const made = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id },
      h("div", { class: "dialog-head" }, h("h2", { id }, title),
        h("button", { type: "button", class: "icon small", "aria-label": "Close", onclick: () => made.close() }, "×")),
      body);
    const close = (value) => { result = value; made.close(); };
    made.addEventListener("close", () => {
      made.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    made.addEventListener("click", (event) => { if (event.target === made) made.close(); });
    document.body.append(made);
    fill(body, close);
    made.showModal();
    body.querySelector("[autofocus], input, select, textarea, .primary, .danger")?.focus();
  });
}

/** Asks whether to do something. With `typed`, this text has to be typed first. `act` does it; what it throws is shown
 * in the dialog, which stays. Resolves with true when it was done. */
export function confirm({ title, words, button, danger = true, typed = "", act }) {
  return dialog(title, (body, close) => {
    const fault = h("p", { class: "problem", role: "alert", hidden: true });
    const field = h("input", { type: "text", autocomplete: "off", spellcheck: "false", id: newId("typed"), autofocus: true });
    const go = h("button", { class: danger ? "danger" : "primary", disabled: Boolean(typed) }, button);
    field.addEventListener("input", () => { go.disabled = field.value !== typed; });
    const form = h("form", {
      method: "dialog",
      onsubmit: async (event) => {
        event.preventDefault();
        if (go.disabled) return;
        go.disabled = true;
        try {
          await act?.();
          close(true);
        } catch (error) {
          fault.textContent = error.message;
          fault.hidden = false;
          go.disabled = false;
        }
      },
    }, [].concat(words).map((one) => (one instanceof Node ? one : h("p", {}, one))),
      typed && h("div", { class: "field" }, h("label", { for: field.id }, "Type ", h("code", {}, h("bdi", {}, typed)), " to go on"), field),
      fault,
      h("div", { class: "row end" }, h("button", { type: "button", onclick: () => close(false) }, "Cancel"), go));
    body.append(form);
  });
}
