// The patches: those of the page, and those that people drop on it. Each can be switched on.

import { h } from "./dom.js";
import { size } from "./sizes.js";
import { plural } from "./numbers.js";

// maxSize is the most bytes of a file that is taken for a patch.
const maxSize = 64e6;

export class Patches {
  constructor(element, app) {
    Object.assign(this, { app, names: new Set() });
    this.list = h("ul", { class: "cards plain" });
    this.refused = h("p", { class: "watch", id: "refused", role: "alert", hidden: true });
    element.append(h("h2", {}, "Patches"), this.list, this.zone(), this.refused);
    this.everywhere();
  }

  // loaded loads the patches that the page has.
  async loaded() {
    const { engine, manifest } = this.app;
    for (const { name, file } of manifest.patches) {
      const bytes = manifest.files.find((f) => f.name === file).bytes;
      this.add(name, await engine.file(name, file, bytes), true);
    }
  }

  // on are the names of those that are switched on.
  on() { return [...this.list.querySelectorAll("input:checked")].map((e) => e.value); }

  zone() {
    this.input = h("input", { id: "own", type: "file", accept: ".bankai,.json", multiple: true, onchange: () => this.take(this.input.files) });
    return h("div", { class: "zone", id: "zone" },
      h("label", { for: "own" }, "A patch of your own, .bankai or .json: drop it anywhere here, or choose a file"), this.input,
      h("p", { class: "soft" }, "It is checked for this model, and stays in this page until you close it."));
  }

  // everywhere lets files be dropped wherever on the page, which no browser then opens.
  everywhere() {
    const files = (e) => [...e.dataTransfer?.types ?? []].includes("Files");
    const over = (on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (e) => { if (files(e)) { e.preventDefault(); over(true); } });
    addEventListener("dragleave", (e) => { if (e.relatedTarget === null) over(false); });
    addEventListener("drop", (e) => {
      if (!files(e)) return;
      e.preventDefault();
      over(false);
      this.take(e.dataTransfer.files);
    });
  }

  // take checks files of the user's, and adds those that are patches for the model.
  async take(files) {
    const reasons = [];
    this.app.clear();
    for (const file of [...files]) {
      try {
        if (file.size > maxSize) throw new Error(`${file.name}: has ${size(file.size)}, and no patch takes more than ${size(maxSize)}`);
        const name = this.free(file.name.replace(/\.(bankai|json)$/i, "") || "patch");
        const facts = await this.app.engine.patch(name, new Uint8Array(await file.arrayBuffer()));
        this.add(name, facts, true);
        this.app.say(`The patch ${name} is for this model: it is switched on.`);
      } catch (e) {
        reasons.push(e.message);
      }
    }
    this.input.value = "";
    this.refused.textContent = reasons.length ? `Not taken: ${reasons.join("; ")}.` : "";
    this.refused.hidden = reasons.length === 0;
  }

  // free is a name that no patch of the page has.
  free(name) {
    let other = name;
    for (let n = 2; this.names.has(other); n++) other = `${name} ${n}`;
    return other;
  }

  add(name, facts, on) {
    this.names.add(name);
    const id = `patch-${this.names.size}`;
    const box = h("input", { type: "checkbox", role: "switch", id, value: name, checked: on, onchange: () => this.app.clear() });
    this.list.append(h("li", { class: "card" },
      h("p", { class: "row" }, box, h("label", { for: id, dir: "auto" }, name)),
      h("p", { class: "soft" }, [
        plural(facts.flips, "flip"), facts.bits === null ? "" : plural(facts.bits, "sign bit"), size(facts.bytes),
        facts.base === null ? "does not say which model it is for: its shape fits" : "",
      ].filter(Boolean).join(" · ")),
      facts.description && h("p", {}, h("bdi", {}, facts.description)),
      facts.claims.length > 0 && h("ul", { class: "claims" }, facts.claims.map((c) => h("li", {}, h("bdi", {}, c.name),
        `: ${c.before} of ${c.total} right before, ${c.after} after; ${c.fixed} fixed, ${c.broke} broke`)))));
  }
}
