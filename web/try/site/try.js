// The page: loads the engine, the model and the patches, and shows its parts.

import { Engine } from "./engine.js";
import { Loading } from "./loading.js";
import { Ask } from "./ask.js";
import { Patches } from "./switches.js";
import { Answers } from "./answers.js";

const $ = (id) => document.getElementById(id);

// app is what the parts share.
export const app = {
  manifest: null,
  engine: null,
  model: null, // facts of it, as the engine tells them

  // fail shows an error until something else happens. Nothing that was typed is lost.
  fail(error) {
    $("notice").textContent = error?.message ?? String(error);
    $("notice").hidden = false;
  },

  // clear takes away what was wrong, as something else is done.
  clear() {
    for (const said of [$("notice"), $("refused")]) {
      said?.replaceChildren();
      said?.toggleAttribute("hidden", true);
    }
  },

  // say tells those who hear the page what happened.
  say(text) { $("said").textContent = text; },
};

// missing is what this browser lacks, "" if it has all that the page needs.
function missing() {
  const wants = { WebAssembly: "WebAssembly", DecompressionStream: "DecompressionStream (to unpack the engine)", Worker: "web workers" };
  const lacks = Object.keys(wants).filter((name) => typeof globalThis[name] === "undefined").map((name) => wants[name]);
  return lacks.length ? `This browser has no ${lacks.join(" and no ")}: the browsers since 2023 have it, unless it was switched off.` : "";
}

async function readManifest() {
  let response;
  try {
    response = await fetch("manifest.json", { cache: "no-cache" });
  } catch {
    throw new Error("manifest.json cannot be loaded: is the host still there? Load the page again.");
  }
  if (!response.ok) throw new Error(`manifest.json: the host answers ${response.status}: is the folder whole? "bankai web export" writes it.`);
  return response.json();
}

async function start() {
  $("unstarted").hidden = true;
  const lacking = missing();
  if (lacking) throw new Error(lacking);
  app.manifest = await readManifest();
  document.title = `bankai · ${app.manifest.model.name}`;
  const loading = new Loading($("loading"), app.manifest);
  app.engine = new Engine((why) => app.fail(why));
  app.model = await app.engine.load(app.manifest, (file, got) => loading.got(file, got));
  $("model").textContent = app.manifest.model.name;
  const patches = new Patches($("patches"), app), answers = new Answers($("answers"), app);
  await patches.loaded();
  loading.done();
  new Ask($("ask"), app, patches, answers);
  $("loaded").hidden = false;
  app.say("The model is loaded. From here on the page needs no network.");
}

window.addEventListener("unhandledrejection", (e) => app.fail(e.reason));

try {
  await start();
} catch (e) {
  app.fail(e);
}
