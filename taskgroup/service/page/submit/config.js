// The config that a filled-in form stands for.

/**
 * Plain data for the server, from what the form holds:
 * `{name, space, data: "table" | "example" | "same", file, form: "wide" | "long", columns, taskColumn, labelColumn,
 * taskNames, kind, split, trials, seeds}`; `same` is another job's problem, `base` one about the same table, of which
 * stays what the form has no field for.
 */
export function configOf(form) {
  const { problem: own, ...sections } = form.space?.config ?? {};
  const problem = { table: () => tableProblem(form), same: () => form.same, example: () => own }[form.data]();
  for (const [section, key, value] of [["search", "trials", form.trials], ["confirm", "seeds", form.seeds]]) {
    if (value !== null && value !== undefined) sections[section] = { ...sections[section], [key]: value };
  }
  return { name: form.name, ...(problem ? { problem } : {}), ...sections };
}

function tableProblem(form) {
  const { tasks: known = {}, split, inputs: _, task_column: __, label_column: ___, ...kept } = form.base ?? {};
  const problem = { ...kept, source: "table", path: `uploads/${form.file}` };
  const inputs = inputsOf(form);
  if (inputs) problem.inputs = inputs;
  problem.tasks = form.form === "wide" ? wideTasks(form, known) : longTasks(form, known);
  if (form.form === "long") Object.assign(problem, { task_column: form.taskColumn, label_column: form.labelColumn });
  if (split && form.split === (split.column ?? "")) problem.split = split;
  else if (form.split) problem.split = { column: form.split };
  return problem;
}

function wideTasks({ columns }, known) {
  return Object.fromEntries(columns.filter((c) => c.task).map((c) => [c.name, taskOf(c.kind, known[c.name])]));
}

function longTasks({ taskNames, kind }, known) {
  return Object.fromEntries(taskNames.map((name) => [name, taskOf(kind, known[name])]));
}

/** A task whose kind stays keeps its other options too. */
function taskOf(kind, known) {
  if (known && known.kind === kind) return known;
  return kind ? { kind } : {};
}

/**
 * Columns that are inputs, where some of those that could be are left out; null where all are. Of a file of arrays they
 * are always named, whole matrices by their own name; null where there are none, which leaves an array of more axes.
 */
function inputsOf({ file, form, columns, taskColumn, labelColumn, split }) {
  const used = (form === "long" ? [taskColumn, labelColumn, split] : [split]).filter(Boolean);
  const free = columns.filter((c) => !used.includes(c.name) && !(form === "wide" && c.task));
  const kept = free.filter((c) => c.input);
  if (!isArrays(file)) return kept.length < free.length ? kept.map((c) => c.name) : null;
  const partly = new Set(columns.filter((c) => !kept.includes(c)).map((c) => arrayOf(c.name)));
  const names = kept.map((c) => (partly.has(arrayOf(c.name)) ? c.name : arrayOf(c.name)));
  return names.length ? [...new Set(names)] : null;
}

/** Whether a file holds arrays, not columns. */
export function isArrays(file) {
  return /\.npz$/i.test(file);
}

/** The array that a column is of: `X[3]` is one of `X`. */
export function arrayOf(column) {
  return column.replace(/\[\d+\]$/, "");
}

/** A name for the job, from the file's: letters, digits, `.`, `_`, `-`. */
export function nameFrom(file) {
  return file.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 60);
}
