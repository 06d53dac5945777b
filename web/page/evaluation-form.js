// What is to be evaluated: probes, patches, and how many.

import { h } from "./dom.js";
import { json, Failure } from "./api.js";
import { plural, thousands } from "./numbers.js";

const own = "own"; // the choice of a file

// form is the form. start is called with the body of the request, open with the name and
// the text of a result from a file.
export function form(app, { start, open }) {
  const kept = app.kept("evaluation.form", { set: "", patches: [], limit: "" });
  let file = null; // of probes: its name and data
  const set = h("select", { id: "evaluation-set" });
  const picker = h("input", { type: "file", id: "evaluation-file", accept: ".json,.jsonl,.ndjson,.csv", onchange: () => take(picker.files) });
  const named = h("span", { class: "soft", id: "evaluation-named", role: "status" });
  const patches = h("div", { class: "ev-patches" });
  const limit = h("input", { type: "number", id: "evaluation-limit", min: 1, step: 1, inputmode: "numeric", value: kept.limit, placeholder: "all", size: 8 });
  const go = h("button", { type: "submit", class: "main", id: "evaluation-start" }, "Measure");
  const element = h("form", {
    class: "card ev-form", novalidate: true, "aria-label": "what to evaluate", onsubmit: submit,
    ondragover: (e) => { e.preventDefault(); element.classList.add("over"); }, ondragleave: () => element.classList.remove("over"),
    ondrop: (e) => { e.preventDefault(); element.classList.remove("over"); take(e.dataTransfer.files); },
  },
  h("div", { class: "row" }, h("label", {}, "Probes ", set), h("label", {}, "or a file ", picker), named),
  h("p", { class: "soft" }, "Probes are JSON, JSON lines or CSV, as FORMAT.md tells. A result that bankai eval --json printed can be shown, too. Files can be dropped here."),
  h("fieldset", {}, h("legend", {}, "Patches"), patches),
  h("div", { class: "row" },
    h("label", {}, "Ask at most ", limit, " probes"), h("span", { class: "soft" }, "fewer are a sample with the categories in proportion"), go));

  const chosen = () => [...patches.querySelectorAll("input:checked")].map((box) => box.value);
  const keep = () => app.keep("evaluation.form", { set: set.value, patches: chosen(), limit: limit.value });
  element.addEventListener("change", keep);

  // take looks at a file: it is probes, or a result.
  async function take([first]) {
    if (!first) return;
    app.clear();
    try {
      const text = await contentOf(first);
      if (isResult(text)) return await open(first.name, text);
      file = { name: first.name, data: text };
      named.textContent = `${file.name}, ${plural(first.size, "byte")}`;
      ownChoice();
      set.value = own;
    } catch (e) {
      app.fail(e);
    } finally {
      picker.value = "";
    }
  }

  function ownChoice() {
    set.querySelector(`[value="${own}"]`)?.remove();
    if (file) set.append(h("option", { value: own }, file.name));
  }

  async function submit(e) {
    e.preventDefault();
    app.clear();
    keep();
    try {
      go.disabled = true;
      await start(question());
    } catch (failure) {
      app.fail(failure);
    } finally {
      go.disabled = false;
    }
  }

  function question() {
    if (!set.value) throw new Failure(0, "no_probes", "Choose probes, or a file of them: there are none of this model's own.");
    const n = limit.value === "" && !limit.validity.badInput ? 0 : limit.valueAsNumber;
    if (limit.value !== "" && !(n >= 1) || !Number.isInteger(n)) throw new Failure(0, "limit", "The number of probes must be a whole number of at least 1; leave it empty for all.");
    return { ...(set.value === own ? file : { probes: set.value }), patches: chosen(), ...(n ? { limit: n } : {}) };
  }

  async function sets() {
    const { probes } = await json("GET", "api/probes");
    set.replaceChildren(probes.length ? null : h("option", { value: "" }, "none of this model's own"),
      ...probes.map((p) => h("option", { value: p.name }, `${p.name}: ${p.about}${p.about.includes(thousands(p.probes)) ? "" : ` (${thousands(p.probes)})`}`)));
    ownChoice();
    const wanted = file ? own : kept.set || "demo:heldout";
    if ([...set.options].some((o) => o.value === wanted)) set.value = wanted;
  }

  function list() {
    const were = patches.childElementCount ? chosen() : kept.patches;
    patches.replaceChildren(...app.patches.map((p) => h("label", {},
      h("input", { type: "checkbox", value: p.name, checked: were.includes(p.name) }), h("bdi", {}, p.name))));
    if (!app.patches.length) patches.append(h("span", { class: "soft" }, "The server has none: the model is measured as it is."));
  }

  app.changed(list);
  list();
  sets().catch((e) => app.fail(e));
  return {
    element,
    // choose chooses patches by their names, and no others.
    choose(names) {
      for (const box of patches.querySelectorAll("input")) box.checked = names.includes(box.value);
      keep();
    },
  };
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
