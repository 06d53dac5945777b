// Tables in which the arrow keys move from cell to cell, so that a thousand cells are one
// stop of the Tab key.

// stops are what can be focused: of every cell of the body its button, or the cell itself.
const stopsOf = (table) => [...table.tBodies[0].rows].map((row) =>
  [...row.cells].filter((c) => c.tagName === "TD").map((c) => c.querySelector("button") ?? c));

// asGrid makes a table a grid. It calls at with the row and column that have the focus, or
// are pointed at.
export function asGrid(table, at = () => {}) {
  const stops = stopsOf(table);
  const place = new Map();
  stops.forEach((row, r) => row.forEach((e, c) => { e.tabIndex = -1; place.set(e, [r, c]); }));
  table.setAttribute("role", "grid");
  let current = stops[0]?.[0];
  if (current) current.tabIndex = 0;

  const within = (e) => e.target.closest?.("td")?.querySelector("button") ?? e.target.closest?.("td");
  table.addEventListener("focusin", (e) => {
    const stop = place.has(e.target) ? e.target : within(e);
    if (!place.has(stop)) return;
    current.tabIndex = -1;
    current = stop;
    current.tabIndex = 0;
    at(...place.get(stop));
  });
  table.addEventListener("pointerover", (e) => { const stop = within(e); if (place.has(stop)) at(...place.get(stop)); });
  table.addEventListener("keydown", (e) => {
    if (!place.has(e.target) || e.ctrlKey || e.altKey || e.metaKey) return;
    const to = moved(e.key, ...place.get(e.target), stops);
    if (!to) return;
    e.preventDefault();
    const row = stops[to[0]];
    row[Math.min(to[1], row.length - 1)].focus();
  });
  return { focus: () => current?.focus() };
}

// pageRows is how far PageUp and PageDown move.
const pageRows = 8;

// moved is where a key leads to, null if nowhere.
function moved(key, row, col, stops) {
  const last = stops.length - 1, end = stops[row].length - 1;
  switch (key) {
    case "ArrowLeft": return col > 0 ? [row, col - 1] : null;
    case "ArrowRight": return col < end ? [row, col + 1] : null;
    case "ArrowUp": return row > 0 ? [row - 1, col] : null;
    case "ArrowDown": return row < last ? [row + 1, col] : null;
    case "Home": return [row, 0];
    case "End": return [row, end];
    case "PageUp": return [Math.max(0, row - pageRows), col];
    case "PageDown": return [Math.min(last, row + pageRows), col];
  }
  return null;
}

// fewest is how many rows without anything become one.
const fewest = 4;

// folded puts rows into runs: of those that are empty, next to each other, at least four and
// not opened yet, many are one run; of the others each is one.
export function folded(rows, isEmpty, opened) {
  const runs = [];
  for (let first = 0, end; first < rows.length; first = end) {
    end = first;
    while (end < rows.length && isEmpty(rows[end]) && !opened.has(end)) end++;
    if (end - first < fewest) end = first + 1;
    runs.push({ first, rows: rows.slice(first, end) });
  }
  return runs;
}
