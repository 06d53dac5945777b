// What is asked: a prompt, examples of one, and how it is to be continued.

import { h } from "./dom.js";

// mostAlone is the most patches of which each is shown alone: every answer takes its time.
export const mostAlone = 4;

// setsOf are the sets of patches that a prompt is answered under. Without patches there is
// one, the model's own.
const setsOf = (on) => [[], ...on.length > 1 && on.length <= mostAlone ? on.map((name) => [name]) : [], ...on.length > 0 ? [on] : []];

export class Ask {
  constructor(element, app, patches, answers) {
    Object.assign(this, { app, patches, answers });
    this.prompt = h("textarea", { id: "prompt", name: "prompt", rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.go = h("button", { type: "submit", class: "main" }, "Continue it");
    this.halt = h("button", { type: "button", id: "stop", disabled: true, onclick: () => this.stop() }, "Stop");
    this.form = h("form", { onsubmit: (e) => { e.preventDefault(); this.ask(); } },
      h("label", { for: "prompt", class: "above" }, "The beginning of a text, which the model continues"), this.prompt,
      h("p", { class: "row" }, this.go, this.halt, h("span", { class: "soft keys" }, "Ctrl+Enter continues, Escape stops")),
      this.settings());
    this.form.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); this.ask(); }
    });
    document.addEventListener("keydown", (e) => { if (e.key === "Escape" && !e.defaultPrevented) this.stop(); });
    element.append(h("h2", {}, "Ask"), this.form, this.examples());
    this.prompt.value = app.manifest.examples[0] ?? "";
  }

  examples() {
    const { examples } = this.app.manifest;
    if (examples.length === 0) return "";
    return h("div", { class: "examples" }, h("h3", { id: "examples" }, "For instance"),
      h("ul", { class: "row plain", "aria-labelledby": "examples" }, examples.map((e) => h("li", {},
        h("button", { type: "button", class: "example", dir: "auto", onclick: () => this.example(e) }, e)))));
  }

  // example asks one of the examples, in place of what is in the field.
  example(prompt) {
    if (this.asking) return;
    this.prompt.value = prompt;
    this.ask();
  }

  settings() {
    const number = (id, value, more) => h("input", { id, type: "number", value, required: true, ...more });
    this.most = number("most", 64, { min: 1, max: 100000, step: 1 });
    this.temperature = number("temperature", 0, { min: 0, max: 2, step: "any" });
    this.seed = number("seed", 1, { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 });
    this.line = h("input", { id: "line", type: "checkbox", checked: true });
    return h("details", {}, h("summary", {}, "How it is continued"),
      h("p", { class: "row" },
        h("label", {}, "at most", this.most, "tokens"), h("label", {}, "temperature", this.temperature), h("label", {}, "seed", this.seed),
        h("label", {}, this.line, "to the end of the line")),
      h("p", { class: "soft" }, "At temperature 0 the likeliest token is taken each time. Above it tokens are drawn, the same ones with the same seed."));
  }

  // request is what the engine is asked: an answer of the model's own, one with each patch,
  // and one with all of them together.
  request(on) {
    return {
      prompt: this.prompt.value, sets: setsOf(on), max: Number(this.most.value), top: 5,
      temperature: Number(this.temperature.value), seed: Number(this.seed.value), stop: this.line.checked ? ["\n"] : [],
    };
  }

  async ask() {
    const { app } = this;
    if (this.asking || !this.form.reportValidity()) return;
    app.clear();
    if (this.prompt.value === "") {
      app.fail("The prompt is empty: give the model some text to continue.");
      this.prompt.focus();
      return;
    }
    this.busy(true);
    try {
      await this.answers.ask(this.request(this.patches.on()));
    } catch (e) {
      app.fail(e);
    } finally {
      this.busy(false);
    }
  }

  stop() {
    if (this.asking) this.app.engine.stop().catch((e) => this.app.fail(e));
  }

  // busy says which buttons do something. The focus stays where it is, or goes to the
  // button that asks again: one that is disabled would lose it.
  busy(on) {
    this.asking = on;
    if (!on && document.activeElement === this.halt) this.go.focus();
    this.halt.disabled = !on;
    for (const b of [this.go, ...document.querySelectorAll(".example")]) b.setAttribute("aria-disabled", on);
  }
}
