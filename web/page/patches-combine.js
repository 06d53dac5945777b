// What comes of several patches together.

import { json, ask } from "./api.js";
import { h, save } from "./dom.js";
import { edged } from "./edges.js";
import { thousands, plural } from "./numbers.js";
import { expandable } from "./patches-text.js";

const relations = {
  equal: "flip the same: together they cancel to nothing",
  overlapping: "overlap: what both flip cancels, so that neither is whole",
  a_contains_b: "the first has all bits of the second, which cancel",
  b_contains_a: "the second has all bits of the first, which cancel",
};

// Combiner shows what comes of the patches that were chosen. It asks the server again
// whenever others are.
export class Combiner {
  constructor(app, clear) {
    Object.assign(this, { app, names: [], asked: 0, told: "" });
    this.what = h("p", {});
    this.panel = h("div", { class: "panel" });
    this.element = h("section", { class: "card combine", "aria-label": "combine patches", hidden: true },
      h("div", { class: "row" }, h("h2", {}, "Together"), h("button", { class: "quiet", onclick: clear }, "Choose none")), this.what, this.panel);
  }

  // choose shows what comes of patches with names. Others than before are told of.
  async choose(names) {
    const now = ++this.asked, others = names.join() !== this.names.join();
    const tell = (text, more = "") => { this.what.textContent = text; if (others && (text || this.told)) this.app.say(this.told = text + more); };
    this.names = names;
    this.element.hidden = names.length === 0;
    if (names.length < 2) {
      tell(names.length ? `${names[0]} is chosen: choose another to see what comes of both.` : "");
      this.panel.replaceChildren();
      return;
    }
    let c;
    try {
      c = await json("POST", "api/patches/combine", { body: { patches: names } });
    } catch (e) {
      if (now !== this.asked) return;
      tell(`They cannot be combined: ${e.message}`);
      if (e.status === 404) this.app.refresh().catch((error) => this.app.fail(error)); // one is gone
      this.panel.replaceChildren();
      return;
    }
    if (now !== this.asked) return; // others were chosen meanwhile
    tell(summary(c), c.refused && ` ${refused(c)}`);
    this.panel.replaceChildren(...this.content(c));
  }

  content(c) {
    const name = (i) => c.patches[i].name, to = this.names.map(encodeURIComponent).join("+");
    return [
      c.conflicts.map((x) => h("p", { class: "warning" }, `${name(x.a)} and ${name(x.b)} must not be combined`, x.why && [": ", expandable(x.why)], ".")),
      c.refused && h("p", { class: "warning", dir: "auto" }, refused(c)),
      h("div", { class: "row" },
        !c.refused && [["chat", "Chat with them"], ["anatomy", "Their anatomy"], ["evaluation", "Evaluate them"]].map(([part, what]) => h("a", { class: "button", href: `#${part}/${to}` }, what)),
        !c.refused && c.together.flips > 0 && ["bankai", "json"].map((form) => h("button", { onclick: () => this.fetch(form) }, `Download .${form}`))),
      edged(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "sizes of the patches" }, parts(c))),
      pairs(c, name),
      h("details", {}, h("summary", {}, `By matrix (${thousands(c.cells.length)})`), edged(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "matrices" }, cells(c)))),
    ].flat(Infinity).filter(Boolean);
  }

  async fetch(form) {
    const response = await ask("POST", `api/patches/combine?form=${form}`, { body: { patches: this.names } });
    save(`${this.names.join("+").replaceAll(":", "-").slice(0, 100)}.${form}`, await response.blob());
  }
}

const refused = (c) => `No request can have them together: ${c.refused}.`;

// summary is what comes of patches, in words.
function summary(c) {
  if (c.together.flips === 0) return `They cancel to nothing: all ${plural(c.cancelled.bits, "bit")} that they flip stay as they were.`;
  const left = `Together: ${plural(c.together.flips, "flip")}, ${plural(c.together.bits, "bit")}, ${plural(c.content_bytes, "byte")}.`;
  return c.overlapping.bits === 0 ? `${left} No bit is in two of them: each is whole.` : `${left} ${plural(c.overlapping.bits, "bit is", "bits are")} in more than one of them, of which ${plural(c.cancelled.bits, "cancels", "cancel")}.`;
}

function row(what, flips, bits, bytes) {
  return h("tr", {}, h("th", { scope: "row", dir: "auto" }, what), [flips, bits, bytes].map((n) => h("td", { class: "n" }, n === null ? "" : thousands(n))));
}

function parts(c) {
  return h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "patch"), ["flips", "bits", "bytes"].map((name) => h("th", { scope: "col", class: "n" }, name)))),
    h("tbody", {},
      c.patches.map((p) => row(p.name || p.digest, p.flips, p.bits, p.bytes)),
      row("together", c.together.flips, c.together.bits, c.content_bytes),
      row("cancelled", c.cancelled.flips, c.cancelled.bits, null),
      row("in more than one patch", c.overlapping.flips, c.overlapping.bits, null)));
}

// shownPairs is how many pairs are spelt out: of 64 patches there are 2016.
const shownPairs = 40;

function pairs(c, name) {
  if (c.pairs.length === 0) return h("p", { class: "soft" }, "No two of them touch a matrix in common.");
  const list = c.pairs.toSorted((p, q) => q.shared.bits - p.shared.bits || q.common_rows - p.common_rows);
  return [
    h("ul", { class: "pairs", "aria-label": "what pairs have in common" }, list.slice(0, shownPairs).map((p) => h("li", {}, h("b", {}, `${name(p.a)}, ${name(p.b)}`), ": ", inCommon(p)))),
    list.length > shownPairs && h("p", { class: "soft" }, `and ${plural(list.length - shownPairs, "more pair")}, which share no more`),
  ];
}

function inCommon(p) {
  if (p.shared.bits > 0) return `${relations[p.relation]}; ${plural(p.shared.bits, "bit")} in ${plural(p.shared.touched_rows, "row")} are of both`;
  if (p.common_rows > 0) return `no bit is in both, though ${plural(p.common_rows, "row has", "rows have")} bits of both`;
  return `no row is in both, though ${plural(p.common_tensors, "matrix has", "matrices have")} rows of both`;
}

function cells(c) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ["layer", "matrix"].map((name) => h("th", { scope: "col" }, name)), ["patches", "flips", "bits", "cancelled bits"].map((name) => h("th", { scope: "col", class: "n" }, name)))),
    h("tbody", {}, c.cells.map((x) => h("tr", {}, h("td", {}, x.layer ?? "–"), h("td", { dir: "auto" }, x.proj), [x.patches, x.together.flips, x.together.bits, x.cancelled.bits].map((n) => h("td", { class: "n" }, thousands(n)))))));
}
