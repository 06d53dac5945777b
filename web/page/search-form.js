// What a search is asked: the form, which keeps what is typed until a search has begun.

import { h } from "./dom.js";
import { Failure } from "./api.js";

// The choices of a search by its strategy and what a flip takes in, in the words of
// "bankai search --help".
const strategies = [
  ["guided", "guided: predicts every flip by one backward pass, and tries the best"],
  ["sampled", "sampled: the same on some blocks of many probes"],
  ["evolve", "evolve: a population of patches that are crossed"],
  ["greedy", "greedy: the published method"],
  ["random", "random: a baseline"],
];
const sizes = [["row", "rows"], ["group", "groups of 128 weights"], ["bit", "bits"], ["row,bit", "rows, then bits"]];

const first = { probes: "demo:search_few", validate: "demo:validate", controls: "", name: "found", steps: "30", strategy: "guided", granularity: "row", guard: "auto" };

// form makes the form. start(request) begins a search, and throws why it cannot.
export function form(app, start) {
  const typed = app.kept("search.form", {});
  const files = {}; // by the field that they are for
  const wrong = h("p", { id: "search-wrong", class: "wrong", role: "alert", hidden: true });
  const go = h("button", { type: "submit", class: "main" }, "Start the search");
  const may = h("p", { id: "search-may", class: "soft", hidden: true });
  const sets = { probes: chooser("probes", "Probes to search with", "choose…", files), validate: chooser("validate", "Validation, watched but not used", "none", files), controls: chooser("controls", "Controls that must hold", "none", files) };

  const element = h("form", { id: "search-form", class: "card", novalidate: true, "aria-label": "a search for a patch" },
    may,
    h("div", { class: "fields" }, Object.values(sets).map((s) => s.element), field("Name of the patch", text("name", { maxlength: 64, spellcheck: "false" }))),
    h("fieldset", { class: "fields" }, h("legend", {}, "Until the first of"),
      field("candidates", number("steps", 1)), field("minutes", number("minutes", 0, "any")), field("cost, in forward-pass equivalents", number("max_cost", 0, "any")), field("flips", number("max_flips", 0))),
    h("details", {}, h("summary", {}, "More choices"),
      h("div", { class: "fields" },
        field("Strategy", select("strategy", strategies)), field("A flip takes in", select("granularity", sizes)),
        field("Projections, as gate,up,v,o", text("proj", { spellcheck: "false" })), field("Layers, as 0,3,8-11", text("layers", { spellcheck: "false" })),
        field("Guard: auto, none or tokens", text("guard", { spellcheck: "false" })), field("Threads", number("threads", 1)),
        h("label", {}, h("input", { type: "checkbox", name: "force" }), "in spite of fatal findings in the probes"))),
    wrong, h("p", { class: "row" }, go));

  const control = (name) => element.elements.namedItem(name);
  const fill = (values) => {
    for (const [name, value] of Object.entries(values)) {
      const c = control(name);
      if (!c || c.type === "file") continue;
      if (c.type === "checkbox") c.checked = value === true;
      else if (c.tagName !== "SELECT" || [...c.options].some((o) => o.value === value)) c.value = value;
    }
    for (const s of Object.values(sets)) s.show();
  };
  const values = () => Object.fromEntries([...element.elements].filter((c) => c.name && c.type !== "file").map((c) => [c.name, c.type === "checkbox" ? c.checked : c.value]));

  element.addEventListener("input", (e) => {
    app.keep("search.form", values());
    e.target.removeAttribute("aria-invalid");
  });
  drops(element, (file) => sets.probes.take(file));
  element.addEventListener("submit", async (e) => {
    e.preventDefault();
    wrong.hidden = true;
    for (const c of element.elements) c.removeAttribute("aria-invalid");
    go.disabled = true;
    try {
      await start(await request(values(), files));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      wrong.textContent = error.message;
      wrong.hidden = false;
      const c = error.param && control(error.param);
      if (c) {
        if (c.closest("details")) c.closest("details").open = true;
        c.setAttribute("aria-invalid", "true");
        c.focus();
      }
    } finally {
      go.disabled = false;
    }
  });

  return {
    element,
    // offer takes in what the server has for searches.
    offer(list) {
      const now = { ...first, threads: String(list.threads.usual), ...typed, ...values() };
      for (const s of Object.values(sets)) s.offer(list.sets);
      const threads = control("threads");
      threads.max = list.threads.most;
      fill(element.dataset.filled ? now : { ...first, threads: String(list.threads.usual), ...typed });
      element.dataset.filled = "yes";
      const mayNot = !list.place || !app.model?.may.change;
      may.hidden = !mayNot;
      may.textContent = list.place
        ? "Starting a search takes what changing patches takes: an admin key, for which the page will ask. A server that others can reach has one by --admin-key-file."
        : "This server has no folder to keep searches in: set BANKAI_HOME to one, and start it anew.";
      go.disabled = !list.place;
    },
  };
}

const field = (label, control) => h("label", { class: "field" }, h("span", {}, label), control);
const text = (name, more) => h("input", { type: "text", name, autocomplete: "off", ...more });
const number = (name, min, step = 1) => h("input", { type: "number", name, min, step, inputmode: "decimal" });
const select = (name, options) => h("select", { name }, options.map(([value, label]) => h("option", { value }, label)));

// chooser is a set of probes: one that the program has, or a file.
function chooser(name, label, none, files) {
  const choice = h("select", { name });
  const input = h("input", { type: "file", accept: ".json,.jsonl,.ndjson,.csv", "aria-label": `${label}: file` });
  const said = h("span", { class: "soft", dir: "auto" });
  const element = h("div", { class: "field" }, h("label", { class: "field" }, h("span", {}, label), choice), input, said);
  const take = (file) => {
    files[name] = file;
    said.textContent = file ? file.name : "";
    choice.value = "file";
    show();
  };
  const show = () => { input.hidden = choice.value !== "file"; said.hidden = input.hidden; };
  choice.addEventListener("change", show);
  input.addEventListener("change", () => { if (input.files[0]) take(input.files[0]); });
  const offer = (sets) => {
    const now = choice.value;
    choice.replaceChildren(h("option", { value: "" }, none), ...sets.map((s) => h("option", { value: s.name }, `${s.name}: ${s.about}`)), h("option", { value: "file" }, "a file…"));
    choice.value = now;
    if (choice.selectedIndex < 0) choice.value = "";
    show();
  };
  offer([]);
  return { element, offer, take, show };
}

// drops lets a file be dropped on an element.
function drops(element, take) {
  element.addEventListener("dragover", (e) => { e.preventDefault(); element.classList.add("over"); });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (e) => {
    e.preventDefault();
    element.classList.remove("over");
    if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]);
  });
}

// request is the body of POST /api/searches.
async function request(values, files) {
  const body = { name: values.name.trim() };
  for (const name of ["probes", "validate", "controls"]) {
    if (values[name] === "file") {
      if (!files[name]) throw new Failure(0, "no_file", "choose the file, or another set", name);
      body[name] = { name: files[name].name, data: await files[name].text() };
    } else if (values[name]) body[name] = values[name];
  }
  for (const name of ["steps", "minutes", "max_cost", "max_flips", "threads"]) if (values[name] !== "") body[name] = Number(values[name]);
  for (const name of ["strategy", "granularity", "layers", "guard"]) if (values[name].trim()) body[name] = values[name].trim();
  const proj = values.proj.split(",").map((p) => p.trim()).filter(Boolean);
  if (proj.length) body.proj = proj;
  if (values.force) body.force = true;
  return body;
}
