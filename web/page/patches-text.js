// Texts that come with patches: from anybody, of any length and direction.

import { h } from "./dom.js";
import { plural } from "./numbers.js";

// printable is a text with a dot for each character that would show those around it in
// another order, or end a line.
export const printable = (text) => text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, "·");

// expandable is a text that stands apart from what stands around it. Of a long one the beginning is shown,
// and the rest on demand. A block of its own, which has dir="auto", takes it as a span: of a
// bdi it would not see the direction.
export function expandable(text, most = 200, tag = "bdi") {
  if (text.length <= most) return h(tag, {}, text);
  const shown = h(tag, {}, `${text.slice(0, most).replace(/[\ud800-\udbff]$/, "")}…`);
  const all = h("button", { type: "button", class: "quiet all", onclick: () => {
    shown.textContent = text;
    shown.tabIndex = -1;
    shown.focus();
    all.remove();
  } }, `all ${plural(text.length, "character")}`);
  return [shown, " ", all];
}
