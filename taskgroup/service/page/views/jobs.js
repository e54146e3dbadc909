// The list of jobs, which follows what happens to them.

import { getJson } from "../lib/api.js";
import { field, h, replace, select, setText } from "../lib/dom.js";
import { STATES, plural } from "../lib/format.js";
import { announce, faultBox, showLink } from "../lib/notice.js";
import { follow, gathered } from "../lib/stream.js";
import { jobRow } from "../job/row.js";

const PAGE = 20;

export async function jobsView({ main, address, signal, title }) {
  title("Jobs");
  const view = { wanted: read(address.query), rows: new Map(), signal };
  view.list = h("ul", { class: "jobs", "aria-label": "Jobs", hidden: true });
  view.count = h("p", { class: "small", role: "status" });
  view.below = h("div");
  const complain = (fault) => {
    if (signal.aborted) return;
    view.key = ""; // what is below has to be made again
    replace(view.below, faultBox(fault));
  };
  const refresh = gathered(() => load(view).catch(complain));
  view.filters = filters(view, refresh);
  replace(main,
    h("div", { class: "headline" },
      h("h1", {}, "Jobs"), h("a", { class: "button primary", href: "#/submit" }, "New job")),
    view.filters.element, view.count, view.list, view.below);
  main.addEventListener("route", ({ detail }) => {
    view.wanted = read(detail.query);
    view.filters.show(view.wanted);
    refresh();
  }, { signal });
  const { last } = await load(view);
  await follow("/api/events", { signal, after: last, onLink: showLink, onEvent: (event) => {
    if (event.kind === "state" && view.rows.has(event.job)) announce(`${event.job}: ${event.text}`);
    refresh();
  } });
}

/** What the address asks for. */
function read(query) {
  const state = query.get("state") ?? "";
  const page = Math.max(1, Number.parseInt(query.get("page"), 10) || 1);
  return { state: Object.hasOwn(STATES, state) ? state : "", search: query.get("search") ?? "", page };
}

function addressOf({ state, search, page }) {
  const found = new URLSearchParams();
  if (state) found.set("state", state);
  if (search) found.set("search", search);
  if (page > 1) found.set("page", page);
  return `#/jobs${found.size ? `?${found}` : ""}`;
}

function filters(view) {
  const go = (change) => { location.hash = addressOf({ ...view.wanted, page: 1, ...change }); };
  const states = [["", "All states"], ...Object.entries(STATES)];
  const state = select(states, view.wanted.state, { onchange: () => go({ state: state.value }) });
  let timer = null;
  const typed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => go({ search: search.value.replace(/[^A-Za-z0-9._-]/g, "") }), 250);
  };
  const search = h("input", {
    type: "search", value: view.wanted.search, placeholder: "Part of a name", autocomplete: "off", spellcheck: "false",
    oninput: typed,
  });
  view.go = go;
  const stay = (event) => event.preventDefault();
  const fields = [field("Search", search), field("State", state)];
  return {
    element: h("form", { class: "filters", role: "search", onsubmit: stay }, fields),
    show: (wanted) => {
      state.value = wanted.state;
      if (document.activeElement !== search) search.value = wanted.search;
    },
  };
}

/** Ask for the page that is wanted, and show it; rows that stay are changed in place. */
async function load(view) {
  const { state, search, page } = view.wanted;
  const query = new URLSearchParams({ limit: PAGE, offset: (page - 1) * PAGE });
  if (state) query.set("state", state);
  if (search) query.set("search", search);
  const found = await getJson(`/api/jobs?${query}`, { signal: view.signal });
  const old = view.rows;
  view.rows = new Map(found.jobs.map((job) => [job.name, old.get(job.name) ?? jobRow()]));
  found.jobs.forEach((job) => view.rows.get(job.name).update(job));
  place(view.list, [...view.rows.values()].map((row) => row.element));
  view.list.hidden = !found.jobs.length;
  const first = (page - 1) * PAGE;
  const range = `${first + 1} to ${first + found.jobs.length} of ${plural(found.total, "job")}`;
  setText(view.count, found.jobs.length ? range : "");
  const key = JSON.stringify([view.wanted, found.total, found.jobs.length]);
  if (view.key !== key) {
    view.key = key;
    replace(view.below, found.jobs.length ? pager(view, found.total) : empty(view, found.total));
  }
  return { last: found.last_event };
}

/** Bring `elements` into order without moving those that are in place, so that the focus stays. */
function place(list, elements) {
  elements.forEach((element, k) => {
    if (list.children[k] !== element) list.insertBefore(element, list.children[k] ?? null);
  });
  while (list.children.length > elements.length) list.lastElementChild.remove();
}

function pager(view, total) {
  const { page } = view.wanted;
  const last = Math.ceil(total / PAGE);
  if (last < 2 && page === 1) return [];
  const step = (words, to, on) =>
    h("button", { type: "button", disabled: !on, onclick: () => view.go({ page: to }) }, words);
  return h("nav", { class: "pager", "aria-label": "Pages" },
    step("Newer", page - 1, page > 1), h("span", {}, `Page ${page} of ${last}`), step("Older", page + 1, page < last));
}

function empty(view, total) {
  const { state, search, page } = view.wanted;
  if (state || search || (page > 1 && total)) {
    return h("div", { class: "empty" }, h("p", {}, "No job fits. ", h("a", { href: "#/jobs" }, "Show all jobs")));
  }
  return h("div", { class: "empty" },
    h("h2", {}, "No jobs yet"),
    h("p", {}, "A job finds out which tasks should share a network, where it branches and how large its adapters are."),
    h("p", {}, h("a", { class: "button primary", href: "#/submit" }, "Submit the first job")),
    h("p", { class: "small" }, "From a terminal: ", h("code", {}, `taskgroup submit CONFIG --url ${location.origin}`)));
}
