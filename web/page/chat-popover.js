// What is known of a token: how likely it was, and what else could have come.

import { h } from "./dom.js";
import { placeOf, shown } from "./chat-tokens.js";
import { logProb, probability } from "./numbers.js";

// step is where a key leads from a token: to a neighbour, an end of the line, or the same
// place in the line of another column.
function step(key, { line, of }, span) {
  const rtl = getComputedStyle(line.list).direction === "rtl";
  switch (key) {
    case rtl ? "ArrowLeft" : "ArrowRight": return [line, of.at(-1) + 1];
    case rtl ? "ArrowRight" : "ArrowLeft": return [line, of[0] - 1];
    case "Home": return [line, 0];
    case "End": return [line, line.spans.length - 1];
    case "ArrowDown": case "ArrowUp": {
      const lines = [...span.closest(".cells").querySelectorAll(".tokens")].filter((l) => l.checkVisibility());
      const to = lines[lines.indexOf(line.list) + (key === "ArrowDown" ? 1 : -1)]?.querySelector(".token");
      return to ? [placeOf.get(to).line, of[0]] : null;
    }
  }
  return null;
}

// linger is how long, in milliseconds, the popover waits for the pointer to come to it.
const linger = 300;

// Popover tells of the token that the pointer or the focus is on. The pointer can be moved
// onto it, and Escape puts it away until another token is pointed at.
export class Popover {
  constructor(within) {
    Object.assign(this, { within, over: false, away: null });
    this.element = h("div", {
      class: "card pop", id: "chat-token", role: "tooltip", hidden: true,
      onpointerenter: () => { this.over = true; clearTimeout(this.waiting); }, onpointerleave: () => { this.over = false; this.leave(); },
    });
    within.append(this.element);
    const token = (e) => e.target.closest?.(".token");
    within.addEventListener("pointerover", (e) => e.pointerType === "mouse" && token(e) && this.show(token(e)));
    within.addEventListener("pointerout", (e) => e.pointerType === "mouse" && token(e) && this.leave());
    within.addEventListener("focusin", (e) => (token(e) ? this.show(token(e)) : this.hide()));
    within.addEventListener("focusout", () => { if (!this.over) this.hide(); });
    within.addEventListener("click", (e) => { if (token(e)) placeOf.get(token(e)).line.focus(placeOf.get(token(e)).i); });
    within.addEventListener("keydown", (e) => this.key(e, token(e)));
    document.addEventListener("keydown", (e) => this.escape(e, token(e)), true);
  }

  key(e, span) {
    if (!span || e.ctrlKey || e.metaKey || e.altKey) return;
    const to = step(e.key, placeOf.get(span), span);
    if (!to) return;
    e.preventDefault();
    to[0].focus(to[1]);
  }

  // escape puts the popover away, wherever the focus is. On a token that is all it does.
  escape(e, span) {
    if (e.key !== "Escape" || this.element.hidden) return;
    this.away = this.of;
    this.hide();
    if (span) e.stopPropagation();
  }

  // leave waits for the pointer to come to the popover or to another token, and then goes back
  // to the token that has the focus, if one has.
  leave() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      const focused = document.activeElement;
      if (placeOf.has(focused) && focused !== this.away) this.show(focused);
      else this.hide();
    }, linger);
  }

  hide() {
    clearTimeout(this.waiting);
    this.of?.removeAttribute("aria-describedby");
    this.of = null;
    this.over = false;
    this.element.hidden = true;
  }

  show(span) {
    if (span === this.of) return clearTimeout(this.waiting);
    this.hide();
    Object.assign(this, { of: span, away: null });
    const { line, of } = placeOf.get(span);
    this.element.replaceChildren(...of.map((i) => about(line, i)));
    this.element.hidden = false;
    span.setAttribute("aria-describedby", this.element.id);
    this.place(span);
  }

  // place puts the popover above the token if there is room, so that it hides neither what
  // comes next nor the buttons below the answer.
  place(span) {
    const at = span.getClientRects()[0] ?? span.getBoundingClientRect(), frame = this.within.getBoundingClientRect();
    const left = Math.max(0, Math.min(at.left - frame.left, frame.width - this.element.offsetWidth));
    const top = at.top > this.element.offsetHeight ? at.top - this.element.offsetHeight : at.bottom;
    this.element.style.setProperty("left", `${left}px`);
    this.element.style.setProperty("top", `${top - frame.top}px`);
  }
}

// about is what is known of a token.
function about(line, i) {
  const [token, p, likeliest] = line.tokens[i], other = line.other.get(i);
  const row = ([t, lp]) => h("tr", { class: t === token ? "chosen" : null },
    h("td", { class: "mono" }, t === token ? "▸ " : "", shown(t)), h("td", { class: "n" }, probability(lp)), h("td", { class: "n" }, logProb(lp)));
  const all = likeliest.some(([t]) => t === token) ? likeliest : [...likeliest, [token, p]];
  return h("div", {},
    h("p", {}, h("b", { class: "mono" }, shown(token)), ` token ${i + 1}: ${probability(p)}, log-probability ${logProb(p)}`),
    other && h("p", { class: "other" }, other.pairs && other.theirs.length > 0 ? ["the base has ", h("b", { class: "mono" }, shown(other.theirs[0][0])), ` here: ${probability(other.theirs[0][1])}`] : line.there(i)),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "likeliest"), h("th", { class: "n", scope: "col" }, "probability"), h("th", { class: "n", scope: "col" }, "log"))),
      h("tbody", {}, all.map(row))));
}
