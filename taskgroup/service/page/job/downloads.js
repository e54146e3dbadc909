// Files of a job: the report, the plan, its exports, the config.

import { download, getIfThere, ofJob, token } from "../lib/api.js";
import { h, replace } from "../lib/dom.js";
import { printable } from "../lib/format.js";
import { announce } from "../lib/notice.js";

/** A link to a file; with a token it is fetched, since links carry none. */
export function fileLink(words, path, name, { accept = "", opens = false } = {}) {
  const plain = !token.get() && !accept;
  const link = h("a", { href: plain ? path.replace(/^\//, "") : "#", download: plain && !opens ? name : null });
  if (plain && opens) link.setAttribute("target", "_blank");
  if (plain && opens) link.setAttribute("rel", "noopener");
  link.append(words);
  if (!plain) link.addEventListener("click", async (event) => {
    event.preventDefault();
    await download(path, name, accept).catch((fault) => announce(fault.message));
  });
  return link;
}

const ABOVE = new Set(["json", "yaml"]); // these stand among the files already, as the spec

export function downloadsPart(view) {
  const list = h("ul", { class: "files" });
  const formats = h("div");
  const none = h("p", { class: "small" }, "Plan, report and exports come with the end of the job.");
  let state = "";
  const item = (link, about) => h("li", {}, link, h("span", { class: "small" }, about));
  const about = "what was asked for, with all defaults, as JSON";
  const config = () => item(fileLink("Config", ofJob(view.name, "/config"), `${view.name}.config.json`), about);
  return {
    element: h("div", {}, none, list, formats),
    update: (job) => {
      if (job.state === state) return;
      state = job.state;
      none.hidden = state === "done";
      replace(list, state === "done" ? plan(view.name).map((p) => item(...p)) : [], config());
    },
    list: async () => {
      if (state !== "done") return;
      const found = await getIfThere(ofJob(view.name, "/exports"), { signal: view.signal });
      const others = (found?.exports ?? []).filter(({ format }) => !ABOVE.has(format));
      const links = others.map((file) => h("li", {}, exportLink(view.name, file)));
      const head = h("h3", { class: "below" }, "In other formats");
      replace(formats, links.length ? [head, h("ul", { class: "formats" }, links)] : []);
    },
  };
}

function plan(name) {
  const spec = (words, ending) =>
    fileLink(words, ofJob(name, "/spec"), `${name}.spec.${ending}`, { accept: `application/${ending}` });
  return [
    [fileLink("Report", ofJob(name, "/report"), `${name}.html`, { opens: true }), "one page, opens without a network"],
    [spec("Spec as YAML", "yaml"), "the plan; taskgroup.load_spec reads it"],
    [spec("Spec as JSON", "json"), "the same"],
  ];
}

/** An export, named by its format. */
function exportLink(name, { format, of, file }) {
  const words = of === "network" ? `${format} (trained network)` : format;
  return fileLink(printable(words), ofJob(name, `/exports/${encodeURIComponent(format)}`), file);
}
