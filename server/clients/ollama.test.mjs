// Ollama's own library, and LangChain by way of Ollama's API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOllama, Ollama as OllamaLLM } from "@langchain/ollama";
import { Ollama } from "ollama";
import { adder, collect, demo, generate, until } from "./bankai.mjs";

const server = await demo();
const talker = await adder();
const client = (s) => new Ollama({ host: s.url });
const ollama = client(server);
const prompt = "2 + 3 =";
const options = { temperature: 0, num_predict: 16 };
const sets = [[], ["a"], ["a", "b"]];
const named = (set) => (set.length ? "demo:" + set.join("+") : "demo");

test("what there is", async () => {
  assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+/);
  const { models } = await ollama.list();
  assert.deepEqual(models.map((m) => m.name).sort(), ["demo:a", "demo:b", "demo:latest"]);
  assert.ok(models.every((m) => m.size > 0 && m.digest && m.details.family));
  assert.ok((await ollama.ps()).models.some((m) => m.name.startsWith("demo")));
  const shown = await ollama.show({ model: "demo:a" });
  assert.ok(shown.capabilities.includes("completion"));
  assert.ok((await client(talker).show({ model: "adder" })).capabilities.includes("tools"));
});

for (const set of sets) {
  const model = named(set);
  test(`a chat and a text as ${model}, whole and streamed`, async () => {
    const { text } = await generate(prompt, set, 16);
    const messages = [{ role: "user", content: prompt }];
    const chat = await ollama.chat({ model, messages, options });
    assert.equal(chat.message.content, text);
    assert.equal(chat.done_reason, "length");
    assert.equal(chat.eval_count, 16);
    assert.ok(chat.total_duration > 0 && !Number.isNaN(Date.parse(chat.created_at)));
    const pieces = await collect(await ollama.chat({ model, messages, options, stream: true }));
    assert.equal(pieces.map((p) => p.message.content).join(""), text);
    assert.deepEqual(pieces.map((p) => p.done), pieces.map((_, i) => i === pieces.length - 1));
    assert.equal(pieces.at(-1).eval_count, 16);

    assert.equal((await ollama.generate({ model, prompt, options })).response, text);
    const texts = await collect(await ollama.generate({ model, prompt, options, stream: true }));
    assert.equal(texts.map((p) => p.response).join(""), text);
  });

  test(`LangChain as ${model}, whole and streamed`, async () => {
    const { text } = await generate(prompt, set, 16);
    const chat = new ChatOllama({ baseUrl: server.url, model, temperature: 0, numPredict: 16 });
    assert.equal((await chat.invoke(prompt)).content, text);
    const pieces = await collect(await chat.stream([new HumanMessage(prompt)]));
    assert.equal(pieces.map((p) => p.content).join(""), text);
    assert.equal(pieces.reduce((a, b) => a.concat(b)).usage_metadata.output_tokens, 16);
    const llm = new OllamaLLM({ baseUrl: server.url, model, temperature: 0, numPredict: 16 });
    assert.equal(await llm.invoke(prompt), text);
  });
}

test("a tool is called and its result goes back", async () => {
  const tools = [{ type: "function", function: { name: "add", description: "adds", parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } } } }];
  const messages = [{ role: "user", content: "2 + 3?" }];
  const { message } = await client(talker).chat({ model: "adder", messages, tools });
  assert.equal(message.thinking, "Two and three.");
  assert.deepEqual(message.tool_calls.map((c) => [c.function.name, c.function.arguments]), [["add", { a: 2, b: 3 }]]);
  const streamed = await collect(await client(talker).chat({ model: "adder", messages, tools, stream: true }));
  assert.deepEqual(streamed.flatMap((p) => p.message.tool_calls ?? []).map((c) => c.function.arguments), [{ a: 2, b: 3 }]);
  const done = await client(talker).chat({ model: "adder", messages: [...messages, message, { role: "tool", tool_name: "add", content: "5" }], tools });
  assert.equal(done.message.content, "It is 5.");
});

test("LangChain calls a tool", async () => {
  const add = tool(({ a, b }) => String(a + b), { name: "add", description: "adds", schema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } } });
  const chat = new ChatOllama({ baseUrl: talker.url, model: "adder" }).bindTools([add]);
  const messages = [new HumanMessage("2 + 3?")];
  const asks = await chat.invoke(messages);
  assert.deepEqual(asks.tool_calls.map((c) => [c.name, c.args]), [["add", { a: 2, b: 3 }]]);
  const result = await add.invoke(asks.tool_calls[0]);
  assert.equal((await chat.invoke([...messages, asks, result])).content, "It is 5.");
});

test("failures", async () => {
  await assert.rejects(ollama.chat({ model: "demo:c", messages: [{ role: "user", content: "x" }] }), (e) => e.status_code === 404 && /model 'demo:c' not found/.test(e.message));
  await assert.rejects(ollama.generate({ model: "demo", prompt, options: { temperature: -1 } }), (e) => e.status_code === 400);
  await assert.rejects(ollama.embed({ model: "demo", input: "x" }), (e) => e.status_code === 501);
  await assert.rejects(ollama.pull({ model: "llama3" }), (e) => e.status_code === 501);
});

test("a client that goes", async () => {
  const before = await talker.count("bankai_generated_tokens_total");
  const stream = await client(talker).chat({ model: "adder", messages: [{ role: "user", content: "Laugh." }], options: { num_predict: 30000 }, stream: true });
  await assert.rejects(async () => {
    for await (const _ of stream) stream.abort();
  }, { name: "AbortError" });
  await until(async () => (await talker.count("bankai_generated_tokens_total")) > before, "the work was counted");
  assert.ok((await talker.count("bankai_generated_tokens_total")) - before < 30000);
});
