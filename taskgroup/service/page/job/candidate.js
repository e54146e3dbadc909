// One candidate: its tree, what it is made of in words, and what each task gains.

import { folded, h, replace, setText, swatches, table } from "../lib/dom.js";
import { known, originWords, percent, printable, shorten, signed, times } from "../lib/format.js";
import { responsive } from "../draw/figure.js";
import { adapterWords, adaptersOf, modulesOf, topologyTree, topologyWords } from "../draw/topology.js";

/** A panel for the candidate in a slot, `A` or `B`. */
export function candidatePanel(letter) {
  const title = h("h3");
  const words = h("p", { class: "small" });
  const name = `Topology of candidate ${letter}`;
  const box = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name });
  const key = h("div");
  const about = h("ul", { class: "small about" });
  const text = h("div");
  const view = { point: null, limit: 1 };
  const redraw = responsive(box, (width) => {
    if (view.point) replace(box, topologyTree(view.point, width, view.limit, treeWords(view.point)));
  });
  return {
    element: h("article", { class: "card candidate" }, title, words, box, key, about, text),
    update: (point, limit, comparing) => {
      text.parentElement.hidden = !point;
      if (!point) return;
      Object.assign(view, { point, limit });
      setText(title, `${comparing ? `${letter}: ` : ""}Trial ${point.number}, ${shorten(originWords(point.name), 70)}`);
      setText(words, figureWords(point));
      replace(key, legend(point));
      replace(about, aboutLines(point).map((line) => h("li", {}, line)));
      replace(text, folded("The tree as a table", () => treeTable(point)));
      redraw();
    },
  };
}

function figureWords(point) {
  const sure = known(point.gain_confirmed) ? `, confirmed ${percent(point.gain_confirmed)} ${bounds(point)}` : "";
  const costs = `${times(point.macs_ratio)} MACs · ${times(point.params_ratio)} parameters`;
  return `Gain ${percent(point.gain)} in search${sure} · ${costs}`;
}

function bounds({ gain_low: low, gain_high: high }) {
  return known(low) && known(high) ? `[${signed(100 * low)}, ${signed(100 * high)}]` : "";
}

/** Only what the drawing has. */
function legend(point) {
  const modules = modulesOf(point);
  const gains = Object.values(point.task_gains ?? {});
  const entries = [
    ["box shared", "shared copy", modules.some((m) => m.tasks.length > 1)],
    ["box own", "own copy", modules.some((m) => m.tasks.length === 1)],
    ["pill", "adapter, kind and size", modules.some((m) => adaptersOf(point, m).length)],
    ["line helper", "helps in training", point.helpers?.length > 0],
    ["box better", "gain against a network of its own", gains.some((gain) => gain > 0)],
    ["box worse", "loss", gains.some((gain) => gain < 0)],
  ];
  return swatches(entries.filter(([, , there]) => there));
}

function treeWords(point) {
  const copies = point.stages.map((stage, s) => `${Math.max(...point.matrix[s]) + 1} of ${stage}`);
  return `Topology of trial ${point.number}. Copies: ${copies.join(", ")}.`;
}

/** Adapters, helpers, heads and training, where there is something to say. */
function aboutLines(point) {
  const adapters = (point.adapters ?? []).filter((a) => a.size > 0).map(adapterWords);
  const helpers = (point.helpers ?? []).map(({ task, along }) =>
    `${printable(task)} also trains along the path of ${printable(along)} (dashed)`);
  const heads = point.head_size > 0 ? [`Heads with a hidden layer of ${point.head_size}`] : [];
  const first = adapters.length ? adapters.map((line) => `Adapter: ${line}`) : ["No adapters"];
  const lines = [...first, ...helpers, ...heads];
  return point.training ? [...lines, `Trained with ${printable(point.training)}`] : lines;
}

function treeTable(point) {
  const caption = "Which tasks share which copy of each stage; a bar parts the copies";
  return table(caption, ["stage", "tasks"], topologyWords(point), { texts: [0, 1] });
}

/** Gains of each task, of one candidate or of two and their difference. */
export function gainTable(a, b) {
  const head = b ? ["task", "A", "B", "A less B"] : ["task", "gain against all-separate"];
  const rows = a.tasks.map((task) => {
    const [x, y] = [a.task_gains?.[task], b?.task_gains?.[task]];
    const difference = known(x) && known(y) ? x - y : null;
    return b ? [printable(task), percent(x), percent(y), percent(difference)] : [printable(task), percent(x)];
  });
  const caption = `Gain per task under the search seed${b ? ", side by side" : ""}`;
  return b ? table(caption, head, rows) : folded("Gain per task as a table", () => table(caption, head, rows));
}
