// The evaluations that the server has.

import { h } from "./dom.js";
import { json } from "./api.js";
import { thousands } from "./numbers.js";
import { over, states, titleOf } from "./evaluation-run.js";

const every = 4000; // milliseconds until the list of what is under way is asked for again

// runs is the list. remove deletes or cancels one.
export function runs(app, remove) {
  const title = h("h2", { tabindex: -1 }, "Evaluations of this server"), note = h("p", { class: "soft" }), items = h("ul", { class: "ev-list" });
  const element = h("div", { id: "evaluation-runs", hidden: true }, title, note, items);
  let shown = "", timer = 0, open = false, asked = 0, last = null;

  // refresh asks what there is, and does so again while something is under way.
  const refresh = () => (last = ask(++asked));

  async function ask(now) {
    try {
      const { evaluations } = await json("GET", "api/evaluations");
      if (now !== asked) return last; // what is asked later tells more
      show(evaluations);
    } catch (e) {
      if (now !== asked) return last;
      if (e.status !== 0) return app.fail(e);
      note.textContent = "The server cannot be reached. If it ended, what was under way ended with it, and its results are gone.";
    }
    clearTimeout(timer);
    if (open) timer = setTimeout(() => (element.checkVisibility() ? refresh() : null), every);
  }

  function show(all) {
    open = all.some((doc) => !over(doc.state));
    if (!all.length && element.contains(document.activeElement)) element.closest("section").querySelector("h1").focus({ preventScroll: true });
    element.hidden = all.length === 0;
    note.textContent = "They are in the server's memory alone, the newest of them. When it ends, what is under way ends with it, and the results are gone: save one as JSON to keep it.";
    const now = JSON.stringify(all.map(({ progress, ...doc }) => doc)) + location.hash;
    if (now === shown) return;
    shown = now;
    const focus = items.contains(document.activeElement) ? [document.activeElement.closest("li").dataset.id, document.activeElement.tagName] : null;
    items.replaceChildren(...all.map(entry));
    if (!focus) return;
    const again = items.querySelector(`[data-id="${CSS.escape(focus[0])}"] ${focus[1]}`);
    (again ?? title).focus({ preventScroll: true });
  }

  function entry(doc) {
    const c = doc.counts, name = titleOf(doc), act = over(doc.state) ? "Delete" : "Cancel";
    const found = !c ? states[doc.state] : doc.patches.length
      ? `${thousands(c.before)} of ${thousands(c.total)} right before, ${thousands(c.after)} after: ${thousands(c.fixed)} fixed, ${thousands(c.broke)} broke`
      : `${thousands(c.before)} of ${thousands(c.total)} right`;
    return h("li", { class: "card row", "data-id": doc.id },
      h("a", { href: `#evaluation/${doc.id}`, dir: "auto", "aria-current": location.hash === `#evaluation/${doc.id}` ? "true" : null }, name),
      h("span", { class: "soft" }, found),
      h("button", { type: "button", class: "quiet", "aria-label": `${act} ${name}`, onclick: () => remove(doc) }, act));
  }

  return {
    element, refresh,
    // focus puts the focus where there are others, and tells whether there are any.
    focus() {
      if (!element.hidden) title.focus({ preventScroll: true });
      return !element.hidden;
    },
  };
}
