// Evaluation: what patches fix and break of prompts that no search has seen.

import { h } from "./dom.js";
import { ask, Failure, follow, json, route } from "./api.js";
import { confirm } from "./confirm.js";
import { form } from "./evaluation-form.js";
import { runs } from "./evaluation-list.js";
import { result } from "./evaluation-result.js";
import { over, run, sample, states, titleOf, words } from "./evaluation-run.js";

const remembered = 16; // questions that can be asked again

let app, asking, list, shown, title;
let dropped = null; // a result from a file, with its text and name
let looking = new AbortController(); // at what is shown
let arrived = false; // at this part of the page, which an address may have led to
const removing = new Set(); // ids of what this page deletes
const questions = new Map(); // what was asked, by id, with the data of files

export function mount(section, to) {
  app = to;
  for (const [id, question] of app.kept("evaluation.asked", [])) questions.set(id, question);
  asking = form(app, { start, open });
  list = runs(app, (doc) => remove(doc).catch((e) => app.fail(e)));
  shown = h("div", { id: "evaluation-shown" });
  title = h("h1", { tabindex: -1 }, "Evaluation");
  section.append(title,
    h("p", { class: "soft" }, "The model answers prompts as it is and under patches. What went from wrong to right was fixed, what went from right to wrong broke. Only prompts that no search has used tell what a patch is worth."),
    asking.element, shown, list.element);
  app.changed(() => { if (section.checkVisibility()) list.refresh(); });
}

// show shows the evaluation whose id the address has, or the result of the dropped file. Of
// patches, NAME or NAME+NAME, it shows how to evaluate them.
export async function show(of) {
  looking.abort();
  looking = new AbortController();
  shown.replaceChildren();
  list.refresh();
  const names = of.split("+"), moves = arrived;
  arrived = true;
  if (of === "file" && dropped) present(dropped.doc, dropped, moves);
  else if (names.every((name) => app.patches.some((p) => p.name === name))) asking.choose(names);
  else if (of && of !== "file") await one(of, looking.signal, moves);
}

// start begins an evaluation, and shows it.
async function start(question) {
  const { id } = await json("POST", "api/evaluations", { body: question });
  questions.set(id, question);
  for (const old of [...questions.keys()].slice(0, -remembered)) questions.delete(old);
  app.keep("evaluation.asked", [...questions].filter(([, q]) => q.probes)); // files may be large
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
  dropped = { doc, text, name: name + sample(doc.result.set.probes, doc.result.sampled_from ?? 0).replace(/,$/, "") };
  if (location.hash === "#evaluation/file") await show("file");
  else app.go("evaluation/file");
}

// one shows an evaluation: how far it is, and then its result. moves has the focus go there.
async function one(id, signal, moves) {
  const view = run({
    cancel: () => remove({ id, state: "running" }).catch((e) => app.fail(e)),
    again: (question) => start(question).catch((e) => app.fail(e)),
    known: questions.get(id),
  });
  shown.replaceChildren(view.element);
  if (moves) view.focus();
  let state = "";
  try {
    await follow(route`api/evaluations/${id}/events`, (doc) => {
      if (signal.aborted) return true;
      if (doc.state !== state) {
        tell(doc, id);
        list.refresh();
      }
      state = doc.state;
      return view.set(doc);
    }, { signal, told: view.told });
    if (signal.aborted || state !== "done") return;
    const doc = await json("GET", route`api/evaluations/${id}`, { signal });
    asking.forget();
    present(doc, { name: titleOf(doc), id }, shown.contains(document.activeElement));
  } catch (e) {
    if (signal.aborted) return;
    if (e.status !== 404) return void app.fail(e);
    view.end("The server does not have this evaluation: it was deleted, or the server ended since, and with it its evaluations.", questions.get(id));
    app.say("The server does not have this evaluation.");
    list.refresh();
  }
}

// tell says what became of an evaluation to those who hear the page. The end of one that
// this page deletes, and the result of one that is done, are said with that.
function tell(doc, id) {
  if (doc.state === "done" || removing.has(id)) return;
  app.say(over(doc.state) ? `${doc.set}: ${words(doc)}` : `${doc.set}: ${states[doc.state]}`);
}

// present shows a result; moves has the focus go there.
function present(doc, { name, id, text }, moves) {
  const whole = () => (text === undefined ? ask("GET", route`api/evaluations/${id}/result`).then((r) => r.text()) : text);
  const element = result(doc, { app, name, whole });
  shown.replaceChildren(element);
  if (moves) element.querySelector("h2").focus({ preventScroll: true });
  app.say(doc.said.verdict);
}

// remove deletes an evaluation, if that is wanted, or cancels one that is under way.
async function remove(doc) {
  const done = over(doc.state), { evaluations } = done ? {} : await json("GET", "api/evaluations");
  if (evaluations?.some((e) => e.id === doc.id && over(e.state))) { // meanwhile, and nobody was asked
    app.say("The evaluation is over already.");
    return list.refresh();
  }
  if (done && !await confirm("Delete this evaluation?", [titleOf(doc), "Its result is gone then. Save it as JSON first to keep it."], "Delete it")) return;
  removing.add(doc.id);
  await json("DELETE", route`api/evaluations/${doc.id}`);
  if (location.hash === `#evaluation/${doc.id}`) {
    looking.abort();
    app.go("evaluation");
  }
  await list.refresh();
  app.say(`The evaluation was ${done ? "deleted" : "cancelled"}.`);
  if (!list.focus()) title.focus({ preventScroll: true });
}
