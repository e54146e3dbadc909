// Affinity between tasks as a map: one stage at a time, one cell under the pointer or the arrow keys.

import { h, replace, setText, svg } from "../lib/dom.js";
import { ARROW, DASH, known, plural, short, shorten, signed } from "../lib/format.js";
import { canvas, colour, label, onSchemeChange, responsive, textWidth } from "./figure.js";

const N_NUMBERED = 12; // up to this many tasks the cells carry their values, as in the report
const N_HATCHED = 40;
const SMALLEST = 3, NAMED = 11; // pixels of a cell; below the latter there is no room for names

/** Rows sources, columns targets; `show(stage)` turns to another stage. */
export function heatmap(affinity, readout) {
  const box = h("div", { class: "heat scroll" });
  const column = Math.min(1, affinity.tasks.length - 1);
  const view = { affinity, stage: affinity.stages.length - 1, row: 0, column, readout };
  const redraw = responsive(box, (width) => paint(box, view, width));
  onSchemeChange(redraw);
  tell(view);
  return {
    element: box,
    show: (stage) => {
      view.stage = stage;
      redraw();
      tell(view);
    },
  };
}

function paint(box, view, width) {
  const { tasks } = view.affinity;
  const widest = Math.max(44, Math.min(84, 600 / tasks.length));
  const names = tasks.map((task) => shorten(task, width < 500 ? 14 : 24));
  let room = Math.max(...names.map((n) => textWidth(n, 12))) + 10;
  let cell = Math.floor(Math.min(widest, (width - room - 26) / tasks.length));
  const named = cell >= NAMED;
  if (!named) {
    room = 4;
    cell = Math.max(SMALLEST, Math.floor(Math.min(widest, (width - room - 26) / tasks.length)));
  }
  const side = cell * tasks.length;
  const frame = { left: room + 18, top: 6, cell, side };
  const total = { width: frame.left + side + 8, height: side + 6 + (named ? 0.72 * room + 34 : 34) };
  const root = canvas(total.width, total.height, {
    class: "map", tabindex: "0", role: "application", "aria-roledescription": "heatmap",
    "aria-label": `Affinity between ${plural(tasks.length, "task")}. Arrow keys go from cell to cell.`,
    "aria-describedby": view.readout.id,
  });
  const cursor = svg("rect", { class: "cursor", width: cell, height: cell, rx: 2 });
  root.append(svg("g", { "aria-hidden": "true" }, picture(view, frame), hatches(view, frame), numbers(view, frame),
    named ? axisNames(names, frame) : [], axisTitles(frame, total), cursor));
  view.place = () => {
    cursor.setAttribute("x", frame.left + view.column * cell);
    cursor.setAttribute("y", frame.top + view.row * cell);
  };
  view.place();
  const hadFocus = box.contains(document.activeElement);
  root.addEventListener("keydown", (event) => walk(event, view));
  root.addEventListener("pointermove", (event) => point(event, root, view, frame));
  root.addEventListener("pointerdown", (event) => point(event, root, view, frame));
  replace(box, root);
  if (hadFocus) root.focus({ preventScroll: true });
}

/** All cells as one picture of one pixel a cell, so that a thousand tasks are as quick as ten. */
function picture({ affinity, stage }, { left, top, side }) {
  const n = affinity.tasks.length;
  const sheet = h("canvas", { width: n, height: n });
  const pen = sheet.getContext("2d");
  const [shade, pixels] = [shades(affinity.limit), pen.createImageData(n, n)];
  affinity.centred[stage].flat().forEach((value, k) => pixels.data.set([...shade(value), 255], 4 * k));
  pen.putImageData(pixels, 0, 0);
  const box = { x: left, y: top, width: side, height: side, preserveAspectRatio: "none" };
  return svg("image", { href: sheet.toDataURL(), class: "pixels", ...box });
}

function channels(hex) {
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

/** The colour of a value, as three channels: from the middle to either end of the scale. */
function shades(limit) {
  const names = ["--heat-lower", "--heat-middle", "--heat-higher", "--heat-none"];
  const [lower, middle, higher, none] = names.map((name) => channels(colour(name)));
  return (value) => {
    if (!known(value)) return none;
    const [end, share] = [value < 0 ? lower : higher, Math.min(1, Math.abs(value) / limit)];
    return middle.map((c, k) => Math.round(c + share * (end[k] - c)));
  };
}

/** Whether black is easier to read on a colour than white, by relative luminance. */
function wantsBlack(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
}

/** Cells whose value is below its standard error, or whose error is unknown. */
function hatches({ affinity, stage }, { left, top, cell }) {
  if (affinity.tasks.length > N_HATCHED) return [];
  const found = [];
  affinity.centred[stage].forEach((row, i) => row.forEach((value, j) => {
    const unsure = known(value) && !(Math.abs(value) >= affinity.errors[stage][i][j]);
    const x = left + j * cell, y = top + i * cell, k = cell / 2;
    const d = `M${x},${y + k}l${k},${-k}M${x},${y + cell}l${cell},${-cell}M${x + k},${y + cell}l${k},${-k}`;
    if (unsure) found.push(svg("path", { class: "hatch", d }));
  }));
  return found;
}

function numbers({ affinity, stage }, { left, top, cell }) {
  if (affinity.tasks.length > N_NUMBERED || cell < 30) return [];
  const shade = shades(affinity.limit);
  return affinity.centred[stage].flatMap((row, i) => row.map((value, j) => {
    const tone = wantsBlack(shade(value)) ? "black" : "white";
    const [x, y] = [left + (j + 0.5) * cell, top + (i + 0.5) * cell + 4];
    return known(value) && label(x, y, Math.abs(value) < 0.05 ? "0" : signed(value), { class: `value middle ${tone}` });
  }).filter(Boolean));
}

function axisNames(names, { left, top, cell, side }) {
  return names.flatMap((name, k) => {
    const at = (k + 0.5) * cell;
    const turned = `rotate(-50 ${left + at + 4} ${top + side + 10})`;
    return [
      label(left - 7, top + at + 4, name, { class: "tick end" }),
      label(left + at + 4, top + side + 10, name, { class: "tick end", transform: turned }),
    ];
  });
}

function axisTitles({ left, top, side }, { height }) {
  const middle = top + side / 2;
  const wide = side > 260;
  const target = wide ? "target: the task that is affected" : "target";
  const source = wide ? "source: the task that is trained" : "source";
  return [
    label(left + side / 2, height - 6, target, { class: "title middle" }),
    label(12, middle, source, { class: "title middle", transform: `rotate(-90 12 ${middle})` }),
  ];
}

function walk(event, view) {
  const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (!(event.key in moves)) return;
  event.preventDefault();
  go(view, view.row + moves[event.key][0], view.column + moves[event.key][1]);
}

function point(event, root, view, { left, top, cell }) {
  const corner = root.getBoundingClientRect();
  const row = Math.floor((event.clientY - corner.top - top) / cell);
  const column = Math.floor((event.clientX - corner.left - left) / cell);
  const last = view.affinity.tasks.length - 1;
  if (Math.min(row, column) >= 0 && Math.max(row, column) <= last) go(view, row, column);
}

function go(view, row, column) {
  const last = view.affinity.tasks.length - 1;
  view.row = Math.max(0, Math.min(last, row));
  view.column = Math.max(0, Math.min(last, column));
  view.place?.();
  tell(view);
}

/** Write down what the cell under the cursor says. */
function tell({ affinity, stage, row, column, readout }) {
  const [head, value, detail] = cellWords(affinity, stage, row, column);
  const [first, second, third] = readout.children;
  setText(first, head);
  setText(second, value);
  setText(third, detail);
}

/** A cell in words: who moves whom, how much more than others do, and what was measured. */
function cellWords(affinity, stage, row, column) {
  const [source, target] = [affinity.tasks[row], affinity.tasks[column]].map((task) => shorten(task, 60));
  const head = `${source} ${ARROW} ${target}`;
  if (row === column) return [head, DASH, "The effect of a task on itself is left out."];
  const value = affinity.centred[stage][row][column];
  if (!known(value)) return [head, DASH, "Not measured."];
  const error = affinity.errors[stage][row][column];
  const [raw, spread, looks] = ["values", "stderr", "counts"].map((key) => affinity[key][stage][row][column]);
  const sure = known(error) && Math.abs(value) >= error ? "" : "; below its standard error";
  const [shown, measured] = [signed(value, 2), `raw ${short(raw)}`];
  const rest = `, ${plural(looks, "look")}${sure}`;
  if (!known(error)) return [head, shown, measured + rest];
  return [head, `${shown} ± ${error.toFixed(2)}`, `${measured} ± ${short(spread, 2)}${rest}`];
}
