// The columns of a table: which are tasks and of which kind, which are inputs, which are left out.

import { field, h, newId, replace, select, setText } from "../lib/dom.js";
import { plural, printable } from "../lib/format.js";

const KINDS = [["", "Kind?"], ["binary", "binary"], ["multiclass", "multiclass"], ["regression", "regression"]];
const SHOWN = 300; // rows at once; a filter finds the others
const FEW = 12;

/** What the form holds of the columns at first: all are inputs but those that had better not be. */
export function freshColumns(seen) {
  return seen.map(({ name, kind, unfit, values, split }) => {
    return { name, task: false, input: !unfit, kind: kind ?? "", why: unfit, values, split };
  });
}

/**
 * A table of check boxes over `columns`, changed in place; `changed` is called after every change. Where `inputsOnly`,
 * tasks do not come from columns of their own.
 */
export function columnsPart(columns, changed, inputsOnly = false) {
  const body = h("tbody");
  const status = h("p", { class: "small", role: "status" });
  const filter = h("input", { type: "search", autocomplete: "off", spellcheck: "false", oninput: () => show() });
  const hits = () => columns.filter((c) => c.name.toLowerCase().includes(filter.value.trim().toLowerCase()));
  const tell = () => {
    setText(status, countWords(columns, inputsOnly));
    changed();
  };
  const show = () => {
    const found = hits();
    const more = h("td", { colspan: "4", class: "text small" }, `and ${found.length - SHOWN} more: search to see them`);
    const rows = found.slice(0, SHOWN).map((column) => row(column, tell, inputsOnly));
    replace(body, rows, found.length > SHOWN && h("tr", {}, more));
  };
  const mark = (words, change) => h("button", { type: "button", onclick: () => {
    for (const column of hits()) Object.assign(column, change);
    show();
    tell();
  } }, words);
  const marks = [
    !inputsOnly && mark("All shown: tasks", { task: true, input: false }),
    mark("All shown: inputs", { task: false, input: true }),
    mark("All shown: leave out", { task: false, input: false }),
  ];
  const many = h("div", { class: "many" }, field("Search columns", filter),
    h("div", { class: "buttons", role: "group", "aria-label": "For all columns shown" }, marks));
  show();
  setText(status, countWords(columns, inputsOnly));
  return h("div", {}, columns.length > FEW && many, h("div", { class: "columns" }, frame(body, inputsOnly)), status);
}

function frame(body, inputsOnly) {
  const tasks = inputsOnly ? [] : [["task", "tick"], ["kind", "text"]];
  const head = [["column", "text"], ...tasks, ["input", "tick"]];
  const both = "Tick what your network should predict. The other ticked columns are its inputs.";
  return h("table", {},
    h("caption", {}, inputsOnly ? "Ticked columns are the inputs of your network." : both),
    h("thead", {}, h("tr", {}, head.map(([words, side]) => h("th", { scope: "col", class: side }, words)))), body);
}

function countWords(columns, inputsOnly) {
  const tasks = inputsOnly ? 0 : columns.filter((c) => c.task).length;
  const inputs = columns.filter((c) => c.input && (inputsOnly || !c.task)).length;
  const out = columns.length - tasks - inputs;
  return `${inputsOnly ? "" : `${plural(tasks, "task")}, `}${plural(inputs, "input")}${out ? `, ${out} left out` : ""}`;
}

function row(column, tell, inputsOnly) {
  const name = printable(column.name);
  const tick = (words, onchange, props) =>
    h("input", { type: "checkbox", "aria-label": `${name} is ${words}`, onchange, ...props });
  const taken = column.task && !inputsOnly;
  const input = tick("an input", () => {
    column.input = input.checked;
    tell();
  }, { checked: column.input && !taken, disabled: taken, id: newId("input") });
  const kind = select(KINDS, column.kind, { disabled: !column.task, "aria-label": `Kind of ${name}`, onchange: () => {
    column.kind = kind.value;
    tell();
  } });
  const task = tick("a task", () => {
    column.task = task.checked;
    column.input = !task.checked && !column.why;
    kind.disabled = !column.task;
    input.disabled = column.task;
    input.checked = column.input;
    tell();
  }, { checked: column.task, id: newId("task") });
  kind.dataset.column = column.name;
  const label = h("label", { for: inputsOnly ? input.id : task.id }, name);
  const why = column.why && h("span", { class: "small why" }, column.why);
  const head = h("th", { scope: "row", class: "text" }, label, why);
  const tasks = [h("td", { class: "tick" }, task), h("td", { class: "text" }, kind)];
  return h("tr", {}, head, inputsOnly ? [] : tasks, h("td", { class: "tick" }, input));
}

/** Task column and label column: a table in which every row belongs to one task. */
export function longPart(form, changed) {
  const options = [["", "Choose…"], ...form.columns.map((c) => [c.name, printable(c.name)])];
  const set = (key, value) => {
    form[key] = value;
    changed();
  };
  const free = h("div");
  const showFree = () => {
    const used = [form.taskColumn, form.labelColumn];
    replace(free, columnsPart(form.columns.filter((c) => !used.includes(c.name)), changed, true));
  };
  const seen = (name) => form.columns.find((column) => column.name === name);
  const names = h("textarea", { rows: 5, spellcheck: "false", oninput: () => set("taskNames", linesOf(names.value)) });
  const kind = select(KINDS, form.kind, { class: "kind", onchange: () => set("kind", kind.value) });
  const label = select(options, form.labelColumn, { class: "labels", onchange: () => {
    form.kind = kind.value = seen(label.value)?.kind || form.kind;
    set("labelColumn", label.value);
    showFree();
  } });
  const task = select(options, form.taskColumn, { class: "tasks", onchange: () => {
    form.taskNames = [...(seen(task.value)?.values ?? [])];
    names.value = form.taskNames.join("\n");
    set("taskColumn", task.value);
    showFree();
  } });
  names.value = form.taskNames.join("\n");
  showFree();
  return h("div", { class: "long" }, h("div", { class: "grid" },
    field("Task column", task, "Names the task that a row belongs to."),
    field("Label column", label, "What is to be predicted."),
    field("Kind of all tasks", kind),
    field("Tasks, one a line", names, "From the first rows: add what is missing. Rows of others are left out.")), free);
}

function linesOf(text) {
  return [...new Set(text.split("\n").map((line) => line.trim()).filter(Boolean))];
}
