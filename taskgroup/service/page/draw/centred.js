// The mathematics of what the map shows, as `Affinity.centred` in Python.

import { known } from "../lib/format.js";

/**
 * The server's affinity, tasks in the order `leaves`, with `centred` and its standard `errors` of each stage:
 * each target's column less its mean over the other tasks, in units of the spread of the whole matrix. `flat` where
 * nothing is left of that: with two tasks each target has but one source.
 */
export function prepared(raw, leaves) {
  const names = leaves.length === raw.tasks.length ? leaves : raw.tasks;
  const order = names.map((task) => raw.tasks.indexOf(task));
  const sorted = (stages) => stages.map((matrix) => order.map((i) => order.map((j) => matrix[i][j])));
  const [values, stderr, counts] = [sorted(raw.values), sorted(raw.stderr), sorted(raw.counts)];
  const both = values.map(centred);
  const errors = stderr.map((matrix, s) => matrix.map((row) => row.map((e) => (known(e) ? e / both[s].spread : null))));
  const all = both.flatMap((b) => b.matrix.flat()).filter(known);
  const limit = all.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const flat = all.every((value) => Math.abs(value) < 1e-9);
  const matrices = both.map((b) => b.matrix);
  return { tasks: names, stages: raw.stages, values, stderr, counts, errors, centred: matrices, limit, flat };
}

/** One matrix `[source][target]`; the diagonal and what is unknown become null. */
function centred(matrix) {
  const n = matrix.length;
  const means = Array.from({ length: n }, (_, j) => mean(matrix.map((row, i) => (i === j ? null : row[j]))));
  const off = matrix.map((row, i) => row.map((value, j) => (i === j || !known(value) ? null : value - means[j])));
  const found = off.flat().filter(known);
  const spread = Math.sqrt(mean(found.map((value) => value * value))) || 1;
  return { matrix: off.map((row) => row.map((value) => (value === null ? null : value / spread))), spread };
}

function mean(values) {
  const found = values.filter(known);
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : 0;
}
