// The server's faults at the foot of the form, in the form's words, each tied to the field that it is about.

import { h, newId, replace, setText } from "../lib/dom.js";
import { faultBox } from "../lib/notice.js";
import { read } from "./words.js";

/**
 * A live list of faults; one goes as soon as its field is changed.
 *
 * `view` has `form`, `edited` (whether the text was written by hand, so that the fields no longer stand for it) and
 * `fields`: by key, what gives the control, or null where it is not there.
 */
export function faultList(view) {
  const box = h("div", { class: "faults", tabindex: "-1" });
  const head = h("p", { class: "head" });
  const list = { box, head, view, entries: [] };
  return {
    element: box,
    clear: () => drop(list, list.entries),
    settle: (place) => drop(list, list.entries.filter((entry) => isSettled(entry, place, view))),
    show: (fault) => show(list, fault),
  };
}

function show(list, fault) {
  const { box, head, view } = list;
  drop(list, list.entries);
  if (!fault.problems) return replace(box, faultBox(fault));
  for (const { key, name, words } of unique(fault.problems.map((text) => read(text, fault.status, view)))) {
    const control = view.fields[key]?.(name) ?? view.fields.text();
    const item = h("li", { id: newId("fault") }, words, " ");
    if (list.entries.every((entry) => entry.control !== control)) item.append(toField(control));
    list.entries.push({ key, control, item });
  }
  list.entries.forEach(({ control }) => mark(list, control));
  setText(head, headWords(list, fault.status));
  replace(box, h("div", { class: "fault", role: "alert" }, head, h("ul", {}, list.entries.map((entry) => entry.item))));
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
}

function unique(found) {
  return found.filter((one, k) => found.findIndex((other) => other.words === one.words) === k);
}

/** Whether a change at `place` answers a fault, or its field has gone. */
function isSettled({ key, control }, place, view) {
  if (!control.isConnected) return true;
  if (control === view.text && !view.edited) return control.form.contains(place); // any field may be meant
  const areas = { tasks: view.tasks, kind: control.closest("tr"), file: view.upload.element };
  return (areas[key] ?? control).contains(place);
}

function drop(list, gone) {
  list.entries = list.entries.filter((entry) => !gone.includes(entry));
  for (const { control, item } of gone) {
    item.remove();
    mark(list, control);
  }
  if (list.entries.length) setText(list.head, headWords(list, 422));
  else replace(list.box);
}

/** Tie a control to the faults that are left of it. */
function mark({ entries }, control) {
  const own = entries.filter((entry) => entry.control === control).map((entry) => entry.item.id);
  control.dataset.described ??= control.getAttribute("aria-describedby") ?? "";
  const ids = [control.dataset.described, ...own].filter(Boolean).join(" ");
  if (ids) control.setAttribute("aria-describedby", ids);
  else control.removeAttribute("aria-describedby");
  if (own.length) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
}

function toField(control) {
  return h("button", { type: "button", class: "tolink", onclick: () => control.focus() }, "Go to the field");
}

function headWords({ entries }, status) {
  if (status === 409) return "The name is taken:";
  return entries.length === 1 ? "One thing has to be put right:" : `${entries.length} things have to be put right:`;
}
