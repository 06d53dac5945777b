// What is shown of a patch: on its card, while a file is looked at, and in whole.

import { h } from "./dom.js";
import { thousands, plural, tenths } from "./numbers.js";
import { expandable } from "./patches-text.js";

// short is as much of a digest as people compare.
export const short = (digest) => digest.replace("sha256:", "").slice(0, 12);

// digest is one, shortened, with the whole of it at hand.
export const digest = (d) => h("code", { title: d }, `${short(d)}…`);

// size says how much a patch flips, and what that takes.
export const size = (p) => `${plural(p.flips, "flip")}, ${plural(p.bits, "bit")}, ${plural(p.bytes, "byte")}`;

// signature says who signed a patch.
export function signature(p) {
  if (!p.signed_by) return h("span", { class: "unsigned" }, p.unsigned && p.unsigned !== "the patch is not signed" ? ["not signed by anybody who is trusted: ", expandable(p.unsigned)] : "not signed");
  return h("span", { class: "signed" }, "signed by ", p.signer ? [h("b", {}, expandable(p.signer, 60)), " "] : null, h("code", {}, p.signed_by));
}

// interval is what of a whisk is drawn of a share: its interval, and where it lies.
function interval(share, of) {
  const [at, low, high] = [share.value, share.low, share.high].map(tenths);
  return [
    h("i", { class: of, css: { left: `${low}%`, width: `${high - low}%` } }),
    h("b", { class: of, css: { left: `${at}%` } }),
  ];
}

const inWords = (share) => `${tenths(share.value)} % (${tenths(share.low)} to ${tenths(share.high)})`;

// whisk draws the shares of a claim with their intervals; nothing where it counts none.
function whisk(c) {
  const shares = [c.before_share && ["before", "was", c.before_share], c.after_share && ["after", "is", c.after_share]].filter(Boolean);
  if (shares.length === 0) return null;
  const label = `${shares.map(([when, , share]) => `${when} ${inWords(share)}`).join(", ")}, with intervals of 95 %`;
  return h("div", { class: "whisk", role: "img", "aria-label": label, title: label, dir: "ltr" }, shares.map(([, of, share]) => interval(share, of)));
}

// counts are those of a claim.
function counts(c) {
  if (!c.before_share) return c.text;
  return [
    h("b", {}, `${thousands(c.before)} → ${thousands(c.after)}`), ` of ${thousands(c.total)} right, `,
    h("span", { class: `fixed${c.fixed ? "" : " zero"}` }, `fixed ${thousands(c.fixed)}`), ", ", h("span", { class: `broke${c.broke ? "" : " zero"}` }, `broke ${thousands(c.broke)}`),
  ];
}

// claim is one, with its figures.
export function claim(c) {
  return h("li", { class: "claim" },
    h("span", { class: "of", dir: "auto" }, expandable(c.name || "without a name", 100, "span")),
    h("span", { class: "counts" }, counts(c), `, p = ${c.p_text}`),
    whisk(c),
    c.means && h("span", { class: "soft" }, c.means),
    c.contradiction && h("span", { class: "bad" }, `It contradicts itself: ${c.contradiction}`));
}

// key says what the marks of claims stand for. It is seen where marks follow it.
export const key = () => h("ul", { class: "key marks", "aria-label": "marks" },
  [["was", "right before"], ["is", "right after"]].map(([of, what]) => h("li", {}, h("i", { class: of }), `${what}, from 0 to 100 %`)), h("li", {}, "lines are intervals of 95 %"));

// title is what a patch calls itself, nothing where that says no more than a name does.
export function title(p, ...names) {
  const said = p.title?.trim();
  if (!said || names.some((name) => name.toLowerCase() === said.toLowerCase())) return null;
  return h("p", { class: "title", dir: "auto" }, expandable(said, 200, "span"));
}

// claims are some of those of a patch, or all.
export function claims(p, most = Infinity) {
  if (p.claims.length === 0) return h("p", { class: "soft" }, "It claims nothing.");
  const more = Math.max(0, p.claims.length - most) + (p.more_claims ?? 0);
  return h("ul", { class: "claims", "aria-label": "what it claims" }, p.claims.slice(0, most).map(claim), more > 0 && h("li", { class: "soft" }, `and ${plural(more, "more claim")}`));
}

// card is a patch among others. It is chosen by its checkbox.
export function card(p, { chosen, choose, remove, copy }) {
  const to = encodeURIComponent(p.name);
  return h("li", { class: "card patch", "data-name": p.name },
    h("div", { class: "head" },
      h("h2", {}, h("a", { href: `#patches/${to}`, dir: "auto" }, p.name)),
      h("label", { class: "soft" }, h("input", { type: "checkbox", checked: chosen, "aria-label": `combine ${p.name}`, onchange: (e) => choose(p.name, e.target.checked) }), "combine")),
    title(p, p.name),
    h("p", { class: "size" }, size(p)),
    h("p", { class: "soft" }, "for ", digest(p.base), " · ", signature(p), p.library && " · of the library"),
    claims(p, 3),
    h("p", { class: "row acts" },
      h("a", { href: `#chat/${to}`, "aria-label": `chat with ${p.name}` }, "Chat"),
      h("a", { href: `#anatomy/${to}`, "aria-label": `anatomy of ${p.name}` }, "Anatomy"),
      h("a", { href: `#evaluation/${to}`, "aria-label": `evaluate ${p.name}` }, "Evaluate"),
      h("button", { class: "quiet", onclick: () => copy(p), "aria-label": `copy digest of ${p.name}` }, "Copy digest"),
      h("button", { class: "quiet", onclick: (e) => remove(p, e.currentTarget), "aria-label": `delete ${p.name}` }, "Delete")));
}
