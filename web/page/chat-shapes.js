// What the browser kept, as far as it has the shape that this page writes: of what another
// version, another page or a hand wrote, what cannot be read is left out, and no more.

import { maxColumns, newAnswer } from "./chat-talk.js";

const isObject = (x) => typeof x === "object" && x !== null && !Array.isArray(x);
const isText = (x) => typeof x === "string";
const textOf = (x, otherwise = "") => (isText(x) ? x : otherwise);
const listOf = (x) => (Array.isArray(x) ? x : []);
const isScored = (x) => Array.isArray(x) && isText(x[0]) && Number.isFinite(x[1]);

// columnsOf are names of columns, each once.
export const columnsOf = (x) => [...new Set(listOf(x).filter(isText))].slice(0, maxColumns);

// isToken says whether x is a token as answers have it: itself, its log-probability, the
// likeliest ones and, perhaps, its bytes.
function isToken(x) {
  return isScored(x) && listOf(x[2]) === x[2] && x[2].every(isScored) && (x[3] === undefined || listOf(x[3]) === x[3] && x[3].every(Number.isInteger));
}

function answerOf(x) {
  if (!isObject(x) || !isText(x.text)) return null;
  const tokens = listOf(x.tokens), whole = tokens.every(isToken), answer = { ...newAnswer(), text: x.text, thought: textOf(x.thought), tokens: whole ? tokens : [] };
  answer.thoughts = whole && Number.isInteger(x.thoughts) ? x.thoughts : 0;
  answer.finish = isText(x.finish) ? x.finish : null;
  for (const name of ["model", "fingerprint", "error", "ended"]) if (isText(x[name])) answer[name] = x[name];
  for (const name of ["seconds", "context"]) if (Number.isFinite(x[name])) answer[name] = x[name];
  return answer;
}

function turnOf(x) {
  if (!isObject(x) || !isText(x.prompt)) return null;
  const answers = Object.entries(isObject(x.answers) ? x.answers : {}).map(([column, answer]) => [column, answerOf(answer)]).filter(([, answer]) => answer);
  const turn = { prompt: x.prompt, system: textOf(x.system), fields: isObject(x.fields) ? x.fields : {}, seed: Number.isFinite(x.seed) ? x.seed : 0, answers: Object.fromEntries(answers) };
  if (isText(x.from)) turn.from = x.from;
  return turn;
}

// talkOf is a conversation, null if x is none.
export function talkOf(x) {
  if (!isObject(x) || !isText(x.id)) return null;
  const turns = listOf(x.turns).map(turnOf).filter(Boolean);
  if (turns.length === 0) return null;
  const talk = { id: x.id, began: textOf(x.began), model: textOf(x.model), digest: textOf(x.digest), columns: columnsOf(x.columns), turns };
  if (isText(x.saved)) talk.saved = x.saved;
  return talk;
}

// talksOf are the conversations of a list, each once.
export function talksOf(x) {
  const all = new Map();
  for (const talk of listOf(x).map(talkOf)) if (talk && !all.has(talk.id)) all.set(talk.id, talk);
  return [...all.values()];
}

// settingsOf are those settings of x that have the type of the usual ones. Numbers are kept as
// they are typed.
export function settingsOf(x, usual) {
  const is = (value, like) => (typeof like === "boolean" ? typeof value === "boolean" : isText(value) || Number.isFinite(value));
  return Object.fromEntries(Object.entries(isObject(x) ? x : {}).filter(([name, value]) => Object.hasOwn(usual, name) && is(value, usual[name])));
}
