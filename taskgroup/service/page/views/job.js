// One job: what it does, what came of it, and everything that can be done with it.

import { ApiError, getIfThere, getJson, ofJob } from "../lib/api.js";
import { h, replace, setText } from "../lib/dom.js";
import { ENDED, printable } from "../lib/format.js";
import { announce, faultBox, showLink } from "../lib/notice.js";
import { follow, gathered } from "../lib/stream.js";
import { affinityPart } from "../job/affinity.js";
import { controls } from "../job/controls.js";
import { downloadsPart } from "../job/downloads.js";
import { headPart } from "../job/head.js";
import { historyPart } from "../job/history.js";
import { logPart } from "../job/log.js";
import { planPart } from "../job/plan.js";
import { proposalsPart } from "../job/proposals.js";
import { stateWords } from "../job/state.js";

const BEFORE_SEARCH = ["measure", "propose", "fork"];
const LIVE_MS = 2500; // between two looks at what the trials of a running job have come to
const PARTS = {
  plan: ["Plan", planPart], search: ["Search", historyPart], affinity: ["Affinity", affinityPart],
  proposals: ["Proposals", proposalsPart], files: ["Files", downloadsPart], log: ["Log", logPart],
};
const WHEN_DONE = ["plan", "search", "affinity", "proposals", "files", "log"];
const UNDER_WAY = ["search", "affinity", "proposals", "plan", "files", "log"]; // what comes first first

export async function jobView({ main, address, signal, title }) {
  const name = address.parts[1];
  title(`Job ${printable(name)}`);
  const job = await getJson(ofJob(name), { signal }).catch((fault) => gone(main, name, fault));
  if (!job) return;
  const config = await getJson(ofJob(name, "/config"), { signal });
  const view = { name, signal, job, configured: config.search.trials, parts: {}, last: 0, listening: false };
  view.show = (found) => update(view, found);
  build(main, view);
  main.addEventListener("route", ({ detail }) => goTo(main, detail.parts[2]), { signal });
  const refresh = gathered(() => load(view).catch((fault) => showFault(main, view, fault)));
  const data = gathered(() => loadData(view).catch((fault) => showFault(main, view, fault)), LIVE_MS);
  Object.assign(view, { refresh, data });
  update(view, job);
  data();
  if (address.parts[2]) setTimeout(() => goTo(main, address.parts[2]), 0);
  await listen(view);
}

/** Follow the job's events until it is over, once at a time; a job that is resumed is followed again. */
async function listen(view) {
  if (view.listening) return;
  view.listening = true;
  const { name, signal } = view;
  await follow(ofJob(name, "/events"), {
    signal, after: view.last, onLink: showLink,
    onEvent: (event) => hear(view, event),
    isOver: async () => ENDED.has((await getJson(ofJob(name), { signal })).state),
  });
  view.listening = false;
  if (signal.aborted) return;
  showLink("");
  view.refresh();
}

function gone(main, name, fault) {
  if (!(fault instanceof ApiError) || fault.status !== 404) throw fault;
  const back = h("a", { href: "#/jobs" }, "All jobs");
  replace(main, h("h1", {}, "No such job"), h("p", {}, `There is no job called ${printable(name)}. `, back));
  return null;
}

function build(main, view) {
  view.controls = controls(view);
  view.head = headPart(view.job, view.controls.element);
  view.faults = h("div");
  const order = view.job.state === "done" ? WHEN_DONE : UNDER_WAY;
  const links = order.map((key) => h("a", { href: `#/jobs/${encodeURIComponent(view.name)}/${key}` }, PARTS[key][0]));
  const sections = order.map((key) => {
    const [words, part] = PARTS[key];
    view.parts[key] = part(view);
    const heading = h("h2", { id: `${key}-title`, tabindex: "-1" }, words);
    return h("section", { id: key, "aria-labelledby": heading.id }, heading, view.parts[key].element);
  });
  const within = h("nav", { class: "within", "aria-label": "On this page" }, links);
  replace(main, view.head.element, view.controls.faults, view.faults, within, sections);
}

function goTo(main, key) {
  const heading = key && main.querySelector(`#${CSS.escape(key)}-title`);
  heading?.scrollIntoView({ block: "start" });
  heading?.focus({ preventScroll: true });
}

/** An event: written down, and a reason to look again at what it is about. */
function hear(view, event) {
  view.last = event.id;
  view.parts.log.add(event);
  if (event.kind === "trial") view.parts.search.add(event.data);
  view.refresh();
  if (["trial", "step", "state"].includes(event.kind)) view.data();
}

async function load(view) {
  const job = await getJson(ofJob(view.name), { signal: view.signal });
  if (stateWords(job) !== stateWords(view.job)) announce(`${job.name}: ${stateWords(job)}`);
  update(view, job);
}

function update(view, job) {
  view.job = job;
  replace(view.faults);
  view.head.update(job, view.configured);
  view.controls.update(job);
  view.parts.files.update(job);
  if (!ENDED.has(job.state)) listen(view);
}

/** What has come of the job so far; only what its step has left behind is asked for. */
async function loadData(view) {
  const { step } = view.job;
  const ask = (rest, there) => (there ? getIfThere(ofJob(view.name, rest), { signal: view.signal }) : null);
  const searched = step && ![...BEFORE_SEARCH, "search", "shortlist"].includes(step);
  const [pareto, trials] = await Promise.all([ask("/pareto", searched), ask("/trials?limit=10000", step)]);
  if (pareto) view.parts.plan.update(pareto);
  if (trials) view.parts.search.update(trials);
  if (!view.measured && step && step !== "measure") {
    const proposed = step !== "propose";
    const [affinity, proposals] = await Promise.all([ask("/affinity", true), ask("/proposals", proposed)]);
    if (proposals) view.parts.proposals.update(proposals);
    if (affinity && (proposals || !proposed)) view.parts.affinity.update(affinity, proposals);
    view.measured = affinity && proposals; // neither changes any more
  }
  if (ENDED.has(view.job.state)) await view.parts.files.list();
}

function showFault(main, view, fault) {
  if (view.signal.aborted) return;
  if (fault.status === 404) gone(main, view.name, fault);
  else if (view.faults.textContent !== fault.message) replace(view.faults, faultBox(fault));
  setText(document.getElementById("polite"), "");
}
