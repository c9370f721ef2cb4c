// The door: who may not look at the cluster sees this alone.
import { api } from "./api.js";
import { h } from "./parts/dom.js";

/** Fills the section with the form. `entered(name)` is called when somebody has signed in. Returns `{ show(words) }`. */
export function door(section, entered) {
  const fault = h("p", { class: "problem", role: "alert", hidden: true, id: "problem" });
  const words = h("p", { class: "notice", role: "status", hidden: true });
  const nameField = h("input", { id: "name", name: "email", type: "text", required: true, maxlength: "254", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const passwordField = h("input", { id: "password", name: "password", type: "password", required: true, maxlength: "256", autocomplete: "current-password" });
  const button = h("button", { class: "primary" }, "Sign in");
  const say = (text) => { fault.textContent = text; fault.hidden = !text; };

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    say("");
    try {
      const result = await api.post("/rest/v2/users/authenticate", { email: nameField.value, password: passwordField.value });
      api.done(result, "The name or the password is wrong.");
      passwordField.value = "";
      await entered(nameField.value);
    } catch (error) {
      say(error.message.replace(/^Too many login attempts\. User is blocked for (\d+) secs\.?$/,
        "There were too many wrong passwords for this name. Wait $1 seconds, then try again."));
      passwordField.select();
      passwordField.focus();
    } finally {
      button.disabled = false;
    }
  }

  section.append(
    h("h1", { id: "door-title" }, "Sign in"),
    h("p", { class: "lead" }, "For operators of this cluster. Publishing and watching need no account."),
    words, fault,
    h("form", { id: "sign-in", onsubmit: submit },
      h("div", { class: "field" }, h("label", { for: nameField.id }, "Name"), nameField),
      h("div", { class: "field" }, h("label", { for: passwordField.id }, "Password"), passwordField),
      button),
    h("p", { class: "hint" }, "The first password was shown when the cluster started for the first time. ",
      h("code", {}, "rillcast password"), " makes another one."));

  return {
    show(text) {
      words.textContent = text ?? "";
      words.hidden = !text;
      say("");
      nameField.focus();
    },
  };
}
