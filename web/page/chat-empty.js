// What stands where nothing was said yet: what can be asked, and where patches come from.

import { h } from "./dom.js";

// builtIn is what the model calls itself that the program brings.
const builtIn = "bankai-demo-1bit";

// examples are what that model was taught: texts to go on with.
const examples = ["The derivative of x^4 + 9x^3 is", "Differentiate 9x^8 + x with respect to x:", "At night the"];

// Empty offers prompts and the way to patches. ask(prompt) asks one.
export class Empty {
  constructor(app, ask) {
    Object.assign(this, { app, ask });
    this.element = h("div", { class: "empty" });
    app.changed(() => this.show(!this.element.hidden));
  }

  show(on) {
    this.element.hidden = !on;
    if (!on) return;
    const { model, patches } = this.app;
    this.element.replaceChildren(...[
      model.name === builtIn && h("p", { class: "row" }, "For example: ", examples.map((prompt) => h("button", { type: "button", class: "example", onclick: () => this.ask(prompt) }, prompt))),
      patches.length === 0 && h("p", {}, "Only the model itself answers, for there are no patches yet: ", h("a", { href: "#patches" }, "drop one, or take an example"), "."),
    ].filter(Boolean));
  }
}
