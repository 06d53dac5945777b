// What an evaluation found: counts, what they mean, categories, and every answer.

import { h, download } from "./dom.js";
import { thousands } from "./numbers.js";
import { answers } from "./evaluation-table.js";
import { csv } from "./csv.js";
import { clipped } from "./differing.js";

// result shows a result. whole gives the document as it was written.
export function result({ result: r, said, files = [] }, { app, name, whole }) {
  const patched = r.patches.length > 0;
  const table = answers(r.outputs, patched, app);
  return h("section", { class: "ev-result", "aria-label": "result" },
    h("h2", { dir: "auto", tabindex: -1 }, clipped(name)), tiles(r, said, patched, table.choose), bar(r, patched), verdict(r, said, patched),
    h("h3", {}, "By category"), categories(said, patched, table.choose),
    h("h3", {}, "Answers"), table.element,
    h("p", { class: "row" },
      h("button", { type: "button", onclick: () => save(app, `${fileName(r)}.json`, whole) }, "Save as JSON"),
      h("button", { type: "button", onclick: () => download(`${fileName(r)}.csv`, csv(columns, table.rows().map(cells)), "text/csv") }, "Save these answers as CSV"),
      h("span", { class: "soft" }, "The JSON is the whole result, for bankai report. In the CSV a ' stands before what a spreadsheet would take for a formula.")),
    facts(r, said, files));
}

// fileName names files after what was measured, in characters that every system takes.
function fileName(r) {
  const words = [r.set.source.replace(/\.(json|jsonl|ndjson|csv)$/i, ""), ...(r.sampled_from ? [r.total] : []), ...r.patches];
  return clipped(words.join("-"), 100).replace(/[^\p{L}\p{N}._+-]+/gu, "-").replace(/^[.-]+|[.-]+$/g, "") || "eval";
}

async function save(app, name, whole) {
  try {
    download(name, await whole());
  } catch (e) {
    app.fail(e);
  }
}

const columns = ["name", "category", "prompt", "correct", "before", "after", "right_before", "right_after"];
const cells = (o) => columns.map((c) => o[c]);

function tiles(r, said, patched, choose) {
  const all = said.categories.at(-1);
  const tile = (n, what, share) => h("div", { class: "tile" }, h("b", {}, thousands(n), h("small", {}, ` of ${thousands(r.total)}`)), h("span", {}, `${what}: ${share}`));
  const button = (kind, n, remark) => h("button", { type: "button", class: `tile ${kind}`, title: kind === "broke" ? "show the answers that broke" : `show the answers that were ${kind}`, onclick: () => choose({ kind }) },
    h("b", {}, thousands(n)), h("span", {}, `${kind}: ${remark}`));
  return h("div", { class: "tiles" }, tile(r.before, patched ? "right before" : "right", all.was_text), patched && [
    tile(r.after, "right after", all.is_text), button("fixed", r.fixed.length, "wrong before, right after"), button("broke", r.broke.length, "right before, wrong after")]);
}

// bar shows what became of all answers.
function bar(r, patched) {
  const parts = (patched
    ? [["right", "stayed right", r.stayed_right], ["fixed", "fixed", r.fixed.length], ["broke", "broke", r.broke.length], ["wrong", "stayed wrong", r.stayed_wrong]]
    : [["right", "right", r.before], ["wrong", "wrong", r.total - r.before]]).map(([kind, name, n]) => ({ kind, n, text: `${thousands(n)} ${name}` }));
  return [
    h("div", { class: "bar", role: "img", "aria-label": parts.map((p) => p.text).join(", ") }, parts.filter((p) => p.n).map((p) => h("i", { class: `bg-${p.kind}`, css: { flex: p.n } }))),
    h("ul", { class: "key" }, parts.map((p) => h("li", {}, h("i", { class: `bg-${p.kind}` }), p.text)))];
}

function verdict(r, said, patched) {
  if (!patched) return h("div", { class: "verdict" }, h("p", {}, h("strong", {}, said.verdict)));
  return h("div", { class: "verdict", id: "evaluation-verdict" }, said.meaning
    ? h("p", {}, h("strong", {}, said.meaning), ` ${said.chance} `, h("span", { class: "soft" }, `(McNemar’s exact test, two-sided: p = ${said.p})`))
    : h("p", {}, h("strong", {}, "No answer changed from right to wrong or back.")));
}

const mostCategories = 200; // that are shown

function categories({ categories: all }, patched, choose) {
  const row = (c) => h("tr", {},
    h("td", { dir: "auto" }, c.whole ? c.name : h("button", { type: "button", class: "quiet", title: "show its answers", onclick: () => choose({ category: c.category }) }, c.name)),
    number(c.total), number(c.before), patched && [number(c.after), number(c.fixed, "fixed"), number(c.broke, "broke")], h("td", {}, marks(c, patched)));
  const rows = all.length > mostCategories ? [...all.slice(0, mostCategories - 1), all.at(-1)] : all;
  const head = ["Probes", patched ? "Before" : "Right", ...(patched ? ["After", "Fixed", "Broke"] : [])];
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "counts by category" },
    h("table", { class: patched ? "cats" : "" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Category"), head.map((name) => h("th", { scope: "col", class: "n" }, name)), h("th", { scope: "col" }, "Share right, 0 to 100 %"))),
      h("tbody", {}, rows.map(row))),
    h("p", { class: "soft" }, patched ? "Upper mark: before; lower: after. " : "", "The lines are 95 % Wilson intervals: where a category has few prompts, they are wide.",
      all.length > rows.length ? ` ${thousands(all.length - rows.length)} more categories are not shown here; the filter below has them.` : ""));
}

const number = (n, kind = "") => h("td", { class: `n ${kind}${n || !kind ? "" : " zero"}` }, thousands(n));

// marks are shares with their intervals, drawn.
function marks(c, patched) {
  const text = patched ? `before ${c.was_text}, after ${c.is_text}` : c.was_text;
  const one = (kind, { low, at, high }) => [h("i", { class: kind, css: { left: `${low}%`, width: `${high - low}%` } }), h("b", { class: kind, css: { left: `${at}%` } })];
  return h("div", { class: "whisk", role: "img", "aria-label": text, title: text }, one("was", c.was), patched && one("is", c.is));
}

function facts(r, said, files) {
  const sampled = r.sampled_from ? `, a sample of ${thousands(r.sampled_from)}` : "";
  const list = [
    ["command", [h("code", {}, clipped(r.command, 2000)), files.map(from)]], ["probes", `${clipped(r.set.source)}, ${thousands(r.set.probes)}${sampled}`], ["model", r.model.name], ["digest", h("span", { class: "mono" }, r.model.digest)],
    ["precision", r.precision], ["likelihood", said.likelihood], ["made by", r.tool]];
  return h("details", {}, h("summary", {}, "How it was measured"), h("dl", { class: "facts" }, list.filter(([, value]) => value).map(([n, value]) => [h("dt", {}, n), h("dd", { dir: "auto" }, value)])));
}

// from says where a file is to be had that the command line takes.
const from = ({ file, patch, digest }) => h("p", { class: "soft" }, h("code", {}, file), " is the patch ", h("a", { href: `#patches/${encodeURIComponent(patch)}` }, h("bdi", {}, patch)),
  " of this server, which no library has: download it there. What it flips has the digest ", h("code", {}, digest), ".");
