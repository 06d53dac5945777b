// Search: patches are looked for by another process of the server, which the page follows.

import { h } from "./dom.js";
import { json } from "./api.js";
import { form } from "./search-form.js";
import { run, phases } from "./search-run.js";

let app, asking, runs, shown, about;
let looking = new AbortController(); // at what is shown

export function mount(section, to) {
  app = to;
  asking = form(app, async (request) => {
    const { id } = await json("POST", "api/searches", { body: request });
    app.go(`search/${id}`);
  });
  about = h("div", {}, h("p", { class: "soft" }, "A search tries flips of signs, and keeps those that make the right answers to its probes likelier. Answers to the validation set, which it does not use, are watched meanwhile. It is a process of its own: it goes on when this page is closed."), asking.element);
  runs = h("section", { id: "search-runs", "aria-label": "searches" });
  shown = h("div", { id: "search-shown" });
  section.append(h("h1", {}, "Search"), about, shown, runs);
}

// show shows the search whose id the address has, or what a new one is asked.
export async function show(of) {
  looking.abort();
  looking = new AbortController();
  about.hidden = of !== "";
  shown.replaceChildren();
  if (of) {
    const one = run(app, of, looking.signal, list);
    shown.append(h("p", {}, h("a", { href: "#search" }, "A new search")), one.element);
  }
  await list();
}

// list shows which searches there are.
async function list() {
  let doc;
  try {
    doc = await json("GET", "api/searches");
  } catch (e) {
    app.fail(e);
    return;
  }
  asking.offer(doc);
  const items = doc.searches.map((d) => h("li", { class: "card" },
    h("a", { href: `#search/${d.id}`, "aria-current": location.hash === `#search/${d.id}` && "true", dir: "auto" }, d.name),
    h("span", {}, h("span", { class: `dot ${d.running ? "on" : d.phase}` }), phases[d.phase]),
    h("span", { class: "soft" }, [`fitness ${d.state.said.fitness}`, d.state.right !== null && `${d.state.right} of ${d.state.total} right`, d.state.said.flips].filter(Boolean).join(", ")),
    h("time", { class: "soft", datetime: d.request.started }, new Date(d.request.started).toLocaleString())));
  runs.replaceChildren(h("h2", {}, "Searches"), items.length ? h("ul", { class: "runs" }, items) : h("p", { class: "soft" }, "There are none yet."));
}
