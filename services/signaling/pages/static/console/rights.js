// What whoever has signed in may do, as the server sees it. It refuses anyway; this hides what would be refused.

/** `me`: what `GET /rillcast/v1/me` answered. */
export function rightsOf(me) {
  const roles = me?.roles ?? {};
  const server = roles.system;
  const changes = (role) => role === "ADMIN" || role === "USER";
  return {
    name: me?.name ?? "",
    roles,
    /** May look at the whole cluster. */
    cluster: Boolean(server),
    /** May change accounts, make and delete apps, and drain nodes. */
    admin: server === "ADMIN",
    /** May look at an app. */
    seesApp: (app) => Boolean(server || roles[app]),
    /** May change what is in an app: tokens, subscribers, streams. */
    operatesApp: (app) => changes(server) || changes(roles[app]),
    /** May change the settings of an app. */
    setsApp: (app) => server === "ADMIN" || roles[app] === "ADMIN",
    /** Apps of which it has a role of its own. */
    apps: Object.keys(roles).filter((scope) => scope !== "system"),
  };
}
