// The answers of an evaluation as a table that may have very many rows: only those that can
// be seen are there.

import { h } from "./dom.js";
import { plural, thousands } from "./numbers.js";
import { clipped, differing, shortened } from "./differing.js";
import { details } from "./evaluation-details.js";

// Kinds of answers: what became of them.
const kinds = { fixed: "fixed", broke: "broke", right: "stayed right", wrong: "stayed wrong" };
const signs = { fixed: "✗→✓", broke: "✓→✗", right: "✓", wrong: "✗" };
const kindOf = (o) => (o.right_before === o.right_after ? (o.right_after ? "right" : "wrong") : o.right_after ? "fixed" : "broke");

const spare = 8; // rows that come and go together, above and below those that can be seen

// answers shows the answers of a result. choose filters them: {kind, category}; rows are
// those that the filter leaves.
export function answers(outputs, patched, app) {
  // What changed comes first, and then all as the set has it.
  const first = (o) => (patched && o.right_before !== o.right_after ? 0 : 1);
  const all = outputs.map((o, i) => ({ ...o, i, kind: kindOf(o), found: [o.name, o.category, o.prompt, o.correct, o.before, o.after].join("\n").toLowerCase() })).sort((a, b) => first(a) - first(b) || a.i - b.i);
  const name = (kind) => (patched ? kinds[kind] : kind);
  const columns = [["kind", patched ? "What became of it" : "Answer is"], ["category", "Category"], ["prompt", "Prompt"],
    ["before", patched ? "Before" : "Answer"], ...(patched ? [["after", "After"]] : []), ["correct", "Expected"]];
  let rows = all, active = 0, drawn = {}, sort = { by: "", down: false };

  const kind = h("select", { "aria-label": "what became of it" }, h("option", { value: "" }, "all"), patched && h("option", { value: "changed" }, "fixed or broke"),
    (patched ? Object.keys(kinds) : ["right", "wrong"]).map((k) => h("option", { value: k }, name(k))));
  const category = h("select", { "aria-label": "category" }, h("option", { value: "all" }, "all categories"),
    [...new Set(outputs.map((o) => o.category))].map((c) => h("option", { value: `of ${c}` }, clipped(c) || "(none)")));
  const search = h("input", { type: "search", "aria-label": "text in prompts and answers", placeholder: "text", spellcheck: "false" });
  const counted = h("span", { class: "soft ev-counted", role: "status" });
  const head = h("tr", { "aria-rowindex": 1 });
  const body = h("tbody", {});
  const table = h("table", { role: "grid", tabindex: 0, "aria-label": "answers", class: "ev-grid", onkeydown: key, onclick: click }, h("thead", {}, head), body);
  const tall = h("div", { class: "ev-tall" }, table);
  const scroller = h("div", { class: "scroll ev-rows" }, tall);
  const none = h("p", { class: "soft", hidden: true }, "No answer is like that: take back a part of the filter.");
  const open = details(name, patched, () => rows, (at) => { go(at); });

  // The height of a row is the style sheet's, in root ems.
  const height = () => 2.25 * parseFloat(getComputedStyle(document.documentElement).fontSize);

  // filter shows the rows that are left, from the first one on.
  function filter() {
    const wanted = search.value.trim().toLowerCase();
    rows = all.filter((o) => (kind.value === "" || o.kind === kind.value || kind.value === "changed" && (o.kind === "fixed" || o.kind === "broke")) &&
      (category.value === "all" || `of ${o.category}` === category.value) && (!wanted || o.found.includes(wanted)));
    if (sort.by) {
      const { compare } = new Intl.Collator("en", { numeric: true });
      rows.sort((a, b) => (compare(a[sort.by], b[sort.by]) || a.i - b.i) * (sort.down ? -1 : 1));
    }
    active = 0;
    scroller.scrollTop = 0;
    counted.textContent = rows.length === all.length ? plural(all.length, "answer") : `${thousands(rows.length)} of ${plural(all.length, "answer")}`;
    none.hidden = rows.length > 0;
    scroller.hidden = rows.length === 0;
    table.setAttribute("aria-rowcount", rows.length + 1);
    scroller.style.setProperty("--rows", rows.length);
    draw();
  }

  // seen is which rows are to be there: whole blocks of them, so that nothing changes when
  // somebody scrolls a little.
  function seen() {
    const one = height(), block = one * spare, bottom = scroller.scrollTop + (scroller.clientHeight || 900);
    return { one, from: Math.max(0, Math.floor(scroller.scrollTop / block) - 1) * spare, to: Math.min(rows.length, (Math.ceil(bottom / block) + 1) * spare) };
  }

  // draw makes the rows that can be seen.
  function draw() {
    const { one, from, to } = drawn = seen();
    tall.style.setProperty("height", `${(rows.length + 1) * one}px`);
    table.style.setProperty("margin-top", `${from * one}px`);
    body.replaceChildren(...rows.slice(from, to).map((o, i) => row(o, from + i)));
    if (active >= from && active < to) table.setAttribute("aria-activedescendant", `answer-${active}`);
    else table.removeAttribute("aria-activedescendant");
  }

  function row(o, at) {
    const said = (text, other, right) => h("td", { class: `mono ${right ? "ok" : "bad"}`, dir: "auto" }, spans(shortened(differing(text, other))));
    const plain = (text) => h("td", { class: "mono", dir: "auto" }, spans(shortened(differing(text, text))));
    return h("tr", { id: `answer-${at}`, "aria-rowindex": at + 2, "aria-selected": at === active ? "true" : "false", class: o.kind },
      h("td", {}, h("span", { class: "mark" }, signs[o.kind]), ` ${name(o.kind)}`), h("td", { dir: "auto" }, clipped(o.category)), plain(o.prompt),
      said(o.before, patched ? o.after : o.before, o.right_before), patched && said(o.after, o.before, o.right_after), plain(o.correct));
  }

  // go makes a row the active one, and scrolls to it.
  function go(at) {
    active = Math.max(0, Math.min(rows.length - 1, at));
    const one = height(), room = scroller.clientHeight - one; // below the head
    if (active * one < scroller.scrollTop) scroller.scrollTop = active * one;
    if ((active + 1) * one > scroller.scrollTop + room) scroller.scrollTop = (active + 1) * one - room;
    draw();
  }

  function key(e) {
    if (e.target !== table) return; // but a button of the head
    const page = Math.max(1, Math.floor(scroller.clientHeight / height()) - 2);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: rows.length - 1 }[e.key];
    if (to !== undefined) go(to);
    else if (e.key === "Enter" || e.key === " ") open(active);
    else return;
    e.preventDefault();
  }

  function click(e) {
    const at = e.target.closest("tbody tr")?.getAttribute("aria-rowindex");
    if (!at || String(getSelection())) return; // who marks a text wants to copy it
    go(at - 2);
    table.focus({ preventScroll: true });
    open(active);
  }

  function heads() {
    head.replaceChildren(...columns.map(([by, title]) => h("th", { scope: "col", "aria-sort": sort.by !== by ? "none" : sort.down ? "descending" : "ascending" },
      h("button", { type: "button", class: "quiet", title: "sort", onclick: () => order(by) }, title, h("span", { "aria-hidden": "true" }, sort.by !== by ? " ↕" : sort.down ? " ↓" : " ↑")))));
  }

  // order sorts by a column: up, down, and as it was at first.
  function order(by) {
    sort = sort.by !== by ? { by, down: false } : sort.down ? { by: "", down: false } : { by, down: true };
    heads();
    head.querySelectorAll("button")[columns.findIndex(([c]) => c === by)].focus();
    filter();
  }

  let waiting = false;
  const soon = () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; if (changed()) draw(); });
    waiting = true;
  };
  const changed = () => Object.entries(seen()).some(([name, value]) => drawn[name] !== value);
  scroller.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(soon).observe(scroller);
  for (const control of [kind, category]) control.addEventListener("change", filter);
  search.addEventListener("input", filter);
  heads();
  filter();
  return {
    element: h("div", {}, h("div", { class: "row ev-filter", role: "group", "aria-label": "filter" }, h("label", {}, "Show ", kind), h("label", {}, "of ", category), h("label", {}, "with ", search), counted),
      none, scroller, h("p", { class: "soft" }, "Arrow keys go from answer to answer, Enter shows one whole.")),
    rows: () => rows,
    choose(wanted) {
      kind.value = wanted.kind ?? "";
      category.value = wanted.category === undefined ? "all" : `of ${wanted.category}`;
      filter();
      app.say(counted.textContent);
      scroller.scrollIntoView({ block: "nearest" });
      table.focus({ preventScroll: true });
    },
  };
}

// spans are parts of a text, of which some are marked.
export const spans = (parts) => parts.map(([text, marked]) => (marked ? h("mark", {}, text) : text));
