// Points between two axes that can be walked through with the arrow keys and picked.

import { h, replace, setText, svg } from "../lib/dom.js";
import { MINUS } from "../lib/format.js";
import { canvas, label, linear, responsive, textWidth, ticks } from "./figure.js";

const TOP = 12, RIGHT = 16, STRIP = 20, HIT = 13;

/**
 * A scatter plot that lives: `update(data)` draws anew and leaves the focus where it was.
 *
 * Data: `points` (`key, x, y, shape, tone, words`, optional `low, middle, high` of an interval, and `under`, shape and
 * tone of a larger sign beneath; `y` null goes into the strip of its `state`), `lines` (`tone, steps` as corners
 * `[x, y]`), `strips` (names below the plot), `rings` of those that are picked (key → slot, its letter shown where
 * `lettered`), `x` and `y` (`title, words(value)`, optional `domain`, `whole`) and `edge` (what lies below is marked
 * there).
 */
export function scatter({ name, hint, pick }) {
  const box = h("div", { class: "plot" });
  const readout = h("p", { class: "readout" }, hint);
  const view = { data: null, active: null, pick, readout, hint, name };
  const redraw = responsive(box, (width) => view.data && paint(box, view, width));
  return {
    element: h("div", {}, box, readout),
    update: (data) => {
      view.data = data;
      redraw();
    },
  };
}

function paint(box, view, width) {
  const hadFocus = box.contains(document.activeElement);
  const frame = layout(view.data, width);
  const root = canvas(width, frame.height, { role: "group", "aria-label": view.name, class: "scatter" });
  root.append(axes(view.data, frame), ...view.data.lines.map((line) => steps(line, frame)), marks(view, frame));
  replace(box, root);
  if (hadFocus) root.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
}

/** Where things are, in pixels. */
function layout(data, width) {
  const yTexts = yTicks(data).map(data.y.words);
  const left = Math.ceil(Math.max(24, ...[...yTexts, ...data.strips].map((t) => textWidth(t, 12)))) + 12;
  const plot = Math.round(Math.min(330, Math.max(220, 0.46 * width)));
  const bottom = TOP + 22 + plot;
  const strips = data.strips.map((_, k) => bottom + 8 + STRIP * (k + 0.5));
  const foot = bottom + (strips.length ? 8 + STRIP * strips.length : 0);
  const x = linear(xDomain(data), [left + 10, width - RIGHT]);
  const y = linear(yDomain(data), [bottom - 6, TOP + 26]);
  return { width, left, top: TOP + 22, bottom, foot, strips, x, y, height: foot + 44 };
}

function xDomain(data) {
  if (data.x.domain) return data.x.domain;
  const found = data.points.map((p) => p.x);
  const [low, high] = found.length ? [Math.min(...found), Math.max(...found)] : [0, 1];
  const room = 0.04 * (high - low) || 0.5;
  return [low - room, high + room];
}

function yDomain(data) {
  const found = data.points.filter((p) => p.y !== null).flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]).concat(0);
  const high = Math.max(...found);
  const low = data.edge ?? Math.min(...found);
  const room = 0.06 * (high - low) || 0.05;
  return [data.edge === null ? low - room : low, high + room];
}

function yTicks(data) {
  return ticks(...yDomain(data), 5);
}

function axes(data, frame) {
  const { left, top, bottom, foot, width, x, y } = frame;
  const parts = [label(left, TOP, data.y.title, { class: "title" })];
  for (const value of yTicks(data)) {
    const tone = Math.abs(value) < 1e-9 ? "zero" : "grid";
    parts.push(svg("line", { class: tone, x1: left, x2: width - 4, y1: y(value), y2: y(value) }));
    parts.push(label(left - 8, y(value) + 4, data.y.words(value), { class: "tick end" }));
  }
  const room = Math.max(2, Math.floor((width - left) / 60));
  for (const value of ticks(...xDomain(data), room).filter((v) => !data.x.whole || Number.isInteger(v))) {
    parts.push(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: foot }));
    parts.push(label(x(value), foot + 17, data.x.words(value), { class: "tick middle" }));
  }
  data.strips.forEach((name, k) => {
    const box = { x: left, width: width - 4 - left, y: frame.strips[k] - STRIP / 2 + 1, height: STRIP - 2, rx: 3 };
    parts.push(svg("rect", { class: "strip", ...box }));
    parts.push(label(left - 8, frame.strips[k] + 4, name, { class: "tick end" }));
  });
  parts.push(label((left + width - RIGHT) / 2, foot + 38, data.x.title, { class: "title middle" }));
  return svg("g", { "aria-hidden": "true" }, parts);
}

function steps(line, { x, y, bottom }) {
  const corners = line.steps.map(([a, b]) => [x(a), Math.min(y(b), bottom)]);
  const [first, ...others] = corners.map((corner) => corner.map((c) => c.toFixed(1)));
  const path = `M${first}${others.map(([a, b]) => `H${a}V${b}`).join("")}`;
  return svg("path", { class: `line ${line.tone}`, d: path, "aria-hidden": "true" });
}

function marks(view, frame) {
  const group = svg("g");
  const points = view.data.points;
  if (!points.some((p) => p.key === view.active)) view.active = points[0]?.key ?? null;
  const [plain, special] = [(p) => p.shape === "dot" || p.shape === "cross", (p) => p.shape === "star"];
  const layers = [points.filter(plain), points.filter((p) => !plain(p) && !special(p)), points.filter(special)];
  for (const point of layers.flat()) group.append(mark(point, view, frame)); // what has a name is not hidden
  const order = [...points].sort((a, b) => a.x - b.x || (a.y ?? -Infinity) - (b.y ?? -Infinity)).map((p) => p.key);
  group.addEventListener("keydown", (event) => walk(event, group, order, view));
  group.addEventListener("mouseleave", () => setText(view.readout, view.hint));
  return group;
}

function mark(point, view, frame) {
  const at = [frame.x(point.x), height(point, view.data, frame)];
  const ring = view.data.rings?.[point.key];
  const show = () => setText(view.readout, point.words);
  const chosen = () => {
    view.active = point.key;
    view.pick(point.key);
  };
  const below = point.y !== null && view.data.edge !== null && point.y < view.data.edge;
  return svg("g", {
    class: `point ${point.tone}`, role: "button", tabindex: point.key === view.active ? "0" : "-1",
    "data-key": point.key, "aria-label": point.words, "aria-pressed": view.data.rings ? String(Boolean(ring)) : null,
    onfocus: show, onmouseenter: show, onclick: chosen,
  },
  svg("circle", { class: "hit", cx: at[0], cy: at[1], r: HIT }),
  known(point.low) && !below ? interval(point, at[0], frame) : null,
  ring ? svg("circle", { class: `ring ${ring}`, cx: at[0], cy: at[1], r: point.under ? 14 : 9.5 }) : null,
  point.under && !below ? shape(`${point.under.shape} under ${point.under.tone}`, ...at, 1.7) : null,
  shape(below ? "below" : point.shape, ...at),
  ring && view.data.lettered ? label(at[0] + 12, at[1] - 9, ring.toUpperCase(), { class: "ringname" }) : null);
}

/** What confirmation found: a bar with a tick at its middle. */
function interval({ low, middle, high }, x, { y, bottom }) {
  const at = (value) => Math.min(y(value), bottom);
  const ends = [low, high].filter((value) => y(value) < bottom);
  const marks = ends.map((value) => `M${x - 4},${y(value)}h8`).join("");
  return svg("path", { class: "interval", d: `M${x},${at(low)}V${at(high)}${marks}M${x - 6},${at(middle)}h12` });
}

function known(value) {
  return value !== undefined && value !== null;
}

function height(point, data, frame) {
  if (point.y === null) return frame.strips[data.strips.indexOf(point.state)] ?? frame.bottom;
  return data.edge !== null && point.y < data.edge ? frame.bottom - 5 : frame.y(point.y);
}

/** The sign of a point; a different one for each meaning, so that colour is never alone. */
function shape(kinds, x, y, size = 1) {
  const [kind] = kinds.split(" ");
  const [side, reach] = [5 * size, 7 * size];
  const paths = {
    square: `M${x - side},${y - side}h${2 * side}v${2 * side}h${-2 * side}z`,
    diamond: `M${x},${y - reach}l${reach},${reach}l${-reach},${reach}l${-reach},${-reach}z`,
    star: star(x, y),
    below: `M${x - 5},${y - 4}h10l-5,8z`,
    cross: `M${x - 4},${y - 4}l8,8M${x + 4},${y - 4}l-8,8`,
  };
  if (kind in paths) return svg("path", { class: `sign ${kinds}`, d: paths[kind] });
  return svg("circle", { class: "sign", cx: x, cy: y, r: kind === "small" ? 3.4 : 4.6 });
}

function star(x, y) {
  const corner = (k) => {
    const radius = k % 2 ? 3.8 : 9;
    const turn = (Math.PI * k) / 5 - Math.PI / 2;
    return `${(x + radius * Math.cos(turn)).toFixed(1)},${(y + radius * Math.sin(turn)).toFixed(1)}`;
  };
  return `M${Array.from({ length: 10 }, (_, k) => corner(k)).join("L")}z`;
}

/** Arrow keys go from point to point, Home and End to the first and last; Enter and space pick. */
function walk(event, group, order, view) {
  const here = order.indexOf(event.target.closest("[data-key]")?.dataset.key);
  const [next, before, last] = [here + 1, here - 1, order.length - 1];
  const goals = { ArrowRight: next, ArrowUp: next, ArrowLeft: before, ArrowDown: before, Home: 0, End: last };
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    event.target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  } else if (event.key in goals) {
    event.preventDefault();
    const key = order[Math.max(0, Math.min(last, goals[event.key]))];
    for (const element of group.children) element.setAttribute("tabindex", element.dataset.key === key ? "0" : "-1");
    view.active = key;
    group.querySelector("[tabindex='0']")?.focus();
  }
}

/** A tick as signed percent: `+10`, `−5`, `0`. */
export function percentTick(value) {
  const rounded = Number((100 * value).toPrecision(6));
  return rounded === 0 ? "0" : `${rounded > 0 ? "+" : MINUS}${Math.abs(rounded)}`;
}
