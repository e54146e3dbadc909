// One job in the list.

import { h, setText } from "../lib/dom.js";
import { ENDED, HEADLINES, duration, known, percent, printable } from "../lib/format.js";
import { badge, meter, sinceWords } from "./state.js";

/** A row that `update(job)` changes in place. */
export function jobRow() {
  const name = h("a", {});
  const state = badge();
  const progress = meter();
  const words = h("p", { class: "small what" });
  const worth = h("strong");
  const what = h("span");
  const gain = h("p", { class: "gain" }, worth, " ", what);
  const when = h("p", { class: "small when" });
  const element = h("li", {},
    h("div", { class: "who" }, h("h2", {}, name), when),
    h("div", { class: "how" }, state.element),
    h("div", { class: "course" }, progress.element, words),
    h("div", { class: "worth" }, gain));
  return {
    element,
    update: (job) => {
      name.setAttribute("href", `#/jobs/${encodeURIComponent(job.name)}`);
      setText(name, printable(job.name));
      state.update(job);
      progress.update(job, `Progress of ${job.name}`);
      setText(words, courseWords(job));
      const [value, meaning] = gainOf(job);
      setText(worth, known(value) ? percent(value) : "");
      setText(what, meaning);
      gain.hidden = !known(value);
      setText(when, job.priority ? `${sinceWords(job)}, priority ${job.priority}` : sinceWords(job));
    },
  };
}

/** The plan's gain where there is a plan, else the best of the search, and which of both it is. */
function gainOf(job) {
  if (job.state === "done") return [job.gain?.mean, "gain of the plan, test"];
  return [job.best_gain, ENDED.has(job.state) ? "best, validation" : "best so far, validation"];
}

/** Where a job stands, in a line: its verdict, why it failed, or the step it is in. */
function courseWords(job) {
  if (job.verdict) return HEADLINES[job.verdict.code] ?? job.verdict.text;
  if (ENDED.has(job.state) || !job.step) return job.message || (job.state === "queued" ? "Waiting for its turn" : "");
  const share = job.total ? `, ${job.done} of ${job.total} trials` : "";
  const left = job.state === "running" && known(job.seconds_left) ? `, ${duration(job.seconds_left)} left` : "";
  return `${job.step}${share}${left}`.replace(/^./, (c) => c.toUpperCase());
}
