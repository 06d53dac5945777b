// The AI SDK, with its providers for OpenAI, which asks for responses unless it is told
// otherwise, and for servers that are compatible with OpenAI's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { adder, collect, demo, generate, until } from "./bankai.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const server = await demo();
const talker = await adder();
const prompt = "2 + 3 =";
const asked = { prompt, temperature: 0, maxOutputTokens: 16, maxRetries: 0 };

// Each provider makes a model of a name.
const providers = (s) => ({
  compatible: createOpenAICompatible({ name: "bankai", baseURL: s.v1, includeUsage: true }),
  "OpenAI's responses": createOpenAI({ baseURL: s.v1, apiKey: "none" }),
  "OpenAI's chats": createOpenAI({ baseURL: s.v1, apiKey: "none" }).chat,
  "OpenAI's completions": createOpenAI({ baseURL: s.v1, apiKey: "none" }).completion,
});

for (const [name, provider] of Object.entries(providers(server))) {
  for (const set of [[], ["a"], ["a", "b"]]) {
    test(`${name}: a text under ${set.length ? set.join(" and ") : "no patch"}, whole and streamed`, async () => {
      const model = provider(set.length ? "demo:" + set.join("+") : "demo");
      const whole = await generateText({ model, ...asked });
      const streamed = streamText({ model, ...asked });
      const pieces = (await collect(streamed.textStream)).join("");
      // The provider of completions asks with another text, which it makes of the messages.
      if (!name.endsWith("completions")) assert.equal(whole.text, (await generate(prompt, set, 16)).text);
      assert.equal(pieces, whole.text);
      assert.equal(whole.finishReason, "length");
      assert.equal(whole.usage.outputTokens, 16);
      assert.deepEqual((await streamed.usage).outputTokens, 16);
    });
  }
}

test("patches by a field of the request", async () => {
  const { text } = await generate(prompt, ["b"], 16);
  const got = await generateText({ model: providers(server).compatible("demo"), ...asked, providerOptions: { bankai: { patches: ["b"] } } });
  assert.equal(got.text, text);
});

for (const name of ["compatible", "OpenAI's responses", "OpenAI's chats"]) {
  const model = providers(talker)[name]("adder");
  const add = tool({
    inputSchema: jsonSchema({ type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } }),
    execute: ({ a, b }) => a + b,
  });
  // A server that stores nothing cannot be told of the items of an earlier answer by their
  // ids, as this provider does unless it knows.
  const providerOptions = { openai: { store: false } };
  const work = { model, prompt: "2 + 3?", tools: { add }, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions };
  test(`${name}: a tool is called and its result goes back, whole and streamed`, async () => {
    for (const got of [await generateText(work), streamText(work)]) {
      const steps = await got.steps;
      assert.deepEqual(steps[0].toolCalls.map((c) => [c.toolName, c.input]), [["add", { a: 2, b: 3 }]]);
      assert.deepEqual(steps[0].toolResults.map((r) => r.output), [5]);
      assert.equal(steps[0].finishReason, "tool-calls");
      assert.equal(await got.text, "It is 5.");
      if (name === "compatible") assert.equal(steps[0].reasoningText, "Two and three.");
    }
  });
}

test("a model that is not there", async () => {
  await assert.rejects(generateText({ model: providers(server).compatible("demo:c"), ...asked }), (e) => {
    assert.ok(APICallError.isInstance(e), e.message);
    assert.equal(e.statusCode, 404);
    assert.match(e.message, /no patch "c"/);
    return true;
  });
});

test("a client that goes", async () => {
  const gone = new AbortController();
  const before = await talker.count("bankai_generated_tokens_total");
  const stream = streamText({ model: providers(talker).compatible("adder"), prompt: "Laugh.", maxOutputTokens: 30000, abortSignal: gone.signal });
  for await (const _ of stream.textStream) gone.abort();
  await until(async () => (await talker.count("bankai_generated_tokens_total")) > before, "the work was counted");
  assert.ok((await talker.count("bankai_generated_tokens_total")) - before < 30000);
});
