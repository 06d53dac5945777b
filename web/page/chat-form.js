// The form in which a prompt is typed, below the conversation.

import { h } from "./dom.js";
import { filled } from "./chat-talk.js";
import { thousands } from "./numbers.js";

// Form holds the prompt that is typed, which the browser keeps until it is sent. does is what
// its buttons and keys do: submit(), stop().
export class Form {
  constructor(app, does) {
    Object.assign(this, { app, does });
    this.prompt = h("textarea", { id: "prompt", rows: 2, dir: "auto", "aria-describedby": "prompt-keys", oninput: () => this.keep(), onkeydown: (e) => this.key(e) });
    const draft = app.kept("chat.draft", "");
    this.prompt.value = typeof draft === "string" ? draft : "";
    this.send = h("button", { type: "submit", class: "main", id: "send" }, "Send");
    this.stop = h("button", { type: "button", id: "stop", hidden: true, onclick: () => does.stop() }, "Stop");
    this.context = h("span", { class: "soft", id: "context", hidden: true });
    this.element = h("form", { class: "ask", onsubmit: (e) => { e.preventDefault(); does.submit(); } },
      h("label", { for: "prompt" }, "Prompt"), this.prompt,
      h("p", { class: "row" }, this.send, this.stop, this.context, h("span", { class: "soft", id: "prompt-keys" }, "Enter sends, Shift+Enter begins a line, Escape stops.")));
  }

  keep() { this.app.keep("chat.draft", this.prompt.value); }

  key(e) {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    this.does.submit();
  }

  get empty() { return this.prompt.value.trim() === ""; }

  // fill puts a text in place of the prompt.
  fill(text) {
    this.prompt.value = text;
    this.keep();
  }

  // take is the prompt, which is sent now.
  take() {
    const { value } = this.prompt;
    this.fill("");
    return value;
  }

  // busy says whether an answer is under way, which can be stopped.
  busy(on) {
    this.stop.hidden = !on;
    this.send.setAttribute("aria-disabled", on);
  }

  // tell says how much of the model's context a conversation fills.
  tell(talk) {
    const tokens = filled(talk), size = this.app.model.context;
    this.context.textContent = `context: ${thousands(tokens)} of ${thousands(size)} tokens`;
    this.context.hidden = tokens === 0 || !size;
  }

  // ready lets the prompt be typed at once, unless something was chosen already or a keyboard
  // on the screen would cover the page.
  ready() {
    const at = document.activeElement;
    if ((at === document.body || at?.closest("header nav")) && window.matchMedia("(min-width: 60rem)").matches) this.prompt.focus({ preventScroll: true });
  }
}
