// Choosing a table: one that is on the server, or one to be uploaded, by drop or by hand.

import { ApiError, address, faultFrom, getJson, token } from "../lib/api.js";
import { field, h, replace, select } from "../lib/dom.js";
import { bytes, printable } from "../lib/format.js";
import { announce, faultBox } from "../lib/notice.js";
import { firstRows } from "./guess.js";

const BROKEN_OFF = "The upload broke off. Is the server running, and is the file within its limit?";

/** `chosen` is called with `{name, bytes, columns}` and the first rows, where the browser has seen them. */
export function uploadPart({ chosen, signal }) {
  const known = new Map();
  const rows = new Map();
  const take = (name) => known.has(name) && chosen(known.get(name), rows.get(name) ?? new Map());
  const there = select([], "", { onchange: () => take(there.value) });
  const input = h("input", { type: "file", accept: ".csv,.parquet,.npz", onchange: () => put(input.files[0]) });
  const course = h("div", { class: "course", hidden: true });
  const hint = "CSV, Parquet or NPZ. Choose a file, or drop it here.";
  const drop = h("div", { class: "drop" }, field("Upload a table", input, hint), course);
  const fillSelect = (value) => {
    const option = (u) => h("option", { value: u.name }, `${printable(u.name)} (${bytes(u.bytes)})`);
    replace(there, h("option", { value: "" }, known.size ? "Choose…" : "None yet"), [...known.values()].map(option));
    there.value = value;
    there.disabled = !known.size;
  };
  const put = async (file) => {
    if (!file) return;
    try {
      rows.set(file.name, await firstRows(file));
      const upload = await sendFile(file, course, signal);
      known.set(upload.name, upload);
      rows.set(upload.name, rows.get(file.name));
      fillSelect(upload.name);
      announce(`${upload.name} is uploaded: ${upload.columns.length} columns.`);
      take(upload.name);
    } catch (fault) {
      if (fault.name !== "AbortError") replace(course, faultBox(fault));
    }
  };
  acceptDrops(drop, put);
  fillSelect("");
  const listed = getJson("/api/uploads", { signal }).then(({ uploads }) => {
    for (const upload of uploads) known.set(upload.name, upload);
    fillSelect(there.value);
  });
  const element = h("div", { class: "upload" }, drop, field("Or one that is on the server", there));
  const choose = (name) => {
    if (!known.has(name)) return false;
    fillSelect(name);
    take(name);
    return true;
  };
  return { element, listed, choose, control: input };
}

function acceptDrops(drop, put) {
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    put(event.dataTransfer.files[0]);
  });
}

/** Send the file as it is; XMLHttpRequest tells how much has gone, which fetch does not. */
function sendFile(file, course, signal) {
  const bar = h("progress", { max: file.size || 1, value: 0, "aria-label": `Upload of ${file.name}` });
  const words = h("p", { class: "small" }, `${printable(file.name)}: 0 of ${bytes(file.size)}`);
  course.hidden = false;
  replace(course, bar, words);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(`/api/uploads?name=${encodeURIComponent(file.name)}`));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (token.get()) request.setRequestHeader("Authorization", `Bearer ${token.get()}`);
    request.upload.onprogress = ({ loaded }) => {
      bar.value = loaded;
      words.textContent = `${printable(file.name)}: ${bytes(loaded)} of ${bytes(file.size)}`;
    };
    request.onload = () => {
      if (request.status >= 400) return reject(faultFrom(request.status, request.responseText));
      bar.value = bar.max;
      words.textContent = `${printable(file.name)}: uploaded, ${bytes(file.size)}`;
      resolve(JSON.parse(request.responseText));
    };
    request.onerror = () => reject(new ApiError(0, BROKEN_OFF, []));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
