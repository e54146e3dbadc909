// The form for a new job: a table, its tasks, a search space; the config that follows from it can be edited.

import { getJson, request } from "../lib/api.js";
import { choice, field, h, numberIn, replace, select } from "../lib/dom.js";
import { printable } from "../lib/format.js";
import { announce, faultBox } from "../lib/notice.js";
import { askedFor, formOf } from "../submit/again.js";
import { columnsPart, freshColumns, longPart } from "../submit/columns.js";
import { nameFrom } from "../submit/config.js";
import { faultList } from "../submit/faults.js";
import { previewPart, rewrite } from "../submit/preview.js";
import { fillSpaces, spaceFields } from "../submit/space.js";
import { uploadPart } from "../submit/upload.js";

const UNSET = { form: "wide", taskColumn: "", labelColumn: "", taskNames: [], kind: "", split: "", base: null };
const BUDGET = { space: null, trials: null, seeds: null };
const UNSEEN = "The rows of this table are not seen here: choose the kind of each task, and untick what is no input.";
const ABOUT = "A job finds out which tasks should share a network, where it branches and how large its adapters are.";

export async function submitView({ main, address, signal, title }) {
  title("New job");
  const form = { name: "", data: "table", file: "", columns: [], same: null, ...UNSET, ...BUDGET };
  const view = { form, signal, spaces: [], format: "yaml", edited: false };
  view.changed = () => rewrite(view);
  view.set = (key, value) => {
    form[key] = value;
    view.changed();
  };
  view.suggestName = () => suggestName(view);
  view.upload = uploadPart({ signal, chosen: (file, columns) => setTable(view, file, columns) });
  const parts = [dataPart(view), tasksPart(view), part("Search space", spaceFields(view)), jobPart(view)];
  view.fields = fieldsOf(view);
  view.faults = faultList(view);
  build(main, view, parts);
  [view.spaces] = await Promise.all([getJson("/api/spaces", { signal }), view.upload.listed]);
  const from = address.query.get("from");
  if (from) await startFrom(view, from);
  fillSpaces(view);
  view.go.disabled = false; // before, the text has no search space
}

function build(main, view, parts) {
  const sent = (event) => {
    event.preventDefault();
    submit(view);
  };
  const settle = (event) => view.faults.settle(event.target);
  const columns = [h("div", { class: "parts" }, parts), previewPart(view)];
  const whole = h("form", { class: "submit", novalidate: true, onsubmit: sent, oninput: settle, onchange: settle },
    columns);
  view.origin = h("div");
  replace(main, h("h1", {}, "New job"), h("p", {}, ABOUT), view.origin, whole);
  view.go.disabled = true;
  view.changed();
}

/** Fill the form from a job that is there; what it has no fields for is taken as it is. */
async function startFrom(view, from) {
  const { form } = view;
  try {
    const { name, problem, space } = await askedFor(from, view.signal);
    const file = /^uploads\/(.*)$/s.exec(problem.path ?? "")?.[1];
    const isThere = problem.source === "table" && (await view.upload.choose(file));
    const filled = isThere ? formOf(problem, form.columns) : null;
    Object.assign(form, filled ?? { data: "same", same: problem });
    if (filled) showColumns(view);
    else view.showData("same", [["same", `The data of ${printable(from)}`]]);
    view.spaces = [space, ...view.spaces];
    if (space.config.trunk) view.chosen = { table: "", same: "" };
    form.name = view.name.value = name;
    const link = h("a", { href: `#/jobs/${encodeURIComponent(from)}` }, printable(from));
    const gone = problem.source === "table" && file && !isThere;
    const lost = `. Its table ${printable(file ?? "")} is not on the server any more: upload it, or choose another.`;
    replace(view.origin, h("p", { class: "hint" }, "Filled in from ", link, gone ? lost : "."));
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    replace(view.origin, faultBox(fault));
  }
}

/** Name the job after its data, unless the user has named it. */
function suggestName(view) {
  const { form } = view;
  if (form.name && form.name !== view.named) return;
  const found = { table: () => nameFrom(form.file), example: () => form.space?.name ?? "", same: () => form.name };
  form.name = view.named = view.name.value = found[form.data]();
}

function part(words, ...content) {
  const legend = h("legend", {}, h("span", { class: "number", "aria-hidden": "true" }), words);
  return h("fieldset", { class: "card part" }, legend, content);
}

function dataPart(view) {
  const words = "The example brings its data along: good for trying things out. Choose which one under Search space.";
  const example = h("p", { class: "hint", hidden: true }, words);
  const turn = (data) => {
    view.form.data = data;
    view.upload.element.hidden = view.tasks.hidden = data !== "table";
    example.hidden = data !== "example";
    fillSpaces(view);
  };
  const kinds = [["table", "A table of my own"], ["example", "An example's data"]];
  const box = h("div");
  const offer = (data, more = []) => replace(box, choice("What the job is about", [...more, ...kinds], data, turn));
  offer("table");
  view.showData = (data, more) => {
    offer(data, more);
    turn(data);
  };
  return part("Data", box, view.upload.element, example);
}

function tasksPart(view) {
  view.picker = h("div", { class: "picker" }, noColumns());
  view.tasks = part("Tasks", view.picker);
  return view.tasks;
}

function noColumns() {
  return h("p", { class: "small" }, "The columns of the table stand here when it is chosen.");
}

/** A table was chosen: its columns come up, and the job is named after it; or none is, any more. */
function setTable(view, file, columns) {
  const { form } = view;
  Object.assign(form, UNSET, { file, columns: freshColumns(columns) });
  suggestName(view);
  if (file) showColumns(view);
  else replace(view.picker, noColumns());
  view.changed();
  view.faults.settle(view.upload.element);
}

function showColumns(view) {
  const { form } = view;
  const forms = [["wide", "A column for each task"], ["long", "A task column and a label column"]];
  const body = h("div");
  const changed = () => {
    view.changed();
    view.faults.settle(view.tasks);
  };
  const show = () => {
    const isWide = form.form === "wide";
    replace(body, isWide ? columnsPart(form.columns, changed) : longPart(form, changed));
    view.changed();
  };
  const splits = form.columns.filter((c) => c.split || c.name === form.split);
  const byColumn = splits.map((c) => [c.name, `by column ${printable(c.name)}`]);
  view.split = select([["", "at random: 60 % train, 20 % validation, 20 % test"], ...byColumn], form.split, {
    onchange: () => view.set("split", view.split.value),
  });
  const turn = (key) => {
    form.form = key;
    show();
  };
  show();
  const isUnseen = form.columns.every((c) => !c.kind && !c.why && !c.values.length);
  replace(view.picker, choice("How the table holds its tasks", forms, form.form, turn),
    isUnseen && !form.base ? h("p", { class: "hint" }, UNSEEN) : null, body,
    field("Rows are divided", view.split, "A split column says train, val or test in every row."));
}

function jobPart(view) {
  const number = (props) => h("input", { type: "number", inputmode: "numeric", step: "1", ...props });
  view.name = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: "100",
    oninput: () => view.set("name", view.name.value.trim()),
  });
  view.workers = number({ min: "1", placeholder: "as the server gives" });
  view.priority = number({ min: "-100", max: "100", value: "0" });
  return part("Job", h("div", { class: "grid" },
    field("Name", view.name, "Letters, digits, and after the first also . _ -"),
    field("Workers", view.workers, "Trials at once."),
    field("Priority", view.priority, "From -100 to 100; higher goes first.")));
}

/** The controls that a fault may be about; null where one is not there. */
function fieldsOf(view) {
  const inside = (selector) => (view.form.data === "table" ? view.picker.querySelector(selector) : null);
  const kinds = () => [...view.picker.querySelectorAll("select[data-column]")];
  return {
    kind: (task) => kinds().find((s) => s.dataset.column === task && !s.disabled) ?? inside("select.kind"),
    tasks: () => inside("input[type=checkbox], select"),
    taskColumn: () => inside("select.tasks"), labelColumn: () => inside("select.labels"), split: () => view.split,
    file: () => (view.form.data === "table" ? view.upload.control : null),
    name: () => view.name, trials: () => view.trials, seeds: () => view.seeds, space: () => view.space,
    priority: () => view.priority, workers: () => view.workers, text: () => view.text,
  };
}

async function submit(view) {
  view.faults.clear();
  view.go.disabled = true;
  const query = new URLSearchParams();
  for (const key of ["priority", "workers"]) {
    const value = numberIn(view[key]);
    if (value !== null) query.set(key, value);
  }
  const options = { method: "POST", body: view.text.value, headers: { "Content-Type": `application/${view.format}` } };
  try {
    const answer = await request(`/api/jobs${query.size ? `?${query}` : ""}`, options);
    const job = await answer.json();
    announce(answer.status === 200 ? `${job.name} was there already.` : `${job.name} is submitted.`);
    location.hash = `#/jobs/${encodeURIComponent(job.name)}`;
  } catch (fault) {
    view.faults.show(fault);
  } finally {
    view.go.disabled = false;
  }
}
