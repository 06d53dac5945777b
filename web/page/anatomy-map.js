// The map of flips: layers by projections, as the report of a search has it.

import { h } from "./dom.js";
import { asGrid } from "./anatomy-grid.js";

// makeMap makes the map. It calls open with a cell that is clicked, or on which Enter is
// pressed.
export function makeMap(open) {
  const element = h("section", { "aria-labelledby": "map-title", hidden: true });
  let opener = null;

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

  const table = (doc) => h("table", { class: "map", id: "flip-map" },
    h("caption", { class: "unseen" }, "Flips by layer and projection"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "layer"), doc.columns.map((c) => h("th", { scope: "col" }, c)))),
    h("tbody", {}, doc.layers.map((row) => h("tr", {},
      h("th", { scope: "row" }, row.layer), row.cells.map((cell, i) => place(cell, doc.columns[i], row.layer))))));

  const scale = () => h("ul", { class: "key", "aria-label": "shades" },
    ["nothing", "few weights", "", "", "", "most weights"].map((text, i) => h("li", {}, h("i", { class: `swatch h${i}` }), text || h("span", { class: "unseen" }, "more"))));

  return {
    element,
    draw(doc) {
      opener = null;
      const grid = table(doc);
      element.replaceChildren(h("div", {},
        h("h2", { id: "map-title" }, "Flips by layer and projection"),
        h("p", { id: "map-verdict", dir: "auto" }, doc.verdict),
        h("div", { class: "scroll" }, grid), scale(),
        doc.others.length > 0 && h("h3", {}, "Outside the layers"),
        doc.others.map((cell) => h("p", { class: "row" }, h("code", {}, cell.tensor), button(cell))),
        h("p", { class: "soft" }, "A cell opens the rows of its matrix: click it, or press Enter. The arrow keys move from cell to cell."),
      ));
      element.hidden = false;
      asGrid(grid);
    },
    clear() { opener = null; element.hidden = true; element.replaceChildren(); },
    drawn: () => !element.hidden,
    // focus goes back to the cell that was opened last.
    focus() { opener?.focus(); },
  };
}
