// The page: what all of its parts share, and which of them is shown.

import { json, key, Failure } from "./api.js";
import { h } from "./dom.js";
import * as chat from "./chat.js";
import * as patches from "./patches.js";
import * as anatomy from "./anatomy.js";
import * as evaluation from "./evaluation.js";
import * as search from "./search.js";

const views = { chat, patches, anatomy, evaluation, search };
const names = { chat: "Chat", patches: "Patches", anatomy: "Anatomy", evaluation: "Evaluation", search: "Search" };
const $ = (id) => document.getElementById(id);

// app is what the parts share: the model and the patches that the server has, as it
// described them last, and ways to tell the user something.
const app = {
  model: null, // of /api/model
  patches: [], // of /api/patches
  leftOut: [], // names that the server withholds, and why
  listeners: new Set(),
  asked: 0, // how often refresh asked
  told: 0, // which of its questions was answered last

  // changed calls f whenever the patches that there are may be others.
  changed(f) { this.listeners.add(f); },

  // refresh asks the server which model and which patches there are.
  async refresh() {
    const now = ++this.asked;
    const [model, list] = await Promise.all([json("GET", "api/model"), json("GET", "api/patches")]);
    if (now < this.told) return; // what was asked later is known already
    this.told = now;
    const before = this.model;
    Object.assign(this, { model, patches: list.patches, leftOut: list.left_out ?? [] });
    $("model").textContent = model.id;
    if (before && before.digest !== model.digest) {
      this.fail(new Failure(0, "another_model", `The server has another model now: ${model.id}, in place of ${before.id}. What it says from here on is of the new one.`));
    }
    titled();
    for (const f of this.listeners) f();
  },

  // answeredBy takes the fingerprint of an answer. Of another model than the page knows, the
  // page looks which there is.
  answeredBy(fingerprint) {
    const digest = fingerprint?.split("-")[1];
    if (digest && this.model && !this.model.digest.startsWith(digest)) this.refresh().catch((e) => this.fail(e));
  },

  // fail shows an error until something else happens, and loses nothing of what was typed.
  // again, if it is given, is what can be tried again.
  fail(error, again) {
    if (error?.name === "AbortError") return;
    const text = error instanceof Failure ? error.message : `The page has a fault: ${error?.message ?? error}`;
    $("notice").replaceChildren(text, ...(again ? [" ", h("button", { onclick: again }, "Try again")] : []));
    $("notice").hidden = false;
    if (!(error instanceof Failure)) console.error(error);
  },
  clear() { $("notice").hidden = true; },

  // say tells those who hear the page what happened.
  say(text) { $("said").textContent = text; },

  // go shows a part of the page: "anatomy/NAME".
  go(to) { location.hash = `#${to}`; },

  // keep and kept hold what the browser should remember, on this machine only.
  keep(name, value) {
    try { localStorage.setItem(`bankai.${name}`, JSON.stringify(value)); } catch (e) { this.fail(new Failure(0, "full", `the browser keeps no more: ${e.message}`)); }
  },
  kept(name, otherwise) {
    try { return JSON.parse(localStorage.getItem(`bankai.${name}`)) ?? otherwise; } catch { return otherwise; }
  },
};

// titled names the tab by what it shows.
function titled() {
  document.title = [names[shown], "bankai", app.model?.id].filter(Boolean).join(" · ");
}

// What whoever is asked for a key can do, by the server's code for why it is asked for.
const keyAdvice = {
  no_api_key: "Whoever runs the server gives keys out.",
  invalid_api_key: "Look whether it is whole, and type it again.",
  not_admin: "Yours is good for what asks the model only.",
};

// keyReason says to people why a key is asked for: how programs send one is nothing to them.
function keyReason(why, code) {
  const reason = why.replace(/: send the header .*$/, "");
  return [`${reason.charAt(0).toUpperCase()}${reason.slice(1).replace(/\.$/, "")}.`, keyAdvice[code]].filter(Boolean).join(" ");
}

// One dialog asks for keys; what had the focus has it again.
key.ask = (why, code) => new Promise((done) => {
  const dialog = $("key"), value = $("key-value"), before = document.activeElement;
  $("key-why").textContent = keyReason(why, code);
  $("key-open").hidden = false;
  value.value = "";
  value.setCustomValidity("");
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    const text = value.value.trim(), used = dialog.returnValue === "use" && key.fits(text);
    if (used) key.value = text;
    value.value = "";
    if (before instanceof HTMLElement && before !== document.body && before.isConnected) before.focus();
    else $("main").focus({ preventScroll: true });
    done(used);
  }, { once: true });
  dialog.showModal();
});

$("key-value").addEventListener("input", (e) => e.target.setCustomValidity(""));
$("key-use").addEventListener("click", (e) => {
  const value = $("key-value"), text = value.value.trim();
  value.setCustomValidity(text === "" ? "Type the key, or choose Not now." : key.fits(text) ? "" : "A key has no letters beyond ASCII.");
  if (!value.reportValidity()) e.preventDefault();
});
$("key-open").addEventListener("click", async () => {
  if (await key.ask(key.value ? "Another key in place of the one that is used now." : "It is sent with everything that this page asks.")) await start();
});

let shown = ""; // the part that is shown
const mounted = new Set();

// show shows the part that the address names: #PART/OF.
function show() {
  const [part, ...of] = location.hash.slice(1).split("/");
  const name = Object.hasOwn(views, part) ? part : "chat";
  if (app.model) app.clear();
  shown = name;
  titled();
  for (const section of document.querySelectorAll("main > section")) section.hidden = !app.model || section.id !== `view-${name}`;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("waiting").hidden = app.model !== null;
  if (!app.model) return; // there is nothing to show yet
  present(name, decoded(of.join("/"))).catch((e) => app.fail(e));
}

// present has a part show something.
async function present(name, of) {
  if (!mounted.has(name)) {
    views[name].mount($(`view-${name}`), app);
    mounted.add(name);
  }
  await views[name].show?.(of);
}

// decoded is a part of the address as it was meant, or as it is if it means nothing.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

window.addEventListener("hashchange", show);
window.addEventListener("unhandledrejection", (e) => app.fail(e.reason));
window.addEventListener("error", (e) => app.fail(e.error ?? e.message));
document.querySelector(".skip").addEventListener("click", (e) => {
  e.preventDefault(); // the address says which part is shown
  $("main").focus();
});

// A file that is dropped beside the places for files would take the browser to it, away from
// the page and from what was typed. A field for files takes what is dropped on it by itself.
for (const type of ["dragover", "drop"]) {
  window.addEventListener(type, (e) => {
    if (e.defaultPrevented || !e.dataTransfer?.types.includes("Files") || e.target.closest?.("input[type=file]")) return;
    e.preventDefault();
    if (type === "drop") app.fail(new Failure(0, "no_place", "This is no place for files: drop patches on the box for them in Patches, and probes on the forms of Evaluation and Search."));
  });
}

// Whoever comes back to the page sees what the server has by then.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && app.model) app.refresh().catch(() => {}); // what is asked next tells
});

async function start() {
  for (;;) {
    try {
      await app.refresh();
      app.clear();
      show();
      return;
    } catch (e) {
      app.fail(e, () => start());
      if (!(e instanceof Failure) || e.code !== "loading") return;
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

$("key-open").hidden = key.value === "";
show();
await start();
