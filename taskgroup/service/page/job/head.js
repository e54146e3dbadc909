// The top of a job's page: its state, the step it is in, its verdict and the figures that matter now.

import { getIfThere, ofJob } from "../lib/api.js";
import { h, replace, setText } from "../lib/dom.js";
import { ENDED, HEADLINES, duration, known, percent, plural, printable } from "../lib/format.js";
import { badge, meter, sinceWords, stepRow } from "./state.js";
import { verdictTiles } from "./verdict.js";

/** `buttons` stand beside the name. */
export function headPart(first, buttons) {
  const view = {
    eyebrow: h("p", { class: "eyebrow" }), state: badge(), lead: h("p", { class: "lead", role: "status" }),
    steps: stepRow(), progress: meter(), course: h("p", { class: "small course" }),
    tiles: h("dl", { class: "tiles" }), note: h("div"),
  };
  view.work = h("div", { class: "work" }, view.steps.element, view.progress.element, view.course);
  return {
    element: h("header", { class: "jobhead" }, view.eyebrow,
      h("div", { class: "headline" }, h("h1", {}, printable(first.name)), view.state.element, buttons),
      view.lead, view.work, view.tiles, view.note),
    update: (job, configured) => update(view, job, configured),
  };
}

function update(view, job, configured) {
  setText(view.eyebrow, `Job · ${sinceWords(job)} · priority ${job.priority}`);
  view.state.update(job);
  view.steps.update(job);
  view.progress.update(job, "Progress of this step");
  setText(view.lead, leadWords(job));
  view.work.hidden = job.state === "done";
  setText(view.course, courseWords(job));
  if (job.state !== "done") replace(view.tiles, liveTiles(job, configured).map(tile));
  else if (!view.judged) judge(view, job);
}

/** A sentence on the whole job. */
function leadWords(job) {
  if (job.verdict) return HEADLINES[job.verdict.code] ?? job.verdict.text;
  if (job.message) return job.message;
  return { queued: "Waiting for its turn.", paused: "Paused: what is done is kept." }[job.state] ?? "";
}

function courseWords(job) {
  if (!job.step || ENDED.has(job.state)) return "";
  const share = job.total ? `: ${job.done} of ${plural(job.total, "trial")}` : "";
  return `Step ${job.step}${share}`;
}

function liveTiles(job, configured) {
  const left = known(job.seconds_left) ? duration(job.seconds_left) : "not known yet";
  const now = [
    ["Time left", left, "in this step, at the pace so far"],
    ["Workers alive", String(job.n_workers_alive), job.workers ? `of at most ${job.workers}` : "of the server's"],
  ];
  return [
    ["Best gain so far", percent(job.best_gain), "validation, against all-separate"],
    ...(job.state === "running" ? now : []),
    ["Trials of the search", String(job.trials ?? configured), `at most${job.trials ? `, ${configured} before` : ""}`],
  ];
}

function tile([words, value, note]) {
  const wordy = /^[a-z]/.test(value) ? " words" : "";
  const entries = [h("dt", {}, words), h("dd", { class: `value${wordy}` }, value), h("dd", { class: "note" }, note)];
  return h("div", { class: "tile" }, entries);
}

/** The figures of a finished job stand in its spec. */
async function judge(view, job) {
  view.judged = true;
  const options = { headers: { Accept: "application/json" } };
  const spec = await getIfThere(ofJob(job.name, "/spec"), options).catch(() => null);
  const { tiles, text, losses } = verdictTiles(spec, job);
  replace(view.tiles, tiles.map(tile));
  replace(view.note, text ? h("p", {}, text) : null, losses ? h("p", { class: "hint" }, losses) : null);
}
