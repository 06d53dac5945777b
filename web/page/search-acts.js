// What can be done with a search.

import { h, save } from "./dom.js";
import { ask, json, route, Failure } from "./api.js";
import { confirm } from "./confirm.js";

// acts are the buttons of a search, and what they say. doc() is the search as it was told last;
// changed is called when the list has another one, again(request) fills the form, gone says
// that there is no such search any more.
export function acts(app, id, doc, { changed, again, gone, watch }) {
  const path = route`api/searches/${id}`;
  // A button at work keeps the focus, and does nothing more.
  const act = (label, does, more = {}) => h("button", {
    type: "button", ...more,
    async onclick({ currentTarget: button }) {
      if (button.ariaDisabled === "true") return;
      button.ariaDisabled = "true";
      app.clear();
      try {
        await does();
      } catch (error) {
        if (error instanceof Failure && error.code === "search_not_found") gone();
        else app.fail(error);
      } finally {
        button.ariaDisabled = "false";
      }
    },
  }, label);

  const steps = h("input", { type: "number", min: 1, step: 1, "aria-label": "candidates, in all" });
  const name = h("input", { type: "text", maxlength: 64, spellcheck: "false", autocomplete: "off", "aria-label": "name to keep the patch under" });
  const library = h("input", { type: "checkbox" });
  const keptAs = h("p", { role: "status" });

  const stop = act("Stop, and keep what was found", () => json("POST", `${path}/stop`), { id: "search-stop" });
  const more = h("span", { class: "row" }, act("Go on", async () => {
    if (steps.value === "" && !steps.validity.badInput) throw new Failure(0, "steps", "Go on: say to how many candidates, in all");
    if (!steps.validity.valid) throw new Failure(0, "steps", "Go on: the candidates are a whole number of at least 1");
    await json("POST", `${path}/resume`, { body: { steps: Number(steps.value) } });
    watch();
  }, { id: "search-resume" }), h("label", {}, "to", steps, "candidates in all"));
  const keep = h("span", { class: "row" }, act("Keep the patch", async () => {
    const got = await json("POST", `${path}/keep`, { body: { name: name.value.trim(), library: library.checked } });
    await app.refresh();
    app.say(`Kept as ${got.name}.`);
  }, { id: "search-keep", class: "main" }), h("label", {}, "as", name), h("label", {}, library, "also in the library"));
  const file = act("Download", async () => save(`${doc().name}.bankai`, await (await ask("GET", `${path}/patch`)).blob()), { id: "search-download" });
  const anew = act("Again with these settings", () => again(id, doc().request), { id: "search-again" });
  const remove = act("Delete the search", async () => {
    const d = doc();
    const lines = ["Its journal, its result and its patch are deleted. A patch that was kept stays where it was kept."];
    if (d.patch && !named().length) lines.push("Its patch was not kept.");
    if (!await confirm(`Delete the search for ${d.name}?`, lines, "Delete it")) return;
    await json("DELETE", path);
    changed();
    app.go("search");
    app.say("The search is deleted.");
  }, { id: "search-delete" });

  // named are the names that the server has the patch of the search under.
  const named = () => app.patches.filter((p) => doc()?.patch && bare(p.digest) === bare(doc().patch.digest)).map((p) => p.name);
  const tellNames = () => {
    const names = named();
    keptAs.replaceChildren(...names.flatMap((n) => [`Kept as ${n}: `,
      h("a", { href: `#chat/${encodeURIComponent(n)}` }, "chat with it"), ", ",
      h("a", { href: `#patches/${encodeURIComponent(n)}` }, "look at it"), ", ",
      h("a", { href: `#evaluation/${encodeURIComponent(n)}` }, "evaluate it"), ". "]));
  };

  let told = 0; // candidates tried when the number was last filled in
  const element = h("div", { class: "acts" }, h("p", { class: "row" }, stop, keep, file), h("p", { class: "row" }, more, anew, remove), keptAs);
  return {
    element,
    tellNames,
    set(d) {
      stop.hidden = !d.running;
      more.hidden = !d.resume;
      keep.hidden = file.hidden = !d.patch || d.running;
      remove.hidden = anew.hidden = d.running;
      if (!name.value) name.value = d.name;
      if (!d.running && told !== d.state.step + 1) {
        told = d.state.step + 1;
        steps.value = String(d.state.step < d.state.steps ? d.state.steps : 2 * d.state.steps);
      }
      tellNames();
    },
  };
}

// bare is a digest without what it is called by.
const bare = (digest) => digest.replace(/^sha256:/, "");
