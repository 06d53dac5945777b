// What a search kept: the moves that raised the fitness, the newest first.

import { h } from "./dom.js";
import { thousands } from "./numbers.js";

// shown is how many rows the table has.
const shown = 100;

// kept is the table. set(from, points, total) puts points in the places from one on;
// any tells whether there are any.
export function kept() {
  const all = [];
  const body = h("tbody"), more = h("p", { class: "soft" });
  const head = h("tr", {}, h("th", { class: "n" }, "candidate"), h("th", {}, "what was flipped"), h("th", { class: "n" }, "gain"), h("th", { class: "n" }, "fitness"), h("th", { class: "n" }, "cost"), h("th", { class: "n" }, "right"));
  const element = h("details", { id: "search-kept", open: true, hidden: true }, h("summary", {}, "What was kept"), more, h("div", { class: "scroll kept", tabindex: 0, role: "region", "aria-label": "what was kept" }, h("table", {}, h("thead", {}, head), body)));
  return {
    element,
    any: () => all.length > 0,
    set(from, points, total) {
      all.splice(from, Infinity, ...points);
      const last = all.slice(-shown).reverse();
      more.textContent = all.length > shown ? `The last ${shown} of ${all.length}.` : "";
      element.hidden = all.length === 0;
      body.replaceChildren(...last.map((p) => row(p, total)));
    },
  };
}

function row(p, total) {
  const n = (text) => h("td", { class: "n" }, text);
  return h("tr", {}, n(thousands(p.step)), h("td", { class: "mono" }, whatOf(p)), n(p.moved ? p.said.gain : ""), n(p.said.fitness), n(p.said.cost), n(p.right === undefined ? "" : `${thousands(p.right)} of ${thousands(total)}`));
}

// whatOf names the flips of a move.
function whatOf(p) {
  if (!p.moved) return p.step === 0 ? "the start" : "a look at the answers";
  const flips = p.move.map((f) => `${f.tensor} row ${f.row}${f.n ? `, ${f.n === 1 ? `column ${f.col}` : `columns ${f.col} to ${f.col + f.n - 1}`}` : ""}`);
  const left = p.moved - flips.length;
  return flips.join("; ") + (left > 0 ? `; and ${left} more` : "");
}
