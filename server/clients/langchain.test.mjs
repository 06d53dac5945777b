// LangChain, by way of OpenAI's API.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAI } from "@langchain/openai";
import { adder, collect, demo, generate } from "./bankai.mjs";

const server = await demo();
const talker = await adder();
const prompt = "2 + 3 =";

const model = (s, name, more) => new ChatOpenAI({ model: name, temperature: 0, maxTokens: 16, apiKey: "none", maxRetries: 0, configuration: { baseURL: s.v1 }, ...more });

for (const set of [[], ["a"], ["a", "b"]]) {
  test(`a chat under ${set.length ? set.join(" and ") : "no patch"}, whole and streamed`, async () => {
    const { text } = await generate(prompt, set, 16);
    const chat = model(server, set.length ? "demo:" + set.join("+") : "demo");
    const whole = await chat.invoke(prompt);
    assert.equal(whole.content, text);
    assert.equal(whole.response_metadata.finish_reason, "length");
    const chunks = await collect(await chat.stream([new HumanMessage(prompt)]));
    assert.equal(chunks.map((c) => c.content).join(""), text);
    const usage = chunks.reduce((a, b) => a.concat(b)).usage_metadata;
    assert.deepEqual(usage.output_tokens, 16);
    assert.deepEqual(usage.total_tokens, whole.usage_metadata.total_tokens);
  });
}

test("patches by a field of the request", async () => {
  const { text } = await generate(prompt, ["b"], 16);
  const chat = model(server, "demo", { modelKwargs: { patches: ["b"] } });
  assert.equal((await chat.invoke(prompt)).content, text);
});

test("a batch", async () => {
  const { text } = await generate(prompt, ["a"], 16);
  const all = await model(server, "demo:a").batch([prompt, prompt, prompt]);
  assert.deepEqual(all.map((m) => m.content), [text, text, text]);
});

test("a completion, whole and streamed", async () => {
  const { text } = await generate(prompt, [], 16);
  const llm = new OpenAI({ model: "demo", temperature: 0, maxTokens: 16, apiKey: "none", maxRetries: 0, configuration: { baseURL: server.v1 } });
  assert.equal(await llm.invoke(prompt), text);
  assert.equal((await collect(await llm.stream(prompt))).join(""), text);
});

test("a chain of a prompt and a model", async () => {
  const chain = ChatPromptTemplate.fromMessages([["system", "Be brief."], ["human", "{question}"]]).pipe(model(talker, "adder"));
  assert.equal((await chain.invoke({ question: "How are you?" })).content, "Good day!");
});

test("a tool is called and its result goes back", async () => {
  const add = tool(({ a, b }) => String(a + b), { name: "add", description: "adds", schema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } } });
  const chat = model(talker, "adder", { maxTokens: 100 }).bindTools([add]);
  const messages = [new SystemMessage("Add."), new HumanMessage("2 + 3?")];
  const asks = await chat.invoke(messages);
  assert.deepEqual(asks.tool_calls.map((c) => [c.name, c.args]), [["add", { a: 2, b: 3 }]]);
  const result = await add.invoke(asks.tool_calls[0]);
  assert.ok(result instanceof ToolMessage);
  assert.equal(result.content, "5");
  assert.equal((await chat.invoke([...messages, asks, result])).content, "It is 5.");
  const chunks = await collect(await chat.stream(messages));
  assert.deepEqual(chunks.reduce((a, b) => a.concat(b)).tool_calls.map((c) => [c.name, c.args]), [["add", { a: 2, b: 3 }]]);
});

test("a model that is not there", async () => {
  await assert.rejects(model(server, "demo:c").invoke(prompt), (e) => e.status === 404 && e.code === "model_not_found");
});

test("a client that goes", async () => {
  const gone = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of await model(talker, "adder", { maxTokens: 30000 }).stream("Laugh.", { signal: gone.signal })) gone.abort();
  });
});
