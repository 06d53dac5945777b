// The answers: the model's own and that under the patches, side by side, the newest first.

import { h } from "./dom.js";
import { counted } from "./numbers.js";
import { rate } from "./sizes.js";
import { Popover, TokenLine } from "./chat-tokens.js";

const endings = { stop: "ended by itself", length: "at the most tokens", interrupted: "stopped" };

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
      turn.end(answers);
    } catch (e) {
      turn.broken(e);
      throw e;
    }
    this.app.say(`Answered. ${turn.summary.textContent}`);
  }
}

// Turn is a prompt with its answers.
class Turn {
  constructor(number, request) {
    const title = (set) => (set.length ? ["with ", ...set.flatMap((name, i) => [i ? " + " : "", h("bdi", {}, name)])] : ["as it is"]);
    this.lines = [];
    this.facts = request.sets.map(() => h("p", { class: "soft facts-line" }, "…"));
    const cells = request.sets.map((set, i) => {
      const name = set.length ? `with ${set.join(" + ")}` : "as it is";
      this.lines.push(new TokenLine(`answer ${number}, ${name}, token by token`, i ? this.lines[0] : null));
      return h("article", { class: "cell card", "data-set": i, "aria-label": `answer ${number}, ${name}` }, h("h4", {}, title(set)), this.lines[i].element, this.facts[i]);
    });
    this.summary = h("p", { class: "summary" });
    this.element = h("section", { class: "turn", "aria-label": `answers ${number}` },
      h("h3", { class: "said", dir: "auto" }, request.prompt), h("div", { class: "cells" }, cells), this.summary);
    this.request = request;
  }

  told({ set, token }) { this.lines[set].push(token); }

  end(answers) {
    answers.forEach((a, i) => this.lines[i].end(a.text));
    answers.forEach((a, i) => {
      this.facts[i].textContent = [
        counted(a.generated_tokens, "token"), endings[a.finish_reason] ?? a.finish_reason, rate(a.generated_tokens - 1, a.generation_seconds),
      ].filter(Boolean).join(" · ");
    });
    this.summary.textContent = answers.length === 1
      ? "No patch is switched on: switch one on to see what it changes."
      : `With the patches: ${this.lines[1].verdict()}.`;
  }

  broken(e) {
    for (const f of this.facts) f.textContent = "broken off";
    this.summary.textContent = e.message;
  }
}

