// The tokens of answers, one beside the other: where a patch's differ from the base's.

import { gaps } from "./chat-align.js";
import { h } from "./dom.js";

const signs = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };

// shown is a token of which nothing is invisible.
export const shown = (token) => token.replace(/[ \n\t\r]/g, (c) => signs[c])
  .replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`) || "∅";

// spoken is a token as it is said: what is to be heard of it, and blanks by their names.
const names = { " ": "space", "\n": "line end", "\t": "tab", "\r": "return" };
const spoken = (token) => shown(token.trim()) === "∅" ? [...token].map((c) => names[c] ?? shown(c)).join(" ") || "nothing" : shown(token.trim());

// told bounds the tokens of the base that are said to stand in place of a stretch of others.
const told = 8;

// textOf is what the base has in place of a token, or of a stretch of them.
const textOf = (theirs, pairs) => (pairs ? spoken(theirs[0][0]) : `“${spoken(theirs.slice(0, told).map(([t]) => t).join(""))}${theirs.length > told ? "…" : ""}” in place of this stretch`);

const encoder = new TextEncoder();

// placeOf is where a token's element stands: its line, the last of its tokens' numbers there,
// all of them, and what they say.
export const placeOf = new WeakMap();

// TokenLine shows the tokens of one answer as they come, in time that is proportional to
// their number: to be read as one text, and as a list through which one can go token by token.
// With a base, another line, it marks where it differs from that: at first the token where it
// leaves it, and when both are at their end all that the base's answer does not have.
export class TokenLine {
  constructor(label, compared = null) {
    Object.assign(this, { base: compared, others: [], tokens: [], spans: [], waiting: [], other: new Map(), checked: 0, first: -1, ended: false, cut: false });
    this.decoder = new TextDecoder();
    this.whole = h("p", { class: "unseen whole", dir: "auto" });
    this.list = h("div", { class: "said tokens", dir: "auto", role: "listbox", "aria-orientation": "horizontal", "aria-label": `${label}, token by token`, hidden: true });
    this.element = h("div", { role: "group", "aria-label": label }, this.whole, this.list);
    compared?.others.push(this);
  }

  // push adds a token. Bytes that are a part of a character wait for the rest of it: all of
  // its tokens have one element.
  push(token, thinks = false) {
    this.waiting.push(this.tokens.push(token) - 1);
    this.show(this.decoder.decode(token[3] ? Uint8Array.from(token[3]) : encoder.encode(token[0]), { stream: true }), thinks);
    this.compare();
    for (const other of this.others) other.compare();
  }

  show(text, thinks) {
    if (text === "") return;
    const span = h("span", { class: thinks ? "token thought" : "token", role: "option", "aria-selected": false, tabindex: this.spans.length === 0 ? 0 : -1 }, text);
    placeOf.set(span, { line: this, i: this.waiting.at(-1), of: this.waiting, text });
    for (const i of this.waiting) this.spans[i] = span;
    this.name(span);
    for (const i of this.waiting) if (this.other.has(i)) this.mark(i);
    this.waiting = [];
    this.list.append(span);
    this.list.hidden = false;
    this.whole.append(text);
  }

  // name calls a token by its number and, where it differs, by what the base has.
  name(span) {
    const { of, text } = placeOf.get(span), differing = of.filter((i) => this.other.has(i));
    const number = of.length > 1 ? `tokens ${of[0] + 1} to ${of.at(-1) + 1}` : `token ${of[0] + 1}`;
    const others = differing.map((i) => (i === this.first ? ", the first difference" : "") + `, ${this.there(i)}`);
    span.setAttribute("aria-label", `${number}: ${spoken(text)}${[...new Set(others)].join("")}`);
  }

  // end says that no more tokens come, though there would be more if the answer was cut.
  // Tokens that ended the answer, and are no part of its text, are shown by signs.
  end(text, cut) {
    this.show(this.decoder.decode(), false);
    Object.assign(this, { ended: true, cut });
    const all = this.list.textContent;
    if (text !== "" && all.startsWith(text)) this.signs(all.length - text.length);
    this.whole.textContent = all === "" || text !== "" && all.startsWith(text) ? text : all; // with what it thought before, if it did
    if (this.tokens.length === 0) this.whole.className = "said"; // it was kept without its tokens
    this.compare();
    for (const other of this.others) other.compare();
  }

  signs(left) {
    for (let span = this.list.lastElementChild; span && left > 0 && span.textContent.length <= left; span = span.previousElementSibling) {
      left -= span.textContent.length;
      span.textContent = shown(span.textContent);
      span.classList.add("end");
    }
  }

  // compare goes on where it was: until they part, a token is compared once, when both lines
  // have it, or the base's is at its end.
  compare() {
    if (!this.base) return;
    const theirs = this.base.tokens.length;
    const to = this.base.ended && !this.base.cut ? this.tokens.length : Math.min(this.tokens.length, theirs);
    for (; this.first < 0 && this.checked < to; this.checked++) {
      const i = this.checked;
      if (this.tokens[i][0] === this.base.tokens[i]?.[0]) continue;
      this.first = i;
      this.differs(i, this.base.tokens.slice(i, i + 1), true);
    }
    if (this.first < 0 && this.ended && !this.cut && this.tokens.length < theirs) this.first = this.tokens.length;
    if (this.ended && this.base.ended && this.first >= 0 && this.first < this.tokens.length && !this.aligned) this.align();
  }

  // align marks what the base's answer does not have after the two part. Of an answer that was
  // cut nobody knows how it would have gone on.
  align() {
    this.aligned = true;
    const texts = (tokens) => tokens.map(([token]) => token);
    for (const { mine: [begin, end], theirs: [from, to] } of gaps(texts(this.tokens), texts(this.base.tokens), this.first)) {
      const last = this.base.cut && end === this.tokens.length ? Math.min(end, begin + to - from) : end, pairs = end - begin === to - from;
      const theirs = this.base.tokens.slice(from, Math.min(to, from + told + 1));
      for (let i = begin; i < last; i++) if (i !== this.first) this.differs(i, pairs ? [this.base.tokens[from + i - begin]] : theirs, pairs);
    }
  }

  // differs says which tokens the base has in place of token i: of each its own if pairs, or
  // those in place of a stretch of tokens.
  differs(i, theirs, pairs) {
    this.other.set(i, { theirs, pairs });
    if (this.spans[i]) this.mark(i);
  }

  mark(i) {
    const span = this.spans[i];
    span.classList.add("differs");
    if (i === this.first) span.classList.add("first");
    this.name(span);
  }

  // there says what the base has in place of a token that differs.
  there(i) {
    const { theirs, pairs } = this.other.get(i);
    if (theirs.length > 0) return `the base has ${textOf(theirs, pairs)}`;
    return i === this.first ? "the base has ended before" : "the base has nothing here";
  }

  // verdict says in words what the marks show.
  verdict() {
    if (!this.base || this.tokens.length === 0 || this.base.tokens.length === 0) return "";
    if (this.first < 0) return this.base.ended && this.ended ? `the same tokens as the base${this.cut || this.base.cut ? ", as far as they came" : ""}` : "";
    const [mine, theirs] = [this.tokens[this.first], this.base.tokens[this.first]];
    const said = (token, otherwise) => (token ? `“${shown(token[0])}”` : otherwise);
    return `differs first at token ${this.first + 1}: ${said(mine, "the end")}, the base has ${said(theirs, "ended")}`;
  }

  // focus moves the one tab stop of the line to a token.
  focus(i) {
    const span = this.spans[Math.max(0, Math.min(i, this.spans.length - 1))];
    if (!span) return;
    this.list.querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    span.setAttribute("tabindex", 0);
    this.choose(span);
    span.focus();
  }

  choose(span) {
    this.chosen?.setAttribute("aria-selected", false);
    this.chosen = span;
    span.setAttribute("aria-selected", true);
  }
}
