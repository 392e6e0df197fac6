// Numbers and times as people read them. Pure: the moment that counts as now is always an argument.

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** "1 person", "4 people". */
export function several(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

export const people = (count: number) => several(count, "person", "people");
export const users = (count: number) => several(count, "user", "users");
export const sessions = (count: number) => several(count, "session", "sessions");

export const flags = (count: number) => several(count, "flag", "flags");

const two = (n: number) => String(n).padStart(2, "0");

/** A length of time in the table's few letters: "12 s", "41 min", "1 h 07", "2 d 3 h". */
export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < minute) return `${s} s`;
  if (s < hour) return `${Math.floor(s / minute)} min`;
  if (s < day) return `${Math.floor(s / hour)} h ${two(Math.floor((s % hour) / minute))}`;
  const hours = Math.floor((s % day) / hour);
  const days = Math.floor(s / day);
  return days < 7 && hours > 0 ? `${days} d ${hours} h` : `${days} d`;
}

/** How long ago: as `span`, but "yesterday" from a day on. A time ahead of now is "0 s". */
export function ago(seconds: number): string {
  if (seconds >= day && seconds < 2 * day) return "yesterday";
  if (seconds >= 2 * day) return `${Math.floor(seconds / day)} d`;
  return span(seconds);
}

/** "41 min ago"; "yesterday" stays as it is. */
export function agoWords(seconds: number): string {
  const text = seconds >= 3 * hour && seconds < day ? `${Math.floor(seconds / hour)} h` : ago(seconds);
  return text === "yesterday" ? text : `${text} ago`;
}

/** Time left: "3:12", "1:02:09". */
export function countdown(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  const head =
    s >= hour
      ? `${Math.floor(s / hour)}:${two(Math.floor((s % hour) / minute))}`
      : String(Math.floor(s / minute));
  return `${head}:${two(s % minute)}`;
}

/** How far ahead: "in 13 d", "in 41 min"; "now" once it has come. */
export function ahead(seconds: number): string {
  if (seconds <= 0) return "now";
  return `in ${seconds >= day ? `${Math.floor(seconds / day)} d` : span(seconds)}`;
}

/** An RFC 3339 time in milliseconds since 1970, or null. */
export function parse(stamp: string | null | undefined): number | null {
  if (!stamp) return null;
  const at = Date.parse(stamp);
  return Number.isNaN(at) ? null : at;
}

/** "14:01:22" where this machine is. */
export function clock(stamp: string | number | null, withSeconds = true): string {
  const at = typeof stamp === "number" ? stamp : parse(stamp);
  if (at === null) return "—";
  const d = new Date(at);
  const text = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return withSeconds ? `${text}:${two(d.getSeconds())}` : text;
}

/** "2026-07-17 14:01:22" where this machine is. */
export function exact(stamp: string | number | null): string {
  const at = typeof stamp === "number" ? stamp : parse(stamp);
  if (at === null) return "never";
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(at)}`;
}

/** The time alone on the same day as `now`, else with its date. */
export function moment(stamp: string | number | null, now: number): string {
  const at = typeof stamp === "number" ? stamp : parse(stamp);
  if (at === null) return "—";
  const whole = exact(at);
  return whole.slice(0, 10) === exact(now).slice(0, 10) ? clock(at) : whole;
}

/** A setting's length of time: "5 min", "1 h 30 min", "90 s", "14 d". What `length` reads back. */
export function lengthText(seconds: number): string {
  const parts: string[] = [];
  let left = seconds;
  for (const [size, name] of [
    [day, "d"],
    [hour, "h"],
    [minute, "min"],
    [1, "s"],
  ] as const) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) parts.push(`${n} ${name}`);
  }
  return parts.join(" ") || "0 s";
}

/** Reads "5m", "5 min", "1h 30m", "90s", "14d" as seconds; null where it is none of these. */
export function length(text: string): number | null {
  const sizes: Record<string, number> = { d: day, h: hour, m: minute, min: minute, s: 1 };
  const rest = text.trim().toLowerCase();
  if (!/^(\d+\s*(d|h|min|m|s)\s*)+$/.test(rest)) return null;
  let sum = 0;
  for (const [, n, unit] of rest.matchAll(/(\d+)\s*(min|d|h|m|s)/g))
    sum += Number(n) * (sizes[unit ?? ""] ?? 0);
  return sum;
}

/** "9f3c 1ab0 77de": a fingerprint as eyes compare it. */
export function fingerprint(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}

/** Where a database is, in a word: "db.internal" of an address, the file's name of a path. */
export function place(address: string): string {
  const rest = address.replace(/^[a-z0-9+]+:(\/\/)?/i, "");
  if (/^([/\\]|[a-z]:\\)/i.test(rest)) return rest.split(/[/\\]/).at(-1) || rest;
  return (rest.split("/")[0] ?? rest).replace(/^.*@/, "");
}
