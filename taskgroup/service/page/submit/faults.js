// The server's faults at the foot of the form, each tied to the field that it is about.

import { h, newId, replace } from "../lib/dom.js";
import { faultBox } from "../lib/notice.js";

/** Fields by what a sentence says: the first rule that fits wins. */
const RULES = [
  [/`problem\.tasks\.(.+?)\.kind`/, "kind"],
  [/`problem\.(tasks|inputs|label_column|task_column|split)|task `|column `/, "tasks"],
  [/`name`|called|this name|same name/, "name"], [/`problem\.path`|no such file|uploads\/|\bfile\b/, "file"],
  [/`search\.trials`/, "trials"], [/\bpriority\b/, "priority"], [/\bworkers\b/, "workers"],
];

/** A live list of faults; `fields` are controls by key, `text` is where all else belongs. */
export function faultList(fields) {
  const box = h("div", { class: "faults", tabindex: "-1" });
  let marked = [];
  return {
    element: box,
    clear: () => {
      for (const control of marked) {
        control.removeAttribute("aria-invalid");
        restore(control);
      }
      marked = [];
      replace(box);
    },
    show(fault) {
      this.clear();
      if (!fault.problems) return replace(box, faultBox(fault));
      const items = fault.problems.map((text) => {
        const item = h("li", { id: newId("fault") }, text, " ");
        const control = fault.status === 409 ? fields.name() : controlFor(text, fields);
        mark(control, item.id);
        if (!marked.includes(control)) item.append(toField(control));
        marked.push(control);
        return item;
      });
      const head = h("p", { class: "head" }, headWords(fault));
      replace(box, h("div", { class: "fault", role: "alert" }, head, h("ul", {}, items)));
      box.focus({ preventScroll: true });
      box.scrollIntoView({ block: "nearest" });
    },
  };
}

function toField(control) {
  return h("button", { type: "button", class: "tolink", onclick: () => control.focus() }, "Go to the field");
}

function headWords({ status, problems }) {
  if (status === 409) return "The name is taken:";
  return problems.length === 1 ? "One thing has to be put right:" : `${problems.length} things have to be put right:`;
}

function controlFor(text, fields) {
  for (const [rule, key] of RULES) {
    const found = rule.exec(text);
    const control = found && (key === "kind" ? fields.kind(found[1]) : fields[key]?.());
    if (control) return control;
  }
  return fields.text();
}

function mark(control, id) {
  control.setAttribute("aria-invalid", "true");
  control.dataset.described ??= control.getAttribute("aria-describedby") ?? "";
  control.setAttribute("aria-describedby", `${control.getAttribute("aria-describedby") ?? ""} ${id}`.trim());
}

function restore(control) {
  if (control.dataset.described) control.setAttribute("aria-describedby", control.dataset.described);
  else control.removeAttribute("aria-describedby");
  delete control.dataset.described;
}
