// What every picture needs: room to draw in, scales, ticks, widths of texts.

import { svg } from "../lib/dom.js";

/**
 * Call `draw` with the width of `box` in pixels, now and whenever it changes, so that texts keep their size.
 *
 * Comes back with a function that draws again with the same width.
 */
export function responsive(box, draw) {
  let width = 0;
  const redraw = () => {
    if (width > 0) draw(width);
  };
  const observer = new ResizeObserver(([entry]) => {
    const found = Math.floor(entry.contentRect.width);
    if (found === width) return;
    width = found;
    redraw();
  });
  observer.observe(box);
  return redraw;
}

/** The picture's root; a screen reader hears `label`, not the parts. */
export function canvas(width, height, props = {}) {
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, ...props });
}

export function linear([low, high], [start, end]) {
  const span = high - low || 1;
  return (value) => start + ((value - low) / span) * (end - start);
}

/** Round numbers within `[low, high]`, about `count` of them. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((k) => k * power >= rough * 0.999) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) found.push(k * step);
  return found;
}

let pen = null;

/** Width of `text` in pixels at `size`, in the font of the page. */
export function textWidth(text, size = 13, weight = "normal") {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/** Text that belongs to a picture. */
export function label(x, y, text, props = {}) {
  return svg("text", { x, y, ...props }, text);
}

/** What one colour of the page is now, in the light or the dark scheme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Call `redraw` when the reader turns from light to dark or back. */
export function onSchemeChange(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/**
 * Edge below which gains are marked and not shown at their place, or null: a few ruined trials must not flatten all
 * others. Nine of ten gains stay in view, and `kept` in any case; as in the report.
 */
export function lowestShown(gains, kept = []) {
  if (!gains.length) return null;
  const sorted = [...gains].sort((a, b) => a - b);
  const at = 0.1 * (sorted.length - 1);
  const below = Math.floor(at);
  const tenth = sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  const floor = Math.min(tenth, ...kept);
  const spread = sorted.at(-1) - floor;
  if (spread <= 0 || sorted[0] >= floor - spread) return null;
  return floor - 0.06 * spread;
}
