// The library of OpenAI: chats, completions, models.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import OpenAI from "openai";
import { adder, collect, demo, file, generate, tokens } from "./bankai.mjs";

const server = await demo("--inline-patches", "64KB");
const talker = await adder();
const client = (s, more) => new OpenAI({ baseURL: s.v1, apiKey: "none", maxRetries: 0, ...more });
const openai = client(server);

const ask = (content, more) => ({ model: "demo", messages: [{ role: "user", content }], temperature: 0, max_completion_tokens: 16, ...more });
const prompt = "2 + 3 ="; // each set of patches says something else to it
const asIs = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 }; // sampling as the model says
const tools = [{ type: "function", function: { name: "add", parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } } } }];

// What the command line says under each set of patches.
const said = {};
for (const set of [[], ["a"], ["b"], ["a", "b"]]) said[set] = (await generate(prompt, set, 16)).text;

test("a chat says what the command line does", async () => {
  const { data: chat, response } = await openai.chat.completions.create(ask(prompt)).withResponse();
  assert.equal(chat.choices[0].message.content, said[[]]);
  assert.equal(chat.choices[0].message.refusal, null);
  assert.equal(chat.choices[0].finish_reason, "length");
  assert.equal(chat.usage.completion_tokens, 16);
  assert.equal(chat.usage.total_tokens, 16 + chat.usage.prompt_tokens);
  assert.match(chat.system_fingerprint, /^bk1-/);
  assert.match(response.headers.get("x-request-id"), /^req-/);
  assert.equal(chat._request_id, response.headers.get("x-request-id"));
});

test("a stream says the same as a whole chat, with its usage", async () => {
  const chunks = await collect(await openai.chat.completions.create(ask(prompt, { stream: true, stream_options: { include_usage: true } })));
  assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), said[[]]);
  assert.equal(chunks.at(-1).usage.completion_tokens, 16);
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.slice(0, -1).every((c) => c.usage === null && c.choices.length === 1 && c.id === chunks[0].id));
});

test("the library's own stream helper puts a chat together", async () => {
  const stream = openai.chat.completions.stream(ask(prompt, { stream_options: { include_usage: true } }));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, said[[]]);
  assert.equal(final.usage.completion_tokens, 16);
});

test("a completion, whole and streamed", async () => {
  const q = { model: "demo", prompt, temperature: 0, max_tokens: 16 };
  assert.equal((await openai.completions.create(q)).choices[0].text, said[[]]);
  const chunks = await collect(await openai.completions.create({ ...q, stream: true }));
  assert.equal(chunks.map((c) => c.choices[0].text).join(""), said[[]]);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("several choices and several prompts", async () => {
  const chat = await openai.chat.completions.create(ask(prompt, { n: 3, seed: 7, ...asIs }));
  const alone = await Promise.all([7, 8, 9].map((seed) => generate(prompt, [], 16, 1, seed)));
  assert.deepEqual(chat.choices.map((c) => c.message.content), alone.map((a) => a.text));
  const texts = await openai.completions.create({ model: "demo", prompt: [prompt, "At night the"], temperature: 0, max_tokens: 4 });
  assert.equal(texts.choices.length, 2);
});

for (const set of [["a"], ["b"], ["a", "b"]]) {
  test(`under ${set.join(" and ")}, by the model's id and by a field`, async () => {
    const model = "demo:" + set.join("+");
    const byID = await openai.chat.completions.create(ask(prompt, { model }));
    const byField = await openai.chat.completions.create(ask(prompt, { patches: set }));
    for (const chat of [byID, byField]) {
      assert.equal(chat.choices[0].message.content, said[set]);
      assert.equal(chat.model, model);
      assert.equal(chat.system_fingerprint, byID.system_fingerprint);
    }
  });
}

test("a patch inside the request", async () => {
  const data = (await readFile(file("a.bankai"))).toString("base64");
  const chat = await openai.chat.completions.create(ask(prompt, { patches: [{ data }] }));
  assert.equal(chat.choices[0].message.content, said["a"]);
});

test("requests under different patches at once get what they get alone", async () => {
  const sets = Array.from({ length: 12 }, (_, i) => [[], ["a"], ["b"], ["a", "b"]][i % 4]);
  const all = await Promise.all(sets.map(async (patches, i) => {
    if (i % 2) return (await openai.chat.completions.create(ask(prompt, { patches }))).choices[0].message.content;
    const chunks = await collect(await openai.chat.completions.create(ask(prompt, { patches, stream: true })));
    return chunks.map((c) => c.choices[0].delta.content ?? "").join("");
  }));
  assert.deepEqual(all, sets.map((s) => said[s]));
});

test("models are listed and shown, under any set of patches", async () => {
  const all = await collect(openai.models.list());
  assert.deepEqual(all.map((m) => m.id), ["demo", "demo:a", "demo:b"]);
  const both = await openai.models.retrieve("demo:a+b");
  assert.equal(both.id, "demo:a+b");
  assert.equal(both.parent, "demo");
});

test("log-probabilities of chats and of completions", async () => {
  const chat = await openai.chat.completions.create(ask(prompt, { logprobs: true, top_logprobs: 2 }));
  const tokens = chat.choices[0].logprobs.content;
  assert.equal(tokens.length, 16);
  assert.equal(Buffer.from(tokens.flatMap((t) => t.bytes)).toString(), said[[]]);
  assert.ok(tokens.every((t) => t.top_logprobs.length === 2 && t.top_logprobs[0].logprob === t.logprob && t.logprob <= 0));
  const text = await openai.completions.create({ model: "demo", prompt, temperature: 0, max_tokens: 16, logprobs: 1 });
  assert.deepEqual(text.choices[0].logprobs.token_logprobs, tokens.map((t) => t.logprob));
});

// lm-evaluation-harness asks so: what a text's own tokens have, and no answer.
test("a text of token ids is scored as it was generated, to the bit", async () => {
  const made = await openai.completions.create({ model: "demo", prompt, temperature: 0, max_tokens: 8, logprobs: 1 });
  const ids = [...(await tokens(prompt)), ...(await generate(prompt, [], 8)).ids];
  const scored = await openai.completions.create({ model: "demo", prompt: ids, max_tokens: 0, logprobs: 1, echo: true });
  const p = scored.choices[0].logprobs;
  assert.equal(scored.usage.completion_tokens, 0);
  assert.equal(scored.choices[0].text, prompt + made.choices[0].text);
  assert.equal(p.token_logprobs.length, ids.length);
  assert.equal(p.token_logprobs[0], null);
  assert.deepEqual(p.token_logprobs.slice(-8), made.choices[0].logprobs.token_logprobs);
});

test("failures are the library's typed errors", async () => {
  const fails = (promise, type, status, code) => assert.rejects(promise, (e) => {
    assert.ok(e instanceof type, `${e.constructor.name}: ${e.message}`);
    assert.equal(e.status, status);
    assert.equal(e.code, code);
    return true;
  });
  const create = (more) => openai.chat.completions.create(ask("x", more));
  await fails(create({ model: "demo:c" }), OpenAI.NotFoundError, 404, "model_not_found");
  await fails(create({ patches: ["c"] }), OpenAI.NotFoundError, 404, "model_not_found");
  await fails(openai.models.retrieve("gpt-5"), OpenAI.NotFoundError, 404, "model_not_found");
  await fails(create({ temperature: -1 }), OpenAI.BadRequestError, 400, "invalid_value");
  await fails(create({ response_format: { type: "json_object" } }), OpenAI.BadRequestError, 400, "unsupported_parameter");
  await fails(create({ messages: [{ role: "user", content: "x ".repeat(4000) }] }), OpenAI.BadRequestError, 400, "context_length_exceeded");
  // It is not asked again, though it is a fault of the 500s.
  const before = await server.count("bankai_requests_total{api=\"embeddings\"");
  await fails(client(server, { maxRetries: 2 }).embeddings.create({ model: "demo", input: "x" }), OpenAI.InternalServerError, 501, "not_supported");
  assert.equal(await server.count("bankai_requests_total{api=\"embeddings\""), before + 1);
});

test("a tool is called and its result goes back, whole and streamed", async () => {
  const messages = [{ role: "user", content: "What is 2 + 3?" }];
  const whole = await client(talker).chat.completions.create({ model: "adder", messages, tools });
  const { message, finish_reason } = whole.choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.equal(message.reasoning_content, "Two and three.");
  assert.equal(message.content, "I add.");
  assert.equal(message.tool_calls.length, 1);
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { a: 2, b: 3 });

  const stream = await client(talker).chat.completions.stream({ model: "adder", messages, tools }).finalChatCompletion();
  assert.equal(stream.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(JSON.parse(stream.choices[0].message.tool_calls[0].function.arguments), { a: 2, b: 3 });

  // The library's own loop calls the function.
  const calls = [];
  const add = ({ a, b }) => (calls.push([a, b]), String(a + b));
  const runner = client(talker).chat.completions.runTools({
    model: "adder", messages, tools: [{ type: "function", function: { ...tools[0].function, function: add, parse: JSON.parse } }],
  });
  assert.equal(await runner.finalContent(), "It is 5.");
  assert.deepEqual(calls, [[2, 3]]);
});
