// The conversations that the browser keeps, on this machine only.

import { confirm } from "./confirm.js";
import { h } from "./dom.js";
import { talksOf } from "./chat-shapes.js";
import { newID, title } from "./chat-talk.js";
import { plural, thousands, when } from "./numbers.js";

// Bounds of what is kept: conversations, and characters of all of them.
const maxTalks = 50;
const maxSize = 2_000_000;

// seen is what the browser kept of a conversation when this tab last read or wrote it.
const seen = new WeakMap();
const content = ({ columns, turns }) => JSON.stringify([columns, turns]);

// Kept holds the conversations, the newest first, as all tabs of the browser share them. Each
// bears a mark of the state in which it was kept: if that is another than a tab has seen,
// another tab went on with it. does is what else has to happen: open(talk), deleted(id),
// changed(talk) when another tab kept the one that is open here.
export class Kept {
  constructor(app, does) {
    Object.assign(this, { app, does });
    this.open = "";
    this.load();
    this.list = h("ul", { class: "talks" });
    this.summary = h("summary", {});
    this.clear = h("button", { type: "button", class: "quiet", id: "delete-all", onclick: () => this.deleteAll() }, "Delete all");
    this.element = h("details", { class: "kept", id: "kept" }, this.summary, this.list, h("p", {}, this.clear),
      h("p", { class: "soft" }, "They are kept by this browser only. Old ones lose the details of their tokens first."));
    this.dropped = h("p", { class: "soft dropped", hidden: true });
    window.addEventListener("storage", (e) => { if (e.key === "bankai.chats") this.read(); }); // of another tab
    this.show();
  }

  // load takes what the tabs kept up to now.
  load() { this.talks = talksOf(this.app.kept("chats", [])); }

  read() {
    this.load();
    this.show();
    const talk = this.talks.find((t) => t.id === this.open);
    if (talk) this.does.changed(talk);
  }

  // take says that a conversation is the one that is open here, as it is kept.
  take(talk) {
    this.open = talk.id;
    seen.set(talk, content(talk));
    this.show();
  }

  // put keeps a conversation as it is now, if anything was said in it that is not kept. It
  // returns true if another tab went on with it: then both are kept, this one as another
  // conversation.
  put(talk) {
    const now = content(talk);
    if (talk.turns.length === 0 || seen.get(talk) === now) return false;
    this.load();
    const other = this.talks.find((t) => t.id === talk.id), parted = other !== undefined && other.saved !== talk.saved;
    if (parted) {
      if (this.open === talk.id) this.open = null;
      talk.id = newID();
      this.open ??= talk.id;
    }
    talk.saved = newID();
    seen.set(talk, now);
    this.talks = [talk, ...this.talks.filter((t) => t.id !== talk.id)];
    this.save();
    return parted;
  }

  has(talk) { return this.talks.some((t) => t.id === talk.id); }

  // save keeps them all within the bounds, and says so once when old ones are dropped.
  save() {
    const before = this.talks.length;
    this.talks.length = Math.min(before, maxTalks);
    const sizes = this.talks.map((t) => JSON.stringify(t).length);
    let size = sizes.reduce((a, b) => a + b, 0);
    for (let i = sizes.length - 1; i > 0 && size > maxSize; i--) {
      this.talks[i] = withoutTokens(this.talks[i]);
      size -= sizes[i] - JSON.stringify(this.talks[i]).length;
    }
    while (size > maxSize && this.talks.length > 1) size -= JSON.stringify(this.talks.pop()).length;
    this.app.keep("chats", this.talks);
    this.tell(before - this.talks.length);
    this.show();
  }

  tell(dropped) {
    if (dropped === 0 || !this.dropped.hidden) return;
    this.dropped.textContent = `${plural(dropped, "old conversation")} had to go: the browser keeps at most ${maxTalks}, with ${thousands(maxSize)} characters in all. Export what you want to keep longer.`;
    this.dropped.hidden = false;
    this.app.say(this.dropped.textContent);
  }

  async delete(talk) {
    if (!await confirm("Delete this conversation?", [title(talk), "It is kept nowhere else."], "Delete it")) return;
    const at = this.talks.findIndex((t) => t.id === talk.id);
    this.drop([talk.id]);
    (this.list.querySelectorAll(".delete")[Math.min(Math.max(at, 0), this.talks.length - 1)] ?? this.summary).focus();
    this.app.say("the conversation is deleted");
  }

  async deleteAll() {
    if (!await confirm(`Delete ${plural(this.talks.length, "conversation")}?`, ["They are kept nowhere else."], "Delete all")) return;
    this.drop(this.talks.map((t) => t.id));
    this.summary.focus();
    this.app.say("all conversations are deleted");
  }

  drop(ids) {
    this.load();
    this.talks = this.talks.filter((t) => !ids.includes(t.id));
    this.save();
    for (const id of ids) this.does.deleted(id);
  }

  show() {
    const n = this.talks.length;
    this.summary.textContent = `Conversations (${n})`;
    this.clear.hidden = n === 0;
    this.list.replaceChildren(...this.talks.map((t) => h("li", { class: "row" },
      h("button", { type: "button", class: "open quiet", dir: "auto", "aria-current": t.id === this.open ? "true" : null, onclick: () => this.does.open(structuredClone(t)) }, title(t)),
      h("span", { class: "soft" }, when(t.began)),
      h("button", { type: "button", class: "quiet delete", "aria-label": `Delete the conversation ${title(t)}`, onclick: () => this.delete(t) }, "×"))));
  }
}

// withoutTokens is a conversation with its texts alone.
function withoutTokens(talk) {
  const turns = talk.turns.map((turn) => ({
    ...turn, answers: Object.fromEntries(Object.entries(turn.answers).map(([column, answer]) => [column, { ...answer, tokens: [] }])),
  }));
  return { ...talk, turns };
}
