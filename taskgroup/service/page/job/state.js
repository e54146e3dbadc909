// A job's state as a badge, its progress as a bar, its steps as a row.

import { h, setText } from "../lib/dom.js";
import { ENDED, STATES, moment } from "../lib/format.js";

const SOON = { pause: "Pausing", cancel: "Cancelling" };

/** What stands in the badge: the state, or what is being done about it. */
export function stateWords(job) {
  return job.state === "running" && SOON[job.wanted] ? SOON[job.wanted] : STATES[job.state] ?? job.state;
}

/** The last thing that happened to a job, and when: `ended 07:50`. */
export function sinceWords(job) {
  const when = ["ended", "started"].find((key) => job[key]);
  return when ? `${when} ${moment(job[when])}` : `submitted ${moment(job.created)}`;
}

export function badge() {
  const element = h("span", { class: "badge" });
  return {
    element,
    update: (job) => {
      element.dataset.state = job.state;
      setText(element, stateWords(job));
    },
  };
}

/** A bar for the trials of a step; it moves to and fro where their number is not known. */
export function meter() {
  const inner = h("div", { class: "inner" });
  const element = h("div", { class: "meter", role: "progressbar", "aria-valuemin": "0" }, inner);
  return {
    element,
    update: (job, name) => {
      const counted = job.total > 0 || job.state !== "running";
      const share = job.total ? Math.min(1, job.done / job.total) : 0;
      element.hidden = ENDED.has(job.state);
      element.dataset.state = job.state;
      element.classList.toggle("vague", !counted);
      element.setAttribute("aria-label", name);
      element.setAttribute("aria-valuemax", job.total || 1);
      if (counted) element.setAttribute("aria-valuenow", job.total ? job.done : 0);
      else element.removeAttribute("aria-valuenow");
      inner.style.inlineSize = counted ? `${100 * share}%` : "";
    },
  };
}

const STEPS = [
  ["measure", "Measure", "how tasks move each other"],
  ["propose", "Propose", "groupings"],
  ["search", "Search", "train candidates"],
  ["confirm", "Confirm", "on fresh seeds"],
  ["report", "Report", "and files"],
];
const WITHIN = { fork: "search", shortlist: "confirm", test: "confirm", compare: "report", export: "report" };

/** The steps in a row: what is over, where the job is, what is to come. */
export function stepRow() {
  const items = STEPS.map(([, name, about]) =>
    h("li", {}, h("span", { class: "name" }, name), h("span", { class: "small" }, about)));
  return {
    element: h("ol", { class: "steps", "aria-label": "Steps" }, items),
    update: (job) => {
      const at = STEPS.findIndex(([key]) => key === (WITHIN[job.step] ?? job.step));
      items.forEach((item, k) => {
        const over = job.state === "done" || k < at;
        item.className = over ? "over" : k === at ? "here" : "";
        if (!over && k === at) item.setAttribute("aria-current", "step");
        else item.removeAttribute("aria-current");
      });
    },
  };
}
