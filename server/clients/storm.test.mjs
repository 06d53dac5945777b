// Many clients at once, some of whom go early, while patches come and go: every answer
// has the bytes that the command line makes alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { collect, demo, file, generate } from "./bankai.mjs";

const asIs = { top_k: 0, top_p: 1, min_p: 0 };
const prompts = ["2 + 3 =", "The derivative of 2x^5 + 4x^3 is"];

// What there is to ask, each with the answer of the command line.
const questions = [];
for (const prompt of prompts) {
  for (const patches of [[], ["a"], ["b"], ["a", "b"]]) {
    for (const temperature of [0, 1]) {
      const seed = questions.length + 1;
      questions.push({ prompt, patches, temperature, seed, text: (await generate(prompt, patches, 24, temperature, seed)).text });
    }
  }
}

// random is a generator whose numbers are the same at every run.
let state = 1;
const random = (n) => ((state = (state * 48271) % 2147483647), state % n);

const client = (s) => new OpenAI({ baseURL: s.v1, apiKey: "none", maxRetries: 20 });

// ask is the answer's text in one of four ways; "" of a client that goes.
async function ask(openai, q, { chat, stream, early }) {
  const body = { model: "demo", patches: q.patches, temperature: q.temperature, seed: q.seed, ...asIs, max_tokens: 24, stream };
  const answer = chat
    ? await openai.chat.completions.create({ ...body, messages: [{ role: "user", content: q.prompt }] })
    : await openai.completions.create({ ...body, prompt: q.prompt });
  if (!stream) return { text: chat ? answer.choices[0].message.content : answer.choices[0].text, fingerprint: answer.system_fingerprint };
  let text = "";
  let fingerprint;
  for await (const c of answer) {
    text += (chat ? c.choices[0].delta.content : c.choices[0].text) ?? "";
    fingerprint = c.system_fingerprint;
    if (early && text) return {};
  }
  return { text, fingerprint };
}

for (const args of [["--threads", "1"], ["--threads", "2", "--max-sequences", "5", "--queue", "4"]]) {
  test(`100 requests at random moments, serve ${args.join(" ")}`, async () => {
    const server = await demo(...args);
    const openai = client(server);
    const fingerprints = new Map();
    await Promise.all(Array.from({ length: 100 }, async () => {
      const q = questions[random(questions.length)];
      const how = { chat: random(2) === 0, stream: random(2) === 0, early: random(5) < 2 };
      await sleep(random(500));
      const got = await ask(openai, q, how);
      if (got.text === undefined) return;
      assert.equal(got.text, q.text, JSON.stringify([q, how]));
      const set = q.patches.join("+");
      assert.equal(got.fingerprint, fingerprints.get(set) ?? got.fingerprint);
      fingerprints.set(set, got.fingerprint);
    }));
    assert.equal(new Set(fingerprints.values()).size, 4);
    assert.equal(await server.end(), 0);
  });
}

test("a patch that is replaced and deleted under an answer", async () => {
  const server = await demo();
  const openai = client(server);
  const put = async (name, from) => assert.equal((await fetch(`${server.url}/api/patches/${name}`, { method: "PUT", body: await readFile(file(from)) })).ok, true);
  const [underA, underB] = [["a"], ["b"]].map((p) => questions.find((q) => String(q.patches) === String(p) && q.temperature === 0));
  const body = { model: "demo:math", prompt: prompts[0], temperature: 0, max_tokens: 24 };
  await put("math", "a.bankai");
  const begun = await openai.completions.create({ ...body, stream: true });
  await put("math", "b.bankai");
  assert.equal((await collect(begun)).map((c) => c.choices[0].text).join(""), underA.text);
  const under = await openai.completions.create({ ...body, stream: true });
  assert.equal((await fetch(`${server.url}/api/patches/math`, { method: "DELETE" })).status, 204);
  assert.equal((await collect(under)).map((c) => c.choices[0].text).join(""), underB.text);
  await assert.rejects(openai.completions.create(body), OpenAI.NotFoundError);
});

test("what was computed of a prompt is used again, but not under another patch", async () => {
  const server = await demo();
  const openai = client(server);
  const prompt = "At night the stars are out. ".repeat(12) + prompts[0];
  const put = async (from) => fetch(`${server.url}/api/patches/math`, { method: "PUT", body: await readFile(file(from)) });
  const ask = async (model) => {
    const got = await openai.completions.create({ model, prompt, temperature: 0, max_tokens: 16 });
    return [got.choices[0].text, got.usage.prompt_tokens_details.cached_tokens > 0];
  };
  const texts = Object.fromEntries(await Promise.all([[], ["a"], ["b"]].map(async (p) => [p, (await generate(prompt, p, 16)).text])));
  assert.equal(new Set(Object.values(texts)).size, 3, "each says something else");
  await put("a.bankai");
  assert.deepEqual(await ask("demo"), [texts[""], false]);
  assert.deepEqual(await ask("demo:math"), [texts.a, false]);
  assert.deepEqual(await ask("demo"), [texts[""], true]);
  assert.deepEqual(await ask("demo:a"), [texts.a, true]); // the same under another name
  await put("b.bankai");
  assert.deepEqual(await ask("demo:math"), [texts.b, false]);
  assert.deepEqual(await ask("demo:math"), [texts.b, true]);
});
