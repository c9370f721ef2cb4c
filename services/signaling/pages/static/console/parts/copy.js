// A button that copies a text.
import { h } from "./dom.js";
import { toast } from "./toast.js";

async function copied(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const field = h("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const worked = document.execCommand("copy");
  field.remove();
  if (!worked) throw new Error("not copied");
}

/** `what`: what is copied, for screen readers: "the play link". */
export function copyButton(text, what, label = "Copy") {
  const button = h("button", {
    type: "button", class: "small", "aria-label": `${label}: ${what}`,
    onclick: async () => {
      const before = document.activeElement;
      try {
        await copied(typeof text === "function" ? text() : text);
        toast(`Copied: ${what}.`);
      } catch {
        toast("The browser did not let the text be copied. Select it and copy it by hand.", "bad");
      }
      before?.focus?.();
    },
  }, label);
  return button;
}
