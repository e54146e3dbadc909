// One job in the list.

import { h, setText } from "../lib/dom.js";
import { ENDED, HEADLINES, duration, known, moment, percent, printable } from "../lib/format.js";
import { badge, meter } from "./state.js";

/** A row that `update(job)` changes in place. */
export function jobRow() {
  const name = h("a", {});
  const state = badge();
  const progress = meter();
  const words = h("p", { class: "small what" });
  const worth = h("strong");
  const gain = h("p", { class: "gain" }, worth, " best gain");
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
      setText(worth, known(job.best_gain) ? percent(job.best_gain) : "");
      gain.hidden = !known(job.best_gain);
      setText(when, job.priority ? `${moment(job.created)}, priority ${job.priority}` : moment(job.created));
    },
  };
}

/** Where a job stands, in a line: its verdict, why it failed, or the step it is in. */
function courseWords(job) {
  if (job.verdict) return HEADLINES[job.verdict.code] ?? job.verdict.text;
  if (ENDED.has(job.state) || !job.step) return job.message || (job.state === "queued" ? "Waiting for its turn" : "");
  const share = job.total ? `, ${job.done} of ${job.total} trials` : "";
  const left = job.state === "running" && known(job.seconds_left) ? `, about ${duration(job.seconds_left)} left` : "";
  return `${job.step}${share}${left}`.replace(/^./, (c) => c.toUpperCase());
}
