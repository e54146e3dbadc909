// The config as text: written by the form, until it is edited by hand.

import { choice, field, h, setText } from "../lib/dom.js";
import { configOf } from "./config.js";
import { toYaml } from "./yaml.js";

/** The text, how it is written, the faults that were found in it, and the button that submits it. */
export function previewPart(view) {
  view.text = h("textarea", {
    spellcheck: "false", autocapitalize: "off", wrap: "off", class: "code", oninput: () => setEdited(view, true),
  });
  view.formats = choice("Written as", [["yaml", "YAML"], ["json", "JSON"]], view.format, (format) => {
    view.format = format;
    view.changed();
  });
  view.note = h("p", { class: "small", role: "status" });
  const back = () => setEdited(view, false);
  view.back = h("button", { type: "button", hidden: true, onclick: back }, "Take the form again");
  view.go = h("button", { type: "submit", class: "primary" }, "Submit the job");
  const hint = "What will be submitted. It may be edited: every option is described in docs/config.md.";
  return h("aside", { class: "card config", "aria-label": "What is submitted" }, field("Config", view.text, hint),
    view.formats, view.note, view.back, view.faults.element, h("div", { class: "actions" }, view.go));
}

/** The form was changed: the text follows, unless it was edited by hand. */
export function rewrite(view) {
  if (view.edited) return;
  const config = configOf(view.form);
  view.text.value = view.format === "yaml" ? toYaml(config) : `${JSON.stringify(config, null, 2)}\n`;
}

/** Once the text is edited by hand, the form no longer writes it. */
function setEdited(view, edited) {
  view.edited = edited;
  view.back.hidden = !edited;
  view.formats.disabled = edited;
  setText(view.note, edited ? "Edited by hand: the form no longer changes it." : "");
  view.changed();
}
