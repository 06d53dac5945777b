// Anatomy: which matrices patches change, down to their rows, and on which tokens of a text
// they act.

import { json, route } from "./api.js";
import { h } from "./dom.js";
import { makeChoice } from "./anatomy-choice.js";
import { makeMap } from "./anatomy-map.js";
import { makeRows } from "./anatomy-rows.js";
import { makeTrace } from "./anatomy-trace.js";

let app, parts, chosen = [], loading = null;

// path is where the server tells of the patches that are chosen, together.
const path = (what) => route`api/patches/${chosen.join("+")}/${what}`;

export function mount(section, shared) {
  app = shared;
  parts = {
    section,
    choice: makeChoice(() => app.patches.map((p) => p.name), (names) => app.go(["anatomy", names.map(encodeURIComponent).join("+")].filter(Boolean).join("/"))),
    none: h("p", { class: "soft", id: "anatomy-none" }, "This server has no patches yet: ", h("a", { href: "#patches" }, "add one"), "."),
    map: makeMap((cell) => parts.rows.open(cell, path("flips"))),
    rows: makeRows(failed, () => parts.map.focus()),
    trace: makeTrace(app, failed, () => chosen),
  };
  section.append(
    h("h1", {}, "Anatomy"),
    h("p", { class: "soft" }, "What a patch changes in the model, and where that shows."),
    parts.choice.element, parts.none, parts.map.element, parts.rows.element, parts.trace.element,
  );
  for (const part of [parts.map, parts.rows]) {
    part.element.addEventListener("keydown", (e) => { if (e.key === "Escape" && parts.rows.opened()) parts.rows.leave(); });
  }
  app.changed(patchesChanged);
}

// show shows patches by their names, as "math+units"; without any those that were shown
// last, or the first that there is.
export function show(of) {
  const names = of ? of.split("+") : chosen.length ? chosen : app.patches.slice(0, 1).map((p) => p.name);
  const others = names.join("+") !== chosen.join("+");
  chosen = names;
  drawChoice();
  if (others || !parts.map.drawn()) load();
}

const isThere = (name) => app.patches.some((p) => p.name === name);

// known is what is shown, so that another patch of a name is seen, and another model.
let known = "";
const state = () => [app.model.digest, ...chosen.map((n) => app.patches.find((p) => p.name === n)?.digest ?? "")].join();

function patchesChanged() {
  if (!chosen.length && !parts.section.hidden) { show(""); return; }
  drawChoice();
  if (chosen.length && state() !== known) load();
}

// failed tells of an error. Of a patch that is gone the list is asked for again.
function failed(e) {
  app.fail(e);
  if (e.status === 404 && chosen.every(isThere)) app.refresh().catch((e) => app.fail(e));
}

function drawChoice() {
  parts.choice.draw(chosen);
  parts.none.hidden = chosen.length > 0 || app.patches.length > 0;
}

// load asks for the map of what is chosen. An answer to an earlier choice is not shown.
async function load() {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  known = state();
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
    app.say(""); // what was said is of what is not shown any more
    failed(e);
  }
}
