// What is to be evaluated: probes, patches, and how many.

import { h } from "./dom.js";
import { json, Failure } from "./api.js";
import { clipped } from "./differing.js";
import { plural, thousands } from "./numbers.js";
import { patchList } from "./evaluation-patches.js";
import { under } from "./evaluation-run.js";

const own = "own"; // the choice of a file

// form is the form. start is called with the body of the request, open with the name and
// the text of a result from a file.
export function form(app, { start, open }) {
  const kept = app.kept("evaluation.form", { set: "", patches: [], limit: "" });
  let file = null; // of probes: its name and data
  let refused = false; // the file, by the server
  let failed = false; // what the form did last, which the page says still
  let builtIn = []; // sets
  const set = h("select", { id: "evaluation-set" });
  const picker = h("input", { type: "file", id: "evaluation-file", accept: ".json,.jsonl,.ndjson,.csv", onchange: () => take(picker.files) });
  const named = h("span", { class: "soft", id: "evaluation-named", role: "status", dir: "auto" });
  const limit = h("input", { type: "number", id: "evaluation-limit", min: 1, step: 1, inputmode: "numeric", value: kept.limit, placeholder: "all", size: 8 });
  const will = h("p", { id: "evaluation-will", dir: "auto" });
  const go = h("button", { type: "submit", class: "main", id: "evaluation-start", "aria-describedby": "evaluation-will" }, "Measure");
  const patches = patchList(app, kept.patches, () => changed());
  const element = h("form", {
    class: "card ev-form", novalidate: true, "aria-label": "what to evaluate", onsubmit: submit, oninput: () => changed(),
    ondragover: (e) => { e.preventDefault(); element.classList.add("over"); }, ondragleave: () => element.classList.remove("over"),
    ondrop: (e) => { e.preventDefault(); element.classList.remove("over"); take(e.dataTransfer.files); },
  },
  h("div", { class: "row" }, h("label", {}, "Probes ", set), h("label", {}, "or a file ", picker), named),
  h("p", { class: "soft" }, "Probes are JSON, JSON lines or CSV, as FORMAT.md tells. A result that bankai eval --json printed can be shown, too. Files can be dropped here."),
  patches.element,
  h("div", { class: "row" }, h("label", {}, "Ask at most ", limit, " probes"), h("span", { class: "soft" }, "fewer are a sample with the categories in proportion")),
  will, h("p", { class: "row" }, go));

  // changed keeps what is chosen, and says what it comes to; what was wrong before is past.
  function changed() {
    if (failed) app.clear();
    failed = false;
    app.keep("evaluation.form", { set: set.value, patches: patches.chosen(), limit: limit.value });
    say();
  }

  // say says what Measure would do.
  function say() {
    const mine = set.value === own, names = patches.chosen();
    named.textContent = mine && file ? `${file.name}, ${plural(file.size, "byte")}` : "";
    const all = mine ? 0 : builtIn.find((p) => p.name === set.value)?.probes ?? 0, n = limit.valueAsNumber;
    const some = !(n >= 1) ? `all ${all ? thousands(all) : ""} probes` : !all ? `at most ${plural(n, "probe")}` : n < all ? `${thousands(n)} of the ${thousands(all)} probes` : `all ${thousands(all)} probes`;
    const of = mine ? file?.name : set.value;
    will.textContent = of ? `Measures ${some.replace("  ", " ")} of ${clipped(of)}, ${names.length ? `without a patch and under ${clipped(under(names))}` : "without a patch: the model alone"}.` : "Choose probes, or a file of them.";
  }

  // take looks at a file: it is probes, or a result.
  async function take([first]) {
    if (!first) return;
    app.clear();
    try {
      const text = await contentOf(first);
      if (isResult(text)) {
        forget();
        return await open(first.name, text);
      }
      if (!/\.(json|jsonl|ndjson|csv)$/i.test(first.name) && !/^\s*[[{]/.test(text)) throw new Failure(0, "no_probes", `${first.name}: is no file of probes: give JSON, JSON lines or CSV. What was chosen before is chosen still.`);
      file = { name: first.name, data: text, size: first.size };
      refused = false;
      ownChoice();
      set.value = own;
      changed();
    } catch (e) {
      fail(e);
    } finally {
      picker.value = "";
    }
  }

  // forget drops a file that the server refused.
  function forget() {
    if (!refused) return;
    file = null;
    refused = false;
    ownChoice();
    changed();
  }

  function ownChoice() {
    set.querySelector(`[value="${own}"]`)?.remove();
    if (file) set.append(h("option", { value: own }, clipped(file.name)));
  }

  function fail(e) {
    app.fail(e);
    failed = true;
  }

  async function submit(e) {
    e.preventDefault();
    if (go.getAttribute("aria-disabled") === "true") return; // it has the focus, which disabled would take
    app.clear();
    changed();
    go.setAttribute("aria-disabled", "true");
    const mine = set.value === own;
    try {
      await start(question());
    } catch (failure) {
      refused = mine && failure.code === "invalid_probes";
      fail(failure);
    } finally {
      go.removeAttribute("aria-disabled");
    }
  }

  function question() {
    if (!set.value) throw new Failure(0, "no_probes", "Choose probes, or a file of them: there are none of this model's own.");
    const n = limit.value === "" && !limit.validity.badInput ? 0 : limit.valueAsNumber;
    if (limit.value !== "" && !(n >= 1) || !Number.isInteger(n)) throw new Failure(0, "limit", "The number of probes must be a whole number of at least 1; leave it empty for all.");
    return { ...(set.value === own ? { name: file.name, data: file.data } : { probes: set.value }), patches: patches.chosen(), ...(n ? { limit: n } : {}) };
  }

  async function sets() {
    builtIn = (await json("GET", "api/probes")).probes;
    set.replaceChildren(...(builtIn.length ? [] : [h("option", { value: "" }, "none of this model's own")]),
      ...builtIn.map((p) => h("option", { value: p.name }, `${p.name}: ${p.about}${p.about.includes(thousands(p.probes)) ? "" : ` (${thousands(p.probes)})`}`)));
    ownChoice();
    const wanted = file ? own : kept.set || "demo:heldout";
    if ([...set.options].some((o) => o.value === wanted)) set.value = wanted;
    say();
  }

  sets().catch((e) => app.fail(e, () => sets().then(() => app.clear(), (again) => app.fail(again))));
  return { element, forget, choose: patches.choose };
}

const most = 15; // MiB of a file, of which a request takes little more

// contentOf is the text of a file, every byte of it: its digest must be the file's.
async function contentOf(file) {
  if (file.size > most << 20) throw new Failure(0, "too_large", `${file.name}: is larger than ${most} MiB: split it, or measure it with bankai eval`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Failure(0, "no_text", `${file.name}: is no text in UTF-8: save it in that encoding`);
  }
}

// isResult tells results of eval from probes.
function isResult(text) {
  if (!text.trimStart().startsWith("{")) return false;
  try {
    const doc = JSON.parse(text);
    return "checksum" in doc || Array.isArray(doc.outputs);
  } catch {
    return false;
  }
}
