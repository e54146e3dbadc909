// A new job from one that is there: its config fills the form, as far as the form has fields for it.

import { getJson, ofJob } from "../lib/api.js";
import { printable } from "../lib/format.js";
import { arrayOf, isArrays } from "./config.js";

const LISTED = 200; // jobs of similar names that are looked at for a free one

/** What the job `name` was asked for: its `problem`, its other sections as a `space`, and a free `name`. */
export async function askedFor(name, signal) {
  const [{ name: _, problem, ...config }, free] = await Promise.all([
    getJson(ofJob(name, "/config"), { signal }), freeName(name, signal),
  ]);
  const title = `All sections as in ${printable(name)}, with the defaults that it was given.`;
  return { name: free, problem: pruned(problem ?? {}), space: { name: "", words: `As in ${name}`, title, config } };
}

/** `first` becomes `first-2`, `first-2` becomes `first-3`; names that are taken are left out. */
async function freeName(name, signal) {
  const [, stem, number] = /^(.*?)(?:-(\d{1,6}))?$/.exec(name);
  const start = stem.slice(0, 90) || "job";
  const { jobs } = await getJson(`/api/jobs?${new URLSearchParams({ search: start, limit: LISTED })}`, { signal });
  const taken = new Set(jobs.map((job) => job.name));
  for (let k = Number(number ?? 1) + 1; ; k += 1) if (!taken.has(`${start}-${k}`)) return `${start}-${k}`;
}

/** A problem without the options that are null: by default they all are. */
function pruned(data) {
  if (Array.isArray(data) || data === null || typeof data !== "object") return data;
  return Object.fromEntries(Object.entries(data).filter(([, v]) => v !== null).map(([k, v]) => [k, pruned(v)]));
}

/** What the form holds of a `problem` about the table `columns`; null where it has no fields for that. */
export function formOf(problem, columns) {
  const tasks = Object.entries(problem.tasks ?? {});
  const names = columns.map((c) => c.name);
  const isLong = Boolean(problem.task_column);
  const kind = tasks[0]?.[1].kind ?? "";
  const isPlain = ([name, task]) => !task.path && task.value === undefined
    && (isLong ? !task.column && task.kind === kind : (task.column ?? name) === name && names.includes(name));
  const known = new Set([...names, ...names.map(arrayOf)]);
  if (!tasks.every(isPlain) || !(problem.inputs ?? []).every((name) => known.has(name))) return null;
  const common = { base: problem, split: problem.split?.column ?? "", form: isLong ? "long" : "wide" };
  const named = ({ name }) => problem.inputs.includes(name) || problem.inputs.includes(arrayOf(name));
  const unnamed = ({ name }) => !isArrays(problem.path) || arrayOf(name) === "X";
  const marked = columns.map((c) => ({ ...c, input: problem.inputs ? named(c) : unnamed(c) }));
  if (!isLong) return { ...common, columns: marked.map((c) => withTask(c, problem.tasks[c.name])) };
  const places = { taskColumn: problem.task_column, labelColumn: problem.label_column ?? "" };
  return { ...common, ...places, kind, columns: marked, taskNames: tasks.map(([name]) => name) };
}

function withTask(column, task) {
  return task ? { ...column, task: true, input: false, kind: task.kind ?? "" } : column;
}
