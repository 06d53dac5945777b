// Which patches are looked at: one, or several together.

import { h } from "./dom.js";

// makeChoice makes a field for each patch that is looked at, which shows it. It calls choose
// with the names that there are to be, and tells by known which there are.
export function makeChoice(known, choose) {
  const fields = h("div", { class: "row" });
  const add = h("button", { type: "button", id: "anatomy-add", onclick: () => { draw([...names, ""]); last().focus(); } }, "+ add another");
  const element = h("div", { class: "row", role: "group", "aria-label": "patches that are looked at" }, fields, add);
  let names = [], drawn = "";

  const last = () => [...fields.querySelectorAll("select")].at(-1);

  // field is that of one of the patches. Without a name none is chosen in it yet.
  function field(name, i) {
    const free = known().filter((n) => n === name || !names.includes(n));
    const id = `anatomy-choice-${i + 1}`;
    const select = h("select", { id, onchange: () => set(i, select.value) },
      name === "" && h("option", { value: "", disabled: true, selected: true }, "choose a patch"),
      name !== "" && !known().includes(name) && h("option", { value: name, selected: true }, `${name} (not here)`),
      free.map((n) => h("option", { value: n, selected: n === name }, n)));
    return h("span", { class: "row" },
      h("label", { for: id }, i === 0 ? "Patch" : "together with"), select,
      names.length > 1 && h("button", { type: "button", class: "quiet", "aria-label": `take ${name || "the empty field"} away`, onclick: () => set(i, null) }, "×"));
  }

  function set(i, name) {
    const all = names.with(i, name).filter((n) => n !== null);
    draw(all);
    (fields.querySelectorAll("select")[Math.min(i, all.length - 1)] ?? add).focus();
    choose(all.filter(Boolean));
  }

  // draw draws the fields anew where they are others. The focus stays in the field that has it.
  function draw(all) {
    names = all;
    const now = JSON.stringify([names, known()]);
    if (now === drawn) return;
    drawn = now;
    const at = fields.contains(document.activeElement) ? document.activeElement.id : "";
    fields.replaceChildren(...names.map(field));
    if (at) (document.getElementById(at) ?? last())?.focus();
    add.hidden = names.length === 0 || names.includes("") || known().every((n) => names.includes(n));
    element.hidden = names.length === 0;
  }

  return {
    element,
    // draw shows which patches are looked at, and keeps a field in which none is chosen yet.
    draw(shown) {
      const open = names.includes("") && names.filter(Boolean).join() === shown.join();
      draw(open ? [...shown, ""] : shown.length || known().length === 0 ? shown : [""]);
    },
  };
}
