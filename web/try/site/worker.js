// The worker that the engine runs in: it loads the engine and the model, and hands over
// what the page asks.

import "./wasm_exec.js";
import { load } from "./fetched.js";

// unpacked is the engine's program. A host may have unpacked it on the way.
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// run starts the engine, which then is globalThis.bankai.
async function run(bytes) {
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(await unpacked(bytes), go.importObject);
  const end = (why) => postMessage({ ended: `The engine has ended${why}. Load the page again.` });
  go.run(instance).then(
    () => end(": the model may need more memory than this browser gives a page"),
    (e) => end(`: ${e?.message ?? e}`));
}

const does = {
  async load(tell, manifest) {
    const size = (name) => manifest.files.find((f) => f.name === name).bytes;
    const got = (file) => (n) => tell(file, n);
    const { engine, model } = manifest;
    const [program, weights] = await Promise.all([
      load(engine.file, size(engine.file), got(engine.file), true),
      load(model.file, size(model.file), got(model.file)),
    ]);
    await run(program);
    const facts = await globalThis.bankai.open(model.name, weights);
    if (facts.digest !== model.digest) throw new Error(`${model.file} is another model than the manifest says: export the page again.`);
    return facts;
  },
  async file(tell, name, file, size) {
    return globalThis.bankai.patch(name, await load(file, size, () => {}));
  },
  patch: (tell, name, bytes) => globalThis.bankai.patch(name, bytes),
  generate: (tell, request) => globalThis.bankai.generate(request, tell),
  logits: (tell, request) => globalThis.bankai.logits(request),
  stop: () => globalThis.bankai.stop(),
};

addEventListener("message", async ({ data: { id, what, args } }) => {
  try {
    const value = await does[what]((...told) => postMessage({ id, told }), ...args);
    postMessage({ id, value });
  } catch (e) {
    postMessage({ id, error: e?.message ?? String(e) });
  }
});
