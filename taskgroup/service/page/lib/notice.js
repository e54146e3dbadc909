// What the page says: to screen readers as things change, to everybody when something failed.

import { h, replace, setText } from "./dom.js";

const LINKS = { live: "Live", polling: "Polling", lost: "Reconnecting" };

/** Have a screen reader say `text` when it has nothing else to say. */
export function announce(text) {
  const box = document.getElementById("polite");
  setText(box, "");
  setTimeout(() => setText(box, text), 50); // an unchanged text would not be said again
}

/** Show in the top bar how events come in; empty where the view has none. */
export function showLink(state) {
  const box = document.getElementById("link");
  if (box.dataset.state === state) return;
  box.dataset.state = state;
  replace(box, LINKS[state] ? [h("span", { class: "dot", "aria-hidden": "true" }), LINKS[state]] : []);
}

/** A box with the sentences of an error. */
export function faultBox(fault, title = "") {
  const problems = fault.problems ?? [String(fault.message ?? fault)];
  const lines = problems.length > 1 ? h("ul", {}, problems.map((text) => h("li", {}, text))) : h("p", {}, problems[0]);
  const head = title || (problems.length > 1 ? fault.title : "");
  return h("div", { class: "fault", role: "alert" }, head ? h("p", { class: "head" }, head) : null, lines);
}
