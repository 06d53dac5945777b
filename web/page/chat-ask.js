// Asks the server for the answers of a turn.

import { stream } from "./api.js";
import { groups, newAnswer, patchesOf } from "./chat-talk.js";

// likeliest is how many of the likeliest tokens are told of beside each.
const likeliest = 5;

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
  }
  answer.finish = choice.finish_reason ?? answer.finish;
}

// ask has columns answer turn n of a conversation, all at once: those with the same
// conversation so far in one request. told(column, token) is called with each token, and
// told(column) when an answer is at its end. Answers that have not come to theirs say why in
// "finish" and "error"; the first failure is returned.
export async function ask(talk, n, columns, told, signal) {
  const turn = talk.turns[n];
  let failure = null;
  const end = (column, finish, error) => {
    const answer = turn.answers[column];
    answer.finish ??= finish;
    if (answer.finish === "failed") answer.error = error.message;
    told(column);
  };
  for (const column of columns) turn.answers[column] = newAnswer();
  await Promise.all(groups(talk, n, columns).map(async (group) => {
    const body = {
      ...turn.fields, messages: group.messages, seed: turn.seed, compare: group.columns.map(patchesOf),
      stream: true, logprobs: true, top_logprobs: likeliest,
    };
    try {
      await stream("v1/chat/completions", body, ({ choices: [choice] }) => {
        const column = group.columns[choice.index];
        take(turn.answers[column], choice, (token, thinks) => told(column, token, thinks));
        if (choice.finish_reason) end(column);
      }, signal);
    } catch (e) {
      failure ??= signal.aborted ? null : e;
      for (const column of group.columns) {
        if (!turn.answers[column].finish) end(column, signal.aborted ? "stopped" : "failed", e);
      }
    }
  }));
  return failure;
}
