// Files that become patches: each is looked at by the server, shown, and added under a name.

import { Failure, json, key, route } from "./api.js";
import { h } from "./dom.js";
import { thousands, plural } from "./numbers.js";
import { claims, digest, key as marks, signature, size, title } from "./patches-card.js";
import { Examples } from "./patches-examples.js";
import { expandable, printable } from "./patches-text.js";

// most is what the server reads of a body, in bytes.
const most = 16 << 20;

const sealed = ".minisig";

// proposed makes a name that the server takes of one that a file has.
export function proposed(file, model) {
  const name = file.replace(/\.(bankai|json)$/i, "").toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 64).replace(/-+$/, "");
  return ["", "latest", "sha256", model].includes(name) ? "patch" : name;
}

// Adder is the place where files are dropped, and those that were. added is called with the
// name of each patch that the server took, and whether the focus was where it was added.
export class Adder {
  constructor(app, added) {
    Object.assign(this, { app, added, entries: [], busy: Promise.resolve() });
    const input = h("input", { type: "file", multiple: true, accept: ".bankai,.json,.minisig", "aria-label": "patch files", onchange: () => { this.take([...input.files]); input.value = ""; } });
    this.why = h("p", { class: "soft", hidden: true },
      "Adding and deleting patches takes an admin key of the server (", h("code", {}, "bankai serve --admin-key-file"), "). ",
      h("button", { onclick: () => this.unlock() }, "I have one"));
    this.examples = new Examples(app, (file) => this.example(file));
    this.list = h("ul", { class: "checked", "aria-label": "files that were looked at" });
    this.zone = h("div", { class: "drop" }, h("p", {}, "Drop patch files here, or choose them: ", input), h("p", { class: "soft" }, ".bankai or .json, up to 16 MiB, with their .minisig beside them where they are signed. Each is looked at first; nothing is added before you say so."), this.examples.element);
    this.element = h("section", { "aria-label": "add patches" }, this.why, this.zone, marks(), this.list);
  }

  // accept makes an element take what is dropped on it.
  accept(element) {
    const files = (e) => e.dataTransfer?.types?.includes("Files");
    const over = (on) => this.zone.classList.toggle("over", on);
    element.addEventListener("dragover", (e) => { if (files(e)) { e.preventDefault(); over(true); } });
    element.addEventListener("dragleave", (e) => { if (!element.contains(e.relatedTarget)) over(false); });
    element.addEventListener("drop", (e) => {
      if (!files(e)) return;
      e.preventDefault();
      over(false);
      this.take([...e.dataTransfer.files]);
    });
  }

  // refresh takes over what the server said of itself last. Files that were looked at for
  // another model are looked at again.
  refresh() {
    const before = this.model;
    this.model = this.app.model.digest;
    this.why.hidden = this.app.model.may.change;
    for (const e of this.entries) e.warn();
    if (before && before !== this.model) this.check(this.entries);
    return this.examples.refresh();
  }

  async unlock() {
    if (!await key.ask("Changing patches takes an admin key.")) return;
    await this.app.refresh();
    if (!this.app.model.may.change) throw new Failure(403, "not_admin", "the key does not allow changing patches: ask whoever runs the server for one that does");
  }

  // take looks at files, one after the other. A signature goes with the patch that it is
  // called after, dropped with it or before it.
  take(files) {
    const patches = files.filter((f) => !f.name.endsWith(sealed));
    for (const f of patches) {
      const entry = new Entry(this, f);
      this.entries.push(entry);
      this.list.append(entry.element);
    }
    const changed = new Set(this.entries.slice(this.entries.length - patches.length));
    for (const s of files.filter((f) => f.name.endsWith(sealed))) {
      const of = this.entries.findLast((e) => `${e.file.name}${sealed}` === s.name);
      if (of) { of.signature = s; changed.add(of); }
      else this.app.fail(new Failure(0, "lonely", `${printable(s.name)} is a signature, and its patch, ${printable(s.name.slice(0, -sealed.length))}, is not here: drop both together`));
    }
    return this.check([...changed]);
  }

  // check has entries looked at, one after the other, and tells what came of them in the end.
  check(entries) {
    this.busy = this.busy.then(async () => {
      const said = [];
      for (const e of entries) said.push(await e.check());
      if (said.length === 1) this.app.say(said[0]);
      if (said.length < 2) return;
      const refused = entries.filter((e) => !e.doc).length;
      this.app.say(`${said.length} files: ${[said.length > refused && `${said.length - refused} can be added`, refused && `${refused} refused`].filter(Boolean).join(", ")}`);
    }).catch((error) => this.app.fail(error));
    return this.busy;
  }

  // example takes a file that was asked for by its name, and leads to where it is added. One
  // that is here already is not taken twice.
  async example(file) {
    if (!this.entries.some((e) => e.file.name === file.name)) await this.take([file]);
    const entry = this.entries.find((e) => e.file.name === file.name);
    if (entry?.doc) entry.form.querySelector("button").focus();
  }

  // drop puts an entry away. The focus goes on only if it was there.
  drop(entry) {
    const here = entry.element.contains(document.activeElement);
    this.entries = this.entries.filter((e) => e !== entry);
    entry.element.remove();
    if (here) this.zone.querySelector("input").focus();
    return here;
  }
}

// Entry is a file that was dropped.
class Entry {
  constructor(adder, file) {
    Object.assign(this, { adder, app: adder.app, file, signature: null, doc: null });
    this.name = h("input", { value: proposed(file.name, adder.app.model?.id), size: 14, maxlength: 64, spellcheck: "false", autocapitalize: "off", "aria-label": `name for ${file.name}`, oninput: () => this.renamed() });
    this.said = h("div", {});
    this.warning = h("p", { class: "warning", hidden: true });
    this.refusal = h("p", { class: "bad", dir: "auto", hidden: true });
    this.again = h("button", { hidden: true, onclick: () => adder.check([this]) }, "Try again");
    this.form = h("form", { class: "row", hidden: true, onsubmit: (e) => { e.preventDefault(); this.add(); } }, h("label", {}, "Name ", this.name), h("button", { class: "main" }, "Add"));
    this.element = h("li", { class: "card", "data-file": file.name },
      h("h2", { dir: "auto" }, expandable(printable(file.name), 100, "span")), this.said, this.warning, this.refusal,
      h("div", { class: "row" }, this.form, this.again, h("button", { class: "quiet", onclick: () => adder.drop(this), "aria-label": `dismiss ${file.name}` }, "Dismiss")));
  }

  // refuse says why the file is not taken, in words that it returns. What may be taken later
  // can be tried again.
  refuse(error) {
    this.refusal.replaceChildren(h("b", {}, "Refused"), `: ${error.message}`);
    this.refusal.hidden = false;
    this.again.hidden = error instanceof Failure && error.status > 0 && error.status < 500 && ![401, 403, 429].includes(error.status);
    if (!(error instanceof Failure)) this.app.fail(error);
    return `${printable(this.file.name)}: refused: ${error.message}`;
  }

  async headers() {
    if (!this.signature) return {};
    return { "Bankai-Signature": btoa(String.fromCharCode(...new Uint8Array(await this.signature.arrayBuffer()))) };
  }

  // check has the server look at the file, and returns what is told of it.
  async check() {
    this.refusal.hidden = this.again.hidden = this.form.hidden = true;
    this.doc = null;
    this.said.replaceChildren(h("p", { class: "soft" }, "The server looks at it…"));
    try {
      if (this.file.size > most) throw new Failure(413, "too_large", `it has ${thousands(this.file.size)} bytes, and a server takes patches of up to ${thousands(most)}: bankai patch apply puts larger ones into the model's file`);
      this.doc = await json("POST", `api/patches/check?name=${encodeURIComponent(this.name.value)}`, { body: this.file, more: await this.headers() });
    } catch (e) {
      this.said.replaceChildren();
      this.warn();
      return this.refuse(e);
    }
    this.show();
    return `${printable(this.file.name)}: it can be added`;
  }

  show() {
    const p = this.doc;
    this.said.replaceChildren(h("div", {},
      title(p, this.file.name, this.file.name.replace(/\.(bankai|json)$/i, "")),
      p.description && h("p", { class: "about", dir: "auto" }, expandable(p.description, 300, "span")),
      h("p", { class: "size" }, size(p), `; its file has ${plural(p.file_bytes, "byte")}`),
      h("p", { class: "soft" }, "for ", digest(p.base), p.bound ? "" : ", by its shape alone, for it does not name its model", " · ", signature(p), p.author && [" · by ", expandable(p.author, 100)]),
      claims(p, 8),
      p.same.length > 0 && h("p", { class: "warning" }, `It flips the same as ${p.same.join(", ")}, which ${p.same.length === 1 ? "is" : "are"} here already.`)));
    this.form.hidden = false;
    this.warn();
    if (p.base !== this.app.model.digest) this.app.refresh().catch((e) => this.app.fail(e)); // the server has another model now
  }

  // warn says what the name would do to a patch that has it.
  warn() {
    const old = this.app.patches.find((p) => p.name === this.name.value);
    this.warning.hidden = !old || !this.doc;
    if (old) this.warning.replaceChildren(`This replaces the patch ${old.name} that is here (${size(old)}, `, digest(old.digest), ").");
    this.form.querySelector("button").textContent = old ? "Replace" : "Add";
  }

  // renamed takes over another name: what was said of the one before is not of it.
  renamed() {
    this.name.setCustomValidity("");
    this.refusal.hidden = true;
    this.warn();
  }

  async add() {
    const name = this.name.value.trim();
    this.refusal.hidden = true;
    this.name.setCustomValidity(name === "" ? "Type a name for the patch." : /^\.+$/.test(name) ? "A name begins with a letter or a digit." : "");
    if (!this.name.reportValidity()) return;
    try {
      await json("PUT", route`api/patches/${name}`, { body: this.file, more: await this.headers() });
    } catch (e) {
      this.app.say(this.refuse(e));
      this.again.hidden = true; // the form is there still
      this.name.focus();
      return;
    }
    await this.adder.added(name, this.adder.drop(this));
  }
}
