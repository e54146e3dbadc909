// Requests to the server: the token goes along, faults come back as sentences.

const KEY = "taskgroup-token";
const guard = { ask: null };

/** What went wrong, as the server tells it: `problems` are sentences for people. */
export class ApiError extends Error {
  constructor(status, title, problems) {
    super(problems[0] ?? title);
    this.status = status;
    this.title = title;
    this.problems = problems.length ? problems : [title];
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** Who asks the user for a token; `ask` resolves to whether one was given. */
export function whenRefused(ask) {
  guard.ask = ask;
}

/** Address of a route, relative to where the page lives. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;
}

/** Route of a job; names are safe for the server, and for this line made so. */
export function ofJob(name, rest = "") {
  return `/api/jobs/${encodeURIComponent(name)}${rest}`;
}

export function headers(extra = {}) {
  const value = token.get();
  return value ? { ...extra, Authorization: `Bearer ${value}` } : extra;
}

/** Send a request; where the token is refused, ask for another until one is taken or the user gives up. */
export async function request(path, options = {}) {
  const send = () => fetch(address(path), { ...options, headers: headers(options.headers), cache: "no-store" });
  let answer;
  try {
    for (;;) {
      const used = token.get();
      answer = await send();
      if (answer.status !== 401 || !guard.ask) break;
      if (used === token.get() && !(await guard.ask())) break; // another request may have asked meanwhile
    }
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new ApiError(0, "The server does not answer. Is it running, and can it be reached?", []);
  }
  if (!answer.ok) throw await faultOf(answer);
  return answer;
}

/** Why the server lets nobody in, as the page knows it: the server speaks of headers. */
export function refusal() {
  return token.get() ? "This token was refused by the server." : "The server asks for a token.";
}

/** The error of an answer, whatever its body looks like. */
export async function faultOf(answer) {
  return faultFrom(answer.status, await answer.text());
}

export function faultFrom(status, body) {
  if (status === 401) return new ApiError(status, "No entry", [`${refusal()} The button Token at the top takes one.`]);
  try {
    const { title, problems } = JSON.parse(body).error;
    return new ApiError(status, String(title), Array.isArray(problems) ? problems.map(String) : []);
  } catch {
    return new ApiError(status, `The server answered with status ${status}`, []);
  }
}

export async function getJson(path, options = {}) {
  return (await request(path, options)).json();
}

/** As `getJson`, but null where there is nothing of the kind yet. */
export async function getIfThere(path, options = {}) {
  try {
    return await getJson(path, options);
  } catch (fault) {
    if (fault instanceof ApiError && (fault.status === 404 || fault.status === 409)) return null;
    throw fault;
  }
}

export async function send(method, path, body) {
  const content = { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await request(path, body === undefined ? { method } : { method, ...content });
  return answer.status === 204 ? null : answer.json();
}

/** Save an answer as a file; needed where a token must go along, which a plain link cannot carry. */
export async function download(path, name, accept) {
  const answer = await request(path, accept ? { headers: { Accept: accept } } : {});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
