// One prompt with the answers of all columns.

import { h } from "./dom.js";
import { decimals, plural, thousands } from "./numbers.js";
import { answeredElsewhere, base, nameOf, parted, standIn, unanswered } from "./chat-talk.js";
import { TokenLine } from "./chat-tokens.js";

// whys tell more of an ending than its finish reason does.
const whys = { line: () => "ended at the end of the line", context: (app) => `the model's context of ${thousands(app.model.context)} tokens is full` };

const endings = { stop: "ended by itself", length: "ended at the most tokens", stopped: "stopped by you", failed: "broken off" };

// cut says whether an answer would have gone on.
const cut = (answer) => answer?.finish === "stopped" || answer?.finish === "failed";

// speed is that of an answer as it came to this page, beside those of the other columns.
function speed({ tokens, seconds }) {
  if (tokens.length < 2 || !(seconds > 0)) return "";
  const rate = (tokens.length - 1) / seconds;
  return `${rate < 10 ? decimals(rate, 1) : thousands(Math.round(rate))} tokens/s to this page`;
}

// TurnView shows turn n of a conversation. does is what its buttons do: edit(n, prompt),
// again(n), retry(n, columns), carry(n, column), begin(n), copy(text).
export class TurnView {
  constructor(app, talk, n, does) {
    Object.assign(this, { app, talk, n, does, turn: talk.turns[n], cells: new Map() });
    this.grid = h("div", { class: "cells" });
    this.foot = h("p", { class: "row soft turn-foot" });
    this.prompt = h("div", { class: "prompt", role: "group", "aria-label": `prompt ${n + 1}`, onkeydown: (e) => this.escape(e) });
    this.element = h("li", { class: "turn" }, this.prompt, this.grid, this.foot);
    this.showPrompt();
    this.columns();
  }

  showPrompt() {
    this.prompt.replaceChildren(
      h("div", { class: "said", dir: "auto" }, this.turn.prompt),
      h("button", { type: "button", class: "quiet edit", "aria-label": `Edit prompt ${this.n + 1}`, onclick: () => this.edit() }, "Edit"));
  }

  // edit lets the prompt be changed where it stands.
  edit() {
    const leave = () => { this.showPrompt(); this.prompt.querySelector(".edit").focus(); };
    const ask = () => this.does.edit(this.n, text.value);
    const text = h("textarea", { dir: "auto", rows: 3, "aria-label": `prompt ${this.n + 1}, changed`, "aria-describedby": `edit-keys-${this.n + 1}`, onkeydown: (e) => this.enter(e, ask) }, this.turn.prompt);
    this.prompt.replaceChildren(text,
      h("p", { class: "row" },
        h("button", { type: "button", class: "main ask-edited", onclick: ask }, "Ask this"),
        h("button", { type: "button", onclick: leave }, "Cancel"),
        h("span", { class: "soft", id: `edit-keys-${this.n + 1}` }, "Enter asks, Shift+Enter begins a line, Escape leaves. The conversation as it was stays in the list.")));
    this.leave = leave;
    text.focus();
  }

  enter(e, ask) {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    ask();
  }

  // escape leaves the edit of the prompt, if that is where the key was pressed.
  escape(e) {
    if (e.key !== "Escape" || e.isComposing || !this.prompt.querySelector("textarea")) return;
    e.stopPropagation();
    this.leave();
  }

  // columns makes the cells anew, with what was said so far.
  columns() {
    this.cells.clear();
    const ofBase = new Cell(this, base);
    for (const column of this.talk.columns) this.cells.set(column, column === base ? ofBase : new Cell(this, column, ofBase));
    this.grid.replaceChildren(...[...this.cells.values()].map((c) => c.element));
    this.done();
  }

  // told is what comes of a column: a token, or its end.
  told(column, token, thinks) {
    const cell = this.cells.get(column);
    if (token) cell?.line.push(token, thinks);
    else cell?.end();
  }

  // done shows what can be done now that no more comes.
  done() {
    for (const cell of this.cells.values()) cell.tell();
    this.element.classList.toggle("unanswered", !this.running && unanswered(this.turn));
    this.foot.replaceChildren(`seed ${this.turn.seed}`, ...(this.running ? [] : this.choices()));
  }

  // choices are to have answered again what was cut, with the same seed, or all with another.
  choices() {
    const { turn } = this, last = this.n === this.talk.turns.length - 1;
    const broken = this.talk.columns.filter((c) => cut(turn.answers[c]));
    const full = last && Object.values(turn.answers).some((a) => a.ended === "conversation");
    return [
      unanswered(turn) ? h("span", { class: "nobody" }, "Nobody answered: what follows is asked without this prompt.") : "",
      full ? h("button", { type: "button", class: "main begin", onclick: () => this.does.begin(this.n) }, "Begin a new conversation with this prompt") : "",
      broken.length > 0 ? h("button", { type: "button", class: "retry", onclick: () => this.does.retry(this.n, broken) }, "Try again") : "",
      last ? h("button", { type: "button", class: "quiet again", onclick: () => this.does.again(this.n) }, turn.fields.temperature === 0 ? "Ask again (greedy: the seed changes nothing)" : "Ask again with a new seed") : "",
    ];
  }

  // busy says whether an answer is under way: then nothing else can be asked.
  busy(on) {
    this.running = on;
    for (const button of this.element.querySelectorAll("button")) button.disabled = on;
    this.element.setAttribute("aria-busy", on);
  }
}

// Cell is the answer of one column.
class Cell {
  constructor(view, column, ofBase) {
    Object.assign(this, { view, column });
    this.line = new TokenLine(`answer of ${nameOf(column)} to prompt ${view.n + 1}`, ofBase?.line);
    this.facts = h("p", { class: "soft facts-line" });
    this.verdict = h("p", { class: "verdict-line" });
    this.buttons = h("p", { class: "row" });
    this.element = h("article", { class: "cell", "data-column": column, "aria-label": `${nameOf(column)}, answer to prompt ${view.n + 1}` },
      h("p", { class: "name" }, h("bdi", {}, nameOf(column))), this.line.element, this.verdict, this.facts, this.buttons);
    this.answer?.tokens.forEach((token, i) => this.line.push(token, i < this.answer.thoughts));
    if (this.answer?.finish) this.end();
  }

  get answer() { return this.view.turn.answers[this.column]; }

  end() {
    this.line.end(this.answer.text, cut(this.answer));
    for (const cell of this.view.cells.values()) cell.tell();
    this.tell();
  }

  tell() {
    const { answer, view } = this, { app, talk, n, turn } = view, other = standIn(turn, this.column), goesOn = other !== null && `it goes on from the answer of ${nameOf(other)}`;
    this.verdict.textContent = this.line.verdict();
    this.verdict.hidden = this.verdict.textContent === "";
    this.verdict.classList.toggle("same", this.line.first < 0);
    if (!answer?.finish) {
      this.facts.textContent = answer ? "…" : ["not asked", goesOn].filter(Boolean).join(": ");
      this.buttons.replaceChildren(answer ? "" : h("button", { type: "button", class: "ask-too", onclick: () => view.does.retry(n, [this.column]) }, `Ask ${nameOf(this.column)}, too`));
      return;
    }
    const part = this.column !== base && talk.columns.includes(base) && parted(talk, n, base, this.column);
    this.facts.textContent = [
      answer.tokens.length > 0 && plural(answer.tokens.length, "token"), whys[answer.ended]?.(app) ?? endings[answer.finish] ?? answer.finish, speed(answer),
      answeredElsewhere(talk, answer) && `answered by another model, ${answer.model}`, answer.error, goesOn, part && "the conversation before was another than the base's",
    ].filter(Boolean).join(" · ");
    this.facts.classList.toggle("bad", answer.finish === "failed");
    this.buttons.replaceChildren(this.copy(), this.carry());
  }

  copy() {
    const { text } = this.answer;
    return text && h("button", { type: "button", class: "quiet copy", "aria-label": `Copy the answer of ${nameOf(this.column)}`, onclick: () => this.view.does.copy(text) }, "Copy");
  }

  // carry is the choice to go on from this answer in all columns.
  carry() {
    const { talk, n, turn, does } = this.view;
    if (talk.columns.length < 2 || n !== talk.turns.length - 1 || !this.answer.text) return "";
    const on = turn.from === this.column;
    return h("button", { type: "button", class: "quiet carry", "aria-pressed": on, onclick: () => does.carry(n, on ? undefined : this.column) },
      "Go on from this in all columns");
  }
}
