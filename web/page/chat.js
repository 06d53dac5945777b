// chat

import { h } from "./dom.js";

export function mount(section, app) {
  section.append(h("h1", {}, "Chat"));
}

export function show(of) {}
