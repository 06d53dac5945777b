// What was said: conversations as they are kept and exported. A column is one patch set,
// named as in a model's id: "math+units", and "" for the model as it is.

export const base = "";
export const maxColumns = 6;

export const patchesOf = (column) => (column === base ? [] : column.split("+"));
export const nameOf = (column) => (column === base ? "base" : column);

// random is a whole number of 32 bits.
export const random = () => crypto.getRandomValues(new Uint32Array(1))[0];

// newID tells one conversation, or one state of it, from all others.
export const newID = () => `${Date.now().toString(36)}${random().toString(36)}`;

// newTalk is a conversation in which nothing was said.
export const newTalk = (model, columns) => ({
  id: newID(), began: new Date().toISOString(),
  model: model?.id ?? "", digest: model?.digest ?? "", columns, turns: [],
});

// newTurn is a prompt that nobody answered yet. fields are how tokens are chosen, in the
// words of requests.
export const newTurn = (prompt, system, fields, seed) => ({ prompt, system, fields, seed, answers: {} });

// newAnswer is one that has not begun. Its tokens are lists: the token, its log-probability,
// the likeliest ones with theirs and, if the token is a part of a character, its bytes. The
// first ones, as many as "thoughts" says, are what it thought before it answered.
export const newAnswer = () => ({ text: "", thought: "", thoughts: 0, tokens: [], finish: null });

// answered says whether an answer is one that can be gone on from.
const answered = (answer) => answer !== undefined && (answer.text !== "" || answer.finish === "stop" || answer.finish === "length");

// unanswered says of a turn whether nobody said anything to it.
export const unanswered = (turn) => Object.values(turn.answers).every((a) => a.text === "");

// answeredElsewhere says whether another model gave an answer than the conversation began with.
export function answeredElsewhere(talk, answer) {
  const digest = answer.fingerprint?.split("-")[1];
  return Boolean(digest && talk.digest && !talk.digest.startsWith(digest));
}

// before is the column whose answer to a turn a column goes on from: itself, unless the user
// chose another for all, or the column has none. Then it is the first that has one.
function before(turn, column) {
  const c = turn.from ?? column;
  return answered(turn.answers[c]) ? c : Object.keys(turn.answers).find((other) => answered(turn.answers[other])) ?? c;
}

// standIn is the column that one without an answer to a turn goes on from, null if there is none.
export function standIn(turn, column) {
  const other = before({ ...turn, from: undefined }, column);
  return other === column ? null : other;
}

// messages are those that a column's answer to turn n is asked with. They are followed from
// the last one back: where a column goes on from another, that one's conversation is its own
// up to there. Prompts to which nothing was said are left out.
export function messages(talk, n, column) {
  const turn = talk.turns[n], all = [{ role: "user", content: turn.prompt }];
  for (let k = n - 1, c = column; k >= 0; k--) {
    c = before(talk.turns[k], c);
    const said = talk.turns[k].answers[c]?.text;
    if (said) all.unshift({ role: "user", content: talk.turns[k].prompt }, { role: "assistant", content: said });
  }
  if (turn.system) all.unshift({ role: "system", content: turn.system });
  return all;
}

// groups are the columns whose conversations are the same so far: they can be compared in one
// request.
export function groups(talk, n, columns) {
  const all = new Map();
  for (const column of columns) {
    const said = messages(talk, n, column), key = JSON.stringify(said);
    if (all.has(key)) all.get(key).columns.push(column);
    else all.set(key, { messages: said, columns: [column] });
  }
  return [...all.values()];
}

// parted says whether two columns answer turn n in different conversations.
export const parted = (talk, n, a, b) => groups(talk, n, [a, b]).length > 1;

// filled is how many tokens of the model's context the conversation takes, in the column where
// it takes most; 0 if that is not known.
export function filled(talk) {
  const last = talk.turns.findLast((turn) => !unanswered(turn));
  return Math.max(0, ...talk.columns.map((column) => last?.answers[column]?.context ?? 0));
}

// underWay says whether answers are still to come.
export const underWay = (talk) => talk.turns.some((turn) => Object.values(turn.answers).some((answer) => !answer.finish));

// recovered is a conversation in which nothing is under way: what was when the page was left
// can be asked again.
export function recovered(talk) {
  for (const answer of talk.turns.flatMap((turn) => Object.values(turn.answers))) {
    if (!answer.finish) Object.assign(answer, { finish: "failed", error: "the page was left" });
  }
  return talk;
}

// title is how a conversation is called in a list.
export function title(talk) {
  const first = talk.turns[0]?.prompt.trim() ?? "";
  return first.length > 60 ? `${first.slice(0, 59)}…` : first || "nothing said yet";
}

// fence is a block of a text as it is, whatever stands in it, for Markdown.
function fence(text) {
  const ticks = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const line = "`".repeat(ticks + 1);
  return `${line}text\n${text}\n${line}\n`;
}

// markdown is a conversation to be read.
export function markdown(talk) {
  const parts = [`# Conversation with ${talk.model}\n`, `Begun ${talk.began}. Model ${talk.digest}.\n`];
  talk.turns.forEach((turn, i) => {
    parts.push(`## Prompt ${i + 1}\n`, fence(turn.prompt));
    if (turn.system) parts.push("System prompt:\n", fence(turn.system));
    parts.push(`Seed ${turn.seed}, ${Object.entries(turn.fields).map(([name, v]) => `${name} ${JSON.stringify(v)}`).join(", ")}.\n`);
    for (const [column, answer] of Object.entries(turn.answers)) {
      parts.push(`### ${answer.model ?? nameOf(column)}\n`, fence(answer.text));
      parts.push(`${answer.fingerprint ?? "no answer"}, ended: ${answer.finish ?? "not yet"}.\n`);
    }
    if (unanswered(turn)) parts.push("Nobody answered: what follows was asked without this prompt.\n");
    if (turn.from !== undefined) parts.push(`All go on from the answer of ${nameOf(turn.from)}.\n`);
  });
  return parts.join("\n");
}
