// The search as it goes: the gain of each trial, the best so far, and what was stopped.

import { folded, h, replace, setText, swatches, table } from "../lib/dom.js";
import { known, originWords, percent, plural, printable, times } from "../lib/format.js";
import { lowestShown } from "../draw/figure.js";
import { percentTick, scatter } from "../draw/scatter.js";

const STATE_WORDS = { pruned: "stopped early" }; // where they differ from the data's

const stateOf = (row) => STATE_WORDS[row.state] ?? printable(row.state);

export function historyPart(view) {
  const trials = new Map();
  const plot = scatter({
    name: "Gain of each trial, in the order of the search. Arrow keys go from trial to trial.",
    hint: "Point at a trial, or use the arrow keys. When the search is over, a click shows its topology.",
    pick: (key) => view.parts.plan.pick(key),
  });
  const summary = h("p", {}, "Nothing has been trained yet.");
  const legend = h("div");
  const figure = h("figure", { class: "card", hidden: true }, legend, plot.element);
  const listed = folded("As a table", () => trialTable([...trials.values()]));
  listed.hidden = true;
  let waiting = null;
  const show = () => {
    waiting = null;
    const rows = [...trials.values()].sort((a, b) => a.number - b.number);
    figure.hidden = listed.hidden = !rows.length;
    if (!rows.length) return;
    setText(summary, summaryWords(rows));
    const data = dataOf(rows);
    replace(legend, legendOf(data));
    plot.update(data);
    if (listed.open) replace(listed, listed.firstElementChild, trialTable(rows));
  };
  return {
    element: h("div", {}, summary, figure, listed),
    add: (row) => {
      if (!trials.has(row.number)) trials.set(row.number, row);
      waiting ??= requestAnimationFrame(show); // a thousand at once are drawn once
    },
    update: ({ trials: rows }) => {
      for (const row of rows) trials.set(row.number, { ...row, ...(row.cost ?? {}) });
      show();
    },
  };
}

/** Only the signs that the chart of `data` has. */
function legendOf({ points, edge }) {
  const drawn = new Set(points.map((p) => (edge !== null && p.y !== null && p.y < edge ? "below" : p.shape)));
  const entries = [
    ["line", "best so far", points.some((p) => p.y !== null)], ["dot", "sampled", drawn.has("dot")],
    ["seeded", "baseline, proposed or repeat", drawn.has("diamond")],
    ["lower", "gain below the axis", drawn.has("below")], ["cross", "without a gain: see its row", drawn.has("cross")],
  ];
  return swatches(entries.filter(([, , there]) => there));
}

function dataOf(rows) {
  const done = rows.filter((row) => known(row.gain));
  const edge = lowestShown(done.map((row) => row.gain));
  const strips = [...new Set(rows.filter((row) => !known(row.gain)).map(stateOf))];
  const [first, last] = [rows[0].number, rows.at(-1).number];
  return {
    edge, strips,
    points: rows.map(pointOf),
    lines: done.length ? [{ tone: "best", steps: [...best(done), [last, best(done).at(-1)[1]]] }] : [],
    x: { title: "trial, in the order of the search", words: String, whole: true, domain: [first - 0.7, last + 0.7] },
    y: { title: "validation gain against all-separate (%)", words: percentTick },
  };
}

function pointOf(row) {
  const place = { key: String(row.number), x: row.number, y: row.gain ?? null, state: stateOf(row) };
  return { ...place, ...signOf(row), words: trialWords(row) };
}

function signOf(row) {
  if (!known(row.gain)) return { shape: "cross", tone: "stopped" };
  return row.origin === "sampler" ? { shape: "dot", tone: "sampled" } : { shape: "diamond", tone: "seeded" };
}

/** Corners of the best so far: each trial that was better than all before. */
function best(done) {
  const corners = [];
  for (const row of done) {
    if (!corners.length || row.gain > corners.at(-1)[1]) corners.push([row.number, row.gain]);
  }
  return corners;
}

function trialWords(row) {
  const outcome = known(row.gain) ? `gain ${percent(row.gain)}` : stateOf(row);
  const costs = `${times(row.macs_ratio)} MACs, ${times(row.params_ratio)} parameters`;
  return `Trial ${row.number}, ${originWords(row.origin)}: ${outcome}, ${costs}`;
}

function summaryWords(rows) {
  const count = (state) => rows.filter((row) => row.state === state).length;
  const parts = [plural(rows.length, "trial")];
  if (count("pruned")) parts.push(`${count("pruned")} stopped early`);
  if (count("over limit")) parts.push(`${count("over limit")} over a limit, not trained`);
  if (count("failed")) parts.push(`${count("failed")} failed`);
  const done = rows.filter((row) => known(row.gain));
  const top = done.length ? done.reduce((a, b) => (b.gain > a.gain ? b : a)) : null;
  return `${parts.join(", ")}.${top ? ` Best so far: ${percent(top.gain)} in trial ${top.number}.` : ""}`;
}

function trialTable(rows) {
  const head = ["trial", "origin", "state", "gain", "parameters", "MACs"];
  const cells = rows.map((row) => [String(row.number), originWords(row.origin, true), stateOf(row), percent(row.gain),
    times(row.params_ratio), times(row.macs_ratio)]);
  const options = { texts: [1, 2], names: [1] };
  return table("Every trial of the search; costs are relative to all-shared", head, cells, options);
}
