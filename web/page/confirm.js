// A question before something that cannot be taken back.

import { h } from "./dom.js";

// confirm asks, and tells whether the answer is yes. Whoever closes the question says no.
export function confirm(title, lines, yes) {
  return new Promise((done) => {
    const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "confirm-title", dir: "auto" }, title),
        lines.map((line) => h("p", { dir: "auto" }, line)),
        h("p", { class: "row" },
          h("button", { value: "", autofocus: true }, "Cancel"),
          h("button", { value: "yes", class: "main" }, yes))));
    dialog.addEventListener("close", () => { dialog.remove(); done(dialog.returnValue === "yes"); }, { once: true });
    document.body.append(dialog);
    dialog.showModal();
  });
}
