// The answers: the model's own and those under patches, side by side, the newest first.

import { h } from "./dom.js";
import { plural } from "./numbers.js";
import { rate } from "./sizes.js";
import { mostAlone } from "./ask.js";
import { Popover } from "./chat-popover.js";
import { TokenLine } from "./chat-tokens.js";

const endings = { stop: "ended at its end", length: "ended at the most tokens", interrupted: "stopped by you" };

export class Answers {
  constructor(element, app) {
    Object.assign(this, { app, number: 0 });
    this.list = h("div", { class: "turns" });
    this.empty = h("p", { class: "soft" }, "Nothing is asked yet.");
    element.append(h("h2", {}, "Answers"), this.empty, this.list);
    new Popover(element);
  }

  // ask shows the answers to a request as they come.
  async ask(request) {
    this.empty.hidden = true;
    const turn = new Turn(++this.number, request);
    this.list.prepend(turn.element);
    this.app.say("The model is answering.");
    try {
      const answers = await this.app.engine.generate(request, (told) => turn.told(told));
      this.app.say(turn.end(answers));
    } catch (e) {
      turn.broken();
      throw e;
    }
  }
}

// Turn is a prompt with its answers.
class Turn {
  constructor(number, request) {
    this.cells = [];
    for (const [i, set] of request.sets.entries()) this.cells.push(new Cell(number, i, set, this.cells[0]));
    this.element = h("section", { class: "turn", "aria-label": `answers ${number}` },
      h("h3", { class: "said", dir: "auto" }, request.prompt), h("div", { class: "cells" }, this.cells.map((c) => c.element)),
      this.cells.length === 1 && h("p", { class: "soft" }, "No patch is switched on: switch one on to see what it changes."),
      request.sets.at(-1).length > mostAlone && h("p", { class: "soft" }, `More than ${mostAlone} patches are on: they are shown together only.`));
  }

  told({ set, token }) { this.cells[set].line.push(token); }

  // end shows how the answers ended, and says it in a sentence.
  end(answers) {
    answers.forEach((a, i) => this.cells[i].line.end(a.text, a.finish_reason !== "stop"));
    answers.forEach((a, i) => this.cells[i].end(a));
    const verdicts = this.cells.filter((c) => c.verdict.textContent !== "").map((c) => `${c.name}: ${c.verdict.textContent}`);
    return verdicts.length === 0 ? "Answered." : `Answered. ${verdicts.join("; ")}.`;
  }

  broken() {
    for (const cell of this.cells) cell.facts.textContent = "broken off";
  }
}

// Cell is one of the answers.
class Cell {
  constructor(number, i, set, base) {
    const title = set.length ? set.flatMap((name, n) => [n ? " + " : "with ", h("bdi", {}, name)]) : "as it is";
    this.name = set.length ? `with ${set.join(" + ")}` : "as it is";
    const label = `answer ${number}, ${this.name}`;
    this.line = new TokenLine(label, base?.line);
    this.verdict = h("p", { class: "verdict-line", hidden: true });
    this.facts = h("p", { class: "soft facts-line" }, "…");
    this.element = h("article", { class: "cell", "data-set": i, "aria-label": label }, h("h4", {}, title), this.line.element, this.verdict, this.facts);
  }

  end(answer) {
    this.verdict.textContent = this.line.verdict();
    this.verdict.hidden = this.verdict.textContent === "";
    this.verdict.classList.toggle("same", this.line.first < 0);
    this.facts.textContent = [
      plural(answer.generated_tokens, "token"), endings[answer.finish_reason] ?? answer.finish_reason, rate(answer.generated_tokens - 1, answer.generation_seconds),
    ].filter(Boolean).join(" · ");
  }
}
