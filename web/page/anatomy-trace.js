// On which tokens of a text, and after which layers, patches act.

import { json } from "./api.js";
import { download, h } from "./dom.js";
import { makeTraceTable, measures } from "./anatomy-trace-table.js";

// example is a text for the built-in model, and one for others.
const example = (model) => (model?.name.startsWith("bankai-demo") ? "Find the derivative of 2x^5 + 4x^3: 10x^4 + 12x^2" : "The derivative of x^3 is 3x^2, and Paris is the capital of France.");

// most is how much of a text the browser keeps, in UTF-16 units: it has room for some
// millions in all.
const most = 100_000;

// makeTrace makes the form and what comes of it. It tells of errors by failed; chosen tells
// which patches are looked at.
export function makeTrace(app, failed, chosen) {
  let doc = null, asked = null, running = null;

  const prompt = h("textarea", { id: "trace-prompt", rows: 3, dir: "auto", spellcheck: "false", oninput: typed });
  const asChat = h("input", { type: "checkbox", id: "trace-chat", onchange: typed });
  const start = h("button", { type: "submit", class: "main", id: "trace-start", "aria-describedby": "trace-refusal" }, "Trace");
  const refusal = h("p", { class: "bad", id: "trace-refusal", dir: "auto", hidden: true });
  const stop = h("button", { type: "button", id: "trace-stop", hidden: true, onclick: () => running?.abort() }, "Stop");
  const measure = h("select", { id: "trace-measure", onchange: changeMeasure }, Object.entries(measures).map(([name, m]) => h("option", { value: name }, m.title)));
  const blocks = h("input", { type: "checkbox", id: "trace-blocks", onchange: draw });
  const status = h("p", { class: "soft", id: "trace-status" });
  const verdict = h("p", { class: "verdict", id: "trace-verdict", dir: "auto" });
  const table = makeTraceTable();
  const result = h("div", { hidden: true },
    verdict,
    h("p", { class: "row" },
      h("label", {}, "Show", measure),
      h("label", { id: "trace-apart" }, blocks, "attention and MLP apart"),
      h("button", { type: "button", id: "trace-export", onclick: save }, "Export as JSON")),
    table.element);
  prompt.value = app.kept("trace.prompt", "");
  asChat.checked = app.model?.template !== "none" && app.kept("trace.chat", false) === true;

  const element = h("section", { "aria-labelledby": "trace-title", hidden: true },
    h("h2", { id: "trace-title" }, "Where it acts on a text"),
    h("form", { onsubmit: (e) => { e.preventDefault(); ask(measure.value === "lens"); } },
      h("p", {}, h("label", { for: "trace-prompt" }, "Text")), prompt,
      h("p", { class: "row" }, start, stop,
        h("button", { type: "button", id: "trace-example", onclick: fillIn }, "An example"),
        app.model?.template !== "none" && h("label", {}, asChat, "as a message of a chat")),
      refusal),
    status, result);

  // typed keeps what is typed for when the page is loaded again. A refusal was of what was
  // there before.
  function typed() {
    refuse(null);
    app.keep("trace.prompt", prompt.value.slice(0, most));
    app.keep("trace.chat", asChat.checked);
  }

  // refuse says beside the button why there is no trace; null says nothing.
  function refuse(error) {
    refusal.textContent = error?.message ?? "";
    refusal.hidden = !error;
  }

  function fillIn() {
    prompt.value = example(app.model);
    typed();
    prompt.focus();
  }

  // ask has the text traced, with the logit lens if that is wanted.
  async function ask(lens) {
    running?.abort();
    const own = running = new AbortController();
    const text = prompt.value;
    const said = asChat.checked ? { messages: [{ role: "user", content: text }] } : { prompt: text };
    app.clear();
    refuse(null);
    busy(true);
    try {
      const got = await json("POST", "api/trace", { body: { ...said, patches: chosen(), lens }, signal: own.signal });
      doc = got;
      asked = chosen().join("+");
      draw();
      app.say(doc.verdict);
    } catch (e) {
      if (lens) measure.value = "difference";
      draw();
      if (own.signal.aborted) return;
      refuse(e);
      failed(e);
    } finally {
      if (own === running) busy(false);
    }
  }

  function busy(on) {
    stop.hidden = !on;
    status.textContent = on ? "The text passes through the model, once as it is and once patched…" : "";
  }

  // changeMeasure shows another figure. The lens is asked for only when it is wanted: it
  // takes the head once for every layer.
  function changeMeasure() {
    if (measure.value === "lens" && !doc.cuts[0].lens) ask(true);
    else draw();
  }

  function draw() {
    if (!doc) return;
    result.hidden = false;
    verdict.textContent = doc.verdict;
    blocks.parentElement.hidden = measure.value !== "difference";
    table.draw(doc, measure.value, blocks.checked);
  }

  function save() {
    download(`trace-${asked}.json`, `${JSON.stringify(doc, null, 1)}\n`);
  }

  return {
    element,
    // patchesAre is told which patches are looked at. A trace of others is not theirs.
    patchesAre(names) {
      element.hidden = names.length === 0;
      running?.abort();
      refuse(null);
      doc = null;
      result.hidden = true;
    },
  };
}
