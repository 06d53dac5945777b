// The map of flips: layers by projections, as the report of a search has it.

import { h } from "./dom.js";
import { asGrid, folded } from "./anatomy-grid.js";

// makeMap makes the map. It calls open with a cell that is clicked, or on which Enter is
// pressed.
export function makeMap(open) {
  const element = h("section", { "aria-labelledby": "map-title", hidden: true });
  let opener = null, opened = new Set(); // opened are the places of layers that were unfolded

  const counts = (cell) => cell.counts.flatMap((c, i) => (i ? [h("br"), c] : [c]));
  const where = (cell, column, layer) => (layer === undefined ? cell.tensor : `${column} of layer ${layer}`);

  // button opens the rows of a matrix that is touched.
  const button = (cell, column, layer) => h("button", {
    type: "button", "aria-label": `${cell.counts.join(" and ")}, ${where(cell, column, layer)}`,
    onclick: (e) => { opener = e.currentTarget; open(cell); },
  }, counts(cell));

  const place = (cell, column, layer) => {
    if (!cell) return h("td", { class: "absent", "aria-label": "no such matrix" });
    return h("td", { class: `h${cell.heat}` }, cell.flips ? button(cell, column, layer) : "·");
  };

  // run is rows of the table: a layer, or one for several in which nothing is flipped.
  const run = (doc, { first, rows }) => {
    if (rows.length === 1) return h("tr", { "data-layer": first }, h("th", { scope: "row" }, rows[0].layer), rows[0].cells.map((cell, i) => place(cell, doc.columns[i], rows[0].layer)));
    const layers = `${rows[0].layer}–${rows.at(-1).layer}`;
    return h("tr", {}, h("th", { scope: "row" }, layers), h("td", { class: "folded", colspan: doc.columns.length },
      h("button", { type: "button", "aria-label": `layers ${layers}: nothing; show each`, onclick: () => unfold(doc, first, rows.length) }, "nothing")));
  };

  const table = (doc) => h("table", { class: "map", id: "flip-map" },
    h("caption", { class: "unseen" }, "Flips by layer and projection"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "layer"), doc.columns.map((c) => h("th", { scope: "col" }, c)))),
    h("tbody", {}, folded(doc.layers, (row) => row.cells.every((cell) => !cell?.flips), opened).map((r) => run(doc, r))));

  // unfold shows each of some layers, from the first on.
  function unfold(doc, first, count) {
    for (let i = first; i < first + count; i++) opened.add(i);
    const grid = table(doc);
    element.querySelector("#flip-map").replaceWith(grid);
    asGrid(grid);
    grid.querySelector(`tr[data-layer="${first}"] td`).focus();
  }

  const scale = () => h("ul", { class: "key", "aria-label": "shades" },
    ["nothing", "few weights", "", "", "", "most weights"].map((text, i) => h("li", {}, h("i", { class: `swatch h${i}` }), text || h("span", { class: "unseen" }, "more"))));

  return {
    element,
    draw(doc) {
      opener = null;
      opened = new Set();
      const grid = table(doc);
      element.replaceChildren(h("div", {},
        h("h2", { id: "map-title" }, "Flips by layer and projection"),
        h("p", { id: "map-verdict", dir: "auto" }, doc.verdict),
        h("div", { class: "scroll" }, grid), scale(),
        doc.others.length > 0 && h("h3", {}, "Outside the layers"),
        doc.others.map((cell) => h("p", { class: "row" }, h("code", {}, cell.tensor), button(cell))),
        h("p", { class: "soft" }, "A cell opens the rows of its matrix: click it, or press Enter. The arrow keys move from cell to cell."),
      ));
      element.dataset.of = doc.patches.join("+");
      element.hidden = false;
      asGrid(grid);
    },
    clear() { opener = null; element.hidden = true; element.replaceChildren(); },
    drawn: () => !element.hidden,
    // focus goes back to the cell that was opened last.
    focus() { opener?.focus(); },
  };
}
