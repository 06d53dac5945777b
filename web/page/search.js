// Search: patches are looked for by another process of the server, which the page follows.

import { h } from "./dom.js";
import { Failure, json } from "./api.js";
import { thousands, when } from "./numbers.js";
import { form } from "./search-form.js";
import { run } from "./search-run.js";
import { phases, rightOf } from "./search-words.js";

let app, title, asking, runs, shown, about;
let one = null; // the search that is shown
let looking = new AbortController(); // at what is shown

export function mount(section, to) {
  app = to;
  asking = form(app, start);
  about = h("div", {}, h("p", { class: "soft" }, "A search tries flips of signs, and keeps those that make the right answers to its probes likelier. Answers to the validation set, which it does not use, are watched meanwhile. It is a process of its own: it goes on when this page is closed, and stops when the server is ended; it can go on then."), asking.element);
  runs = h("section", { id: "search-runs", "aria-label": "searches" });
  shown = h("div", { id: "search-shown" });
  title = h("h1", { tabindex: -1 }, "Search");
  section.append(title, about, shown, runs);
  app.changed(() => one?.tellNames());
}

// start begins a search. Where another one is running, it leads there.
async function start(request) {
  try {
    const { id } = await json("POST", "api/searches", { body: request });
    app.go(`search/${id}`);
  } catch (e) {
    if (!(e instanceof Failure) || e.code !== "search_running") throw e;
    const running = (await list())?.searches.find((d) => d.running);
    if (running) e.more = [" ", h("a", { href: `#search/${encodeURIComponent(running.id)}` }, "Look at it")];
    throw e;
  }
}

// again fills the form with what a search was asked, and leads there.
function again(id, request) {
  asking.refill(id, request);
  app.go("search");
}

// show shows the search whose id the address has, or what a new one is asked.
export async function show(of) {
  const active = document.activeElement, here = about.parentElement.contains(active);
  looking.abort();
  looking = new AbortController();
  one = null;
  about.hidden = of !== "";
  shown.replaceChildren();
  if (of) {
    one = run(app, of, looking.signal, { changed: list, again });
    shown.append(h("p", {}, h("a", { href: "#search" }, "A new search")), one.element);
  }
  if (here) (one?.name ?? title).focus(); // what had the focus is gone, or led here
  await list();
}

// list shows which searches there are.
async function list() {
  let doc;
  try {
    doc = await json("GET", "api/searches");
  } catch (e) {
    app.fail(e);
    return null;
  }
  asking.offer(doc);
  const focused = runs.contains(document.activeElement) && document.activeElement.getAttribute("href");
  runs.replaceChildren(h("h2", {}, "Searches"), doc.searches.length ? h("ul", { class: "runs" }, doc.searches.map(item)) : h("p", { class: "soft" }, "There are none yet."));
  if (focused) ([...runs.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused) ?? title).focus();
  return doc;
}

// item is a search in the list.
function item(d) {
  const s = d.state;
  const said = s.cost > 0 && [`fitness ${s.said.fitness}`, s.right !== null && `${rightOf(s)} right`, `${thousands(s.flips)} ${s.flips === 1 ? "flip" : "flips"}`];
  return h("li", { class: "card" },
    h("a", { href: `#search/${encodeURIComponent(d.id)}`, "aria-current": location.hash === `#search/${d.id}` ? "true" : null, dir: "auto" }, d.name),
    h("span", {}, h("span", { class: `dot ${d.running ? "on" : d.phase}` }), phases[d.phase]),
    h("span", { class: "soft" }, (said || []).filter(Boolean).join("; ")),
    h("time", { class: "soft", datetime: d.request.started }, when(d.request.started)));
}
