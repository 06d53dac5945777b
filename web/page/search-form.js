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
  const unfit = h("p", { id: "search-unfit", class: "unfit", hidden: true }); // what is wrong, at its field
  const go = h("button", { type: "submit", class: "main" }, "Start the search");
  const may = h("p", { id: "search-may", class: "soft", hidden: true });
  const sets = { probes: chooser("probes", "Probes to search with", "choose…", files), validate: chooser("validate", "Validation, watched but not used", "none", files), controls: chooser("controls", "Controls that must hold", "none", files) };

  const element = h("form", { id: "search-form", class: "card", novalidate: true, "aria-label": "a search for a patch" },
    may,
    h("div", { class: "fields" }, Object.values(sets).map((s) => s.element), field("name", text("name", { maxlength: 64, spellcheck: "false", placeholder: first.name }))),
    h("fieldset", { class: "fields" }, h("legend", {}, "Until the first of"),
      ["steps", "minutes", "max_cost", "max_flips"].map((name) => field(name, number(name)))),
    h("details", {}, h("summary", {}, "More choices"),
      h("div", { class: "fields" },
        field("strategy", select("strategy", strategies)), field("granularity", select("granularity", sizes)),
        field("proj", text("proj", { spellcheck: "false" })), field("layers", text("layers", { spellcheck: "false" })),
        field("guard", text("guard", { spellcheck: "false" })), field("threads", number("threads")),
        h("label", {}, h("input", { type: "checkbox", name: "force" }), "in spite of fatal findings in the probes"))),
    h("details", { class: "hints" }, h("summary", {}, "What these words mean"), h("dl", {}, words.flatMap(([name, said]) => [h("dt", {}, name), h("dd", {}, said)]))),
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
  const forgive = (c) => {
    c.removeAttribute("aria-invalid");
    c.removeAttribute("aria-describedby");
  };
  const blame = (c, why) => {
    if (c.closest("details")) c.closest("details").open = true;
    unfit.textContent = why;
    unfit.hidden = false;
    c.closest("div.field")?.append(unfit);
    c.setAttribute("aria-invalid", "true");
    c.setAttribute("aria-describedby", unfit.id);
    c.focus();
  };
  const values = () => Object.fromEntries([...element.elements].filter((c) => c.name && c.type !== "file").map((c) => [c.name, c.type === "checkbox" ? c.checked : c.value]));

  element.addEventListener("input", (e) => {
    app.keep("search.form", values());
    if (e.target.ariaInvalid === "true") {
      forgive(e.target);
      unfit.hidden = wrong.hidden = true;
    }
  });
  drops(element, (file) => sets.probes.take(file));
  element.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (go.ariaDisabled === "true") return;
    wrong.hidden = unfit.hidden = true;
    for (const c of element.elements) forgive(c);
    go.ariaDisabled = "true"; // it keeps the focus
    try {
      await start(await request(values(), files, element.elements));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const c = error.param && control(error.param);
      const why = c ? said(error) : error.message;
      wrong.replaceChildren(why, ...(error.more ?? []));
      wrong.hidden = false;
      if (c) blame(c, why);
    } finally {
      go.ariaDisabled = "false";
    }
  });

  return {
    element,
    // refill fills the form with what the search called id was asked.
    refill(id, asked) {
      for (const [name, s] of Object.entries(sets)) s.earlier(asked[name] && !asked[name].name.startsWith("demo:") ? { id, name: asked[name].name } : null);
      const now = { ...Object.fromEntries([...element.elements].filter((c) => c.name).map((c) => [c.name, c.type === "checkbox" ? false : ""])), strategy: "guided", granularity: "row", guard: "auto" };
      for (const [name, value] of Object.entries(asked)) {
        if (name in sets) now[name] = value.name.startsWith("demo:") ? value.name : "earlier";
        else if (name in now) now[name] = Array.isArray(value) ? value.join(",") : typeof value === "boolean" ? value : String(value);
      }
      fill(now);
      element.dataset.filled = "yes";
      if (["strategy", "proj", "layers", "guard", "force"].some((name) => asked[name])) element.querySelector("details").open = true;
      app.keep("search.form", values());
    },
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
      go.hidden = !list.place;
    },
  };
}

// labels are what the fields are called.
const labels = {
  name: "Name of the patch", steps: "candidates", minutes: "minutes", max_cost: "cost, in forward-pass equivalents", max_flips: "flips",
  strategy: "Strategy", granularity: "A flip takes in", proj: "Projections, as gate,up,v,o", layers: "Layers, as 0,3,8-11", guard: "Guard: auto, none or tokens", threads: "Threads",
  probes: "Probes to search with", validate: "Validation, watched but not used", controls: "Controls that must hold",
};

// words say what the words of the form and of a search mean.
const words = [
  ["probes", "Prompts with a right and a wrong answer. A search uses them to tell good flips from bad ones, so they say nothing of what the patch is worth beside them."],
  ["fitness", "How much the log-probability of the right answers rose, on average over the probes, less what the guard and the controls lost. It is 0 without a patch, and more is better."],
  ["nats", "The unit of fitness: natural logarithms of probabilities. A nat more is 2.7 times as likely."],
  ["guard", "Texts that the model itself wrote. The search is held to leave what it says of them as it is. Auto makes as many as suit the probes, where no controls are given; none leaves everything else unprotected."],
  ["controls", "Probes that are answered right already and must stay so. A flip that harms them counts for less."],
  ["validation", "Probes that the search only watches. When their answers get worse while the fitness rises, it has learnt its probes by heart, and ends."],
  ["forward-pass equivalents", "The cost in passes of the model over all probes. A backward pass counts as what it takes of them."],
];

// said is what is wrong with a field, by what the field is called here.
const said = (error) => {
  const label = labels[error.param]?.split(/[,:]/)[0] ?? error.param;
  const rest = error.message.startsWith(`${error.param} `) ? error.message.slice(error.param.length + 1) : null;
  return rest === null ? `${label}: ${error.message}` : `${label} ${rest}`;
};

const field = (name, control) => h("div", { class: "field" }, h("label", { class: "field" }, h("span", {}, labels[name]), control));
const text = (name, more) => h("input", { type: "text", name, autocomplete: "off", ...more });
const whole = new Set(["steps", "max_flips", "threads"]); // numbers
const number = (name) => h("input", { type: "number", name, min: whole.has(name) ? 1 : 0, step: whole.has(name) ? 1 : "any", inputmode: whole.has(name) ? "numeric" : "decimal" });
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
  let before = null; // the file of an earlier search: its id and the file's name
  const show = () => { input.hidden = choice.value !== "file"; said.hidden = input.hidden; };
  choice.addEventListener("change", show);
  input.addEventListener("change", () => { if (input.files[0]) take(input.files[0]); });
  let had = [];
  const offer = (sets) => {
    const now = choice.value;
    had = sets;
    choice.replaceChildren(...[h("option", { value: "" }, none), ...sets.map((s) => h("option", { value: s.name }, `${s.name}: ${s.about}`)), before && h("option", { value: "earlier" }, `${before.name}, of the search before`), h("option", { value: "file" }, "a file…")].filter(Boolean));
    choice.value = now;
    if (choice.selectedIndex < 0) choice.value = "";
    show();
  };
  const earlier = (of) => {
    before = of;
    files[`${name} before`] = of?.id;
    offer(had);
  };
  offer([]);
  return { element, offer, take, show, earlier };
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
async function request(values, files, fields) {
  const body = { name: values.name.trim() };
  for (const name of ["probes", "validate", "controls"]) {
    if (values[name] === "file") {
      if (!files[name]) throw new Failure(0, "no_file", "choose the file, or another set", name);
      body[name] = { name: files[name].name, data: await files[name].text() };
    } else if (values[name] === "earlier") {
      body[name] = { of: files[`${name} before`] };
    } else if (values[name]) body[name] = values[name];
  }
  for (const name of ["steps", "minutes", "max_cost", "max_flips", "threads"]) {
    const { validity } = fields.namedItem(name), n = Number(values[name]);
    if (values[name] === "" && !validity.badInput) continue;
    if (whole.has(name) && (validity.badInput || !Number.isInteger(n) || n < 1)) throw new Failure(0, "no_number", `${name} must be a whole number of at least 1; leave it empty for what is usual`, name);
    if (validity.badInput || !(n > 0)) throw new Failure(0, "no_number", `${name} must be more than 0; leave it empty for no limit`, name);
    body[name] = n;
  }
  for (const name of ["strategy", "granularity", "layers", "guard"]) if (values[name].trim()) body[name] = values[name].trim();
  const proj = values.proj.split(",").map((p) => p.trim()).filter(Boolean);
  if (proj.length) body.proj = proj;
  if (values.force) body.force = true;
  return body;
}
