// What a finished job found, from its spec: the same figures as at the top of the report.

import { percent, plural, shorten, signed, times } from "../lib/format.js";

/** Tiles `[words, value, note]`, the verdict's sentence, and the tasks that the mean hides. */
export function verdictTiles(spec, job) {
  const text = job.verdict?.text ?? "";
  const evidence = spec?.evidence;
  const cost = spec?.cost;
  const tiles = evidence ? [
    ["Gain against all-separate", percent(evidence.gain_vs_separate.mean), bounds(evidence.gain_vs_separate)],
    ["Gain against all-shared", percent(evidence.gain_vs_shared.mean), bounds(evidence.gain_vs_shared)],
    worstTile(evidence),
  ] : [["Best gain in search", percent(job.best_gain), "against all-separate"]];
  if (cost) {
    const costs = [["MACs", cost.macs_ratio], ["Parameters", cost.params_ratio]];
    tiles.push(...costs.map(([words, ratio]) => [words, times(ratio), "of all-shared"]));
  }
  if (!evidence) return { tiles, text, losses: "" };
  return { tiles, text: `${text} ${settings(evidence)}`, losses: lossWords(evidence) };
}

/** The greatest clear loss, or else the smallest gain: a wide interval alone does not make a task the worst. */
function worstTile({ tasks }) {
  const lost = clearLosses(tasks);
  const among = lost.length ? lost : tasks;
  const worst = among.reduce((a, b) => (b.gain_vs_separate.mean < a.gain_vs_separate.mean ? b : a));
  const gain = worst.gain_vs_separate;
  const words = lost.length ? "Worst clear loss" : "Worst task, no clear loss";
  return [words, percent(gain.mean), `${shorten(worst.task, 24)} ${bounds(gain)}`];
}

function bounds({ low, high }) {
  return `[${signed(100 * low)}, ${signed(100 * high)}]`;
}

function settings({ split, seeds, level }) {
  const intervals = `Intervals of ${Number((100 * level).toPrecision(4))} % from ${plural(seeds.length, "seed")}`;
  return `${intervals} on the ${split} split, read once, after the choice.`;
}

function clearLosses(tasks) {
  return tasks.filter((t) => t.gain_vs_separate.high < 0);
}

function lossWords({ tasks }) {
  const named = clearLosses(tasks).map(({ task, gain_vs_separate: gain }) =>
    `${shorten(task, 40)} ${percent(gain.mean)} ${bounds(gain)}`);
  return named.length ? `Clearly worse than with a network of its own: ${named.join(", ")}.` : "";
}
