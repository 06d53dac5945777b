// evaluation

import { h } from "./dom.js";

export function mount(section, app) {
  section.append(h("h1", {}, "Evaluation"));
}

export function show(of) {}
