// What the columns of a table probably are, from its first rows, for the user to correct; rules as of `taskgroup init`.

const LOOKED_AT = 256 * 1024;
const MAX_CLASSES = 20, MAX_TEXTS = 50;
const MISSING = new Set(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "#N/A", "n/a", "<NA>"]);

/** The first rows of a CSV file by column: name → values as text; empty for other kinds of files. */
export async function firstRows(file) {
  if (!/\.csv$/i.test(file.name)) return new Map();
  const text = await file.slice(0, LOOKED_AT).text();
  const rows = parse(text.replace(/^\uFEFF/, ""));
  if (file.size > LOOKED_AT) rows.pop(); // cut in the middle
  const [head = [], ...body] = rows;
  const column = (k) => body.map((row) => row[k] ?? "").filter((value) => !MISSING.has(value.trim()));
  return new Map(head.map((name, k) => [name, column(k)]));
}

/** Rows of comma-separated text; quoted fields may hold commas, line ends and doubled quotes. */
export function parse(text) {
  const rows = [];
  let row = [], field = "", quoted = false;
  const endField = () => { row.push(field); field = ""; };
  const endRow = () => { endField(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let k = 0; k < text.length; k += 1) {
    const c = text[k];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[k + 1] === '"') { field += '"'; k += 1; }
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ",") endField();
    else if (c === "\n") endRow();
    else if (c !== "\r") field += c;
  }
  if (field || row.length) endRow();
  return rows;
}

/** `binary`, `multiclass`, `regression`, or empty where the values do not tell. */
export function guessKind(values) {
  const different = new Set(values.map((value) => value.trim()));
  if (different.size < 2) return "";
  if (different.size === 2) return "binary";
  const numbers = [...different].map(Number);
  if (numbers.some(Number.isNaN)) return different.size <= MAX_TEXTS ? "multiclass" : "";
  return numbers.every(Number.isInteger) && different.size <= MAX_CLASSES ? "multiclass" : "regression";
}

/** Why a column had better not be an input: empty where it may be. */
export function unfit(values) {
  const different = new Set(values);
  if (different.size <= 1) return "constant";
  const numbers = values.map(Number);
  if (numbers.some(Number.isNaN)) return different.size > MAX_TEXTS ? "too many different texts" : "";
  const step = numbers[1] - numbers[0];
  const even = numbers.every((value, k) => Number.isInteger(value) && (k === 0 || value - numbers[k - 1] === step));
  return values.length > 2 && even ? "counts the rows" : "";
}
