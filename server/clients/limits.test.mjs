// The library of OpenAI where not all goes well: keys, clients that go, servers that are
// full or end.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import OpenAI from "openai";
import { adder, collect, demo, file, until } from "./bankai.mjs";

// It answers one request at a time, and lets one more wait.
const server = await adder("--max-sequences", "1", "--queue", "1");
const client = (s, more) => new OpenAI({ baseURL: s.v1, apiKey: "none", maxRetries: 0, ...more });
const openai = client(server);

const laugh = { model: "adder", messages: [{ role: "user", content: "Laugh." }], max_tokens: 30000, stream: true };
const hello = (maxRetries) => client(server, { maxRetries }).chat.completions.create({ model: "adder", messages: [{ role: "user", content: "Hello" }] });

test("keys", async () => {
  await writeFile(file("keys"), "secret\n");
  const locked = await demo("--api-key-file", file("keys"));
  await assert.rejects(collect(client(locked).models.list()), OpenAI.AuthenticationError);
  assert.equal((await collect(client(locked, { apiKey: "secret" }).models.list())).length, 3);
});

test("a client that goes stops the work at once", async () => {
  const before = await server.count("bankai_generated_tokens_total");
  const stream = await openai.chat.completions.create(laugh);
  let got = 0;
  for await (const chunk of stream) if (chunk.choices[0].delta.content && ++got === 5) break; // which aborts
  await until(async () => (await server.count("bankai_generated_tokens_total")) > before, "the work of the client that went was counted");
  const made = (await server.count("bankai_generated_tokens_total")) - before;
  assert.ok(made >= 5 && made < laugh.max_tokens, `${made} tokens were made for a client that took 5`);
  assert.match(server.log(), /ended=cancelled/);
});

test("one that waits in the queue may go, too", async () => {
  const running = await openai.chat.completions.create(laugh);
  const goes = [new AbortController(), new AbortController()];
  const two = goes.map((c) => openai.chat.completions.create({ ...laugh, stream: false }, { signal: c.signal }));
  const refused = await Promise.race(two.map((q, i) => q.catch(() => i)));
  await assert.rejects(two[refused], OpenAI.RateLimitError);
  goes[1 - refused].abort();
  await assert.rejects(two[1 - refused], OpenAI.APIUserAbortError);
  const next = hello(2); // takes its place, at the second try if not at the first
  running.controller.abort();
  assert.equal((await next).choices[0].message.content, "Good day!");
});

test("a full server says when to come again, and the library does", async () => {
  const running = await openai.chat.completions.create(laugh);
  const two = [hello(0), hello(0)]; // there is room for one to wait
  const refused = await Promise.race(two.map((q) => q.catch((e) => e)));
  assert.ok(refused instanceof OpenAI.RateLimitError, refused.message);
  assert.equal(refused.code, "queue_full");
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  const again = hello(2);
  await until(async () => (await server.count('bankai_requests_total{api="chat",status="429"')) >= 2, "the third one was refused");
  running.controller.abort();
  assert.equal((await again).choices[0].message.content, "Good day!");
  const waited = (await Promise.allSettled(two)).filter((q) => q.status === "fulfilled");
  assert.deepEqual(waited.map((q) => q.value.choices[0].message.content), ["Good day!"]);
});

test("a server that ends completes its answers and refuses others", async () => {
  const ending = await adder();
  const begun = await client(ending).chat.completions.create({ ...laugh, max_tokens: 12000 });
  const status = ending.end();
  await until(async () => (await fetch(ending.url + "/health")).status === 503, "the server was ending");
  await assert.rejects(client(ending).chat.completions.create({ ...laugh, stream: false }), (e) => {
    assert.equal(e.status, 503);
    assert.equal(e.code, "draining");
    assert.ok(Number(e.headers.get("retry-after")) >= 1);
    return true;
  });
  assert.equal((await collect(begun)).at(-1).choices[0].finish_reason, "length");
  assert.equal(await status, 0);
});
