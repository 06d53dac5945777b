// Copying a text, also where the browser's own way is closed to pages that came over HTTP.

import { h } from "./dom.js";

// copy puts a text into the clipboard, and tells whether it is there.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyMarked(text);
  }
}

function copyMarked(text) {
  const before = document.activeElement, from = h("textarea", { class: "unseen", "aria-hidden": true, tabindex: -1 }, text);
  document.body.append(from);
  from.select();
  const done = document.execCommand("copy");
  from.remove();
  before?.focus();
  return done;
}
