// One setting of an app: its meaning, its default, and a control for its value.
import { h, mark, newId } from "./dom.js";

const HIDDEN = "********";
const WORDS = {
  acts: ["acts", "good", "It does here what it says, at all nodes at once."],
  stored: ["stored", "quiet", "It is kept and given back, and changes nothing."],
  refused: ["refused", "warn", "Only the default is taken."],
  told: ["told", "quiet", "The server says it; it cannot be set."],
};

export const shownValue = (value) => (value === "" ? "empty" : value === null ? "none" : JSON.stringify(value));
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function textArea(value) {
  const text = JSON.stringify(value, null, 1);
  return h("textarea", { rows: String(Math.min(12, Math.max(2, text.split("\n").length))), spellcheck: "false", value: text });
}

/** Makes the control and says how it is read; `read` throws a sentence when what is typed makes no sense. */
function control(words, value) {
  const plain = { autocomplete: "off", spellcheck: "false" };
  if (words.secret) {
    const made = h("input", { type: "password", ...plain, autocomplete: "new-password", placeholder: value ? "There is one; type another one to replace it" : "None is set" });
    return { made, read: () => (made.value === "" ? value : made.value) };
  }
  switch (words.kind) {
    case "true or false": {
      const made = h("input", { type: "checkbox", checked: value === true });
      return { made, read: () => made.checked };
    }
    case "a whole number":
    case "a number": {
      const made = h("input", { type: "number", step: words.kind === "a number" ? "any" : "1", value: value ?? "", ...plain });
      return { made, read: () => {
        if (made.validity.badInput || (made.value === "" && !words.nullable)) throw new Error(`It is ${words.kind}.`);
        return made.value === "" ? null : Number(made.value);
      } };
    }
    case "a list":
    case "an object": {
      const made = textArea(value);
      return { made, read: () => {
        try { return JSON.parse(made.value); } catch { throw new Error(`It is ${words.kind}, written as JSON.`); }
      } };
    }
    default: {
      if (value !== null && typeof value === "object") {
        const made = textArea(value);
        return { made, read: () => { try { return JSON.parse(made.value); } catch { throw new Error("It is written as JSON."); } } };
      }
      const made = h("input", { type: "text", value: value ?? "", ...plain });
      return { made, read: () => (made.value === "" && words.nullable ? null : made.value) };
    }
  }
}

/**
 * `words`: what the server says of the setting. `value`: what it is now. `draft`: what it is to become, or undefined.
 * `changed(value)` is called with another value, or with undefined when it is as it was.
 */
export function setting({ words, value, draft, editable, changed }) {
  const id = newId("setting");
  const [effect, kind, meaning] = WORDS[words.effect] ?? WORDS.told;
  const fixed = !editable || words.effect === "refused" || words.effect === "told";
  const fault = h("p", { class: "fault", role: "alert", id: `${id}-fault`, hidden: true });
  const unlike = words.effect === "told" ? false : words.secret ? Boolean(value) : !same(value, words.default);
  const shown = h("div", { class: "setting-value" });
  let reader = null;

  function say(text) {
    fault.textContent = text;
    fault.hidden = !text;
    reader?.made.toggleAttribute("aria-invalid", Boolean(text));
  }

  function fill(present) {
    if (fixed) {
      shown.replaceChildren(h("span", { class: "code" }, words.secret ? (value ? HIDDEN : "none") : shownValue(present)));
      return;
    }
    reader = control(words, present);
    const { made, read } = reader;
    made.id = id;
    made.setAttribute("aria-describedby", `${id}-words ${id}-fault`);
    made.addEventListener("input", () => {
      try {
        const wanted = read();
        say("");
        changed(same(wanted, value) ? undefined : wanted);
        element.toggleAttribute("data-draft", !same(wanted, value));
      } catch (error) {
        say(error.message);
        changed(undefined, error.message);
      }
    });
    const reset = unlike && !words.secret && h("button", { type: "button", class: "small", "aria-label": `Take the default of ${words.key}`, onclick: () => {
      fill(words.default);
      say("");
      changed(same(words.default, value) ? undefined : words.default);
      element.toggleAttribute("data-draft", !same(words.default, value));
      reader.made.focus();
    } }, "Default");
    shown.replaceChildren(made, ...(reset ? [reset] : []));
  }

  const element = h("li", { class: "setting", "data-key": words.key },
    h("div", { class: "setting-words" },
      h("p", { class: "setting-key" }, fixed ? h("strong", { class: "code" }, words.key) : h("label", { for: id, class: "code" }, words.key),
        unlike && mark("changed", "warn"), h("span", { title: meaning }, mark(effect, kind)), words.secret && mark("secret"), words.ours && mark("only here")),
      h("p", { class: "hint", id: `${id}-words` }, sentence(words, fixed))),
    h("div", {}, shown, fault));
  fill(draft === undefined ? value : draft);
  if (draft !== undefined) element.setAttribute("data-draft", "");
  return { element, say, focus: () => (reader?.made ?? element).focus(), unlike };
}

function sentence(words, fixed) {
  const why = fixed && words.effect === "refused" ? "Not here: " : words.effect === "stored" ? "Without effect: " : "";
  const text = words.meaning && !why ? words.meaning[0].toUpperCase() + words.meaning.slice(1) : words.meaning;
  const ended = text && !/[.!?]$/.test(text) ? `${text}.` : text;
  const byDefault = words.secret ? "" : ` By default: ${shownValue(words.default)}.`;
  return `${why}${ended}${byDefault}`.replaceAll("``", "").replaceAll("`", "");
}
