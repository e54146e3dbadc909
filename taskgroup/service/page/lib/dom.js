// Elements from data: text only ever becomes text nodes, so that no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Keys of `props`: `class`, `onclick` and the like, properties of the element, else attributes. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element, by the same rules. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

const AS_PROPERTY = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "open"]);

function fill(element, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.setAttribute("class", value);
    else if (AS_PROPERTY.has(key) && key in element) element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...present(children));
  return element;
}

/** Children without the gaps that conditions leave. */
function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Put `children` where the old ones were. */
export function replace(element, ...children) {
  element.replaceChildren(...present(children));
}

/** Set the text only where it differs, so that live regions and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let counter = 0;

/** An id that no other element has. */
export function newId(stem) {
  counter += 1;
  return `${stem}-${counter}`;
}

/** A label and its control, with a hint below; `control` gets an id where it has none. */
export function field(label, control, hint = "", extra = "") {
  control.id ||= newId("field");
  const note = hint ? h("p", { class: "small note", id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: `field ${extra}`.trim() }, h("label", { for: control.id }, label), control, note);
}

/** What a field for a number holds: null where it is empty; what is no number is left for the server to explain. */
export function numberIn(input) {
  if (input.validity.badInput) return "not a number";
  return input.value.trim() === "" ? null : Number(input.value);
}

/** A choice of one among `options`, pairs of value and words. */
export function select(options, value, props = {}) {
  const items = options.map(([key, words]) => h("option", { value: key, selected: key === value }, words));
  return h("select", props, items);
}

/** A group of radio buttons that looks like one switch; `change` gets the chosen value. */
export function choice(legend, options, value, change) {
  const name = newId("choice");
  const radio = (key) =>
    h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => change(key) });
  const items = options.map(([key, words]) => h("label", {}, radio(key), h("span", {}, words)));
  return h("fieldset", { class: "choice" }, h("legend", {}, legend), h("div", { class: "options" }, items));
}

/** A table with its caption, in a box that scrolls by itself. `texts` are columns of words, `names` the long ones. */
export function table(caption, head, rows, { texts = [0], names = [], strong = () => false } = {}) {
  const side = (k) => [texts.includes(k) && "text", names.includes(k) && "name"].filter(Boolean).join(" ") || null;
  const line = (row, n) => h("tr", { class: strong(n) ? "strong" : null }, row.map((cell, k) =>
    k === 0 ? h("th", { scope: "row", class: side(k) }, cell) : h("td", { class: side(k) }, cell)));
  const titles = head.map((title, k) => h("th", { scope: "col", class: side(k) }, title));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `table: ${caption}` },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, titles)), h("tbody", {}, rows.map(line))));
}

/** Something folded away under a line that opens it; `content` is only made when it is opened. */
export function folded(summary, content) {
  const box = h("details", {}, h("summary", {}, summary));
  box.addEventListener("toggle", () => {
    if (box.open) replace(box, box.firstElementChild, content());
  });
  return box;
}

/** What the signs of a picture mean: pairs of a swatch's class and words. */
export function swatches(entries) {
  return h("ul", { class: "legend" }, entries.map(([tone, words]) =>
    h("li", {}, h("span", { class: `swatch ${tone}`, "aria-hidden": "true" }), words)));
}
