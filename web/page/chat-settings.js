// How tokens are chosen: what the user sets, and otherwise the model's own settings.

import { h } from "./dom.js";
import { settingsOf } from "./chat-shapes.js";

const numbers = [
  { name: "temperature", label: "Temperature", min: 0, step: 0.1 },
  { name: "top_k", label: "Top k", min: 0, max: 2 ** 31 - 1, step: 1, hint: "0: all" },
  { name: "top_p", label: "Top p", min: 0, max: 1, step: 0.05 },
  { name: "min_p", label: "Min p", min: 0, max: 1, step: 0.01 },
  { name: "repeat_penalty", label: "Repeat penalty", min: 0, max: 10, step: 0.05, hint: "1: none" },
];
const others = [
  { name: "max_tokens", label: "Most tokens", min: 1, max: 2 ** 31 - 1, step: 1 },
  { name: "seed", label: "Seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, hint: "drawn" },
];

// faultOf says what is wrong with what stands in a field, "" if nothing is. Steps are for the
// keys alone: numbers between them are as good, unless they have to be whole.
function faultOf({ label, min, max = Infinity, step }, input) {
  const { value } = input, v = Number(value), whole = step === 1;
  if (input.disabled || value === "" && !input.validity.badInput) return "";
  if (value !== "" && v >= min && v <= max && (!whole || Number.isInteger(v))) return "";
  const bounds = max > 2 ** 30 ? `${min} or more` : `from ${min} to ${max}`;
  return `${label} must be a ${whole ? "whole " : ""}number, ${bounds}.`;
}

const drawn = new Set(["temperature", "top_k", "top_p", "min_p"]); // of no effect if greedy

const usual = { greedy: false, seed: "", think: true, system: "", ...Object.fromEntries(numbers.map(({ name }) => [name, ""])) };

// Settings are a form, kept by the browser.
export class Settings {
  constructor(app) {
    this.app = app;
    const bare = this.model?.template === "none"; // it goes on with a text, and does not end where an answer would
    const own = { ...usual, line: bare, max_tokens: bare ? 64 : 512 };
    this.set = { ...own, ...settingsOf(app.kept("chat.settings", {}), own) };
    this.inputs = new Map();
    this.faults = new Map();
    this.element = h("details", { class: "card settings", id: "settings" },
      h("summary", {}, "Settings", h("span", { class: "soft", id: "settings-now" })),
      h("div", { class: "row" }, this.check("greedy", "Greedy: always the likeliest token"),
        this.check("line", "Stop at the end of the line"), this.model?.thinks && this.check("think", "Let it think first")),
      h("div", { class: "row" }, numbers.map((n) => this.number(n)),
        others.map((n) => this.number(n))),
      h("label", { class: "system" }, "System prompt",
        h("textarea", { rows: 2, dir: "auto", id: "system", oninput: (e) => this.change("system", e.target.value) }, this.set.system)),
      h("p", { class: "soft" }, "What is left empty is as the model recommends. All columns have the same seed, so that equal tokens were drawn by equal numbers."),
      h("p", {}, h("button", { type: "button", class: "quiet", onclick: () => this.reset() }, "As the model recommends")));
    this.tell();
  }

  get model() { return this.app.model; }

  check(name, label) {
    const input = h("input", { type: "checkbox", id: `set-${name}`, checked: this.set[name] === true, onchange: () => this.change(name, input.checked) });
    this.inputs.set(name, input);
    return h("label", {}, input, label);
  }

  number({ name, label, min, max, step, hint }) {
    const own = this.model?.sampling?.[name];
    const input = h("input", {
      type: "number", id: `set-${name}`, min, max, step, value: this.set[name] ?? "", placeholder: own ?? hint ?? "", inputmode: "decimal",
      title: hint, "aria-describedby": `set-${name}-fault`, oninput: () => this.change(name, input.value),
    });
    const fault = h("span", { class: "fault", id: `set-${name}-fault`, hidden: true });
    this.inputs.set(name, input);
    this.faults.set(name, fault);
    return h("div", { class: "field" }, h("label", { class: "number" }, label, input), fault);
  }

  // wrong tells beside each field what is wrong with it, and returns the first such field.
  wrong() {
    const all = [...numbers, ...others].filter((of) => {
      const input = this.inputs.get(of.name), fault = this.faults.get(of.name), text = faultOf(of, input);
      if (fault.textContent !== text) fault.textContent = text;
      fault.hidden = text === "";
      input.setAttribute("aria-invalid", text !== "");
      return text !== "";
    });
    return all.length > 0 ? this.inputs.get(all[0].name) : null;
  }

  // refuse says whether nothing can be asked with what is set, and leads to the field at fault.
  refuse() {
    const field = this.wrong();
    if (!field) return false;
    this.element.open = true;
    field.focus();
    this.app.say(this.faults.get(field.id.replace("set-", "")).textContent);
    return true;
  }

  change(name, value) {
    this.set[name] = value;
    this.app.keep("chat.settings", this.set);
    this.tell();
  }

  reset() {
    for (const { name } of numbers) this.inputs.get(name).value = this.set[name] = "";
    this.inputs.get("greedy").checked = this.set.greedy = false;
    this.change("seed", this.inputs.get("seed").value = "");
  }

  // tell says beside the heading what holds now, also if the settings are closed.
  tell() {
    for (const name of drawn) this.inputs.get(name).disabled = this.set.greedy;
    this.wrong();
    const { temperature } = this.fields();
    this.element.querySelector("#settings-now").textContent = `: ${temperature === 0 ? "greedy" : `temperature ${temperature}`}, at most ${this.fields().max_tokens} tokens${this.set.line ? ", to the end of the line" : ""}${this.set.system ? ", with a system prompt" : ""}`;
  }

  value(name, otherwise) {
    const v = this.set[name];
    return v === "" || !Number.isFinite(Number(v)) ? otherwise : Number(v);
  }

  // seed is the one that is set, undefined if one is to be drawn.
  get seed() { return this.value("seed"); }
  get system() { return this.set.system; }

  // fields are the settings in the words of requests, all of them said, so that what is kept
  // tells how an answer came about.
  fields() {
    const all = {};
    for (const { name } of numbers) all[name] = this.value(name, this.model?.sampling?.[name]);
    if (this.set.greedy) all.temperature = 0;
    all.max_tokens = this.value("max_tokens", 64);
    if (this.set.line) all.stop = ["\n"];
    if (this.model?.thinks && !this.set.think) all.chat_template_kwargs = { enable_thinking: false };
    return all;
  }
}
