// patches

import { h } from "./dom.js";

export function mount(section, app) {
  section.append(h("h1", {}, "Patches"));
}

export function show(of) {}
