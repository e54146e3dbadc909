// Numbers, times and names as people read them, as in the report.

export const MINUS = "\u2212", TIMES = "\u00d7", DASH = "\u2013", ARROW = "\u2192";

/** States of a job in words. */
export const STATES = {
  queued: "Queued", running: "Running", paused: "Paused", done: "Done", failed: "Failed", cancelled: "Cancelled",
};

/** States after which nothing happens by itself. */
export const ENDED = new Set(["done", "failed", "cancelled"]);

/** Verdicts in a few words, the same as in the report. */
export const HEADLINES = {
  share_everything: "Share everything",
  separate_everything: "Separate everything",
  better_than_both: "Branch: better than sharing all and than separating all",
  as_good_as_separate: "Branch: better than sharing all, and separating all is not clearly better",
  as_good_as_shared: "Sharing everything is as good",
  best_within_limits: "Branch: the best within the limits",
  not_enough: "Not enough evidence",
};

/** With a sign and fixed digits, `+1.25`; never `-0.00`. */
export function signed(value, digits = 1) {
  if (!known(value)) return DASH;
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** A share as signed percent: `+1.2 %`. */
export function percent(value, digits = 1) {
  return known(value) ? `${signed(100 * value, digits)} %` : DASH;
}

/** A ratio as a factor: `1.46 ×`. */
export function times(ratio) {
  return known(ratio) ? `${ratio.toFixed(2)} ${TIMES}` : DASH;
}

/** Three digits that matter, with a true minus sign. */
export function short(value, digits = 3) {
  if (!known(value)) return DASH;
  return String(Number(value.toPrecision(digits))).replace("-", MINUS);
}

export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** `1 task`, `2 tasks`. */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A size of a file: `12.3 kB`. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${step ? (count / 1000 ** step).toPrecision(3) : count} ${units[step]}`;
}

/** Roughly how long: `less than 10 s`, `40 s`, `12 min`, `3.5 h`, `4 days`. */
export function duration(seconds) {
  if (seconds < 10) return "less than 10 s";
  if (seconds < 90) return `${Math.round(seconds / 10) * 10} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A moment in the reader's own time zone: the time of day, with the date where it is not today. */
export function moment(iso) {
  if (!iso) return DASH;
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  return `${today ? "" : `${DAY.format(at)}, `}${MINUTE.format(at)}`;
}

/** Time of day to the second, for the log. */
export function clock(seconds) {
  return SECOND.format(new Date(1000 * seconds));
}

const KEPT = 0.6; // of an end, at least, where it is cut between two words and not within one

/** Control characters as escapes, and both ends of a text that is longer than `width`. */
export function shorten(text, width = 40) {
  const plain = [...printable(text)];
  if (plain.length <= width) return plain.join("");
  const n = Math.floor((width - 1) / 3);
  const [end, start] = [width - 1 - n, plain.length - n];
  const head = /^(.*) /s.exec(plain.slice(0, end + 1).join(""))?.[1] ?? "";
  const tail = /^[^ ]* (.*)$/s.exec(plain.slice(start - 1).join(""))?.[1] ?? "";
  const first = head.length >= KEPT * end ? head : plain.slice(0, end).join("");
  return `${first}…${tail.length >= KEPT * n ? tail : plain.slice(start).join("")}`;
}

/** Where a trial comes from, without the other methods that propose the same, unless there is `room`. */
export function originWords(origin, room = false) {
  const whole = printable(origin);
  return room ? whole : whole.replace(/ \(also (?:[^()]|\([^()]*\))*\)/g, "");
}

/** Characters that steer text (controls, directions) as backslash escapes, so that no name can turn a line around. */
export function printable(text) {
  const escape = (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`;
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escape);
}
