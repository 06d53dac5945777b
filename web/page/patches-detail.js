// One patch, with all that is known of it.

import { ask, json, route } from "./api.js";
import { h, save } from "./dom.js";
import { edged } from "./edges.js";
import { thousands, plural, when } from "./numbers.js";
import { claims, key, signature, size, title } from "./patches-card.js";
import { expandable } from "./patches-text.js";

// detail shows the patch of a name in a place.
export async function detail(place, name, { remove, copy }) {
  const p = await json("GET", route`api/patches/${name}`);
  const to = encodeURIComponent(name);
  place.replaceChildren(h("div", {},
    h("p", {}, h("a", { href: "#patches" }, "← all patches")),
    h("h1", { dir: "auto", tabindex: -1 }, p.name),
    title(p, p.name),
    p.description && h("p", { class: "about", dir: "auto" }, expandable(p.description, 2000, "span")),
    h("p", { class: "row" },
      h("a", { class: "button", href: `#chat/${to}` }, "Chat with it"),
      h("a", { class: "button", href: `#anatomy/${to}` }, "Its anatomy"),
      h("a", { class: "button", href: `#evaluation/${to}` }, "Evaluate it"),
      ["bankai", "json"].map((form) => h("button", { onclick: () => fetched(`api/patches/${to}?form=${form}`, `${name.replace(":", "-")}.${form}`) }, `Download .${form}`)),
      h("button", { onclick: () => copy(p) }, "Copy digest"),
      h("button", { onclick: (e) => remove(p, e.currentTarget) }, "Delete")),
    h("h2", {}, "What it claims"), key(), claims(p),
    conflicts(p),
    h("h2", {}, "Where it flips"), cells(p.cells ?? []),
    h("h2", {}, "Facts"), facts(p)));
  return place.querySelector("h1");
}

// fetched offers an answer as a file.
async function fetched(path, name) {
  const response = await ask("GET", path);
  save(name, await response.blob());
}

function conflicts(p) {
  if (!p.conflicts?.length) return null;
  return [
    h("h2", {}, "What it must not be combined with"),
    h("ul", {}, p.conflicts.map((c) => h("li", {}, expandable(c.name || "a patch without a name"), " ", h("code", {}, c.content.slice(0, 12)), c.why && [": ", expandable(c.why)]))),
  ];
}

// facts are what is known, and nothing for what is not.
function facts(p) {
  const all = [
    ["flips", p.rows === p.flips ? `${size(p)}; all flips are of whole rows` : `${size(p)}; ${plural(p.rows, "flip")} of whole rows`],
    ["signature", signature(p)],
    ["digest", h("code", { class: "whole" }, p.digest)],
    ["base", h("code", { class: "whole" }, p.base)],
    ["model", p.base_model], ["author", p.author], ["license", p.license],
    ["made by", p.tool], ["made on", p.created && when(p.created)], ["metric", p.metric],
    ["command", p.command && h("code", {}, expandable(p.command, 1000))],
    ["guard", p.guard && `edition ${p.guard.edition}, seed ${p.guard.seed}, ${plural(p.guard.tokens, "token")}`],
    ["requests", h("code", { class: "whole" }, p.model)],
    ["added", p.added && when(p.added)], ["library", p.library ? "it is of the library of whoever runs the server" : "it is in this server alone, until that ends"],
  ];
  return h("dl", { class: "facts" }, all.filter(([, value]) => value).map(([what, value]) => [h("dt", {}, what), h("dd", { dir: "auto" }, typeof value === "string" ? expandable(value, 200, "span") : value)]));
}

// cells counts flips by layer and projection.
function cells(list) {
  if (list.length === 0) return h("p", { class: "soft" }, "It flips nothing.");
  return edged(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "flips of each matrix" },
    h("table", {},
      h("thead", {}, h("tr", {}, ["layer", "matrix"].map((name) => h("th", { scope: "col" }, name)), ["flips", "whole rows", "bits"].map((name) => h("th", { scope: "col", class: "n" }, name)))),
      h("tbody", {}, list.map((c) => h("tr", {},
        h("td", {}, c.layer ?? "–"), h("td", { dir: "auto" }, c.proj),
        [c.flips, c.rows, c.bits].map((n) => h("td", { class: "n" }, n === null ? "–" : thousands(n)))))))));
}
