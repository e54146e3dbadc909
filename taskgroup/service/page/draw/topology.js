// The topology as a tree, stages from left to right: copies as boxes, tasks at the right with what they gain.

import { svg } from "../lib/dom.js";
import { percent, plural, printable, shorten, known } from "../lib/format.js";
import { canvas, label, linear, textWidth } from "./figure.js";

const LEFT = 40, BOX = 21;
const BAR = 130, NUMBER = 62; // pixels of a task's gain: its bar, its figure

/** Copies of the stages: `{stage, copy, tasks}` with positions of tasks, in order of execution. */
export function modulesOf({ matrix }) {
  return matrix.flatMap((row, stage) => {
    const copies = Array.from({ length: Math.max(...row) + 1 }, () => []);
    row.forEach((copy, task) => copies[copy].push(task));
    return copies.map((tasks, copy) => ({ stage, copy, tasks }));
  });
}

/** Adapters behind one copy; size 0 is none, and copies of one task have none unless they say so. */
export function adaptersOf(plan, module) {
  const names = module.tasks.map((k) => plan.tasks[k]);
  return (plan.adapters ?? []).filter((a) => a.stage === plan.stages[module.stage] && a.size > 0 && a.kind !== "none"
    && (a.everywhere || names.length > 1) && (!a.tasks || a.tasks.some((task) => names.includes(task))));
}

/** The drawing of `plan`, at most as wide as `width` where that can be; `limit` is the gain that fills a bar. */
export function topologyTree(plan, width, limit, name) {
  const frame = layout(plan, width);
  const root = canvas(frame.width, frame.height, { role: "img", "aria-label": name, class: "topology" });
  root.append(
    ...plan.stages.map((stage, s) => stageName(stage, s, frame)),
    ...flows(plan, frame), ...helpers(plan, frame),
    ...modulesOf(plan).map((module) => copy(plan, module, frame)),
    ...plan.tasks.flatMap((task, k) => leaf(task, plan.task_gains?.[task], frame, frame.rows[k], limit)),
  );
  return root;
}

/** Where things are. Tasks sorted by their path lie below one another, so that no two lines cross. */
function layout(plan, width) {
  const { tasks, stages, matrix } = plan;
  const order = tasks.map((_, k) => k).sort((a, b) => {
    const differing = matrix.find((row) => row[a] !== row[b]);
    return differing ? differing[a] - differing[b] : a - b;
  });
  const nameWidth = (limit) => Math.max(...tasks.map((t) => textWidth(shorten(t, limit), 13))) + 10;
  const full = nameWidth(28);
  const inline = width - LEFT - full - NUMBER - BAR >= 66 * stages.length;
  const crowded = modulesOf(plan).some((m) => m.tasks.length === 1 && adaptersOf(plan, m).length);
  const row = (inline ? (tasks.length <= 12 ? 30 : 25) : 38) + (crowded ? 10 : 0);
  const needed = inline ? full + NUMBER + BAR : Math.min(full, 110) + NUMBER;
  const column = Math.max(inline ? 66 : 40, Math.min(150, (width - LEFT - needed) / stages.length));
  const right = LEFT + column * stages.length;
  const names = inline ? full : Math.max(needed, width - right);
  const bar = inline ? Math.max(BAR, Math.min(2.2 * BAR, width - right - full - NUMBER)) : names - 4;
  const longest = Math.max(...stages.map((stage) => textWidth(shorten(stage, 18), 13, "bold")));
  const turned = longest > column - 6;
  const top = turned ? 34 + 0.64 * longest : 34;
  const rows = [];
  order.forEach((task, place) => { rows[task] = top + row * (place + 0.5); });
  return {
    inline, column, rows, right, names, bar, turned, top,
    limit: inline ? 28 : Math.floor((names - NUMBER) / 7),
    box: Math.max(30, Math.min(70, 0.58 * column)),
    x: (stage) => LEFT + column * (stage + 0.5),
    y: (module) => (Math.min(...module.tasks.map((k) => rows[k])) + Math.max(...module.tasks.map((k) => rows[k]))) / 2,
    width: Math.max(width, right + names + (inline ? NUMBER + bar : 0)),
    height: top + row * tasks.length + 8,
  };
}

/** Above its column; at a slant where the column is narrower than the name. */
function stageName(stage, s, { x, top, turned }) {
  const name = shorten(stage, 18);
  if (!turned) return label(x(s), top - 18, name, { class: "stage middle" });
  return label(x(s), top - 14, name, { class: "stage", transform: `rotate(-38 ${x(s)} ${top - 14})` });
}

function flows(plan, frame) {
  const modules = modulesOf(plan);
  const middle = (Math.min(...frame.rows) + Math.max(...frame.rows)) / 2;
  const start = [16, middle];
  const found = modules.map((module) => {
    const before = modules.find((m) => m.stage === module.stage - 1 && m.tasks.includes(module.tasks[0]));
    const from = before ? [frame.x(before.stage) + frame.box / 2, frame.y(before)] : start;
    const to = [frame.x(module.stage) - frame.box / 2, frame.y(module)];
    return curve(from, to, Math.min(6, 1 + 0.4 * module.tasks.length));
  });
  const ends = plan.tasks.map((_, k) => curve(lastOf(modules, k, frame), [frame.right - 4, frame.rows[k]], 1.3));
  const input = svg("circle", { class: "input", cx: start[0], cy: start[1], r: 5 });
  return [...found, ...ends, input, label(start[0], middle - 11, "input", { class: "tick middle" })];
}

function lastOf(modules, task, frame) {
  const last = modules.findLast((m) => m.tasks.includes(task));
  return [frame.x(last.stage) + frame.box / 2, frame.y(last)];
}

function helpers(plan, frame) {
  const modules = modulesOf(plan);
  return (plan.helpers ?? []).map((h) => {
    const from = lastOf(modules, plan.tasks.indexOf(h.along), frame);
    return curve(from, [frame.right - 4, frame.rows[plan.tasks.indexOf(h.task)]], 1.4, "helper");
  });
}

function curve([x1, y1], [x2, y2], width, tone = "flow") {
  const middle = (x1 + x2) / 2;
  const d = `M${x1},${y1}C${middle},${y1} ${middle},${y2} ${x2},${y2}`;
  return svg("path", { class: tone, d, "stroke-width": width });
}

function copy(plan, module, frame) {
  const [x, y] = [frame.x(module.stage), frame.y(module)];
  const n = module.tasks.length;
  const names = module.tasks.map((k) => printable(plan.tasks[k])).join(", ");
  return svg("g", { class: n > 1 ? "copy shared" : "copy" },
    svg("title", {}, `${plan.stages[module.stage]}, copy ${module.copy + 1}: ${names}`),
    svg("rect", { x: x - frame.box / 2, y: y - BOX / 2, width: frame.box, height: BOX, rx: 6 }),
    label(x, y + 4, frame.box >= 54 ? plural(n, "task") : n, { class: "count middle" }),
    pill(adaptersOf(plan, module), x, y + BOX / 2 + 6, frame.column));
}

/** Kind and size of adapters, hung under their copy. */
function pill(adapters, x, y, column) {
  if (!adapters.length) return null;
  const whole = adapters.map((a) => `${shorten(a.kind, 14)} ${a.size}`).join(" / ");
  const text = textWidth(whole, 11) + 14 <= column ? whole : adapters.map((a) => a.size).join("/");
  const width = textWidth(text, 11) + 12;
  return svg("g", { class: "adapter" },
    svg("title", {}, adapters.map(adapterWords).join("; ")),
    svg("rect", { x: x - width / 2, y: y - 8, width, height: 16, rx: 8 }),
    label(x, y + 4, text, { class: "middle" }));
}

function leaf(task, gain, frame, y, limit) {
  const x = frame.right;
  const name = (dy) => label(x, y + dy, shorten(task, frame.limit), { class: "task" });
  if (!known(gain)) return [name(4)];
  const number = percent(gain);
  if (frame.inline) {
    const end = x + frame.names + frame.bar + NUMBER;
    const drawn = bar(gain, x + frame.names, frame.bar, y, 10, limit);
    return [name(4), ...drawn, label(end - 4, y + 4, number, { class: "gain end" })];
  }
  const drawn = bar(gain, x, frame.bar, y + 9, 5, limit);
  return [name(-1), ...drawn, label(x + frame.names - 4, y - 1, number, { class: "gain end" })];
}

/** From a line in the middle: right is better than alone, left is worse. */
function bar(gain, x, width, y, height, limit) {
  const at = linear([-limit, limit], [x, x + width]);
  const end = at(Math.max(-limit, Math.min(limit, gain)));
  const [top, tone] = [y - height / 2, gain < 0 ? "worse" : "better"];
  return [
    svg("rect", { class: "track", x, y: top, width, height, rx: 2 }),
    svg("rect", { class: tone, x: Math.min(at(0), end), y: top, width: Math.abs(end - at(0)), height }),
    svg("line", { class: "zero", x1: at(0), x2: at(0), y1: top - 2, y2: top + height + 2 }),
  ];
}

/** `bottleneck of size 4 behind block1, one for each task`. */
export function adapterWords(adapter) {
  const { kind, size, stage, per, tasks } = adapter;
  const whose = tasks ? `, for ${tasks.map(printable).join(", ")}` : "";
  return `${printable(kind)} of size ${size} behind ${printable(stage)}, one for each ${per}${whose}`;
}

/** The tree in words, a line for each copy: what a picture shows at a glance. */
export function topologyWords(plan) {
  return plan.stages.map((stage, s) => {
    const copies = modulesOf(plan).filter((m) => m.stage === s);
    return [stage, copies.map((m) => m.tasks.map((k) => printable(plan.tasks[k])).join(", ")).join(" | ")];
  });
}
