// The log: events as they come, a line each.

import { ofJob } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { clock, printable } from "../lib/format.js";
import { fileLink } from "./downloads.js";

const REPLAYED_MS = 2000; // a screen reader is spared what happened before
const KEPT = 500; // lines on the page; the file has them all

export function logPart(view) {
  const name = `Log of ${view.name}`;
  const list = h("ol", { role: "log", tabindex: "0", "aria-label": name, "aria-busy": "true", class: "log" });
  const file = fileLink("The whole log as text", ofJob(view.name, "/log"), `${view.name}.log`);
  setTimeout(() => list.removeAttribute("aria-busy"), REPLAYED_MS);
  const quiet = h("p", { class: "small" }, "Nothing has happened yet.");
  const waiting = []; // a thousand that come at once are laid out once
  const write = () => {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    quiet.hidden = true;
    list.append(...waiting.splice(0).map(lineOf));
    while (list.children.length > KEPT) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  return {
    element: h("div", {}, quiet, list, h("p", { class: "small" }, `The last ${KEPT} lines. `, file)),
    add: (event) => {
      if (event.kind === "progress") return; // the bar shows it
      if (!waiting.length) requestAnimationFrame(write);
      waiting.push(event);
      if (waiting.length > KEPT) waiting.shift(); // a tab in the background draws nothing
    },
  };
}

function lineOf(event) {
  const at = h("time", { datetime: new Date(1000 * event.at).toISOString() }, clock(event.at));
  const kind = h("span", { class: "kind" }, event.kind);
  return h("li", { class: event.kind }, at, kind, h("span", { class: "text" }, printable(event.text)));
}
