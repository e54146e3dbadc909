// The start: which view the address asks for, and what all views share.

import { askToken, guardRequests } from "./lib/dialog.js";
import { h, replace } from "./lib/dom.js";
import { announce, faultBox, showLink } from "./lib/notice.js";
import { jobView } from "./views/job.js";
import { jobsView } from "./views/jobs.js";
import { submitView } from "./views/submit.js";

let leaving = null; // ends the streams and timers of the view that is shown
let shown = ""; // what is shown, without what the view itself keeps in the address

/** `#/jobs/NAME/part?query` as its parts. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { parts, query: new URLSearchParams(query) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The view of an address, and a key that stays the same as long as the view does. */
function viewOf({ parts, query }) {
  const [first = "jobs", name] = parts;
  if (first === "submit") return { key: `submit ${query.get("from") ?? ""}`, make: submitView, place: "#/submit" };
  if (first === "jobs" && name) return { key: `job ${name}`, make: jobView, place: "#/jobs" };
  if (first === "jobs") return { key: "jobs", make: jobsView, place: "#/jobs" };
  return { key: "missing", make: missingView, place: "" };
}

function show() {
  const address = route();
  const { key, make, place } = viewOf(address);
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.getAttribute("href") === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("main");
  if (key === shown) {
    main.dispatchEvent(new CustomEvent("route", { detail: address }));
    return;
  }
  const first = !shown;
  shown = key;
  leaving?.abort();
  leaving = new AbortController();
  showLink("");
  replace(main);
  const view = make({ main, address, signal: leaving.signal, title: setTitle });
  Promise.resolve(view).catch((fault) => {
    if (fault.name !== "AbortError") main.append(faultBox(fault));
  });
  if (!first) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function setTitle(text) {
  document.title = text ? `${text} · taskgroup` : "taskgroup";
  announce(text);
}

function missingView({ main, title }) {
  title("No such page");
  const back = h("a", { href: "#/jobs" }, "All jobs");
  replace(main, h("h1", {}, "No such page"), h("p", {}, "There is nothing at this address. ", back));
}

guardRequests();
document.getElementById("token").addEventListener("click", async () => {
  if (await askToken()) location.reload();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", show);
show();
