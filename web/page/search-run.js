// One search: how far it is while it runs, and what came of it.

import { h, picture, download } from "./dom.js";
import { ask, at, follow, headers, json, route } from "./api.js";
import { kept } from "./search-kept.js";

// What a search is at, for people.
export const phases = {
  preparing: "looks at its probes", searching: "searches", pruning: "takes out what is of no use", measuring: "measures what it found",
  done: "done", stopped: "stopped", failed: "failed",
};

// drawEvery is the least time between two pictures, in milliseconds.
const drawEvery = 1000;

// run shows a search until signal. changed is called when it is another search in the list.
export function run(app, id, signal, changed) {
  const path = route`api/searches/${id}`;
  const name = h("h2", { tabindex: -1, dir: "auto" }), phase = h("p", { class: "phase" }), lost = h("p", { class: "lost", role: "status", hidden: true });
  const bar = h("progress", { max: 1, "aria-label": "how far the search is" });
  const tiles = h("div", { class: "tiles" }), plot = h("div", { class: "plot wide", tabindex: 0, role: "region", "aria-label": "trajectory" });
  const verdicts = h("div", { class: "verdicts" }), warnings = h("ul", { class: "warnings" }), asked = h("dl", { class: "facts" });
  const table = kept(), deeds = acts(app, id, () => doc, changed);
  const element = h("article", { id: "search-run", "aria-label": "search" }, name, phase, lost, bar, tiles, verdicts, deeds.element, h("div", { class: "seen" }, plot, table.element), warnings, h("details", {}, h("summary", {}, "What was asked"), asked));
  let doc = null;

  const pen = drawing(plot, `${path}/chart.svg`, signal);
  const set = (e) => {
    const before = doc;
    doc = e.search;
    name.textContent = doc.name;
    phase.replaceChildren(...phaseOf(doc));
    bar.hidden = !doc.running;
    bar.value = doc.state.share;
    tiles.replaceChildren(...tilesOf(doc));
    verdicts.replaceChildren(...verdictsOf(doc));
    warnings.replaceChildren(...(doc.warnings ?? []).map((w) => h("li", { dir: "auto" }, w)));
    asked.replaceChildren(...askedOf(doc.request));
    table.set(e.from, e.points, doc.state.total);
    deeds.set(doc);
    if (table.any()) pen.draw(doc.running ? drawEvery : 0);
    if (before?.phase !== doc.phase) {
      app.say(`The search for ${doc.name}: ${phases[doc.phase]}. ${doc.why ?? doc.verdicts?.[0]?.text ?? ""}`);
      changed();
    }
    return e.over;
  };
  const watch = async () => {
    try {
      await follow(`${path}/events`, set, {
        signal,
        told: (failure) => {
          lost.hidden = failure === null;
          lost.textContent = failure ? "The connection is lost. The search goes on without the page, which comes back to it by itself." : "";
        },
      });
    } catch (e) {
      app.fail(e);
    }
  };
  deeds.again = watch;
  watch();
  return { element };
}

function phaseOf(d) {
  const said = [h("span", { class: `dot ${d.running ? "on" : d.phase}` }), h("strong", {}, phases[d.phase])];
  if (d.running) said.push(h("span", { class: "soft" }, [d.note, d.state.said.left && `about ${d.state.said.left} left`].filter(Boolean).map((t) => ` · ${t}`).join("")));
  if (d.why) said.push(h("span", { dir: "auto" }, `: ${d.why}`));
  return said;
}

function tilesOf({ state: s, result }) {
  const tile = (label, value, small, more = "") => h("div", { class: `tile ${more}`, "data-tile": label }, h("b", {}, value, small && h("small", {}, ` ${small}`)), h("span", {}, label));
  const list = [tile("fitness, nats", s.said.fitness)];
  if (s.right !== null) list.push(tile("validation right", String(s.right), `of ${s.total}`));
  if (result?.validate) list.push(tile("fixed", String(result.validate.fixed), "", "fixed"), tile("broke", String(result.validate.broke), "", "broke"));
  return [...list, tile("forward-pass equivalents", s.said.spent, s.said.seconds), tile("flips", String(s.flips)), tile("candidates", String(s.step), `of ${s.steps}, ${s.accepted} kept${s.said.rate ? `, ${s.said.rate}` : ""}`)];
}

function verdictsOf(d) {
  return (d.verdicts ?? []).map((v) => h("p", { class: v.name === "warning" ? "watch" : "", "data-verdict": v.name }, h("strong", {}, v.name), " ", v.text));
}

function askedOf(q) {
  const set = (s) => s && `${s.name}, ${s.probes} probes`;
  const facts = [
    ["probes", set(q.probes)], ["validation", set(q.validate)], ["controls", set(q.controls)], ["strategy", q.strategy], ["flips of", q.granularity], ["candidates", q.steps],
    ["cost", q.max_cost], ["minutes", q.minutes], ["flips", q.max_flips], ["projections", q.proj?.join(", ")], ["layers", q.layers], ["guard", q.guard],
    ["threads", q.threads], ["started", new Date(q.started).toLocaleString()],
  ];
  return facts.filter(([, v]) => v).flatMap(([n, v]) => [h("dt", {}, n), h("dd", { dir: "auto" }, String(v))]);
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
      if (!signal.aborted) plot.replaceChildren(await picture(at(path), headers()));
    } catch {
      // There is nothing to draw yet, or the server cannot be reached, which the page says.
    }
    busy = false;
    if (wanted && !signal.aborted) draw(wait);
  };
  return { draw };
}

// acts are what can be done with a search.
function acts(app, id, doc, changed) {
  const path = route`api/searches/${id}`;
  const made = { again: () => {} };
  const act = (label, does, more = {}) => h("button", {
    type: "button", ...more,
    async onclick(e) {
      e.target.disabled = true;
      app.clear();
      try {
        await does();
      } catch (error) {
        app.fail(error);
      } finally {
        e.target.disabled = false;
      }
    },
  }, label);
  const steps = h("input", { type: "number", min: 1, "aria-label": "candidates, in all" });
  const name = h("input", { type: "text", maxlength: 64, spellcheck: "false", autocomplete: "off", "aria-label": "name to keep the patch under" });
  const library = h("input", { type: "checkbox" });
  const keptAs = h("p", { role: "status" });
  const stop = act("Stop, and keep what was found", () => json("POST", `${path}/stop`), { id: "search-stop" });
  const more = h("span", { class: "row" }, act("Go on", async () => {
    await json("POST", `${path}/resume`, { body: steps.value ? { steps: Number(steps.value) } : {} });
    made.again();
  }, { id: "search-resume" }), h("label", {}, "to", steps, "candidates"));
  const keep = h("span", { class: "row" }, act("Keep the patch", async () => {
    const got = await json("POST", `${path}/keep`, { body: { name: name.value.trim(), library: library.checked } });
    await app.refresh();
    keptAs.replaceChildren(`Kept as ${got.name}: `, h("a", { href: `#chat/${encodeURIComponent(got.name)}` }, "chat with it"), ", ", h("a", { href: `#patches/${encodeURIComponent(got.name)}` }, "look at it"), ", ", h("a", { href: "#evaluation" }, "evaluate it"), ".");
    app.say(`Kept as ${got.name}.`);
  }, { id: "search-keep", class: "main" }), h("label", {}, "as", name), h("label", {}, library, "also in the library"));
  const file = act("Download", async () => download(`${doc().name}.bankai`, await (await ask("GET", `${path}/patch`)).blob(), "application/octet-stream"), { id: "search-download" });
  const remove = act("Delete the search", async () => {
    await json("DELETE", path);
    changed();
    app.go("search");
    app.say("The search is deleted.");
  }, { id: "search-delete" });
  made.element = h("div", { class: "acts" }, h("p", { class: "row" }, stop, keep, file), h("p", { class: "row" }, more, remove), keptAs);
  made.set = (d) => {
    stop.hidden = !d.running;
    more.hidden = !d.resume;
    keep.hidden = file.hidden = !d.patch || d.running;
    remove.hidden = d.running;
    if (!name.value) name.value = d.name;
    if (!steps.value) steps.value = String(d.request.steps ?? "");
  };
  return made;
}
