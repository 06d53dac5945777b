// The patches that the server has: as cards, one by one, and several together.

import { json, route } from "./api.js";
import { confirm } from "./confirm.js";
import { h } from "./dom.js";
import { plural, thousands } from "./numbers.js";
import { Adder } from "./patches-add.js";
import { card, key, short } from "./patches-card.js";
import { Combiner } from "./patches-combine.js";
import { detail } from "./patches-detail.js";

// step is how many cards are made at once; there may be thousands of patches.
const step = 60;

const orders = {
  name: ["name", (p, q) => (p.name < q.name ? -1 : 1)],
  added: ["newest first", (p, q) => (q.added > p.added ? 1 : q.added < p.added ? -1 : 0)],
  flips: ["most flips", (p, q) => q.flips - p.flips],
  bits: ["most bits", (p, q) => q.bits - p.bits],
  bytes: ["largest", (p, q) => q.bytes - p.bytes],
};

let view = null;

export function mount(section, app) {
  view = new Patches(section, app);
}

export function show(of) {
  view.show(of);
}

class Patches {
  constructor(section, app) {
    Object.assign(this, { section, app, chosen: new Set(), made: new Map(), shown: step, found: [], of: "" });
    section.classList.add("patches");
    this.adder = new Adder(app, (name, follow) => this.added(name, follow));
    this.combiner = new Combiner(app, () => this.choose(null));
    this.all = h("div", {}, h("h1", {}, "Patches"), h("p", { class: "soft lead-in" }, "A patch turns the signs of some of the model's weights. The model's file stays as it is: requests say which patches they are answered under, and several are combined."), this.adder.element, this.tools(), this.combiner.element, this.grid(), this.leftOut = h("div", {}));
    this.one = h("div", { class: "one", hidden: true });
    section.append(this.all, this.one);
    this.adder.accept(section);
    app.changed(() => this.refresh());
    this.refresh();
  }

  tools() {
    const again = () => { this.shown = step; this.find(); };
    this.words = h("input", { type: "search", placeholder: "name, title, author, digest", "aria-label": "search patches", size: 30, oninput: again });
    this.order = h("select", { "aria-label": "order", onchange: again }, Object.entries(orders).map(([value, [label]]) => h("option", { value }, label)));
    this.count = h("p", { class: "soft", role: "status" });
    return h("div", { class: "row tools", role: "search" }, this.words, h("label", {}, "Order ", this.order), h("button", { onclick: () => this.app.refresh() }, "Refresh"), this.count);
  }

  grid() {
    this.cards = h("ul", { class: "grid", "aria-label": "patches" });
    this.more = h("button", { onclick: () => this.grow() }, "Show more");
    this.near = new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) this.grow(); }, { rootMargin: "600px" });
    this.near.observe(this.more);
    return [key(), this.cards, h("p", {}, this.more)];
  }

  // refresh takes over which patches there are now.
  refresh() {
    const names = new Set(this.app.patches.map((p) => p.name));
    const gone = [...this.chosen].filter((name) => !names.has(name));
    for (const name of gone) this.chosen.delete(name);
    for (const name of this.made.keys()) if (!names.has(name)) this.made.delete(name);
    this.find();
    this.adder.refresh();
    this.combiner.choose([...this.chosen]);
    this.follow();
    const out = this.app.leftOut ?? [], what = JSON.stringify(out);
    if (what === this.out) return; // and whoever reads them goes on
    this.out = what;
    this.leftOut.replaceChildren(...(out.length === 0 ? [] : [h("details", { class: "out" }, h("summary", {}, `${plural(out.length, "patch is", "patches are")} withheld`),
      h("dl", { class: "facts" }, out.map((x) => [h("dt", { dir: "auto" }, x.name), h("dd", { dir: "auto" }, x.why)])))]));
  }

  // follow shows what became of the patch that is looked at.
  follow() {
    if (this.of === "") return;
    const p = this.app.patches.find((q) => q.name === this.of);
    if (this.state(p) === this.seen) return;
    if (p) this.detail(this.of, false);
    else this.gone(`The server has no patch ${this.of} any more.`);
  }

  // state tells a patch from another that has its name later.
  state(p) { return p && `${p.digest} ${p.added} ${this.app.model.digest}`; }

  gone(why) {
    this.seen = undefined;
    this.one.replaceChildren(h("p", {}, h("a", { href: "#patches" }, "← all patches")), h("h1", { dir: "auto" }, this.of), h("p", {}, why));
  }

  // find shows the patches that have all of the words.
  find() {
    const words = this.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (p) => { const text = `${p.name} ${p.title ?? ""} ${p.author ?? ""} ${p.description ?? ""} ${p.digest}`.toLowerCase(); return words.every((w) => text.includes(w)); };
    this.found = (words.length ? this.app.patches.filter(has) : [...this.app.patches]).sort(orders[this.order.value][1]);
    const all = this.app.patches.length;
    this.count.textContent = words.length ? `${thousands(this.found.length)} of ${plural(all, "patch", "patches")}` : plural(all, "patch", "patches");
    this.place(all > 0 ? this.found.slice(0, this.shown).map((p) => this.card(p)) : [h("li", { class: "soft" }, "There are no patches yet: drop one above, or take an example where there is one. Whoever runs the server adds one to its library with bankai library add.")]);
    this.more.hidden = this.found.length <= this.shown;
  }

  // place shows cards. Those that are there already stay what they are, with the focus.
  place(cards) {
    if (cards.length === this.cards.children.length && cards.every((c, i) => c === this.cards.children[i])) return;
    const focus = this.cards.contains(document.activeElement) ? document.activeElement : null;
    this.cards.replaceChildren(...cards);
    if (focus?.isConnected) focus.focus({ preventScroll: true });
  }

  grow() {
    if (this.found.length <= this.shown) return;
    const from = this.shown;
    this.shown += step;
    this.cards.append(...this.found.slice(from, this.shown).map((p) => this.card(p)));
    this.more.hidden = this.found.length <= this.shown;
    this.near.unobserve(this.more); // observed anew it is told of though it may be near still
    this.near.observe(this.more);
  }

  // card is that of a patch, the same one as long as the patch is.
  card(p) {
    const what = JSON.stringify(p), old = this.made.get(p.name);
    if (old?.what === what) return old.element;
    const element = this.make(p);
    this.made.set(p.name, { what, element });
    return element;
  }

  make(p) {
    return card(p, { chosen: this.chosen.has(p.name), choose: (name, on) => this.choose(name, on), remove: (q, by) => this.remove(q, by), copy: (q) => this.copy(q) });
  }

  // choose takes a patch to those that are combined, or away; null takes all away.
  choose(name, on) {
    if (name === null) {
      this.chosen.clear();
      for (const box of this.cards.querySelectorAll("input")) box.checked = false;
      this.words.focus();
    } else if (on) this.chosen.add(name);
    else this.chosen.delete(name);
    this.combiner.choose([...this.chosen]);
  }

  async added(name, follow) {
    await this.app.refresh();
    this.app.say(`${name} was added`);
    if (follow && this.adder.zone.contains(document.activeElement)) this.cards.querySelector(`[data-name="${CSS.escape(name)}"] h2 a`)?.focus();
  }

  async remove(p, by) {
    const how = p.library ? "It stays in the library of whoever runs the server, and is here again when the server starts again." : "This server has the only copy that it knows of. Requests that run under it end as they began.";
    if (!await confirm(`Delete ${p.name}?`, [how], "Delete it")) {
      by.focus();
      return;
    }
    try {
      await json("DELETE", route`api/patches/${p.name}`);
    } catch (e) {
      if (e.status === 404) await this.app.refresh(); // somebody else was faster
      throw e;
    }
    await this.app.refresh();
    this.app.say(`${p.name} was deleted`);
    if (this.of) this.app.go("patches");
    else this.words.focus();
  }

  async copy(p) {
    try {
      await navigator.clipboard.writeText(p.digest);
      this.app.say(`the digest ${short(p.digest)} was copied`);
    } catch { // browsers keep the clipboard from pages that were not loaded safely
      const whole = this.one.querySelector("code.whole");
      if (whole) getSelection().selectAllChildren(whole);
      else this.app.go(`patches/${encodeURIComponent(p.name)}`);
      this.app.say("the browser does not let the page copy: the whole digest is shown, to be copied by hand");
    }
  }

  // show shows all patches, or the one of a name.
  show(of) {
    this.of = of;
    this.all.hidden = of !== "";
    this.one.hidden = of === "";
    this.one.replaceChildren();
    if (of !== "") this.detail(of);
  }

  // detail shows one patch. The focus goes there if whoever looks came for it.
  async detail(of, came = true) {
    const p = this.app.patches.find((q) => q.name === of);
    this.seen = this.state(p);
    try {
      const head = await detail(this.one, of, { remove: (q, by) => this.remove(q, by), copy: (q) => this.copy(q) });
      if (came) head.focus();
    } catch (e) {
      if (of !== this.of) return; // something else is looked at by now
      this.gone("It cannot be shown.");
      this.app.fail(e);
      if (p && e.status === 404) this.app.refresh().catch((error) => this.app.fail(error)); // it is gone
    }
  }
}
