// Which patches are to be measured: a list to tick, of which a few are shown at once where
// there are many.

import { h } from "./dom.js";
import { thousands } from "./numbers.js";

const few = 12; // that need no search
const most = 60; // that are shown at once, beside those that are ticked

// patchList makes the list. were are names that are ticked at first; changed is called when
// others are.
export function patchList(app, were, changed) {
  let ticked = new Set(were), shown = "";
  const find = h("input", { type: "search", id: "evaluation-find", spellcheck: "false", placeholder: "a part of a name", oninput: list });
  const search = h("div", { class: "row" }, h("label", {}, "Find ", find));
  const boxes = h("div", { class: "ev-patches", onchange: tick }), more = h("p", { class: "soft", role: "status", hidden: true });
  const element = h("fieldset", {}, h("legend", {}, "Patches"), search, boxes, more);

  const chosen = () => app.patches.map((p) => p.name).filter((name) => ticked.has(name));

  function tick({ target }) {
    if (target.checked) ticked.add(target.value);
    else ticked.delete(target.value);
    changed();
  }

  function list() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = app.patches.map((p) => ({ name: p.name, text: `${p.name} ${p.title ?? ""}`.toLowerCase() }));
    const found = all.filter((p) => words.every((w) => p.text.includes(w)));
    const some = new Set(found.slice(0, most).map((p) => p.name));
    const names = all.map((p) => p.name).filter((name) => some.has(name) || ticked.has(name));
    search.hidden = all.length <= few;
    more.hidden = found.length <= most && found.length > 0 || !all.length;
    more.textContent = found.length ? `${thousands(most)} of ${thousands(found.length)} are shown: type more of the name to find others.` : "No patch is called like that.";
    show(names);
  }

  // show shows the boxes of these names; the same ones stay what they are, with the focus.
  function show(names) {
    const now = JSON.stringify(names);
    if (now !== shown) {
      const focus = boxes.contains(document.activeElement) ? document.activeElement.value : null;
      boxes.replaceChildren(...names.map((name) => h("label", {}, h("input", { type: "checkbox", value: name }), h("bdi", {}, name))));
      if (!app.patches.length) boxes.append(h("span", { class: "soft" }, "The server has none: the model is measured as it is."));
      shown = now;
      if (focus !== null) boxes.querySelector(`input[value="${CSS.escape(focus)}"]`)?.focus();
    }
    for (const box of boxes.querySelectorAll("input")) box.checked = ticked.has(box.value);
  }

  app.changed(() => { list(); changed(); });
  list();
  return {
    element, chosen,
    // choose ticks patches by their names, and no others.
    choose(names) {
      ticked = new Set(names);
      list();
      changed();
    },
  };
}
