// The conversations that the browser keeps, on this machine only.

import { h } from "./dom.js";
import { title } from "./chat-talk.js";

// Bounds of what is kept: conversations, and characters of all of them.
const maxTalks = 50;
const maxSize = 2_000_000;

// Kept holds the conversations, the newest first.
export class Kept {
  constructor(app, does) {
    Object.assign(this, { app, does });
    this.talks = app.kept("chats", []);
    this.list = h("ul", { class: "talks" });
    this.summary = h("summary", {});
    this.clear = h("button", { type: "button", class: "quiet", id: "delete-all", onclick: () => this.deleteAll() });
    this.element = h("details", { class: "kept", id: "kept" }, this.summary, this.list, h("p", {}, this.clear),
      h("p", { class: "soft" }, "They are kept by this browser only. Old ones lose the details of their tokens first."));
    window.addEventListener("storage", (e) => { if (e.key === "bankai.chats") this.read(); }); // of another tab
    this.show();
  }

  read() {
    this.talks = this.app.kept("chats", []);
    this.show();
  }

  // put keeps a conversation as it is now, if anything was said in it.
  put(talk) {
    this.talks = this.talks.filter((t) => t.id !== talk.id);
    if (talk.turns.length > 0) this.talks.unshift(talk);
    this.save();
  }

  has(talk) { return this.talks.some((t) => t.id === talk.id); }

  save() {
    this.talks.length = Math.min(this.talks.length, maxTalks);
    const sizes = this.talks.map((t) => JSON.stringify(t).length);
    let size = sizes.reduce((a, b) => a + b, 0);
    for (let i = sizes.length - 1; i > 0 && size > maxSize; i--) {
      this.talks[i] = withoutTokens(this.talks[i]);
      size -= sizes[i] - JSON.stringify(this.talks[i]).length;
    }
    while (size > maxSize && this.talks.length > 1) size -= JSON.stringify(this.talks.pop()).length;
    this.app.keep("chats", this.talks);
    this.show();
  }

  delete(id) {
    this.talks = this.talks.filter((t) => t.id !== id);
    this.save();
    this.summary.focus();
    this.does.deleted(id);
  }

  deleteAll() {
    if (!this.sure) {
      this.sure = true;
      this.show();
      return;
    }
    const gone = this.talks;
    this.talks = [];
    this.save();
    for (const { id } of gone) this.does.deleted(id);
  }

  show() {
    const n = this.talks.length;
    this.sure &&= n > 0;
    this.summary.textContent = `Conversations (${n})`;
    this.clear.textContent = this.sure ? `Really delete all ${n}?` : "Delete all";
    this.clear.hidden = n === 0;
    this.list.replaceChildren(...this.talks.map((t) => h("li", { class: "row" },
      h("button", { type: "button", class: "open quiet", dir: "auto", onclick: () => this.does.open(structuredClone(t)) }, title(t)),
      h("span", { class: "soft" }, t.began.slice(0, 16).replace("T", " ")),
      h("button", { type: "button", class: "quiet delete", "aria-label": `Delete the conversation ${title(t)}`, onclick: () => this.delete(t.id) }, "×"))));
  }
}

// withoutTokens is a conversation with its texts alone.
function withoutTokens(talk) {
  const turns = talk.turns.map((turn) => ({
    ...turn, answers: Object.fromEntries(Object.entries(turn.answers).map(([column, answer]) => [column, { ...answer, tokens: [] }])),
  }));
  return { ...talk, turns };
}
