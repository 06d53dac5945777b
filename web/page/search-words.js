// How a search is told of: its phase, its numbers, its verdicts, and what it was asked.

import { h } from "./dom.js";
import { thousands, when } from "./numbers.js";

// What a search is at, for people.
export const phases = {
  preparing: "looks at its probes", searching: "searches", pruning: "takes out what is of no use", measuring: "measures what it found",
  done: "done", stopped: "stopped", failed: "failed",
};

// rightOf is a validation result, with the patch that it is of if that is another than now.
export function rightOf({ right, total, looked }) {
  return [`${thousands(right)} of ${thousands(total)}`, looked?.said].filter(Boolean).join(", ");
}

export function phaseOf(d) {
  const said = [h("span", { class: `dot ${d.running ? "on" : d.phase}` }), h("strong", {}, phases[d.phase])];
  const p = d.progress, left = d.state.said.left;
  const more = d.running ? [p && `${p.what}, ${Math.round(100 * p.share)} %`, p?.said, left && `about ${left} left`] : [d.state.seconds > 0 && `it took ${d.state.said.seconds}`];
  said.push(h("span", { class: "soft" }, more.filter(Boolean).map((t) => ` · ${t}`).join("")));
  if (d.why) said.push(h("span", { dir: "auto" }, `: ${d.why}`));
  return said;
}

// tilesOf are the numbers of a search, one fact each; none before anything was measured.
export function tilesOf({ state: s, result, running, phase }) {
  if (s.cost === 0) return [];
  const tile = (label, value, small, more = "") => h("div", { class: `tile ${more}`, "data-tile": label }, h("b", {}, value, small && h("small", {}, ` ${small}`)), h("span", {}, label));
  const list = [tile("fitness, nats", s.said.fitness)];
  if (s.right !== null) list.push(tile(["validation right", s.looked?.said].filter(Boolean).join(", "), thousands(s.right), `of ${thousands(s.total)}`));
  if (result?.validate) list.push(tile("fixed", thousands(result.validate.fixed), "", "fixed"), tile("broke", thousands(result.validate.broke), "", "broke"));
  list.push(tile("flips", thousands(s.flips)), tile("candidates tried", thousands(s.step), `of ${thousands(s.steps)}`), tile("candidates kept", thousands(s.accepted)), tile("forward-pass equivalents", s.said.spent));
  if (running && phase === "searching" && s.said.rate) list.push(tile("candidates per second", s.said.rate.replace("/s", "")));
  return list;
}

// columns says over how many columns tiles are spread, so that none is alone in a row.
export function columns(tiles) {
  const n = Math.max(1, tiles.length), half = Math.ceil(n / 2);
  return { "--wide": n, "--middle": half, "--narrow": 2 };
}

export function verdictsOf(d) {
  return (d.verdicts ?? []).map((v) => h("p", { class: v.name === "warning" ? "watch" : "", "data-verdict": v.name }, h("strong", {}, v.name), " ", v.text));
}

export function askedOf(q) {
  const set = (s) => s && `${s.name}, ${thousands(s.probes)} probes`;
  const number = (n) => n && thousands(n);
  const facts = [
    ["probes", set(q.probes)], ["validation", set(q.validate)], ["controls", set(q.controls)], ["strategy", q.strategy], ["flips of", q.granularity], ["candidates", number(q.steps)],
    ["cost", q.max_cost], ["minutes", q.minutes], ["flips", number(q.max_flips)], ["projections", q.proj?.join(", ")], ["layers", q.layers], ["guard", q.guard],
    ["threads", q.threads], ["fatal findings", q.force && "searched in spite of them"], ["started", when(q.started)],
  ];
  return facts.filter(([, v]) => v).flatMap(([n, v]) => [h("dt", {}, n), h("dd", { dir: "auto" }, String(v))]);
}
