// Which view is at which address, and how the navigation shows it.

/** `look`: what the view needs: `cluster` (a role of the whole server), `app` (a role anywhere), `admin`. `key`: the
 * letter after `g` that leads there. */
export const ROUTES = [
  { at: "/", view: "overview", name: "Overview", key: "o", group: "Now", look: "cluster" },
  { at: "/topology", view: "topology", name: "Topology", key: "t", group: "Now", look: "cluster" },
  { at: "/streams", view: "streams", name: "Streams", key: "s", group: "Now", look: "cluster" },
  { at: "/streams/:app/:stream", view: "stream", under: "/streams", look: "cluster" },
  { at: "/nodes", view: "nodes", name: "Nodes", key: "n", group: "Now", look: "cluster" },
  { at: "/nodes/:node", view: "node", under: "/nodes", look: "cluster" },
  { at: "/events", view: "events", name: "Events", key: "e", group: "What happened", look: "cluster" },
  { at: "/sessions", view: "sessions", name: "Sessions", key: "h", group: "What happened", look: "cluster" },
  { at: "/viewers/:id", view: "viewer", under: "/sessions", look: "cluster" },
  { at: "/apps", view: "apps", name: "Apps", key: "a", group: "Manage", look: "app" },
  { at: "/apps/:app", view: "app", under: "/apps", look: "app" },
  { at: "/tokens", view: "tokens", name: "Tokens", key: "k", group: "Manage", look: "app" },
  { at: "/users", view: "users", name: "Users", key: "u", group: "Manage", look: "app" },
  { at: "/license", view: "license", name: "License", key: "l", group: "Manage", look: "cluster" },
  { at: "/search", view: "search", under: "", look: "app" },
];

/** The route of an address such as `/nodes/edge-1?x=y`, with the values of its parts; null when there is none. */
export function routeOf(address) {
  const [where, asked = ""] = address.split(/\?(.*)/s);
  const parts = where.split("/").filter(Boolean);
  for (const route of ROUTES) {
    const wanted = route.at.split("/").filter(Boolean);
    if (wanted.length !== parts.length) continue;
    const params = {};
    const fits = wanted.every((name, at) => {
      if (!name.startsWith(":")) return name === parts[at];
      try {
        params[name.slice(1)] = decodeURIComponent(parts[at]);
        return true;
      } catch {
        return false;
      }
    });
    if (fits) return { route, params, query: Object.fromEntries(new URLSearchParams(asked)), where };
  }
  return null;
}

/** An address with its values escaped: to`/nodes/${node}`. */
export function to(texts, ...values) {
  return "#" + texts.reduce((made, text, at) => made + encodeURIComponent(values[at - 1]) + text);
}

/** A query as it stands in an address, without what is empty. */
export function asQuery(query) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}
