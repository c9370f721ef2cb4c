// The list of views, beside the page or, on a phone, behind a button.
import { h } from "./parts/dom.js";

/** `button` shows and hides it where there is little room. Returns `{ show(routes), mark(route), close() }`. */
export function nav(place, button) {
  const links = new Map();

  function open(wide) {
    place.toggleAttribute("data-open", wide);
    button.setAttribute("aria-expanded", String(wide));
  }

  button.addEventListener("click", () => open(!place.hasAttribute("data-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !place.hasAttribute("data-open")) return;
    open(false);
    button.focus();
  });
  document.addEventListener("click", (event) => {
    if (!place.contains(event.target) && !button.contains(event.target)) open(false);
  });

  return {
    show(routes) {
      links.clear();
      const groups = new Map();
      for (const route of routes.filter((one) => one.name)) {
        const made = h("a", { href: `#${route.at}` }, route.name);
        links.set(route.at, made);
        groups.set(route.group, [...(groups.get(route.group) ?? []), h("li", {}, made)]);
      }
      place.replaceChildren(...[...groups].map(([group, items], at) =>
        h("div", { class: "group" }, h("h2", { id: `group-${at}` }, group), h("ul", { "aria-labelledby": `group-${at}` }, items))));
    },
    mark(route) {
      for (const [at, made] of links) {
        const here = route && (route.at === at || route.under === at);
        if (here) made.setAttribute("aria-current", route.at === at ? "page" : "true");
        else made.removeAttribute("aria-current");
      }
    },
    close: () => open(false),
  };
}
