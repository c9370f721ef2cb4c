// Requests to the server's REST. The session's cookie goes along by itself; the browser says from which page.

const DEADLINE_MS = 20_000;
const NOBODY = "Not authenticated user";
export const SILENT = "The server does not answer.";

/** What the server refused, or that it does not answer. `message` is a sentence for people; `status` is 0 when nothing
 * was answered. */
export class ApiError extends Error {
  constructor(message, status, raw = "") {
    super(message);
    this.name = "ApiError";
    this.status = status;
    /** The server's words as they came. */
    this.raw = raw;
  }
}

const listeners = new Set();

/** `listener({ kind })` hears `signed-out` (the session is over), `silent` (nothing was answered) and `answered`. */
export function onApi(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = (kind) => { for (const listener of listeners) listener({ kind }); };

/** Builds a path of segments and values, each of them escaped: path`/rest/v2/users/${name}`. */
export function path(texts, ...values) {
  // Browsers take such a segment for a way upwards, however it is escaped.
  if (values.some((one) => one === "." || one === "..")) throw new ApiError("No address can be made of this name.", 400);
  return texts.reduce((made, text, at) => made + encodeURIComponent(values[at - 1]) + text);
}

function sentence(text) {
  const words = text.trim().replace(/^Message\s+/, "");
  if (!words) return "";
  const first = words[0].toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}

const PLAIN = {
  403: "You are not allowed to do this.",
  404: "There is no such thing here.",
  413: "What was sent is too large.",
  429: "That was asked too often. Try again in a moment.",
  500: "The server made a mistake. Its log says more.",
  502: "A proxy in between does not reach the server.",
  503: "The server cannot do this now. Try again in a moment.",
  504: "A proxy in between waited for the server in vain.",
};

function wordsOf(answer, text, json) {
  if (json?.message) return sentence(String(json.message));
  if (text.trimStart().startsWith("<")) {
    const found = [...new DOMParser().parseFromString(text, "text/html").querySelectorAll("p")]
      .map((one) => one.textContent.trim()).find((one) => one.startsWith("Message"));
    if (found) return sentence(found);
  } else if (text.trim() && text.length < 2_000) {
    return sentence(text);
  }
  return PLAIN[answer.status] ?? `The server answered with status ${answer.status}.`;
}

function parsed(answer, text) {
  if (!text || !(answer.headers.get("content-type") ?? "").includes("json")) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError("The server's answer makes no sense.", answer.status);
  }
}

/** A picture as an address that holds all of it: it goes with the element that shows it. */
function asAddress(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new ApiError("The picture could not be read.", 200));
    reader.readAsDataURL(blob);
  });
}

async function ask(method, where, { body, query, signal, accept = "application/json" } = {}) {
  const url = new URL(where, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  let answer, text, picture;
  try {
    answer = await fetch(url, {
      method,
      credentials: "same-origin",
      headers: { Accept: accept, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    if (answer.ok && (answer.headers.get("content-type") ?? "").startsWith("image/")) picture = await answer.blob();
    else text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    tell("silent");
    throw new ApiError(SILENT, 0);
  }
  if ([502, 504].includes(answer.status)) tell("silent");
  else tell("answered");
  if (picture) return asAddress(picture);
  const json = parsed(answer, text);
  if (answer.ok) return json;
  const words = wordsOf(answer, text, json);
  if (answer.status === 403 && words.startsWith(NOBODY)) tell("signed-out");
  throw new ApiError(words, answer.status, json?.message ?? text);
}

/** A result of Ant Media's kind: throws its sentence when it says that it was not done. */
function done(result, otherwise) {
  if (result && result.success === false) {
    throw new ApiError(sentence(String(result.message ?? "")) || otherwise || "The server did not do it.", 200, String(result.message ?? ""));
  }
  return result;
}

/** Each takes a path and `{ query, signal }`, answers with the parsed JSON (null: none), and throws `ApiError`. */
export const api = {
  get: (where, options) => ask("GET", where, options),
  post: (where, body, options) => ask("POST", where, { ...options, body: body ?? {} }),
  put: (where, body, options) => ask("PUT", where, { ...options, body: body ?? {} }),
  del: (where, options) => ask("DELETE", where, options),
  /** Answers with an address for the `src` of an image. */
  picture: (where, options) => ask("GET", where, { ...options, accept: "image/*, application/json" }),
  done,
  path,
};
