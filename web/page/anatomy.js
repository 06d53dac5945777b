// Anatomy: which matrices patches change, down to their rows, and on which tokens of a text
// they act.

import { json, route } from "./api.js";
import { h } from "./dom.js";
import { makeMap } from "./anatomy-map.js";
import { makeRows } from "./anatomy-rows.js";
import { makeTrace } from "./anatomy-trace.js";

let app, parts, chosen = [], loading = null;
let emptied = false; // the user took the last one away

// path is where the server tells of the patches that are chosen, together.
const path = (what) => route`api/patches/${chosen.join("+")}/${what}`;

export function mount(section, shared) {
  app = shared;
  parts = {
    chips: h("ul", { class: "chips", "aria-label": "patches that are looked at" }),
    choice: h("select", { id: "anatomy-choice" }),
    add: h("button", { type: "submit" }, "Show"),
    none: h("p", { class: "soft", id: "anatomy-none" }),
    map: makeMap((cell) => parts.rows.open(cell, path("flips"))),
    rows: makeRows(failed, () => parts.map.focus()),
    trace: makeTrace(app, failed, () => chosen),
  };
  parts.form = h("form", { class: "row", onsubmit: (e) => { e.preventDefault(); add(parts.choice.value); } },
    h("label", { for: "anatomy-choice" }, "Patch"), parts.choice, parts.add);
  section.append(
    h("h1", {}, "Anatomy"),
    h("p", { class: "soft" }, "What a patch changes in the model, and where that shows."),
    parts.form, parts.chips, parts.none, parts.map.element, parts.rows.element, parts.trace.element,
  );
  app.changed(patchesChanged);
}

// show shows patches by their names, as "math+units"; without any those that were shown
// last, or the first that there is.
export function show(of) {
  const names = of ? of.split("+") : chosen.length || emptied ? chosen : app.patches.slice(0, 1).map((p) => p.name);
  const others = names.join("+") !== chosen.join("+");
  chosen = names;
  drawChoice();
  if (others || !parts.map.drawn()) load();
}

const isThere = (name) => app.patches.some((p) => p.name === name);

const go = (names) => app.go(["anatomy", names.map(encodeURIComponent).join("+")].filter(Boolean).join("/"));

function add(name) {
  if (!name || chosen.includes(name)) return;
  go([...chosen.filter(isThere), name]);
}

function remove(name) {
  chosen = chosen.filter((n) => n !== name);
  emptied = chosen.length === 0;
  go(chosen);
  drawChoice();
  load();
  parts.choice.focus();
}

// known are the digests of what is shown, so that another patch of a name is seen.
let known = "";
const digests = () => chosen.map((n) => app.patches.find((p) => p.name === n)?.digest ?? "").join();

function patchesChanged() {
  if (!chosen.length && !parts.form.closest("section").hidden) { show(""); return; }
  drawChoice();
  if (digests() !== known) load();
}

// failed tells of an error. Of a patch that is gone the list is asked for again.
function failed(e) {
  app.fail(e);
  if (e.status === 404 && chosen.every(isThere)) app.refresh().catch((e) => app.fail(e));
}

// drawChoice draws what is chosen, and what else there is.
function drawChoice() {
  const others = app.patches.filter((p) => !chosen.includes(p.name));
  const before = parts.choice.value;
  parts.choice.replaceChildren(...others.map((p) => h("option", { value: p.name }, p.name)));
  if (others.some((p) => p.name === before)) parts.choice.value = before;
  const inForm = parts.form.contains(document.activeElement);
  parts.form.hidden = others.length === 0;
  parts.add.textContent = chosen.length ? "Combine" : "Show";
  parts.chips.replaceChildren(...chosen.map((name) => h("li", { class: "chip" },
    h("bdi", {}, name), h("button", { class: "quiet", type: "button", "aria-label": `take ${name} away`, onclick: () => remove(name) }, "×"))));
  parts.chips.hidden = chosen.length === 0;
  if (inForm && parts.form.hidden) parts.chips.querySelector("li:last-child button").focus();
  parts.none.replaceChildren(...(app.patches.length ? ["Choose a patch."] : ["This server has no patches yet: ", h("a", { href: "#patches" }, "add one"), "."]));
  parts.none.hidden = chosen.length > 0;
}

// load asks for the map of what is chosen. An answer to an earlier choice is not shown.
async function load() {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  known = digests();
  parts.rows.close();
  parts.trace.patchesAre(chosen);
  if (!chosen.length) { parts.map.clear(); return; }
  try {
    const doc = await json("GET", path("map"), { signal });
    app.clear();
    parts.map.draw(doc);
    app.say(doc.verdict);
  } catch (e) {
    if (signal.aborted) return;
    parts.map.clear();
    failed(e);
  }
}
