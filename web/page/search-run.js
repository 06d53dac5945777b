// One search: how far it is while it runs, and what came of it.

import { h, picture } from "./dom.js";
import { at, follow, headers, json, route, Failure } from "./api.js";
import { acts } from "./search-acts.js";
import { kept } from "./search-kept.js";
import { askedOf, columns, phaseOf, phases, tilesOf, verdictsOf } from "./search-words.js";

// drawEvery is the least time between two pictures, in milliseconds.
const drawEvery = 1000;

const lostText = "The connection is lost. If the server still runs, so does the search. If the server was ended, it has stopped the search, which keeps what it found and can go on. The page comes back by itself as soon as the server answers.";

// run shows a search until signal. changed is called when it is another search in the list,
// and again(id, request) fills the form with what it was asked.
export function run(app, id, signal, { changed, again }) {
  const path = route`api/searches/${id}`;
  const name = h("h2", { tabindex: -1, dir: "auto" }, "Search"), phase = h("p", { class: "phase" }), lost = h("p", { class: "lost", role: "status", hidden: true });
  const bar = h("progress", { max: 1, hidden: true });
  const tiles = h("div", { class: "tiles" }), plot = h("div", { class: "plot wide", tabindex: 0, role: "region", "aria-label": "trajectory", hidden: true });
  const verdicts = h("div", { class: "verdicts" }), warnings = h("ul", { class: "warnings" }), asked = h("dl", { class: "facts" });
  const table = kept();
  const deeds = acts(app, id, () => doc, { changed, again, gone, watch });
  const parts = [phase, lost, bar, tiles, verdicts, deeds.element, h("div", { class: "seen" }, plot, table.element), warnings, h("details", {}, h("summary", {}, "What was asked"), asked)];
  const element = h("article", { id: "search-run", "aria-label": "search" }, name, parts);
  let doc = null, over = false;

  // gone says that somebody deleted the search.
  function gone() {
    if (over) return;
    over = true;
    app.clear();
    const said = doc ? `The search for ${doc.name} was deleted.` : "There is no such search: it may have been deleted.";
    name.replaceChildren(doc?.name ?? "No such search");
    element.replaceChildren(name, h("p", { class: "phase" }, said));
    name.focus();
    app.say(said);
    changed();
  }

  const pen = drawing(plot, `${path}/chart.svg`, signal);
  const set = (e) => {
    const before = doc, focused = document.activeElement;
    doc = e.search;
    name.textContent = doc.name;
    phase.replaceChildren(...phaseOf(doc));
    meter(bar, doc);
    const numbers = tilesOf(doc);
    for (const [property, n] of Object.entries(columns(numbers))) tiles.style.setProperty(property, n);
    tiles.replaceChildren(...numbers);
    verdicts.replaceChildren(...verdictsOf(doc));
    warnings.replaceChildren(...(doc.warnings ?? []).map((w) => h("li", { dir: "auto" }, w)));
    asked.replaceChildren(...askedOf(doc.request));
    table.set(e.from, e.points, doc.state.total);
    deeds.set(doc);
    if (element.contains(focused) && focused.closest("[hidden]")) name.focus(); // what had the focus is of no use now
    if (table.any()) pen.draw(doc.running ? drawEvery : 0);
    if (before?.phase !== doc.phase) {
      app.say(`The search for ${doc.name}: ${phases[doc.phase]}. ${doc.why ?? doc.verdicts?.[0]?.text ?? ""}`);
      changed();
    }
    return e.over;
  };

  async function watch() {
    try {
      await follow(`${path}/events`, set, {
        signal,
        told: (failure) => {
          lost.hidden = failure === null;
          lost.textContent = failure ? lostText : "";
        },
      });
    } catch (e) {
      if (e instanceof Failure && e.status === 404) gone();
      else app.fail(e);
    }
  }

  // Whoever comes back to a search that has ended learns whether it was deleted meanwhile.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || !doc || doc.running || over) return;
    json("GET", path, { signal }).catch((e) => { if (e instanceof Failure && e.status === 404) gone(); });
  }, { signal });
  watch();
  return { element, name, tellNames: () => { if (doc && !over) deeds.tellNames(); } };
}

// meter shows how far a search is with what it is at; where that is not known, that it works.
function meter(bar, d) {
  bar.hidden = !d.running;
  const share = ["preparing", "measuring"].includes(d.phase) ? d.progress?.share : d.state.share;
  bar.setAttribute("aria-label", d.progress ? `how far it is: ${d.progress.what}` : "how far the search is");
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
}

// drawing keeps a picture of the trajectory up to date: one at a time, and not too often.
function drawing(plot, path, signal) {
  let busy = false, wanted = false, last = 0;
  const draw = async (wait = 0) => {
    if (busy) { wanted = true; return; }
    busy = true;
    await new Promise((done) => setTimeout(done, Math.max(0, last + wait - performance.now())));
    wanted = false;
    last = performance.now();
    try {
      if (!signal.aborted) {
        plot.replaceChildren(await picture(at(path), headers()));
        plot.hidden = false;
      }
    } catch {
      // There is nothing to draw yet, or the server cannot be reached, which the page says.
    }
    busy = false;
    if (wanted && !signal.aborted) draw(wait);
  };
  return { draw };
}
