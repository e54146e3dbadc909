// The server's sentences in the form's words: it speaks of keys of the config, the form of its fields.

import { printable } from "../lib/format.js";

/** Key of the config → key and label of the field; the first rule that fits wins. */
const PLACES = [
  [/^problem\.tasks\.(.+)\.kind$/, "kind", "Kind of "], [/^problem\.(tasks|inputs|categorical)/, "tasks", "Tasks"],
  [/^problem\.task_column$/, "taskColumn", "Task column"], [/^problem\.label_column$/, "labelColumn", "Label column"],
  [/^problem\.split/, "split", "Rows are divided"], [/^problem(\.path)?$/, "file", "Upload a table"],
  [/^name$/, "name", "Name"], [/^search\.trials$/, "trials", "Trials of the search"],
  [/^confirm\.seeds$/, "seeds", "Seeds of the confirmation"], [/^trunk$/, "space", "Start from"],
];
const QUERY = { priority: "Priority", workers: "Workers" };
const NO_TABLE = { key: "file", words: "Upload a table: none is chosen." };

/** A sentence of an answer with `status` as `{key, name, words}`: the field, the task if it is one's, what to say. */
export function read(text, status, { form, edited }) {
  const [, query, rule] = /^query `(\w+)`: (.*)$/s.exec(text) ?? [];
  if (query in QUERY) return { key: query, words: `${QUERY[query]}: ${plain(rule)}` };
  const inText = /^body(, line \d+)?: (.*)$/s.exec(text);
  if (inText) return { key: "text", words: `Config${inText[1] ?? ""}: ${inText[2]}` };
  const said = text.replace(/^config: /, "");
  if (edited) return { key: "text", words: said };
  if (status === 409) return { key: "name", words: said };
  const [, path, rest] = /^`([^`]+)`:? (.*)$/s.exec(said) ?? [];
  for (const [place, key, label] of PLACES) {
    const found = path && place.exec(path);
    if (found) return ofField({ key, label, name: found[1], rest: plain(rest) }, form);
  }
  return { key: /task `|column `/.test(said) ? "tasks" : "text", words: said };
}

function ofField({ key, label, name, rest }, form) {
  if (form.data === "table" && !form.file && (key === "file" || key === "tasks")) return NO_TABLE;
  const asked = isMissing(rest) || /no column ``/.test(rest) ? "choose one." : rest;
  if (key === "kind") return { key, name, words: `${label}${printable(name)}: ${asked}` };
  if (key === "name" && /found ''$/.test(rest)) return { key, words: `${label}: is missing; give the job one.` };
  const isFew = key === "tasks" && /at least (1 entry|two tasks)/.test(rest);
  if (isFew) return { key, words: `${label}: ${askForTasks(form)}` };
  if (key === "space" && isMissing(rest)) return { key, words: `${label}: has no trunk; choose a search space.` };
  return { key, words: `${label}: ${asked}` };
}

function askForTasks({ form }) {
  return form === "wide" ? "tick at least two columns, which your network should predict." : "name at least two.";
}

function isMissing(rest) {
  return /^(is missing|input should be '|should be .*found (''|nothing)$)/.test(rest);
}

/** Without the words of the checking library. */
function plain(rest) {
  return rest.replace(/^input should/, "should").replace(/greater than or equal to/, "at least")
    .replace(/less than or equal to/, "at most").replace(/found `([^`]*)`$/, "found $1");
}
