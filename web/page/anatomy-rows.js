// The rows of one matrix: where along the output dimension bits are flipped, and which.

import { json } from "./api.js";
import { h } from "./dom.js";
import { plural, thousands } from "./numbers.js";

// page is how many flips are listed at once.
const page = 200;

// makeRows makes the panel. It tells of errors by failed, and calls closed when the user has
// closed it.
export function makeRows(failed, closed) {
  const element = h("section", { class: "card rows", "aria-labelledby": "rows-title", hidden: true });
  let of = null; // what is open: the matrix and where to ask

  async function load(offset, asked) {
    const signal = of.abort.signal;
    try {
      const doc = await json("GET", `${of.path}?tensor=${encodeURIComponent(of.cell.tensor)}&offset=${offset}&limit=${page}`, { signal });
      draw(doc);
      if (asked) element.querySelector(asked)?.focus();
    } catch (e) {
      if (!signal.aborted) failed(e);
    }
  }

  function draw(doc) {
    element.replaceChildren(h("div", {},
      h("div", { class: "row" }, h("h3", { id: "rows-title", tabindex: "-1" }, h("code", {}, doc.tensor)),
        h("button", { type: "button", class: "quiet", onclick: close }, "Close")),
      h("p", {}, `${plural(doc.flips, "flip")} in ${thousands(doc.touched_rows)} of ${plural(doc.shape[0], "row")}, ${plural(doc.bits ?? 0, "bit")} of ${thousands(doc.shape[0] * doc.shape[1])}.`),
      strip(doc), list(doc), pager(doc),
    ));
    element.hidden = false;
  }

  // strip draws the rows from the first to the last, some to a stretch.
  function strip(doc) {
    const said = doc.strip.filter((s) => s.bits).map((s) => `rows ${s.first} to ${s.end - 1}: ${plural(s.touched_rows, "row")}`);
    return h("div", { class: "plot" },
      h("div", { class: "strip", role: "img", "aria-label": `Rows along the output dimension. ${said.join("; ") || "None is flipped."}` },
        doc.strip.map((s) => h("i", { class: `h${s.heat}`, title: `rows ${s.first} to ${s.end - 1}: ${plural(s.touched_rows, "row")}, ${plural(s.bits, "bit")}` }))),
      h("p", { class: "ends soft" }, h("span", {}, "row 0"), h("span", {}, `row ${doc.shape[0] - 1}`)));
  }

  const columns = (r) => (r.whole ? "all" : r.n === 1 ? String(r.col) : `${r.col} to ${r.col + r.n - 1}`);

  const list = (doc) => h("div", { class: "scroll list", tabindex: "0", role: "region", "aria-label": "flips" }, h("table", { id: "flip-rows" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "n" }, "row"), h("th", { scope: "col" }, "columns"), h("th", { scope: "col", class: "n" }, "bits"))),
    h("tbody", {}, doc.runs.map((r) => h("tr", {}, h("td", { class: "n" }, r.row), h("td", {}, columns(r)), h("td", { class: "n" }, thousands(r.n)))))));

  function pager(doc) {
    if (doc.flips <= page) return null;
    const end = doc.offset + doc.runs.length;
    const step = (id, text, to, off) => h("button", { type: "button", id, disabled: off, onclick: () => load(to, "#rows-shown") }, text);
    return h("p", { class: "row" },
      step("rows-before", "Before", Math.max(0, doc.offset - page), doc.offset === 0),
      h("span", { id: "rows-shown", tabindex: "-1" }, `flips ${thousands(doc.offset + 1)} to ${thousands(end)} of ${thousands(doc.flips)}`),
      step("rows-after", "After", end, end >= doc.flips));
  }

  function close() {
    hide();
    closed();
  }

  function hide() {
    of?.abort.abort();
    of = null;
    element.hidden = true;
    element.replaceChildren();
  }

  return {
    element,
    open(cell, path) {
      of?.abort.abort();
      of = { cell, path, abort: new AbortController() };
      return load(0, "#rows-title");
    },
    close: hide,
    opened: () => of !== null,
    leave: close,
  };
}
