// What a search starts from: an example of a search space that fits the data, and how much is to be spent.

import { field, h, numberIn, replace, select, setText } from "../lib/dom.js";
import { printable } from "../lib/format.js";

const USUAL = "table"; // of those that are meant for a table

/** Fields of the search space; a view's `chosen` remembers one for each kind of data. */
export function spaceFields(view) {
  view.chosen = {};
  view.space = select([], "", { disabled: true, onchange: () => {
    view.chosen[view.form.data] = view.space.value;
    fillSpaces(view);
  } });
  view.about = h("p", { class: "small" });
  const number = (key) => h("input", {
    type: "number", inputmode: "numeric", step: "1", min: "2",
    oninput: (event) => view.set(key, numberIn(event.target)),
  });
  view.trials = number("trials");
  view.seeds = number("seeds");
  return [
    field("Start from", view.space), view.about,
    h("div", { class: "grid" },
      field("Trials of the search", view.trials, "Candidates to train, at most."),
      field("Seeds of the confirmation", view.seeds, "Fresh trainings that the verdict rests on.")),
  ];
}

/** Offer what fits the kind of data: examples with data of their own, or those for a table. */
export function fillSpaces(view) {
  const { form, spaces } = view;
  const fitting = spaces.filter((s) => Boolean(s.config.problem) === (form.data === "example"));
  const find = (name) => fitting.find((s) => s.name === name);
  form.space = find(view.chosen[form.data]) ?? find(USUAL) ?? fitting[0] ?? null;
  replace(view.space, fitting.map((s) => h("option", { value: s.name }, printable(s.words ?? s.name))));
  view.space.value = form.space?.name ?? "";
  view.space.disabled = !fitting.length;
  setText(view.about, form.space?.title ?? "");
  view.trials.placeholder = placeholder(form.space?.config.search?.trials);
  view.seeds.placeholder = placeholder(form.space?.config.confirm?.seeds);
  view.suggestName();
  view.changed();
}

function placeholder(value) {
  return value === undefined ? "by default" : `${value}, as the search space says`;
}
