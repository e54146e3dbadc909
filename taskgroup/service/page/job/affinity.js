// The affinity: a map for each stage, the cell under the pointer in words, a table instead of the picture.

import { field, folded, h, newId, replace, setText, swatches, table } from "../lib/dom.js";
import { ARROW, known, plural, printable, short, shorten, signed } from "../lib/format.js";
import { prepared } from "../draw/centred.js";
import { heatmap } from "../draw/heatmap.js";

const MATRIX = 24; // up to this many tasks the table is the matrix, above it lists pairs
const PAIRS = 60;
const MEANING = "How training the task of a row moves the task of a column, less the mean of that column and in units "
  + "of the matrix's spread: compare within a column.";

export function affinityPart() {
  const element = h("div", {}, h("p", {}, "The affinity stands here when the first step is over."));
  const order = (proposals) => proposals?.dendrogram?.leaves ?? [];
  return { element, update: (raw, proposals) => replace(element, build(prepared(raw, order(proposals)))) };
}

function build(affinity) {
  if (affinity.flat) return measuredOnly(affinity);
  const lines = ["pair", "value", "small"].map((name) => h("p", { class: name }));
  const readout = h("div", { class: "cell", id: newId("cell"), "aria-live": "polite" }, lines);
  const map = heatmap(affinity, readout);
  const last = affinity.stages.length - 1;
  const name = (s) => (s === last ? "whole trunk" : shorten(affinity.stages[s], 30));
  const out = h("output", { class: "stage" }, name(last));
  let stage = last;
  const listed = folded("As a table", () => matrixTable(affinity, stage, name(stage)));
  const turn = () => {
    stage = Number(slider.value);
    slider.setAttribute("aria-valuetext", name(stage));
    setText(out, name(stage));
    map.show(stage);
    if (listed.open) replace(listed, listed.firstElementChild, matrixTable(affinity, stage, name(stage)));
  };
  const range = { type: "range", min: 0, max: last, step: 1, value: last };
  const slider = h("input", { ...range, "aria-valuetext": name(last), oninput: turn });
  out.setAttribute("for", (slider.id = newId("stage")));
  return [
    h("p", {}, MEANING),
    h("figure", { class: "card heatcard" },
      h("div", { class: "stagepick" }, field(`Stage, of ${plural(last, "stage")} and the whole trunk`, slider), out),
      h("div", { class: "heatbox" }, map.element, h("div", { class: "side" }, readout, scale(affinity.limit)))),
    listed,
  ];
}

/** Where there is nothing to compare a source with, only what was measured. */
function measuredOnly({ tasks, stages, values, stderr, counts }) {
  const why = tasks.length === 2
    ? "Of two tasks each has a single source: there is nothing to compare it with, so no map is drawn."
    : "All sources move their targets alike: there is nothing to compare, so no map is drawn.";
  const last = stages.length - 1;
  const rows = tasks.flatMap((source, i) => tasks.flatMap((target, j) => (i === j ? [] : [[
    `${printable(source)} ${ARROW} ${printable(target)}`, short(values[last][i][j]), short(stderr[last][i][j], 2),
    String(counts[last][i][j]),
  ]])));
  const head = ["source and target", "affinity", "standard error", "looks"];
  return [h("p", {}, why), table("As measured, whole trunk: above 0 the source helps its target", head, rows)];
}

function scale(limit) {
  return h("div", { class: "scale" },
    h("div", { class: "ramp", "aria-hidden": "true" }),
    h("div", { class: "ends small" },
      h("span", {}, `${signed(-limit)} helps less`), h("span", {}, `helps more ${signed(limit)}`)),
    swatches([["hatch", "below its standard error"], ["box none", "itself, or not measured"]]));
}

function matrixTable(affinity, stage, name) {
  const { tasks, centred, errors } = affinity;
  const cell = (i, j) => (known(centred[stage][i][j]) ? signed(centred[stage][i][j], 2) : "");
  if (tasks.length <= MATRIX) {
    const rows = tasks.map((task, i) => [printable(task), ...tasks.map((_, j) => cell(i, j))]);
    const head = ["source", ...tasks.map(printable)];
    return table(`Centred affinity, ${name}: rows are sources, columns targets`, head, rows);
  }
  const pairs = tasks.flatMap((_, i) => tasks.map((__, j) => [i, j])).filter(([i, j]) => known(centred[stage][i][j]));
  pairs.sort(([a, b], [c, d]) => Math.abs(centred[stage][c][d]) - Math.abs(centred[stage][a][b]));
  const error = (i, j) => (known(errors[stage][i][j]) ? errors[stage][i][j].toFixed(2) : "");
  const words = (i, j) => `${printable(tasks[i])} ${ARROW} ${printable(tasks[j])}`;
  const rows = pairs.slice(0, PAIRS).map(([i, j]) => [words(i, j), cell(i, j), error(i, j)]);
  const head = ["source and target", "centred affinity", "standard error"];
  return table(`The ${PAIRS} strongest of ${pairs.length} affinities, ${name}`, head, rows);
}
