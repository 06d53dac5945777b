// The tokens of answers, one beside the other: where a patch's differ from the base's, and
// what else could have come.

import { h } from "./dom.js";
import { logProb, probability } from "./numbers.js";

const signs = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };

// shown is a token of which nothing is invisible.
export const shown = (token) => token.replace(/[ \n\t\r]/g, (c) => signs[c])
  .replace(/[\p{Cc}\p{Cf}]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`) || "∅";

const encoder = new TextEncoder();

// placeOf is where a token's element stands: its line and its number there.
const placeOf = new WeakMap();

// TokenLine shows the tokens of one answer as they come, in time that is proportional to
// their number. With a base, another line, it marks those that differ from the token of the
// same number there.
export class TokenLine {
  constructor(label, compared = null) {
    Object.assign(this, { base: compared, others: [], tokens: [], spans: [], waiting: [], differs: new Set(), checked: 0, first: -1, ended: false, cut: false });
    this.decoder = new TextDecoder();
    this.element = h("div", { class: "said tokens", dir: "auto", role: "group", "aria-label": label });
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
    const span = h("span", { class: thinks ? "token thought" : "token", tabindex: this.spans.length === 0 ? 0 : -1 }, text);
    placeOf.set(span, { line: this, i: this.waiting.at(-1), of: this.waiting });
    for (const i of this.waiting) {
      this.spans[i] = span;
      if (this.differs.has(i)) this.mark(i);
    }
    this.waiting = [];
    this.element.append(span);
  }

  // end says that no more tokens come, though there would be more if the answer was cut.
  // Tokens that ended the answer, and are no part of its text, are shown by signs.
  end(text, cut) {
    this.show(this.decoder.decode(), false);
    Object.assign(this, { ended: true, cut });
    const all = this.element.textContent;
    if (text !== "" && all.startsWith(text)) this.signs(all.length - text.length);
    this.compare();
    for (const other of this.others) other.compare();
  }

  signs(left) {
    for (let span = this.element.lastElementChild; span && left > 0 && span.textContent.length <= left; span = span.previousElementSibling) {
      left -= span.textContent.length;
      span.textContent = shown(span.textContent);
      span.classList.add("end");
    }
  }

  // compare goes on where it was: a token is compared once, when both lines have it, or the
  // base's is at its end.
  compare() {
    if (!this.base) return;
    const theirs = this.base.tokens.length;
    const to = this.base.ended && !this.base.cut ? this.tokens.length : Math.min(this.tokens.length, theirs);
    for (; this.checked < to; this.checked++) {
      const i = this.checked;
      if (this.tokens[i][0] === this.base.tokens[i]?.[0]) continue;
      if (this.first < 0) this.first = i;
      this.differs.add(i);
      if (this.spans[i]) this.mark(i);
    }
    if (this.first < 0 && this.ended && !this.cut && this.tokens.length < theirs) this.first = this.tokens.length;
  }

  mark(i) {
    const span = this.spans[i];
    span.classList.add("differs");
    if (i === this.first) span.classList.add("first");
    const there = this.base.tokens[i];
    span.title = there ? `the base has ${shown(there[0])} here` : "the base has ended before";
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
    this.element.querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    span.setAttribute("tabindex", 0);
    span.focus();
  }
}

// step is where a key leads from a token: to a neighbour, an end of the line, or the same
// place in the line of another column.
function step(key, { line, of }, span) {
  const rtl = getComputedStyle(line.element).direction === "rtl";
  switch (key) {
    case rtl ? "ArrowLeft" : "ArrowRight": return [line, of.at(-1) + 1];
    case rtl ? "ArrowRight" : "ArrowLeft": return [line, of[0] - 1];
    case "Home": return [line, 0];
    case "End": return [line, line.spans.length - 1];
    case "ArrowDown": case "ArrowUp": {
      const lines = [...span.closest(".cells").querySelectorAll(".tokens")].filter((l) => l.checkVisibility());
      const to = lines[lines.indexOf(line.element) + (key === "ArrowDown" ? 1 : -1)]?.querySelector(".token");
      return to ? [placeOf.get(to).line, of[0]] : null;
    }
  }
  return null;
}

// Popover tells of the token that the pointer or the focus is on.
export class Popover {
  constructor(within) {
    this.within = within;
    this.element = h("div", { class: "card pop", id: "chat-token", role: "tooltip", hidden: true });
    within.append(this.element);
    const token = (e) => e.target.closest?.(".token");
    within.addEventListener("pointerover", (e) => e.pointerType === "mouse" && token(e) && this.show(token(e)));
    within.addEventListener("pointerout", (e) => e.pointerType === "mouse" && token(e) && this.rest());
    within.addEventListener("focusin", (e) => (token(e) ? this.show(token(e)) : this.hide()));
    within.addEventListener("focusout", () => this.hide());
    within.addEventListener("click", (e) => { if (token(e)) placeOf.get(token(e)).line.focus(placeOf.get(token(e)).i); });
    within.addEventListener("keydown", (e) => this.key(e, token(e)));
  }

  key(e, span) {
    if (!span || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Escape" && !this.element.hidden) {
      this.hide();
      e.stopPropagation();
      return;
    }
    const to = step(e.key, placeOf.get(span), span);
    if (!to) return;
    e.preventDefault();
    to[0].focus(to[1]);
  }

  // rest goes back to the token that has the focus, if one has.
  rest() {
    const focused = document.activeElement;
    if (focused?.classList.contains("token")) this.show(focused);
    else this.hide();
  }

  hide() {
    this.of?.removeAttribute("aria-describedby");
    this.of = null;
    this.element.hidden = true;
  }

  show(span) {
    this.hide();
    this.of = span;
    const { line, of } = placeOf.get(span);
    this.element.replaceChildren(...of.map((i) => about(line, i)));
    this.element.hidden = false;
    span.setAttribute("aria-describedby", this.element.id);
    const at = span.getClientRects()[0] ?? span.getBoundingClientRect(), frame = this.within.getBoundingClientRect();
    const left = Math.max(0, Math.min(at.left - frame.left, frame.width - this.element.offsetWidth));
    this.element.style.setProperty("left", `${left}px`);
    const height = this.element.offsetHeight, above = at.bottom + 6 + height > innerHeight && at.top > height + 6;
    this.element.style.setProperty("top", `${(above ? at.top - height - 6 : at.bottom + 6) - frame.top}px`);
  }
}

// about is what is known of a token.
function about(line, i) {
  const [token, p, likeliest] = line.tokens[i], there = line.base?.tokens[i];
  const row = ([t, lp]) => h("tr", { class: t === token ? "chosen" : null },
    h("td", { class: "mono" }, t === token ? "▸ " : "", shown(t)), h("td", { class: "n" }, probability(lp)), h("td", { class: "n" }, logProb(lp)));
  const all = likeliest.some(([t]) => t === token) ? likeliest : [...likeliest, [token, p]];
  return h("div", {},
    h("p", {}, h("b", { class: "mono" }, shown(token)), ` token ${i + 1}: ${probability(p)}, log-probability ${logProb(p)}`),
    line.differs.has(i) && h("p", { class: "other" }, there ? ["the base has ", h("b", { class: "mono" }, shown(there[0])), ` here: ${probability(there[1])}`] : "the base has ended before"),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "likeliest"), h("th", { class: "n", scope: "col" }, "probability"), h("th", { class: "n", scope: "col" }, "log"))),
      h("tbody", {}, all.map(row))));
}
