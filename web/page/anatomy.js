// anatomy

import { h } from "./dom.js";

export function mount(section, app) {
  section.append(h("h1", {}, "Anatomy"));
}

export function show(of) {}
