// What can be done with a job: pause, resume, cancel, edit, delete.

import { ofJob, send } from "../lib/api.js";
import { ask } from "../lib/dialog.js";
import { field, h, numberIn, replace } from "../lib/dom.js";
import { ENDED, plural, printable } from "../lib/format.js";
import { announce, faultBox } from "../lib/notice.js";

export function controls(view) {
  const faults = h("div");
  const act = (rest, said) => async () => {
    replace(faults);
    try {
      view.show(await send("POST", ofJob(view.name, rest)));
      announce(said);
      view.refresh();
    } catch (fault) {
      replace(faults, faultBox(fault));
    }
  };
  const button = (words, onclick, props = {}) => h("button", { type: "button", onclick, ...props }, words);
  const buttons = {
    pause: button("Pause", act("/pause", "Pausing: trials in hand are put back.")),
    resume: button("Resume", act("/resume", "Back in the queue.")),
    edit: button("Edit", () => edit(view)),
    cancel: button("Cancel job", () => cancel(view, act("/cancel", "Cancelling."))),
    again: h("a", { class: "button", href: `#/submit?from=${encodeURIComponent(view.name)}` }, "New job from this one"),
    remove: button("Delete", () => remove(view), { class: "danger" }),
  };
  return {
    element: h("div", { class: "buttons", role: "group", "aria-label": "Job control" }, Object.values(buttons)),
    faults,
    update: (job) => {
      const possible = possibleFor(job);
      for (const [key, element] of Object.entries(buttons)) keepFocus(element, !possible[key], buttons);
    },
  };
}

const RESUMABLE = new Set(["paused", "failed", "cancelled"]);

function possibleFor(job) {
  const going = job.state === "running" && job.wanted === "run";
  return {
    pause: going || job.state === "queued",
    resume: RESUMABLE.has(job.state) || (job.state === "running" && job.wanted === "pause"),
    edit: !ENDED.has(job.state),
    cancel: !ENDED.has(job.state) && job.wanted !== "cancel",
    again: ENDED.has(job.state),
    remove: job.state !== "running",
  };
}

/** Hide a button; where it had the focus, the next one gets it, so that a keyboard is not thrown to the top. */
function keepFocus(element, hidden, buttons) {
  const had = document.activeElement === element;
  element.hidden = hidden;
  if (had && hidden) Object.values(buttons).find((other) => !other.hidden)?.focus();
}

function cancel(view, act) {
  return ask({
    title: `Cancel ${printable(view.name)}?`, danger: true, yes: "Cancel the job", no: "Let it run",
    body: [h("p", {}, "Trials in hand are stopped. What is done stays on disk.")], act,
  });
}

function edit(view) {
  const { job } = view;
  const kind = { type: "number", inputmode: "numeric", step: "1" };
  const number = (value, props) => h("input", { ...kind, value: value ?? "", ...props });
  const trials = number(job.trials, { min: "2", placeholder: `${view.configured}, as submitted` });
  const workers = number(job.workers, { min: "1", placeholder: "as the server gives" });
  const priority = number(job.priority, { min: "-100", max: "100" });
  const body = [
    field("Trials of the search", trials, "At most. A running search takes it up at once."),
    field("Workers", workers, "Trials at once."),
    field("Priority", priority, "From -100 to 100; higher goes first."),
  ];
  return ask({ title: `Edit ${printable(view.name)}`, body, yes: "Save", act: async () => {
    const changes = changed({ trials, workers, priority }, job);
    if (Object.keys(changes).length) view.show(await send("PATCH", ofJob(view.name), changes));
    announce(plural(Object.keys(changes).length, "change") + " saved.");
    view.refresh();
  } });
}

/** What differs from the job. */
function changed(inputs, job) {
  const found = {};
  for (const [key, input] of Object.entries(inputs)) {
    const value = numberIn(input);
    if (value !== null && value !== job[key]) found[key] = value;
  }
  return found;
}

function remove(view) {
  return ask({
    title: `Delete ${printable(view.name)}?`, danger: true, yes: "Delete for good", no: "Keep it",
    body: [h("p", {}, "The job and its files go: affinity, trials, plan, weights and report. There is no way back.")],
    act: () => send("DELETE", ofJob(view.name)),
  }).then((done) => {
    if (done) location.hash = "#/jobs";
  });
}
