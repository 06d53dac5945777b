// search

import { h } from "./dom.js";

export function mount(section, app) {
  section.append(h("h1", {}, "Search"));
}

export function show(of) {}
