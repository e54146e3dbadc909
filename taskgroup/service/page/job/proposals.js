// Which tasks are alike: the dendrogram, the recommended groups and why.

import { folded, h, replace, table } from "../lib/dom.js";
import { DASH, known, printable, signed } from "../lib/format.js";
import { responsive } from "../draw/figure.js";
import { dendrogram, mergeWords } from "../draw/dendrogram.js";

export function proposalsPart() {
  const element = h("div", {}, h("p", {}, "Groupings stand here when the affinity is measured."));
  return { element, update: (proposals) => replace(element, build(proposals)) };
}

function build(proposals) {
  const tree = proposals.dendrogram;
  const drawn = tree && isDrawn(tree);
  const groups = proposals.recommended ? partition(proposals.recommended) : "";
  return [
    proposals.reason ? h("p", {}, proposals.reason) : null,
    groups ? h("p", {}, "Recommended: ", h("strong", {}, groups)) : null,
    ...(proposals.notes ?? []).map((note) => h("p", { class: "hint" }, note)),
    drawn ? picture(tree) : h("p", {}, treeless(tree)),
    drawn ? folded("The tree as a table", () => mergeTable(tree)) : null,
    folded("All proposed groupings", () => groupingTable(proposals)),
  ];
}

const APART = 1e-9; // distances below are zero but for rounding

/** Whether the tree says more than that all tasks join. */
function isDrawn({ tasks, merges }) {
  return tasks.length > 2 && merges.some(([, , height]) => height > APART);
}

function treeless(tree) {
  if (!tree?.merges.length) return "There is no tree: nothing to merge.";
  if (tree.tasks.length === 2) return "There is no tree to draw: two tasks can only join one another.";
  return "There is no tree to draw: all tasks join at a distance of 0.";
}

function picture(tree) {
  const box = h("div");
  const name = `Dendrogram of ${tree.leaves.length} tasks; the table below holds the same.`;
  responsive(box, (width) => replace(box, dendrogram(tree, width, name)));
  return h("figure", { class: "card dendro" }, box);
}

function mergeTable(tree) {
  const head = ["distance", "group", "joins group"];
  return table("Groups that join, the most alike first", head, mergeWords(tree), { texts: [1, 2] });
}

/** `a, b | c`. */
function partition({ tasks, labels }) {
  const groups = Array.from({ length: Math.max(...labels) + 1 }, () => []);
  labels.forEach((label, k) => groups[label].push(printable(tasks[k])));
  return groups.map((group) => group.join(", ")).join(" | ");
}

function groupingTable({ proposals, recommended }) {
  const same = (p) => recommended && partition(p.grouping) === partition(recommended);
  const rows = proposals.map(({ grouping, stability, score, source }) => [
    String(Math.max(...grouping.labels) + 1), partition(grouping), known(stability) ? stability.toFixed(2) : DASH,
    signed(score, 2), printable(source),
  ]);
  const head = ["groups", "tasks", "stability", "silhouette", "source"];
  const options = { texts: [1, 4], names: [1, 4], strong: (n) => same(proposals[n]) };
  return table("Proposed groupings, the recommended one first", head, rows, options);
}
