// An evaluation that is not done: how far it is, or why it never will be.

import { h } from "./dom.js";
import { clipped } from "./differing.js";
import { plural, thousands } from "./numbers.js";

// states are those of evaluations, for people.
export const states = { waiting: "waits", running: "is measured", done: "done", failed: "failed", cancelled: "cancelled", ended: "ended with the server" };

// over says that nothing more will happen.
export const over = (state) => state !== "waiting" && state !== "running";

export const under = (patches) => (patches.length ? patches.join(" + ") : "no patch");

// titleOf says what an evaluation is of; of a sample, how many probes it has.
export const titleOf = ({ set, patches, probes, of }) => `${clipped(set)}${sample(probes, of)} under ${clipped(under(patches))}`;

// sample says that it was not all probes that were asked.
export const sample = (probes, of) => (probes < of ? `, ${thousands(probes)} of ${thousands(of)} probes,` : "");

// run shows an evaluation. cancel cancels it, again begins one of the same settings; known
// is what it was asked, as far as this page knows.
export function run({ cancel, again, known }) {
  const title = h("h2", { tabindex: -1, dir: "auto" }, known?.probes ? `${known.probes} under ${under(known.patches)}` : "Evaluation");
  const said = h("p", { dir: "auto" }), bar = h("progress", { "aria-label": "how far the evaluation is" });
  const lost = h("p", { class: "soft", role: "status" });
  const stop = h("button", { type: "button", onclick: cancel }, "Cancel"), repeat = h("button", { type: "button", hidden: true }, "Measure again");
  const element = h("section", { class: "card ev-run", "aria-label": "one evaluation" }, title, bar, said, lost, h("p", { class: "row" }, stop, repeat));

  // end shows that nothing more will happen. question is what can be asked again.
  function end(words, question) {
    const focused = document.activeElement === stop;
    said.textContent = words + (question ? "" : " Choose its file again to measure it again.");
    bar.hidden = stop.hidden = true;
    lost.textContent = "";
    repeat.hidden = !question;
    repeat.onclick = () => again(question);
    if (focused) title.focus({ preventScroll: true });
  }

  return {
    element, end,
    focus: () => title.focus({ preventScroll: true }),
    told: (failure) => {
      lost.textContent = failure ? `${failure.message} If the server runs still, so does the evaluation, and the page comes back to it. If the server ended, the evaluation ended with it.` : "";
    },
    // set shows a state, and tells whether it is the last one.
    set(doc) {
      title.textContent = titleOf(doc);
      if (doc.progress) Object.assign(bar, { max: doc.progress.total, value: doc.progress.done });
      said.textContent = words(doc);
      if (over(doc.state) && doc.state !== "done") end(words(doc), known ?? asked(doc));
      stop.hidden = over(doc.state);
      return stop.hidden;
    },
  };
}

// asked is what an evaluation of a built-in set was asked; the data of a file are not told.
function asked({ set, patches, probes, of }) {
  return set.startsWith("demo:") ? { probes: set, patches, ...(probes < of ? { limit: probes } : {}) } : null;
}

// words say how far an evaluation is.
export function words({ state, position, progress, error }) {
  if (state === "waiting") return position === 1 ? "It comes next: another one is measured." : `${plural(position - 1, "other comes", "others come")} before it, and one is measured.`;
  if (state === "failed") return `It failed: ${error}`;
  if (state === "cancelled") return "It was cancelled.";
  if (state === "ended") return "The server ended, and with it this evaluation.";
  return progress ? progress.said + (progress.left ? `; about ${progress.left} left` : "") : "It begins.";
}
