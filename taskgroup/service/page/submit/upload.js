// Choosing a table: one that is on the server, or one to be uploaded, by drop or by hand.

import { ApiError, address, faultFrom, getJson, request, token } from "../lib/api.js";
import { ask } from "../lib/dialog.js";
import { field, h, replace, select } from "../lib/dom.js";
import { bytes, printable } from "../lib/format.js";
import { announce, faultBox } from "../lib/notice.js";

const KEPT = "Jobs that are done keep what they found. A table that another job still needs stays.";
const BROKEN_OFF = "The upload broke off. Is the server running, and is the file within its limit?";

/**
 * `chosen` is called with the name of a table and its columns, `{name, kind, unfit, values}` as the server sees them;
 * with an empty name where none is chosen any more.
 */
export function uploadPart({ chosen, signal }) {
  const known = new Map();
  const course = h("div", { class: "course", hidden: true });
  const failed = (fault) => {
    if (fault.name === "AbortError") return;
    course.hidden = false;
    replace(course, faultBox(fault));
  };
  let taken = 0;
  const take = async (name) => {
    if (!known.has(name)) return;
    const mine = taken += 1; // of several answers the last one asked for counts
    try {
      const { columns } = await getJson(ofTable(name, "/columns"), { signal });
      if (mine === taken) chosen(name, columns);
    } catch (fault) {
      if (mine !== taken || fault.name === "AbortError") return;
      chosen("", []); // not the one before
      throw fault;
    }
  };
  const there = select([], "", { onchange: () => {
    course.hidden = true;
    remove.hidden = !there.value;
    take(there.value).catch(failed);
  } });
  const remove = h("button", { type: "button", onclick: async () => {
    const name = there.value;
    const act = () => request(ofTable(name), { method: "DELETE", signal });
    const words = { title: `Remove ${printable(name)} from the server?`, yes: "Remove", danger: true };
    if (!(await ask({ ...words, body: h("p", {}, KEPT), act }))) return;
    known.delete(name);
    input.value = "";
    course.hidden = true;
    fillSelect("");
    announce(`${name} is removed.`);
    chosen("", []);
    (there.disabled ? input : there).focus();
  } }, "Remove this table");
  const input = h("input", { type: "file", accept: ".csv,.parquet,.npz", onchange: () => put(input.files[0]) });
  const hint = "CSV, Parquet or NPZ. Choose a file, or drop it here.";
  const drop = h("div", { class: "drop" }, field("Upload a table", input, hint), course);
  const fillSelect = (value) => {
    const option = (u) => h("option", { value: u.name }, `${printable(u.name)} (${bytes(u.bytes)})`);
    replace(there, h("option", { value: "" }, known.size ? "Choose…" : "None yet"), [...known.values()].map(option));
    there.value = value;
    there.disabled = !known.size;
    remove.hidden = !value;
  };
  const put = async (file) => {
    if (!file) return;
    try {
      const upload = await sendFile(file, course, signal);
      known.set(upload.name, upload);
      fillSelect(upload.name);
      announce(`${upload.name} is uploaded: ${upload.columns.length} columns.`);
      await take(upload.name);
    } catch (fault) {
      failed(fault);
    }
  };
  acceptDrops(drop, put);
  fillSelect("");
  const listed = getJson("/api/uploads", { signal }).then(({ uploads }) => {
    for (const upload of uploads) known.set(upload.name, upload);
    fillSelect(there.value);
  });
  const element = h("div", { class: "upload" }, drop, field("Or one that is on the server", there), remove);
  const choose = async (name) => {
    if (!known.has(name)) return false;
    fillSelect(name);
    await take(name);
    return true;
  };
  return { element, listed, choose, control: input };
}

function ofTable(name, rest = "") {
  return `/api/uploads/${encodeURIComponent(name)}${rest}`;
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
