// Gain against cost, and the candidate behind a point: its topology, adapters and gains, beside another's on request.

import { choice, field, folded, h, replace, select, setText, swatches, table } from "../lib/dom.js";
import { known, originWords, percent, short, shorten, times } from "../lib/format.js";
import { lowestShown } from "../draw/figure.js";
import { announce } from "../lib/notice.js";
import { percentTick, scatter } from "../draw/scatter.js";
import { candidatePanel, gainTable } from "./candidate.js";

const COSTS = [["macs_ratio", "Multiply-accumulates"], ["params_ratio", "Parameters"]];
const SIGNS = {
  "all-shared": { shape: "square", tone: "shared" }, "all-separate": { shape: "diamond", tone: "separate" },
};

/** Only the signs that the chart of `data` has. */
function legendOf({ points, edge }, given) {
  const drawn = new Set(points.map((p) => (edge !== null && p.y < edge ? "below" : p.shape + p.tone)));
  const baseline = (name) => given.some((p) => p.baseline === name);
  const planned = given.find((p) => p.chosen)?.baseline;
  const entries = [
    ["line", "best for its cost", true],
    ["front", "candidate, the best for its cost", drawn.has("dotfront")],
    ["dot", "other candidate", drawn.has("dottrial")],
    ["square", "all-shared", baseline("all-shared")], ["diamond", "all-separate", baseline("all-separate")],
    ["star", planned ? `the plan, here ${planned} itself` : "the plan", drawn.has("starchosen")],
    ["interval", "confirmed, on fresh seeds", points.some((p) => known(p.low))],
    ["lower", "gain below the axis", drawn.has("below")],
  ];
  return swatches(entries.filter(([, , there]) => there));
}

export function planPart() {
  const state = { points: [], cost: "macs_ratio", a: null, b: null, slot: "b", comparing: false };
  const parts = build(state);
  state.plot = scatter({
    name: "Gain against cost, a point for each candidate. Arrow keys go from point to point, Enter picks.",
    hint: "Point at a candidate, or walk through them with the arrow keys; Enter shows its topology.",
    pick: (key) => pick(state, parts, key),
  });
  parts.card.append(state.plot.element);
  return {
    element: h("div", {}, parts.waiting, parts.whole),
    update: ({ points }) => update(state, parts, points),
    pick: (key) => {
      if (!state.points.some((p) => String(p.number) === key)) return;
      pick(state, parts, key);
      parts.pair.scrollIntoView({ block: "center" });
      announce(`Trial ${key} is shown under Plan.`);
    },
  };
}

function build(state) {
  const parts = { panels: ["A", "B"].map(candidatePanel), gains: h("div"), card: h("figure", { class: "card" }) };
  const set = (key, value) => {
    state[key] = value;
    show(state, parts);
  };
  const choose = (key) => (event) => {
    state.touched = true;
    set(key, event.target.value);
  };
  parts.selects = ["a", "b"].map((key) => select([], "", { onchange: choose(key) }));
  parts.legend = h("div");
  parts.waiting = h("p", {}, "The candidates, their gains, costs and topologies stand here when the search is over.");
  parts.words = h("p");
  parts.pair = h("div", { class: "pair" }, parts.panels.map((p) => p.element));
  parts.card.append(choice("Cost", COSTS, state.cost, (key) => set("cost", key)), parts.legend);
  parts.whole = h("div", { hidden: true }, parts.words, parts.card, pickers(state, parts), parts.pair, parts.gains,
    folded("All candidates as a table", () => candidateTable(state.points)));
  return parts;
}

/** Which candidates are shown, and which of two a click on a point sets. */
function pickers(state, parts) {
  const second = field("Candidate B", parts.selects[1]);
  const slot = choice("A click sets", [["a", "A"], ["b", "B"]], "b", (key) => { state.slot = key; });
  slot.hidden = second.hidden = true;
  const compare = () => {
    state.comparing = !state.comparing;
    if (state.comparing) state.b ??= rival(state);
    slot.hidden = second.hidden = !state.comparing;
    show(state, parts);
  };
  parts.toggle = h("button", { type: "button", "aria-pressed": "false", onclick: compare }, "Compare two");
  return h("div", { class: "pickers" }, field("Candidate A", parts.selects[0]), second, slot, parts.toggle);
}

function update(state, parts, points) {
  state.points = points.filter((p) => known(p.gain));
  parts.waiting.hidden = state.points.length > 0;
  parts.whole.hidden = !state.points.length;
  if (!state.points.length) return;
  const keys = new Set(state.points.map((p) => String(p.number)));
  if (!keys.has(state.a) || !state.touched) state.a = String(favourite(state.points).number);
  if (state.b !== null && !keys.has(state.b)) state.b = null;
  const options = [...state.points].sort((a, b) => b.gain - a.gain).map((p) => [String(p.number), pointName(p)]);
  for (const box of parts.selects) {
    if (document.activeElement !== box) replace(box, options.map(([key, words]) => h("option", { value: key }, words)));
  }
  show(state, parts);
}

/** The plan where it is chosen, else the best so far. */
function favourite(points) {
  return points.find((p) => p.chosen) ?? points.reduce((a, b) => (b.gain > a.gain ? b : a));
}

/** What to compare with first: the better baseline. */
function rival({ points, a }) {
  const others = points.filter((p) => String(p.number) !== a).sort((x, y) => y.gain - x.gain);
  return String((others.find((p) => p.baseline) ?? others[0] ?? points[0]).number);
}

function pick(state, parts, key) {
  state.touched = true;
  state[state.comparing ? state.slot : "a"] = key;
  show(state, parts);
}

function show(state, parts) {
  const find = (key) => state.points.find((p) => String(p.number) === key) ?? null;
  const [a, b] = [find(state.a), state.comparing ? find(state.b) : null];
  parts.selects[0].value = state.a ?? "";
  parts.selects[1].value = state.b ?? "";
  parts.toggle.setAttribute("aria-pressed", String(state.comparing));
  setText(parts.words, frontWords(state.points));
  const data = dataOf(state);
  replace(parts.legend, legendOf(data, state.points));
  state.plot.update(data);
  const gains = [a, b].filter(Boolean).flatMap((p) => Object.values(p.task_gains)).filter(known);
  const limit = Math.max(0.05, ...gains.map(Math.abs));
  parts.pair.classList.toggle("two", Boolean(b));
  parts.panels[0].update(a, Math.min(1, limit), state.comparing);
  parts.panels[1].update(b, Math.min(1, limit), state.comparing);
  replace(parts.gains, a ? gainTable(a, b) : null);
}

function dataOf({ points, cost, a, b, comparing }) {
  const edge = lowestShown(points.map((p) => p.gain), points.filter((p) => p.chosen || p.baseline).map((p) => p.gain));
  const front = points.filter((p) => p.on_front);
  const stairs = stairsOf(front.length ? front : points, cost);
  return {
    edge, strips: [], lettered: comparing,
    rings: { ...(comparing && b ? { [b]: "b" } : {}), ...(a ? { [a]: "a" } : {}) },
    lines: [{ tone: "front", steps: stairs }],
    points: points.map((p) => ({
      key: String(p.number), x: p[cost], y: p.gain, low: p.gain_low, high: p.gain_high, middle: p.gain_confirmed,
      words: pointWords(p), ...signOf(p),
    })),
    x: { title: `${Object.fromEntries(COSTS)[cost].toLowerCase()} (× all-shared)`, words: (v) => short(v, 4) },
    y: { title: "validation gain against all-separate (%)", words: percentTick },
  };
}

function signOf(point) {
  if (point.chosen) return { shape: "star", tone: "chosen", under: SIGNS[point.baseline] };
  return SIGNS[point.baseline] ?? { shape: "dot", tone: point.on_front ? "front" : "trial" };
}

/** Corners of the stairs: the points that no cheaper one reaches. */
function stairsOf(points, cost) {
  let top = -Infinity;
  const sorted = [...points].sort((a, b) => a[cost] - b[cost] || b.gain - a.gain);
  return sorted.filter((p) => p.gain > top && ((top = p.gain), true)).map((p) => [p[cost], p.gain]);
}

/** Short enough for a phone: the figures first, since a long line is cut at its end. */
function pointName(p) {
  const marks = [p.chosen && "plan", p.baseline].filter(Boolean).join(", ");
  return `${p.number}: ${percent(p.gain)}, ${times(p.macs_ratio)} MACs${marks ? ` (${marks})` : ""}`;
}

function pointWords(p) {
  const marks = [p.chosen && "the plan", p.baseline && "baseline", p.on_front && "best for its cost"].filter(Boolean);
  const sure = known(p.gain_confirmed) ? ` (confirmed ${percent(p.gain_confirmed)})` : "";
  const costs = `${times(p.macs_ratio)} MACs, ${times(p.params_ratio)} parameters`;
  const standing = marks.length ? ` (${marks.join(", ")})` : "";
  return `Trial ${p.number}, ${shorten(originWords(p.name), 70)}: gain ${percent(p.gain)}${sure}, ${costs}${standing}`;
}

function frontWords(points) {
  const front = points.filter((p) => p.on_front).length;
  const all = "Every candidate under the search seed; up and to the left is better and cheaper.";
  return `${all} ${front} of ${points.length} are the best for their cost.`;
}

function candidateTable(points) {
  const sorted = [...points].sort((a, b) => b.gain - a.gain);
  const standing = (p) => (p.chosen ? "the plan" : p.on_front ? "on the front" : "");
  const rows = sorted.map((p) => [String(p.number), originWords(p.name), percent(p.gain), times(p.params_ratio),
    times(p.macs_ratio), standing(p)]);
  const head = ["trial", "candidate", "gain", "parameters", "MACs", "standing"];
  const options = { texts: [1, 5], names: [1], strong: (n) => sorted[n].chosen };
  return table("Candidates by validation gain; costs are relative to all-shared", head, rows, options);
}
