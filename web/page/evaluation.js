// Evaluation: what patches fix and break of prompts that no search has seen.

import { h } from "./dom.js";
import { ask, Failure, follow, json, route } from "./api.js";
import { plural, thousands } from "./numbers.js";
import { form } from "./evaluation-form.js";
import { result } from "./evaluation-result.js";

let app, asking, runs, shown;
let dropped = null; // a result from a file, with its text and name
let looking = new AbortController(); // at what is shown

export function mount(section, to) {
  app = to;
  asking = form(app, { start, open });
  runs = h("div", { id: "evaluation-runs" });
  shown = h("div", { id: "evaluation-shown" });
  section.append(
    h("h1", {}, "Evaluation"),
    h("p", { class: "soft" }, "The model answers prompts as it is and under patches. What went from wrong to right was fixed, what went from right to wrong broke. Only prompts that no search has used tell what a patch is worth."),
    asking.element, shown, runs);
}

// show shows the evaluation whose id the address has, or the result of the dropped file. Of
// patches, NAME or NAME+NAME, it shows how to evaluate them.
export async function show(of) {
  looking.abort();
  looking = new AbortController();
  shown.replaceChildren();
  list();
  const names = of.split("+");
  if (of === "file" && dropped) present(dropped.doc, dropped);
  else if (names.every((name) => app.patches.some((p) => p.name === name))) asking.choose(names);
  else if (of && of !== "file") await one(of, looking.signal);
}

// start begins an evaluation, and shows it.
async function start(question) {
  const { id } = await json("POST", "api/evaluations", { body: question });
  app.go(`evaluation/${id}`);
}

// open shows a result that bankai eval printed.
async function open(name, text) {
  let doc;
  try {
    doc = await json("POST", "api/evaluations/check", { body: text });
  } catch (e) {
    throw e instanceof Failure ? new Failure(e.status, e.code, `${name}: ${e.message}`) : e;
  }
  dropped = { doc, name, text };
  if (location.hash === "#evaluation/file") await show("file");
  else app.go("evaluation/file");
}

// one shows an evaluation: how far it is, and then its result.
async function one(id, signal) {
  const meter = progress(id);
  shown.replaceChildren(meter.element);
  try {
    let said = "";
    await follow(route`api/evaluations/${id}/events`, (doc) => {
      if (signal.aborted) return true;
      if (doc.state !== said) app.say(`${doc.set}: ${states[doc.state]}`);
      said = doc.state;
      return meter.set(doc);
    }, { signal, told: meter.told });
    if (signal.aborted || said !== "done") return void list();
    const doc = await json("GET", route`api/evaluations/${id}`, { signal });
    present(doc, { name: `${doc.set} under ${under(doc.patches)}`, id });
    list();
  } catch (e) {
    if (!signal.aborted) app.fail(e);
  }
}

const states = { waiting: "waits", running: "is measured", done: "done", failed: "failed", cancelled: "cancelled" };
const under = (patches) => (patches.length ? patches.join(" + ") : "no patch");

// progress shows how far an evaluation is.
function progress(id) {
  const title = h("h2", {}, "Evaluation"), said = h("p", {}), bar = h("progress", { "aria-label": "how far the evaluation is" });
  const lost = h("p", { class: "soft", role: "status" });
  const stop = h("button", { type: "button", onclick: () => remove(id, "cancelled").catch((e) => app.fail(e)) }, "Cancel");
  const element = h("section", { class: "card ev-run", "aria-label": "evaluation under way" }, title, bar, said, lost, h("p", { class: "row" }, stop));
  return {
    element,
    told: (failure) => { lost.textContent = failure ? `${failure.message} It goes on there all the same; this page looks again and again.` : ""; },
    set(doc) {
      title.replaceChildren(h("bdi", {}, doc.set), " under ", h("bdi", {}, under(doc.patches)));
      if (doc.progress) Object.assign(bar, { max: doc.progress.total, value: doc.progress.done });
      said.textContent = words(doc);
      stop.hidden = ["done", "failed", "cancelled"].includes(doc.state);
      return stop.hidden;
    },
  };
}

function words({ state, position, progress, error }) {
  if (state === "waiting") return position === 1 ? "It comes next: another one is measured." : `${plural(position - 1, "other comes", "others come")} before it, and one is measured.`;
  if (state === "failed") return `It failed: ${error}`;
  if (state === "cancelled") return "It was cancelled.";
  return progress ? progress.said + (progress.left ? `; about ${progress.left} left` : "") : "It begins.";
}

// present shows a result.
function present(doc, { name, id, text }) {
  const whole = () => (text === undefined ? ask("GET", route`api/evaluations/${id}/result`).then((r) => r.text()) : text);
  shown.replaceChildren(result(doc, { app, name, whole }));
  app.say(doc.said.verdict);
}

async function remove(id, what) {
  await json("DELETE", route`api/evaluations/${id}`);
  app.say(`The evaluation was ${what}.`);
  if (location.hash === `#evaluation/${id}`) app.go("evaluation");
  else list();
}

// list shows the evaluations that the server has.
async function list() {
  let all;
  try {
    all = (await json("GET", "api/evaluations")).evaluations;
  } catch (e) {
    return app.fail(e);
  }
  if (!all.length) return runs.replaceChildren();
  runs.replaceChildren(h("h2", {}, "Evaluations of this server"), h("p", { class: "soft" }, "It keeps the newest until it ends."),
    h("ul", { class: "ev-list" }, all.map(entry)));
}

function entry(doc) {
  const c = doc.counts;
  const found = !c ? states[doc.state] : doc.patches.length
    ? `${thousands(c.before)} of ${thousands(c.total)} right before, ${thousands(c.after)} after: ${thousands(c.fixed)} fixed, ${thousands(c.broke)} broke`
    : `${thousands(c.before)} of ${thousands(c.total)} right`;
  const name = `${doc.set} under ${under(doc.patches)}`;
  return h("li", { class: "card row" },
    h("a", { href: `#evaluation/${doc.id}`, dir: "auto", "aria-current": location.hash === `#evaluation/${doc.id}` ? "true" : null }, name),
    h("span", { class: "soft" }, found, doc.probes < doc.of ? ` (a sample of ${thousands(doc.of)})` : ""),
    h("button", { type: "button", class: "quiet", "aria-label": `Delete ${name}`, onclick: () => remove(doc.id, "deleted").catch((e) => app.fail(e)) }, "Delete"));
}
