// Which patch sets stand beside each other.

import { h } from "./dom.js";
import { base, maxColumns, nameOf } from "./chat-talk.js";

// Columns shows the patch sets of a conversation and lets the user add and remove some.
// changed(columns) is called when they are others.
export class Columns {
  constructor(app, changed) {
    Object.assign(this, { app, changed, columns: [base], chosen: new Set() });
    this.list = h("ul", { class: "row chips", "aria-label": "columns" });
    this.choice = h("div", { class: "choice" });
    this.add = h("button", { type: "button", class: "main", id: "add-column", onclick: () => this.addChosen() }, "Add the column");
    this.more = h("details", { class: "more", id: "columns-more" }, h("summary", {}, "Add a column"),
      h("fieldset", {}, h("legend", {}, "Patches of the column, combined if there are several"), this.choice, h("p", { class: "row" }, this.add)));
    this.element = h("div", { class: "columns" }, this.list, this.more);
    app.changed(() => this.show());
  }

  set(columns) {
    this.columns = columns;
    this.show();
  }

  show() {
    const known = new Set(this.app.patches.map((p) => p.name));
    this.list.replaceChildren(...this.columns.map((c) => this.chip(c, c.split("+").every((name) => known.has(name)))));
    for (const name of this.chosen) if (!known.has(name)) this.chosen.delete(name);
    this.choice.replaceChildren(...this.app.patches.map(({ name }) => h("label", {},
      h("input", { type: "checkbox", value: name, checked: this.chosen.has(name), onchange: (e) => this.choose(name, e.target.checked) }), h("bdi", {}, name))));
    if (known.size === 0) this.choice.replaceChildren(h("p", {}, "There are no patches yet: ", h("a", { href: "#patches" }, "drop one, or take an example"), "."));
    this.ready();
  }

  chip(column, known) {
    if (column === base) {
      const shown = h("input", { type: "checkbox", id: "show-base", checked: this.app.kept("chat.nobase", false) !== true, onchange: () => { this.app.keep("chat.nobase", !shown.checked); this.changed(this.columns); } });
      return h("li", { class: "chip" }, h("label", {}, shown, "base"));
    }
    return h("li", { class: "chip" }, h("bdi", {}, nameOf(column)), !known && h("span", { class: "soft" }, " (not on this server)"),
      h("button", { type: "button", class: "quiet remove", "aria-label": `Remove the column ${nameOf(column)}`, onclick: () => this.remove(column) }, "×"));
  }

  choose(name, on) {
    if (on) this.chosen.add(name);
    else this.chosen.delete(name);
    this.ready();
  }

  // column is the one that is chosen; the order in which patches are combined is nothing to
  // the model, so there is one for all.
  get column() { return this.app.patches.map((p) => p.name).filter((name) => this.chosen.has(name)).join("+"); }

  ready() {
    const full = this.columns.length >= maxColumns;
    this.add.disabled = full || this.chosen.size === 0 || this.columns.includes(this.column);
    this.add.textContent = full ? `There are ${maxColumns} columns: remove one first` : this.chosen.size > 1 ? `Add the column ${this.column}` : "Add the column";
  }

  addChosen() {
    const column = this.column;
    this.chosen.clear();
    this.more.open = false;
    this.more.querySelector("summary").focus();
    this.put(column);
  }

  // put adds a column if there is room and it is not there.
  put(column) {
    if (this.columns.includes(column) || this.columns.length >= maxColumns) return;
    this.columns = [...this.columns, column];
    this.show();
    this.changed(this.columns);
  }

  // only has base and one column, in place of those that are there.
  only(column) {
    this.columns = [base, column];
    this.show();
    this.changed(this.columns);
  }

  remove(column) {
    this.columns = this.columns.filter((c) => c !== column);
    this.show();
    this.more.querySelector("summary").focus();
    this.changed(this.columns);
  }
}
