// Asks the server for the answers of a turn.

import { Failure, stream } from "./api.js";
import { groups, newAnswer, patchesOf } from "./chat-talk.js";
import { thousands } from "./numbers.js";

// likeliest is how many of the likeliest tokens are told of beside each.
const likeliest = 5;

// began is when the first token of an answer came, on the clock of the page.
const began = new WeakMap();

// tokensOf are the tokens of a piece of an answer, as they are kept.
function tokensOf(choice) {
  return (choice.logprobs?.content ?? []).map((t) => {
    const kept = [t.token, t.logprob, t.top_logprobs.map((o) => [o.token, o.logprob])];
    if (t.token.startsWith("bytes:")) kept.push(t.bytes);
    return kept;
  });
}

// take adds a piece to an answer and tells of the tokens in it.
function take(answer, choice, each) {
  answer.model ??= choice.model;
  answer.fingerprint ??= choice.system_fingerprint;
  const thinks = (choice.delta.reasoning_content ?? "") !== "";
  answer.thought += choice.delta.reasoning_content ?? "";
  answer.text += choice.delta.content ?? "";
  for (const token of tokensOf(choice)) {
    answer.tokens.push(token);
    if (thinks) answer.thoughts = answer.tokens.length;
    each(token, thinks);
    const now = performance.now();
    answer.seconds = (now - (began.get(answer) ?? now)) / 1000;
    if (!began.has(answer)) began.set(answer, now);
  }
  answer.finish = choice.finish_reason ?? answer.finish;
}

// endedBy is what ended an answer, beyond what its finish reason says: the end of the line, at
// which it was to stop, or of the model's context.
function endedBy({ fields }, { finish, tokens }) {
  if (finish === "stop" && fields.stop && tokens.at(-1)?.[0].includes("\n")) return "line";
  return finish === "length" && tokens.length < fields.max_tokens ? "context" : undefined;
}

// takeUsage notes how much of the model's context each answer fills. The prompt is counted once
// for each column; the last token of an answer is said, and in no context yet.
function takeUsage(app, turn, columns, usage) {
  const size = app.model.context || Infinity;
  for (const column of columns) {
    const answer = turn.answers[column];
    answer.context = Math.min(size, usage.prompt_tokens / columns.length + answer.tokens.length);
  }
}

// ask has columns answer turn n of a conversation, all at once: those with the same
// conversation so far in one request. A column whose patches the server has no more is left
// out. told(column, token) is called with each token, and told(column) when an answer is at
// its end. Answers that have not come to theirs say why in
// "finish" and "error"; the first failure is returned.
export async function ask(app, talk, n, columns, told, signal) {
  const turn = talk.turns[n];
  let failure = null;
  const end = (column, finish, error) => {
    const answer = turn.answers[column];
    answer.finish ??= finish;
    answer.ended = endedBy(turn, answer);
    if (answer.finish === "failed") Object.assign(answer, { error: error.message, ended: error.code === fullCode ? "conversation" : undefined });
    told(column);
  };
  for (const column of columns) turn.answers[column] = newAnswer();
  const askGroup = async (group) => {
    const body = {
      ...turn.fields, messages: group.messages, seed: turn.seed, compare: group.columns.map(patchesOf),
      stream: true, stream_options: { include_usage: true }, logprobs: true, top_logprobs: likeliest,
    };
    try {
      await stream("v1/chat/completions", body, ({ choices: [choice], usage }) => {
        if (usage) takeUsage(app, turn, group.columns, usage);
        if (!choice) return;
        const column = group.columns[choice.index];
        take(turn.answers[column], choice, (token, thinks) => told(column, token, thinks));
        if (choice.finish_reason) end(column);
      }, signal);
    } catch (e) {
      const gone = signal.aborted ? [] : await goneOf(app, e, group.columns);
      for (const column of gone) end(column, "failed", new Failure(e.status, e.code, `${goneText(app, column)}: remove the column`));
      const left = group.columns.filter((column) => !gone.includes(column));
      if (gone.length > 0) return left.length > 0 && askGroup({ ...group, columns: left });
      const why = plain(app, e, group.messages);
      failure ??= signal.aborted ? null : why;
      for (const column of left) {
        if (!turn.answers[column].finish) end(column, signal.aborted ? "stopped" : "failed", why);
      }
    }
    app.answeredBy(group.columns.map((column) => turn.answers[column].fingerprint).find(Boolean));
  };
  await Promise.all(groups(talk, n, columns).map(askGroup));
  return failure;
}

// missing are the patches of a column that the server has not, as far as the page knows.
const missing = (app, column) => patchesOf(column).filter((name) => !app.patches.some((p) => p.name === name));

// goneOf are the columns with patches that the server has no more, if that is why a request
// failed.
async function goneOf(app, error, columns) {
  if (error.status !== 404 || error.param !== "compare") return [];
  await app.refresh().catch(() => {}); // what failed is told as it is
  return columns.filter((column) => missing(app, column).length > 0);
}

function goneText(app, column) {
  const names = missing(app, column);
  return names.length > 1 ? `the patches ${names.join(" and ")} are gone` : `the patch ${names[0]} is gone`;
}

// fullCode is the server's for a prompt that leaves no room for an answer.
const fullCode = "context_length_exceeded";

// plain is a failure in the words of the page: without the place in the request, which the
// user did not write.
function plain(app, error, messages) {
  if (!(error instanceof Failure)) return error;
  if (error.code === fullCode && messages.some((m) => m.role === "assistant")) {
    return new Failure(error.status, fullCode, `the conversation fills the model's ${thousands(app.model.context)} tokens: begin a new one`, error.param);
  }
  const text = error.message.replace(/^(?:[a-z_]+\[\d+\](?:\.[a-z_]+)?: )+/, "").replace(/: GET \S+ lists those that there are$/, "");
  return new Failure(error.status, error.code === fullCode ? "prompt_too_long" : error.code, text, error.param);
}
