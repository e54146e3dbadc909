// The config that a filled-in form stands for.

/**
 * Plain data for the server, from what the form holds:
 * `{name, space, data: "table" | "example", file, form: "wide" | "long", columns, taskColumn, labelColumn, taskNames,
 * kind, split, trials}`.
 */
export function configOf(form) {
  const { problem, search, ...rest } = form.space?.config ?? {};
  const config = { name: form.name };
  if (form.data === "table") config.problem = tableProblem(form);
  else if (problem) config.problem = problem;
  Object.assign(config, rest);
  if (search || form.trials) config.search = { ...search, ...(form.trials ? { trials: form.trials } : {}) };
  return config;
}

function tableProblem(form) {
  const problem = { source: "table", path: `uploads/${form.file}` };
  const inputs = inputsOf(form);
  if (inputs) problem.inputs = inputs;
  problem.tasks = form.form === "wide" ? wideTasks(form) : longTasks(form);
  if (form.form === "long") Object.assign(problem, { task_column: form.taskColumn, label_column: form.labelColumn });
  if (form.split) problem.split = { column: form.split };
  return problem;
}

function wideTasks({ columns }) {
  return Object.fromEntries(columns.filter((c) => c.task).map((c) => [c.name, taskOf(c.kind)]));
}

function longTasks({ taskNames, kind }) {
  return Object.fromEntries(taskNames.map((name) => [name, taskOf(kind)]));
}

function taskOf(kind) {
  return kind ? { kind } : {};
}

/** Columns that are inputs, where some of those that could be are left out; null where all are. */
function inputsOf({ form, columns, taskColumn, labelColumn, split }) {
  const used = form === "long" ? [taskColumn, labelColumn, split] : [split];
  const free = columns.filter((c) => !used.includes(c.name) && !(form === "wide" && c.task));
  const kept = free.filter((c) => c.input);
  return kept.length < free.length ? kept.map((c) => c.name) : null;
}

/** A name for the job, from the file's: letters, digits, `.`, `_`, `-`. */
export function nameFrom(file) {
  return file.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 60);
}
