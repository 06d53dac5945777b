// Chat: the model as it is beside what patches make of it, in one conversation.

import { download, h } from "./dom.js";
import { ask } from "./chat-ask.js";
import { Columns } from "./chat-columns.js";
import { copy } from "./chat-copy.js";
import { Empty } from "./chat-empty.js";
import { Follow } from "./chat-follow.js";
import { Form } from "./chat-form.js";
import { Kept } from "./chat-kept.js";
import { Popover } from "./chat-popover.js";
import { Settings } from "./chat-settings.js";
import { columnsOf } from "./chat-shapes.js";
import { base, markdown, nameOf, newTalk, newTurn, random, recovered, underWay } from "./chat-talk.js";
import { TurnView } from "./chat-turn.js";

let chat = null;

export function mount(section, app) { chat = new Chat(section, app); }

// show adds the column of the address: #chat/math+units.
export function show(of) {
  if (of) chat.column(of);
  chat.form.ready();
}

// opened is which conversation is open in this tab, whatever is in others.
const opened = "bankai.chat.open";

class Chat {
  constructor(section, app) {
    Object.assign(this, { section, app, views: [], stopping: null });
    section.classList.add("chat");
    this.settings = new Settings(app);
    this.columns = new Columns(app, (columns) => this.arrange(columns));
    this.kept = new Kept(app, {
      open: (talk) => this.open(talk),
      deleted: (id) => id === this.talk.id && this.open(this.fresh()),
      changed: (talk) => this.changed(talk),
    });
    this.parted = h("p", { class: "soft", id: "parted", hidden: true });
    this.exports = [this.button("export-json", "Export JSON", () => this.save("json")), this.button("export-markdown", "Export Markdown", () => this.save("md"))];
    this.turns = h("ol", { class: "turns", "aria-label": "conversation" });
    this.empty = new Empty(app, (prompt) => this.ask(prompt));
    this.form = new Form(app, { submit: () => this.submit(), stop: () => this.stop() });
    section.append(h("h1", {}, "Chat"),
      h("p", { class: "soft" }, "Every column answers the same prompt with the same seed, in one batch. Framed is the first token that is not the base's: what the patch changed there. Underlined after it is what the base's answer does not have, once both are at their end. Each column goes on from its own answers."),
      this.columns.element, this.settings.element,
      h("div", { class: "row talk-bar" }, this.button("new-talk", "New conversation", () => this.open(this.fresh(), true)), this.exports, this.kept.element),
      this.kept.dropped, this.parted, this.empty.element, this.turns, this.form.element);
    this.popover = new Popover(section);
    section.addEventListener("keydown", (e) => { if (e.key === "Escape") this.stop(); });
    window.addEventListener("pagehide", () => this.keep());
    this.follow = new Follow(this.form.element);
    const id = sessionStorage.getItem(opened) ?? app.kept("chat.open", "");
    this.open(this.kept.talks.find((t) => t.id === id) ?? this.fresh());
  }

  button(id, text, onclick) { return h("button", { type: "button", id, onclick }, text); }

  fresh() {
    const patches = new Set(this.app.patches.map((p) => p.name));
    const first = this.app.patches[0];
    const kept = columnsOf(this.app.kept("chat.columns", null)), columns = kept.includes(base) ? kept : first ? [base, first.name] : [base];
    return newTalk(this.app.model, columns.filter((c) => c === base || c.split("+").every((name) => patches.has(name))));
  }

  // open shows a conversation, and goes on with it.
  open(talk, focus) {
    this.stop();
    this.talk = recovered(talk);
    this.parted.hidden = true;
    this.kept.take(talk);
    this.remember();
    this.columns.set(talk.columns);
    this.views = talk.turns.map((_, n) => this.view(talk, n));
    this.turns.replaceChildren(...this.views.map((v) => v.element));
    this.arranged();
    if (focus) this.form.prompt.focus();
  }

  // remember has a reload of this tab open the same conversation, and new tabs, too.
  remember() {
    sessionStorage.setItem(opened, this.talk.id);
    this.app.keep("chat.open", this.talk.id);
  }

  // changed takes what another tab said in the conversation that is open here, when it is at
  // its end. What is being asked or typed here stays: then the two part when this one is kept.
  changed(talk) {
    if (talk.saved === this.talk.saved || underWay(talk) || this.stopping || this.turns.querySelector("textarea")) return;
    const focus = document.activeElement?.closest(".turns") !== null;
    this.open(structuredClone(talk));
    if (focus) this.form.prompt.focus({ preventScroll: true }); // what had it is made anew
    this.app.say("another tab went on with this conversation");
  }

  // column adds a column. Beside the base it is the only one until the user chooses some.
  column(of) {
    if (this.talk.turns.length === 0 && this.app.kept("chat.columns", null) === null) this.columns.only(of);
    else this.columns.put(of);
  }

  view(talk, n) {
    return new TurnView(this.app, talk, n, {
      edit: (n, prompt) => this.edit(n, prompt),
      again: (n) => this.again(n),
      retry: (n, columns) => this.retry(n, columns),
      carry: (n, column) => this.carry(n, column),
      begin: (n) => this.begin(n),
      copy: async (text) => this.app.say(await copy(text) ? "copied" : "the browser does not let the page copy: mark the text and copy it"),
    });
  }

  // arrange takes other columns.
  arrange(columns) {
    this.talk.columns = columns;
    this.app.keep("chat.columns", columns);
    for (const view of this.views) view.columns();
    this.arranged();
    this.keep();
  }

  arranged() {
    this.popover.hide(); // its token may be gone
    this.turns.classList.toggle("nobase", this.app.kept("chat.nobase", false) === true && this.talk.columns.length > 1);
    this.turns.classList.toggle("busy", this.stopping !== null);
    this.empty.show(this.talk.turns.length === 0);
    this.form.tell(this.talk);
    for (const button of this.exports) button.disabled = this.talk.turns.length === 0;
  }

  keep() { this.put(this.talk); }

  // put keeps a conversation, and says so if it parts from what another tab kept.
  put(talk) {
    if (!this.kept.put(talk) || talk !== this.talk) return;
    this.remember();
    this.parted.textContent = "Another tab went on with this conversation: both are in the list, this one from here on as a conversation of its own.";
    this.parted.hidden = false;
    this.app.say(this.parted.textContent);
  }

  submit() {
    if (this.stopping || this.form.empty) return this.form.prompt.focus();
    if (this.settings.refuse()) return;
    this.turn(this.form.take(), this.settings.system);
  }

  // ask asks an example, and leaves what is typed as it is.
  ask(prompt) {
    if (!this.stopping && !this.settings.refuse()) this.turn(prompt, this.settings.system);
  }

  turn(prompt, system) {
    const n = this.talk.turns.push(newTurn(prompt, system, this.settings.fields(), this.settings.seed ?? random())) - 1;
    this.views[n - 1]?.done(); // it is not the last one any more
    this.views[n] = this.view(this.talk, n);
    this.turns.append(this.views[n].element);
    return this.answer(n, this.talk.columns);
  }

  // edit goes on from before turn n with another prompt, in a conversation of its own.
  edit(n, prompt) {
    if (this.stopping || prompt.trim() === "" || this.settings.refuse()) return;
    this.keep();
    const before = newTalk(this.app.model, this.talk.columns);
    before.turns = structuredClone(this.talk.turns.slice(0, n));
    this.open(before, true); // not Stop, which the same key would press if it is held
    this.turn(prompt, this.settings.system);
  }

  // begin asks prompt n in a new conversation, for which it can be changed.
  begin(n) {
    const { prompt } = this.talk.turns[n];
    this.open(this.fresh(), true);
    if (this.form.empty) this.form.fill(prompt); // else something is typed already
  }

  // again asks the last prompt anew, with the settings that hold now and another seed, also if
  // one is set.
  again(n) {
    if (this.stopping || this.settings.refuse()) return;
    const turn = this.talk.turns[n];
    Object.assign(turn, { seed: random(), fields: this.settings.fields(), system: this.settings.system, from: undefined, answers: {} });
    this.answer(n, this.talk.columns);
  }

  // retry has columns answer once more with the same seed. If nothing came of a prompt yet,
  // that may be due to its settings: then those that hold now are taken.
  retry(n, columns) {
    if (this.stopping) return;
    const turn = this.talk.turns[n];
    if (Object.values(turn.answers).every((a) => a.tokens.length === 0)) {
      if (this.settings.refuse()) return;
      Object.assign(turn, { fields: this.settings.fields(), system: this.settings.system });
    }
    this.answer(n, columns);
  }

  carry(n, column) {
    const at = document.activeElement?.closest(".cell")?.dataset.column;
    this.talk.turns[n].from = column;
    this.views[n].done();
    this.views[n].cells.get(at)?.buttons.querySelector(".carry")?.focus();
    this.keep();
    this.app.say(column === undefined ? "each column goes on from its own answer" : `all columns go on from the answer of ${nameOf(column)}`);
  }

  // answer has columns answer turn n. What was typed and what came stays if that fails.
  async answer(n, columns) {
    if (this.stopping) return;
    const { talk } = this, view = this.views[n], control = new AbortController();
    this.app.clear();
    this.app.say(`asking ${columns.map(nameOf).join(", ")}`);
    const typing = document.activeElement === this.form.prompt;
    this.busy(control);
    if (!typing) this.form.stop.focus({ preventScroll: true }); // what had the focus goes, or cannot be used for now
    const asked = ask(this.app, talk, n, columns, (column, token, thinks) => { view.told(column, token, thinks); this.follow.grown(); }, control.signal);
    view.busy(true);
    view.columns();
    this.put(talk);
    this.follow.begin(view.element);
    const failure = await asked;
    const here = document.activeElement === this.form.stop;
    this.busy(null);
    view.busy(false);
    view.done();
    if (this.kept.has(talk)) this.put(talk);
    this.follow.end();
    this.arranged();
    this.report(view, failure, control.signal.aborted);
    if ((here || document.activeElement === document.body) && this.form.prompt.checkVisibility()) this.form.prompt.focus({ preventScroll: true }); // what had it is gone
  }

  report(view, failure, stopped) {
    if (failure) this.app.fail(failure);
    const verdicts = [...view.cells.values()].map((c) => c.line.verdict() && `${nameOf(c.column)} ${c.line.verdict()}`);
    this.app.say([failure ? "broken off" : stopped ? "stopped" : "answered", ...verdicts].filter(Boolean).join("; "));
  }

  busy(control) {
    this.stopping = control;
    this.form.busy(control !== null);
    this.arranged();
  }

  stop() { this.stopping?.abort(); }

  save(kind) {
    const name = `bankai-chat-${this.talk.began.slice(0, 19).replaceAll(":", "-")}`;
    if (kind === "json") download(`${name}.json`, `${JSON.stringify({ ...this.talk, saved: undefined }, null, 2)}\n`);
    else download(`${name}.md`, markdown(this.talk), "text/markdown");
  }
}
