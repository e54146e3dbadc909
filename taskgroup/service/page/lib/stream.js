// Events as they happen: server-sent events read by fetch, so that the token goes along; polling where streams fail.

import { ApiError, address, faultOf, getJson, headers } from "./api.js";

const SILENT_MS = 60_000; // the server sends a comment every few seconds: a longer silence is a dead line
const POLL_MS = 3_000;
const LIMIT = 1000;
const STREAM_TRIES = 3;

/**
 * Follow the events of `path` until `signal` aborts.
 *
 * `onEvent` gets each event once, in order; `onLink` gets `live`, `polling` or `lost`; `isOver` says after each end of
 * the stream whether that was the end of it all. `after` is the id of the last event that is known already.
 */
export async function follow(path, { signal, onEvent, onLink, isOver = () => false, after = 0 }) {
  const state = { last: after, onEvent, onLink };
  let failures = 0;
  while (!signal.aborted) {
    try {
      await readStream(path, state, signal, () => { failures = 0; });
      if (await isOver()) return;
    } catch (fault) {
      if (signal.aborted || isFinal(fault)) return;
      failures += 1;
    }
    if (failures >= STREAM_TRIES) await poll(path, state, signal);
    await pause(Math.min(500 * 2 ** failures, 8_000), signal);
  }
}

/** Whether trying again cannot help: the job is gone, or nobody may look. */
function isFinal(fault) {
  return fault instanceof ApiError && [401, 403, 404].includes(fault.status);
}

async function readStream(path, state, signal, opened) {
  const { controller, watch, done } = watched(signal);
  try {
    const extra = state.last ? { "Last-Event-ID": String(state.last) } : {};
    const sent = headers({ Accept: "text/event-stream", ...extra });
    const answer = await fetch(address(path), { headers: sent, signal: controller.signal, cache: "no-store" });
    if (!answer.ok) throw await faultOf(answer);
    opened();
    state.onLink("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done: ended } = await reader.read();
      if (ended) return;
      watch();
      rest = takeMessages(rest + value, (message) => deliver(message, state));
    }
  } catch (fault) {
    if (!signal.aborted) state.onLink("lost");
    throw fault;
  } finally {
    done();
  }
}

/** A controller that aborts with `signal`, or when `watch` was not called for too long. */
function watched(signal) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  let timer = setTimeout(stop, SILENT_MS);
  signal.addEventListener("abort", stop);
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, SILENT_MS);
  };
  const done = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  };
  return { controller, watch, done };
}

/** Hand over each whole message of `text` as `{id, data}`; the unfinished rest comes back. */
export function takeMessages(text, take) {
  const parts = text.replace(/\r\n?/g, "\n").split("\n\n");
  const rest = parts.pop();
  for (const part of parts) {
    const lines = part.split("\n").map((line) => /^([a-z]+):? ?(.*)$/.exec(line)).filter(Boolean);
    const values = (name) => lines.filter((line) => line[1] === name).map((line) => line[2]);
    const data = values("data").join("\n");
    if (data) take({ id: values("id").at(-1), data });
  }
  return rest;
}

function deliver(message, state) {
  const event = JSON.parse(message.data);
  if (!Number.isInteger(event.id) || event.id <= state.last) return;
  state.last = event.id;
  state.onEvent(event);
}

/** Ask for events again and again for half a minute, after which the stream gets another chance. */
async function poll(path, state, signal) {
  for (let turn = 0; turn < 10 && !signal.aborted; turn += 1) {
    try {
      const options = { signal, headers: { Accept: "application/json" } };
      const { events } = await getJson(`${path}?after=${state.last}&limit=${LIMIT}`, options);
      state.onLink("polling");
      for (const event of events) deliver({ data: JSON.stringify(event) }, state);
      if (events.length === LIMIT) continue;
    } catch (fault) {
      if (signal.aborted) return;
      state.onLink("lost");
    }
    await pause(POLL_MS, signal);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/**
 * A function that runs `work` soon, at most once in `gap_ms`, however often it is called; never twice at a time.
 */
export function gathered(work, gap_ms = 1000) {
  let timer = null;
  let running = false;
  let again = false;
  const run = async () => {
    running = true;
    again = false;
    try {
      await work();
    } finally {
      timer = setTimeout(() => { timer = null; running = false; if (again) run(); }, gap_ms);
    }
  };
  return () => {
    if (running || timer) again = true;
    else run();
  };
}
