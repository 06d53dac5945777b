// One answer of an evaluation, whole.

import { h } from "./dom.js";
import { thousands } from "./numbers.js";
import { clipped, differing } from "./differing.js";

// details makes a dialog, and returns what opens it with a row. rows are all that it goes
// through; moved is told of the one that it shows.
export function details(kindName, patched, rows, moved) {
  let at = 0;
  const title = h("h2", { id: "answer-title", dir: "auto", tabindex: -1, autofocus: true }), list = h("dl", { class: "facts" }), place = h("span", { class: "soft", role: "status" });
  const step = (name, by) => h("button", { type: "button", onclick: (e) => { if (e.target.getAttribute("aria-disabled") !== "true") show(at + by); } }, name);
  const back = step("Previous", -1), on = step("Next", 1);
  const dialog = h("dialog", { class: "ev-details", "aria-labelledby": "answer-title", onclose: () => dialog.remove() },
    title, list, h("p", { class: "row" }, back, on, place, h("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close")));

  // A long text scrolls, and can be reached with keys.
  const said = (text, other) => h("div", { class: "said mono", dir: "auto", tabindex: text.length > 400 ? 0 : null, role: text.length > 400 ? "group" : null, "aria-label": text.length > 400 ? "text" : null }, differing(text, other).map(([part, marked]) => (marked ? h("mark", {}, part) : part)));
  const answer = (right, text, other, reason) => [h("div", { class: right ? "ok" : "bad" }, right ? "right" : "wrong"), said(text, other), reason && h("p", { class: "soft", dir: "auto" }, reason)];

  function show(to) {
    const all = rows();
    at = Math.max(0, Math.min(all.length - 1, to));
    const o = all[at];
    title.textContent = clipped(o.name);
    const facts = [["what became of it", kindName(o.kind)], ["name", o.name === clipped(o.name) ? "" : said(o.name, o.name)], ["category", o.category && said(o.category, o.category)], ["prompt", said(o.prompt, o.prompt)],
      [patched ? "before" : "answer", answer(o.right_before, o.before, patched ? o.after : o.before, o.reason_before)],
      patched && ["after", answer(o.right_after, o.after, o.before, o.reason_after)], ["expected", said(o.correct, o.correct)]].filter((f) => f && f[1]);
    list.replaceChildren(...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]));
    place.textContent = `${thousands(at + 1)} of ${thousands(all.length)}`;
    back.setAttribute("aria-disabled", at === 0); // which keeps the focus there
    on.setAttribute("aria-disabled", at === all.length - 1);
    moved(at);
  }

  return (row) => {
    show(row);
    document.querySelector("main").append(dialog);
    dialog.showModal();
  };
}
