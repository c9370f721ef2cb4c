// Figures and times as people read them.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
const NUMBER = new Intl.NumberFormat("en");
const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

export const number = (value) => NUMBER.format(value ?? 0);

/** "1 viewer", "12 viewers". */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export const percent = (share) => `${Math.round((share ?? 0) * 100)} %`;

export function bytes(value) {
  let left = Number(value) || 0, unit = 0;
  while (left >= 1000 && unit < UNITS.length - 1) { left /= 1000; unit += 1; }
  return `${left >= 100 || unit === 0 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

export function bitrate(bps) {
  const value = Number(bps) || 0;
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} Gbit/s`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(value / 1e3)} kbit/s`;
}

/** A length of time in the two units that matter. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const parts = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([unit]) => s >= unit);
  const [big, bigName] = parts[at];
  const [small, smallName] = parts[at + 1] ?? [1, ""];
  const whole = Math.floor(s / big), rest = Math.floor((s % big) / small);
  return rest && smallName ? `${whole} ${bigName} ${rest} ${smallName}` : `${whole} ${bigName}`;
}

/** How long ago it was. */
export const ago = (ms, now = Date.now()) => (now - ms < 2_000 ? "just now" : `${duration(now - ms)} ago`);

const sameDay = (one, other) => one.toDateString() === other.toDateString();

/** A moment as a `<time>`: the hour, and the day too unless it is today; whole in its title. */
export function time(ms) {
  const made = document.createElement("time");
  if (!ms) { made.textContent = "–"; return made; }
  const date = new Date(ms);
  made.dateTime = date.toISOString();
  made.title = FULL.format(date);
  made.textContent = sameDay(date, new Date()) ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`;
  return made;
}

/** A day as a `<time>`. */
export function day(ms) {
  const made = document.createElement("time");
  if (!ms) { made.textContent = "–"; return made; }
  made.dateTime = new Date(ms).toISOString();
  made.textContent = DAY.format(ms);
  return made;
}
