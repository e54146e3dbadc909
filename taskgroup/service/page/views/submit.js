// The form for a new job: a table, its tasks, a search space; the config that follows from it can be edited.

import { getJson, request } from "../lib/api.js";
import { choice, field, h, replace, select } from "../lib/dom.js";
import { printable } from "../lib/format.js";
import { announce } from "../lib/notice.js";
import { columnsPart, freshColumns, longPart } from "../submit/columns.js";
import { nameFrom } from "../submit/config.js";
import { faultList } from "../submit/faults.js";
import { previewPart, rewrite } from "../submit/preview.js";
import { uploadPart } from "../submit/upload.js";

const UNSET = { taskColumn: "", labelColumn: "", taskNames: [], kind: "", split: "" };
const ABOUT = "A job finds out which tasks should share a network, where it branches and how large its adapters are.";

export async function submitView({ main, signal, title }) {
  title("New job");
  const form = { name: "", data: "table", file: "", form: "wide", columns: [], ...UNSET, space: null, trials: null };
  const view = { form, signal, spaces: [], rows: new Map(), format: "yaml", edited: false };
  view.changed = () => rewrite(view);
  view.set = (key, value) => {
    form[key] = value;
    view.changed();
  };
  const upload = uploadPart({ signal, chosen: (file, rows) => setTable(view, file, rows) });
  view.upload = upload;
  const parts = [dataPart(view), tasksPart(view), spacePart(view), jobPart(view)];
  const faults = faultList(fieldsOf(view));
  view.faults = faults;
  const sent = (event) => {
    event.preventDefault();
    submit(view);
  };
  const columns = [h("div", { class: "parts" }, parts), previewPart(view)];
  const whole = h("form", { class: "submit", novalidate: true, onsubmit: sent }, columns);
  replace(main, h("h1", {}, "New job"), h("p", {}, ABOUT), whole);
  view.changed();
  [view.spaces] = await Promise.all([getJson("/api/spaces", { signal }), upload.listed]);
  fillSpaces(view);
}

function part(number, words, ...content) {
  const legend = h("legend", {}, h("span", { class: "number", "aria-hidden": "true" }, number), words);
  return h("fieldset", { class: "card part" }, legend, content);
}

function dataPart(view) {
  const { form } = view;
  const words = "The example brings its data along: good for trying things out. Choose which one under 3.";
  const example = h("p", { class: "hint", hidden: true }, words);
  const kinds = [["table", "A table of my own"], ["example", "An example's data"]];
  return part("1", "Data", choice("What the job is about", kinds, form.data, (data) => {
    form.data = data;
    view.upload.element.hidden = data !== "table";
    example.hidden = data === "table";
    view.tasks.hidden = data !== "table";
    fillSpaces(view);
    view.changed();
  }), view.upload.element, example);
}

function tasksPart(view) {
  const words = "The columns of the table stand here when it is chosen.";
  view.picker = h("div", { class: "picker" }, h("p", { class: "small" }, words));
  view.tasks = part("2", "Tasks", view.picker);
  return view.tasks;
}

/** A table was chosen: its columns come up, and the job is named after it. */
function setTable(view, file, rows) {
  const { form } = view;
  Object.assign(form, UNSET, { file: file.name, columns: freshColumns(file.columns, rows) });
  view.rows = rows;
  if (!form.name || form.name === view.named) {
    form.name = view.named = nameFrom(file.name);
    view.name.value = form.name;
  }
  showColumns(view);
  view.changed();
}

function showColumns(view) {
  const { form, rows } = view;
  const forms = [["wide", "A column for each task"], ["long", "A task column and a label column"]];
  const body = h("div");
  const show = () => {
    const isWide = form.form === "wide";
    replace(body, isWide ? columnsPart(form.columns, view.changed) : longPart(form, rows, view.changed));
    view.changed();
  };
  const byColumn = form.columns.map((c) => [c.name, `by column ${printable(c.name)}`]);
  const split = select([["", "at random: 60 % train, 20 % validation, 20 % test"], ...byColumn], form.split, {
    onchange: () => view.set("split", split.value),
  });
  const turn = (key) => {
    form.form = key;
    show();
  };
  show();
  replace(view.picker, choice("How the table holds its tasks", forms, form.form, turn), body,
    field("Rows are divided", split, "A split column says train, val or test in every row."));
}

function spacePart(view) {
  view.space = select([["", "Defaults"]], "", { onchange: () => {
    view.form.space = view.spaces.find((s) => s.name === view.space.value) ?? null;
    view.changed();
  } });
  view.about = h("p", { class: "small" });
  return part("3", "Search space", field("Start from", view.space), view.about);
}

/** Examples that fit the kind of data: without data of their own they need a table. */
function fillSpaces(view) {
  const { form } = view;
  const fitting = view.spaces.filter((s) => form.data === "table" || s.config.problem);
  const none = form.data === "table" ? [["", "Defaults"]] : [];
  const options = [...none, ...fitting.map((s) => [s.name, printable(s.name)])];
  if (!options.some(([key]) => key === view.space.value)) form.space = null;
  const chosen = form.space?.name ?? options[0]?.[0] ?? "";
  replace(view.space, options.map(([key, words]) => h("option", { value: key }, words)));
  view.space.value = chosen;
  form.space = view.spaces.find((s) => s.name === chosen) ?? null;
  if (form.data === "example" && form.space && (!form.name || form.name === view.named)) {
    form.name = view.named = view.name.value = form.space.name;
  }
  view.changed();
}

function jobPart(view) {
  const number = (props) => h("input", { type: "number", inputmode: "numeric", step: "1", ...props });
  view.name = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: "100",
    oninput: () => view.set("name", view.name.value.trim()),
  });
  view.trials = number({
    min: "2", placeholder: "as the search space says",
    oninput: () => view.set("trials", view.trials.value ? Number(view.trials.value) : null),
  });
  view.workers = number({ min: "1", placeholder: "as the server gives" });
  view.priority = number({ min: "-100", max: "100", value: "0" });
  return part("4", "Job", h("div", { class: "grid" },
    field("Name", view.name, "Letters, digits, and after the first also . _ -"),
    field("Trials of the search", view.trials, "Candidates to train, at most."),
    field("Workers", view.workers, "Trials at once."),
    field("Priority", view.priority, "From -100 to 100; higher goes first.")));
}

function fieldsOf(view) {
  const inside = (selector) => view.picker.querySelector(selector);
  const kinds = () => [...view.picker.querySelectorAll("select[data-column]")];
  return {
    kind: (task) => kinds().find((s) => s.dataset.column === task && !s.disabled) ?? null,
    tasks: () => (view.form.data === "table" ? inside("input[type=checkbox], select") : null),
    file: () => (view.form.data === "table" ? view.upload.control : null),
    name: () => view.name, trials: () => view.trials, priority: () => view.priority, workers: () => view.workers,
    text: () => view.text,
  };
}

async function submit(view) {
  view.faults.clear();
  view.go.disabled = true;
  const query = new URLSearchParams();
  if (view.priority.value && view.priority.value !== "0") query.set("priority", view.priority.value);
  if (view.workers.value) query.set("workers", view.workers.value);
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
