// The engine, which runs in a worker of its own, so that the page goes on while it computes.

// Only the worker of the page itself may be started.
const scripts = globalThis.trustedTypes?.createPolicy("worker", {
  createScriptURL(url) {
    if (url !== "worker.js") throw new TypeError(`${url} is no worker of this page`);
    return url;
  },
}) ?? { createScriptURL: (url) => url };

export class Engine {
  // ended is told why the engine can do no more.
  constructor(ended) {
    Object.assign(this, { ended, calls: new Map(), last: 0, over: null });
    this.worker = new Worker(scripts.createScriptURL("worker.js"), { type: "module" });
    this.worker.addEventListener("message", (e) => this.hear(e.data));
    this.worker.addEventListener("error", (e) => this.end(`the engine could not be started${e.message ? `: ${e.message}` : ": is the folder whole?"}`));
  }

  hear({ id, value, error, told, ended }) {
    if (ended) {
      this.end(ended);
      return;
    }
    const call = this.calls.get(id);
    if (!call) return;
    if (told !== undefined) {
      call.tell?.(...told);
      return;
    }
    this.calls.delete(id);
    if (error !== undefined) call.failed(new Error(error));
    else call.done(value);
  }

  // end lets all that is awaited fail.
  end(why) {
    if (this.over) return;
    this.over = new Error(why);
    for (const call of this.calls.values()) call.failed(this.over);
    this.calls.clear();
    this.ended(this.over);
  }

  // call has the worker do something. tell hears what it says before it is done.
  call(what, args, tell, moved = []) {
    if (this.over) return Promise.reject(this.over);
    const id = ++this.last;
    return new Promise((done, failed) => {
      this.calls.set(id, { done, failed, tell });
      this.worker.postMessage({ id, what, args }, moved);
    });
  }

  // load loads the engine and the model. tell hears how many bytes of a file have come.
  load(manifest, tell) { return this.call("load", [manifest], tell); }

  // patch keeps a patch under a name, if it is one for the model, and returns its facts.
  patch(name, bytes) { return this.call("patch", [name, bytes], null, [bytes.buffer]); }

  // file is a patch of the page.
  file(name, file, size) { return this.call("file", [name, file, size]); }

  // generate continues a prompt under sets of patches; tell hears of each token, by the
  // number of its set.
  generate(request, tell) { return this.call("generate", [request], tell); }

  // logits are the digests of what the model says next, one for each set of patches.
  logits(request) { return this.call("logits", [request]); }

  stop() { return this.call("stop", []); }
}
