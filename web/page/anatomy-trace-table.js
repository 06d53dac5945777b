// The table of a trace: tokens along x, layers along y.

import { h } from "./dom.js";
import { asGrid, folded } from "./anatomy-grid.js";
import { bound, decimals, percent, plural, shade, shades } from "./numbers.js";

// page is how many tokens are shown at once.
const page = 64;

// shown is what a token spells, with its spaces and ends of lines to be seen.
export const shown = (text) => text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, "·");

const quoted = (text) => `“${shown(text)}”`;
const after = (cut) => (cut.layer === null ? cut.part : `layer ${cut.layer}`);

// whole says of a cut whether it is above a whole layer, or the embedding.
const whole = (cut) => cut.layer === null || cut.part === "mlp";

// measures are the figures that a trace has. Each makes rows, with a heading, the text of a
// token's cell, how much it weighs for the shade, and what is said of it.
export const measures = {
  difference: {
    title: "difference of the residual stream",
    unit: (v) => `${percent(v)} %`,
    note: "Each figure is ‖patched − base‖₂ ÷ ‖base‖₂ of the residual stream after a layer, in per cent.",
    rows: (doc, apart) => doc.cuts.filter((c) => apart || whole(c)).map((cut) => ({
      heading: apart && cut.layer !== null ? `${after(cut)}, ${cut.part}` : after(cut),
      folds: cut.difference.every((d) => d === 0),
      text: (i) => (cut.difference[i] === 0 ? "·" : percent(cut.difference[i])),
      weight: (i) => cut.difference[i],
      says: (i) => (cut.difference[i] === 0 ? "the same to the bit" : `differs by ${percent(cut.difference[i])} %`),
    })),
  },
  lens: {
    title: "next token, by layer (logit lens)",
    unit: (v) => `${decimals(v, 2)} nats`,
    note: "Each figure is the change of ln p of the next token, in nats, that a layer would give it if the layers above were left out: + is likelier with the patch.",
    rows: (doc) => doc.cuts.filter((c) => c.lens).map((cut) => ({
      heading: after(cut),
      text: (i) => changeOf(cut.lens, i),
      weight: (i) => (i < cut.lens.base.length ? Math.abs(cut.lens.patched[i] - cut.lens.base[i]) : 0),
      says: (i) => (i < cut.lens.base.length ? `the next token has ln p ${decimals(cut.lens.base[i])}, patched ${decimals(cut.lens.patched[i])}` : "nothing follows"),
    })),
  },
  said: {
    title: "what follows",
    unit: (v) => `${decimals(v)} nats`,
    note: "KL is the divergence of what is said behind a token, base to patched; ln p is of the token that does follow, both in nats.",
    rows: (doc) => [
      saying("KL", (i) => decimals(doc.kl[i]), (i) => Math.max(0, doc.kl[i])),
      saying("ln p, base", (i) => lnp(doc.base, i)),
      saying("ln p, patched", (i) => lnp(doc.patched, i)),
      spelling("likeliest, base", (i) => doc.base.likeliest[i].text, () => false),
      spelling("likeliest, patched", (i) => doc.patched.likeliest[i].text, (i) => doc.base.likeliest[i].id !== doc.patched.likeliest[i].id),
    ],
  },
};

const lnp = (said, i) => (i < said.logprobs.length ? decimals(said.logprobs[i]) : "");

function changeOf(lens, i) {
  if (i >= lens.base.length) return "";
  const by = lens.patched[i] - lens.base[i], text = decimals(by, 2);
  if (by === 0) return "·";
  return by > 0 && Number(by.toFixed(2)) > 0 ? `+${text}` : text;
}

// saying is a row of figures of what is said behind every token.
const saying = (heading, text, weight = () => 0) => ({ heading, text, weight, says: (i) => `${heading} ${text(i)}` });

// spelling is a row of tokens, of which some are marked.
const spelling = (heading, text, marked) =>
  ({ heading, spelled: true, text: (i) => shown(text(i)), weight: (i) => (marked(i) ? "marked" : 0), says: (i) => `${heading} ${quoted(text(i))}` });

// makeTraceTable makes the table with what belongs to it.
export function makeTraceTable() {
  const element = h("div", {});
  let first = 0, last = null; // token that is shown first; what was drawn last
  let opened = new Set(); // the places of rows that were unfolded

  function draw(doc, name, apart) {
    if (last?.doc !== doc) first = 0;
    if (last?.doc !== doc || last.name !== name || last.apart !== apart) opened = new Set();
    last = { doc, name, apart };
    const m = measures[name], rows = m.rows(doc, apart);
    const most = Math.max(0, ...rows.map((row) => doc.ids.reduce((max, _, i) => Math.max(max, Number(row.weight(i)) || 0), 0)));
    const runs = folded(rows, (row) => row.folds, opened);
    const end = Math.min(doc.ids.length, first + page), tokens = doc.ids.slice(first, end).map((_, i) => first + i);
    const readout = h("p", { id: "trace-readout", class: "readout" }, "Point at a cell, or move there with the arrow keys.");
    const table = h("table", { class: "map trace", id: "trace-table" },
      h("caption", { class: "unseen" }, m.title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "after"), tokens.map((i) => h("th", { scope: "col", "aria-label": `token ${i}, ${quoted(doc.pieces[i].text)}` },
        h("span", { class: "soft" }, i), h("bdi", { class: "piece mono" }, shown(doc.pieces[i].text)))))),
      h("tbody", {}, runs.map((r) => (r.rows.length > 1 ? foldedRow(r, tokens.length)
        : h("tr", { "data-row": r.first }, h("th", { scope: "row" }, r.rows[0].heading), tokens.map((i) => cell(r.rows[0], i, most)))))));
    element.replaceChildren(h("div", {}, pager(doc, end), h("div", { class: "scroll" }, table), readout, scale(m, most), h("p", { class: "soft" }, m.note)));
    asGrid(table, (r, c) => {
      if (runs[r].rows.length > 1) {
        readout.textContent = `${between(runs[r])}: the same to the bit at every token.`;
        return;
      }
      readout.textContent = `Token ${tokens[c]}, ${quoted(doc.pieces[tokens[c]].text)}, ${runs[r].rows[0].heading}: ${runs[r].rows[0].says(tokens[c])}.`;
    });
  }

  function cell(row, i, most) {
    const weight = row.weight(i), marked = weight === "marked";
    return h("td", { class: marked ? "differs" : `h${shade(weight, most)}`, dir: row.spelled && "auto" }, row.text(i));
  }

  const between = (r) => `${r.rows[0].heading} to ${r.rows.at(-1).heading}`;

  // foldedRow is one for several in which nothing differs.
  const foldedRow = (r, columns) => h("tr", {}, h("th", { scope: "row" }, between(r)), h("td", { class: "folded", colspan: columns },
    h("button", { type: "button", "aria-label": `${between(r)}: the same to the bit; show each`, onclick: () => {
      for (let i = r.first; i < r.first + r.rows.length; i++) opened.add(i);
      draw(last.doc, last.name, last.apart);
      element.querySelector(`tr[data-row="${r.first}"] td`).focus();
    } }, "the same to the bit")));

  // scale says what the shades stand for.
  const scale = (m, most) => h("ul", { class: "key", "aria-label": "shades" },
    h("li", {}, h("i", { class: "swatch h0" }), "nothing"),
    most > 0 && Array.from({ length: shades }, (_, i) => h("li", {}, h("i", { class: `swatch h${i + 1}` }), `to ${m.unit(bound(i + 1, most))}`)));

  function pager(doc, end) {
    if (doc.ids.length <= page) return null;
    const turn = (id, text, to, off) => h("button", { type: "button", id, disabled: off, onclick: () => {
      first = to;
      draw(last.doc, last.name, last.apart);
      element.querySelector("#trace-tokens").focus();
    } }, text);
    return h("p", { class: "row" },
      turn("trace-before", "Before", Math.max(0, first - page), first === 0),
      h("span", { id: "trace-tokens", tabindex: "-1" }, `tokens ${first} to ${end - 1} of ${plural(doc.ids.length, "token")}`),
      turn("trace-after", "After", end, end === doc.ids.length));
  }

  return { element, draw };
}
