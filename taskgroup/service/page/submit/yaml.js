// YAML from plain data, as a person would write it: short lists and maps on one line.

const WIDTH = 100;
const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const RESERVED = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"]);

/** `data` (maps, lists, texts, numbers, true, false, null) as YAML that every reader takes for the same. */
export function toYaml(data) {
  return `${block(data, 0).join("\n")}\n`;
}

function block(data, depth) {
  const pad = "  ".repeat(depth);
  if (Array.isArray(data)) return data.flatMap((item) => listItem(item, pad, depth));
  return Object.entries(data).flatMap(([key, value]) => {
    const line = `${pad}${text(key)}: ${flow(value)}`;
    const nested = isNested(value);
    const inner = nested && !Array.isArray(value) && Object.values(value).some(isNested);
    if (!nested || (!inner && line.length <= WIDTH)) return [line];
    return [`${pad}${text(key)}:`, ...block(value, depth + 1)];
  });
}

function listItem(item, pad, depth) {
  const line = `${pad}- ${flow(item)}`;
  if (!isNested(item) || line.length <= WIDTH) return [line];
  const [first, ...rest] = block(item, depth + 1);
  return [`${pad}- ${first.trimStart()}`, ...rest];
}

/** Whether there is something in it that may need lines of its own. */
function isNested(value) {
  return value !== null && typeof value === "object" && Object.keys(value).length > 0;
}

function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([key, inner]) => `${text(key)}: ${flow(inner)}`).join(", ")}}`;
  }
  if (typeof value === "number") return number(value);
  return typeof value === "string" ? text(value) : String(value);
}

/** YAML 1.1 takes `1e-7` for a text: its numbers have a point before the exponent. */
function number(value) {
  const found = String(value);
  return /^-?\d+e/.test(found) ? found.replace("e", ".0e") : found;
}

function text(value) {
  if (PLAIN.test(value) && !RESERVED.has(value.toLowerCase())) return value;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]/g, escaped);
}

/** Characters that YAML does not take as they are; halves of pairs stay, for the whole is fine. */
function escaped(c, at, whole) {
  const code = c.charCodeAt(0);
  const start = code < 0xdc00 ? at : at - 1;
  const pair = /[\ud800-\udbff][\udc00-\udfff]/.test(whole.slice(Math.max(0, start), start + 2));
  return code >= 0xd800 && code <= 0xdfff && pair ? c : `\\u${code.toString(16).padStart(4, "0")}`;
}
