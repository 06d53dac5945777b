// What the server is asked, and what it answers.

// The page may lie at any path: all addresses are relative to it.
const here = new URL(".", document.baseURI);

export const at = (path) => new URL(path, here);

// route is a template of an address, of which every value is one part: never a way to
// another address, whatever the value is and wherever it came from.
export function route(parts, ...values) {
  return parts.reduce((all, part, i) => {
    const value = String(values[i - 1]);
    if (value === "" || value === "." || value === "..") throw new Failure(0, "no_such_address", `there is nothing called ${JSON.stringify(value)}`);
    return all + encodeURIComponent(value) + part;
  });
}

// Failure is an answer that says why there is no other, or that none came (status 0).
export class Failure extends Error {
  constructor(status, code, message, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}

const keyName = "bankai.key";

export const key = {
  get value() { return sessionStorage.getItem(keyName) ?? ""; },
  // fits tells whether a text can be sent as a key: what is no header cannot.
  fits: (text) => /^[\x20-\x7e]+$/.test(text),
  set value(v) { if (v) sessionStorage.setItem(keyName, v); else sessionStorage.removeItem(keyName); },
  // ask asks the user for one, and tells whether there is another now.
  ask: async () => false,
};

export const headers = () => (key.value ? { Authorization: `Bearer ${key.value}` } : {});

// One question for a key is enough, however many requests wait for it.
let asking = null;

async function anotherKey(why) {
  asking ??= key.ask(why.message, why.code).finally(() => { asking = null; });
  return asking;
}

async function failure(response) {
  const e = (await response.json().catch(() => null))?.error;
  if (typeof e === "string") return new Failure(response.status, "", e);
  return new Failure(response.status, e?.code ?? "", e?.message ?? `the server answers ${response.status} ${response.statusText}`, e?.param);
}

// ask sends a request and returns the response, which is not an error. A body that is no
// text and no bytes is sent as JSON.
export async function ask(method, path, { body, signal, more = {} } = {}) {
  const plain = body === undefined || typeof body === "string" || body instanceof Blob || body instanceof ArrayBuffer;
  for (;;) {
    let response;
    const shown = key.value;
    try {
      response = await fetch(at(path), {
        method, signal, cache: "no-store", credentials: "omit", redirect: "error",
        headers: { ...headers(), ...(plain ? {} : { "Content-Type": "application/json" }), ...more },
        body: plain ? body : JSON.stringify(body),
      });
    } catch (e) {
      if (signal?.aborted) throw e;
      throw new Failure(0, "unreachable", "the server cannot be reached: is it still running?");
    }
    if (response.ok) return response;
    const why = await failure(response);
    const wantsKey = response.status === 401 || response.status === 403 && ["not_admin", "invalid_api_key"].includes(why.code);
    if (wantsKey && (key.value !== shown || await anotherKey(why))) continue;
    throw why;
  }
}

// json is the document of an answer.
export async function json(method, path, options) {
  const response = await ask(method, path, options);
  return response.status === 204 ? null : response.json();
}

// events reads server-sent events from a response, to its end: calls each with the data of
// every one and its id, if it has one.
export async function events(response, each) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", data = [], id = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) each(data.join("\n"), id);
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line.startsWith("id:")) id = line.slice(line[3] === " " ? 4 : 3);
    }
  }
}

// stream asks for an answer of events and calls each with their documents, until the answer
// is whole. An answer that breaks off is a failure.
export async function stream(path, body, each, signal) {
  const response = await ask("POST", path, { body, signal });
  let whole = false;
  try {
    await events(response, (data) => {
      if (data === "[DONE]") { whole = true; return; }
      const doc = JSON.parse(data);
      if (doc.error) throw new Failure(500, doc.error.code ?? "", doc.error.message);
      each(doc, response);
    });
  } catch (e) {
    if (signal?.aborted || e instanceof Failure) throw e;
    throw new Failure(0, "broken_off", "the answer broke off: the server cannot be reached any more");
  }
  if (!whole) throw new Failure(0, "broken_off", "the answer broke off before its end");
}

// follow reads what happens at a path until each returns true, or signal. When the
// connection breaks it comes back and goes on with what it has not seen; told says so:
// told(failure), and told(null) when it is there again.
export async function follow(path, each, { signal, told = () => {} } = {}) {
  let last = "", wait = 500, over = false;
  while (!over && !signal?.aborted) {
    // Of a connection that the network left nothing is heard, not even its end.
    const part = new AbortController(), cut = () => part.abort(new Failure(0, "broken_off", "the connection broke off"));
    signal?.addEventListener("abort", cut);
    window.addEventListener("offline", cut);
    try {
      const response = await ask("GET", path, { signal: part.signal, more: last ? { "Last-Event-ID": last } : {} });
      told(null);
      await events(response, (data, id) => {
        if (id) last = id;
        wait = 500;
        const doc = JSON.parse(data);
        if (doc.error) throw new Failure(500, doc.error.code ?? "", doc.error.message);
        over ||= each(doc) === true;
      });
    } catch (e) {
      if (signal?.aborted) return;
      if (e instanceof Failure && e.status >= 400 && e.status !== 503 && e.status !== 429) throw e;
      told(e);
    } finally {
      signal?.removeEventListener("abort", cut);
      window.removeEventListener("offline", cut);
    }
    if (over) return;
    await new Promise((done) => {
      setTimeout(done, wait);
      window.addEventListener("online", done, { once: true, signal: AbortSignal.timeout(wait) });
    });
    wait = Math.min(wait * 2, 5000);
  }
}
