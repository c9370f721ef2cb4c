// Fields with their labels, and forms that say what went wrong.
import { h, newId } from "./dom.js";

/** A label with its field. `control`: an input, a select or a textarea. */
export function field(label, control, hint) {
  control.id ||= newId("field");
  const words = hint && h("p", { class: "hint", id: newId("hint") }, hint);
  if (words) control.setAttribute("aria-describedby", words.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, words);
}

export function select(options, chosen, attributes = {}) {
  const made = h("select", attributes, options.map(([value, words]) => h("option", { value }, words)));
  made.value = chosen ?? options[0]?.[0] ?? "";
  return made;
}

export function check(label, checked = false, hint) {
  const box = h("input", { type: "checkbox", checked, id: newId("check") });
  const element = h("div", {}, h("p", { class: "check" }, box, h("label", { for: box.id }, label)), hint && h("p", { class: "hint" }, hint));
  return { element, box };
}

/** A form whose button waits while `act()` runs, and which shows what that throws. */
export function form(button, act, ...content) {
  const fault = h("p", { class: "problem", role: "alert", hidden: true });
  const go = h("button", { class: "primary" }, button);
  return h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      fault.hidden = true;
      try {
        await act();
      } catch (error) {
        fault.textContent = error.message;
        fault.hidden = false;
      } finally {
        go.disabled = false;
      }
    },
  }, content, fault, h("div", { class: "row end" }, go));
}
