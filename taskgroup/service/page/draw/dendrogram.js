// A merge tree as a dendrogram: root at the left, tasks at the right, as in the report.

import { svg } from "../lib/dom.js";
import { printable, short, shorten } from "../lib/format.js";
import { canvas, label, linear, textWidth, ticks } from "./figure.js";

const ROW = 25, TOP = 10;

/**
 * Draw `tree`: `leaves` are tasks from top to bottom, `merges` are `[a, b, height, size]` as scipy writes them, where
 * node `k` is task `k` of `tasks` and merge `k` makes node `tasks.length + k`.
 */
export function dendrogram(tree, width, name) {
  const n = tree.leaves.length;
  const names = tree.leaves.map((task) => shorten(task, width < 500 ? 16 : 30));
  const right = width - Math.max(...names.map((text) => textWidth(text, 13))) - 24;
  const high = Math.max(...tree.merges.map((merge) => merge[2]), 1e-9);
  const x = linear([high, 0], [14, right - 12]);
  const bottom = TOP + ROW * n;
  const root = canvas(width, bottom + 44, { role: "img", "aria-label": name, class: "dendrogram" });
  const rows = tree.leaves.map((_, k) => TOP + ROW * (k + 0.5));
  const nodes = tree.tasks.map((task) => [right, rows[tree.leaves.indexOf(task)]]);
  for (const value of ticks(0, high, Math.max(2, Math.floor(right / 80)))) {
    root.append(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: TOP, y2: bottom }));
    root.append(label(x(value), bottom + 16, short(value), { class: "tick middle" }));
  }
  for (const [a, b, height] of tree.merges) {
    const [from, to] = [nodes[a], nodes[b]];
    const at = x(height);
    root.append(svg("path", { class: "branch", d: `M${from[0]},${from[1]}H${at}V${to[1]}H${to[0]}` }));
    nodes.push([at, (from[1] + to[1]) / 2]);
  }
  names.forEach((text, k) => {
    root.append(svg("circle", { class: "leaf", cx: right, cy: rows[k], r: 3.5 }));
    root.append(label(right + 10, rows[k] + 4, text, { class: "task" }));
  });
  const title = `distance at which groups join${width < 500 ? "" : " (0: the two tasks most alike)"}`;
  root.append(label((14 + right) / 2, bottom + 38, title, { class: "title middle" }));
  return root;
}

/** The merges in words, nearest first: `a + b` at a distance. */
export function mergeWords(tree) {
  const below = tree.tasks.map((task) => [printable(task)]);
  return tree.merges.map(([a, b, height]) => {
    const row = [short(height), below[a].join(", "), below[b].join(", ")];
    below.push([...below[a], ...below[b]]);
    return row;
  });
}
