// Patches that come with the program, for the model that does.

import { ask, json } from "./api.js";
import { h } from "./dom.js";

// Examples offers those that are for the server's model, while it does not have them. taken
// is called with the file of one that is chosen, which is looked at as any other.
export class Examples {
  constructor(app, taken) {
    Object.assign(this, { app, taken, all: null, shown: "" });
    this.element = h("p", { class: "row examples", hidden: true });
  }

  // refresh takes over which model and which patches there are.
  async refresh() {
    this.all ??= json("GET", "page/examples.json");
    let list;
    try {
      list = await this.all;
    } catch { // they are no loss, and may be asked for again
      this.all = null;
      return;
    }
    const here = new Set(this.app.patches.map((p) => p.digest));
    const offered = list.filter((e) => e.base === this.app.model.digest && !here.has(e.digest));
    const now = offered.map((e) => e.file).join();
    if (now === this.shown) return; // and whatever has the focus keeps it
    this.shown = now;
    this.element.hidden = offered.length === 0;
    this.element.replaceChildren("Examples for this model: ", ...offered.map((e) => h("button", { type: "button", onclick: () => this.take(e) }, e.name)));
  }

  async take(e) {
    const response = await ask("GET", e.file);
    await this.taken(new File([await response.blob()], e.file.split("/").at(-1)));
  }
}
