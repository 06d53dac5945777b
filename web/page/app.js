// The page: what all of its parts share, and which of them is shown.

import { json, key, Failure } from "./api.js";
import * as chat from "./chat.js";
import * as patches from "./patches.js";
import * as anatomy from "./anatomy.js";
import * as evaluation from "./evaluation.js";
import * as search from "./search.js";

const views = { chat, patches, anatomy, evaluation, search };
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

  // refresh asks the server which patches there are.
  async refresh() {
    const now = ++this.asked;
    const [model, list] = await Promise.all([json("GET", "api/model"), json("GET", "api/patches")]);
    if (now < this.told) return; // what was asked later is known already
    this.told = now;
    this.model = model;
    this.patches = list.patches;
    this.leftOut = list.left_out ?? [];
    $("model").textContent = this.model.id;
    document.title = `bankai · ${this.model.id}`;
    for (const f of this.listeners) f();
  },

  // fail shows an error until something else happens, and loses nothing of what was typed.
  fail(error) {
    if (error?.name === "AbortError") return;
    $("notice").textContent = error instanceof Failure ? error.message : `The page has a fault: ${error?.message ?? error}`;
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

key.ask = (why) => new Promise((done) => {
  const dialog = $("key");
  $("key-why").textContent = why;
  $("key-value").value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    const used = dialog.returnValue === "use" && $("key-value").value.trim() !== "";
    if (used) key.value = $("key-value").value.trim();
    done(used);
  }, { once: true });
  dialog.showModal();
});

const mounted = new Set();

// show shows the part that the address names: #PART/OF.
function show() {
  const [part, ...of] = location.hash.slice(1).split("/");
  if (part === "main") return; // the link that skips the navigation
  const name = views[part] ? part : "chat";
  app.clear();
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== `view-${name}`;
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const section = $(`view-${name}`);
  if (!mounted.has(name)) {
    mounted.add(name);
    views[name].mount(section, app);
  }
  views[name].show?.(decodeURIComponent(of.join("/")));
}

window.addEventListener("hashchange", show);
window.addEventListener("unhandledrejection", (e) => app.fail(e.reason));

async function start() {
  for (;;) {
    try {
      await app.refresh();
      return;
    } catch (e) {
      app.fail(e);
      if (!(e instanceof Failure) || e.code !== "loading") break;
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

await start();
show();
