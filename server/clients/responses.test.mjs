// The library of OpenAI: responses, of which a server here stores none.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { adder, collect, demo, generate } from "./bankai.mjs";

const client = (s) => new OpenAI({ baseURL: s.v1, apiKey: "none", maxRetries: 0 });
const openai = client(await demo());
const talker = client(await adder());

test("a response, whole, streamed and under patches", async () => {
  for (const set of [[], ["a"], ["a", "b"]]) {
    const { text } = await generate("2 + 3 =", set, 16);
    const q = { model: set.length ? "demo:" + set.join("+") : "demo", input: "2 + 3 =", temperature: 0, max_output_tokens: 16 };
    const whole = await openai.responses.create(q);
    assert.equal(whole.output_text, text);
    assert.equal(whole.status, "incomplete");
    assert.equal(whole.incomplete_details.reason, "max_output_tokens");
    assert.equal(whole.usage.output_tokens, 16);
    const events = await collect(await openai.responses.create({ ...q, stream: true }));
    assert.equal(events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""), text);
    assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
    assert.equal(events[0].type, "response.created");
    assert.equal(events.at(-1).type, "response.incomplete");
    assert.equal((await openai.responses.stream(q).finalResponse()).output_text, text);
  }
});

test("a response calls a tool and its result goes back", async () => {
  const q = { model: "adder", tools: [{ type: "function", name: "add", strict: false, parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } } }] };
  const input = [{ role: "user", content: "What is 2 + 3?" }];
  const asks = await talker.responses.create({ ...q, input });
  const call = asks.output.find((item) => item.type === "function_call");
  assert.deepEqual(JSON.parse(call.arguments), { a: 2, b: 3 });
  assert.equal(asks.output_text, "I add.");
  const done = await talker.responses.create({ ...q, input: [...input, ...asks.output, { type: "function_call_output", call_id: call.call_id, output: "5" }] });
  assert.equal(done.output_text, "It is 5.");
  const stream = await talker.responses.stream({ ...q, input }).finalResponse();
  assert.deepEqual(stream.output.map((item) => item.type), asks.output.map((item) => item.type));
});
