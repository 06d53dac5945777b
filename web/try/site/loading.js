// How far the loading is.

import { h } from "./dom.js";
import { size } from "./sizes.js";

export class Loading {
  constructor(element, manifest) {
    const { engine, model, files } = manifest;
    this.element = element;
    this.bars = new Map();
    const bar = (name, file) => {
      const bytes = files.find((f) => f.name === file).bytes;
      const told = h("span", { class: "soft" }, `0 of ${size(bytes)}`);
      const progress = h("progress", { max: bytes, value: 0, "aria-label": `loading ${name}` });
      this.bars.set(file, { bytes, told, progress });
      return h("div", { class: "coming" }, h("p", { class: "row" }, h("b", {}, h("bdi", {}, name)), told), progress);
    };
    element.append(bar("the engine", engine.file), bar(`the model, ${model.name}`, model.file));
    element.hidden = false;
  }

  // got shows how many bytes of a file have come. A host that unpacks a file on the way
  // sends more than there were.
  got(file, n) {
    const { bytes, told, progress } = this.bars.get(file);
    progress.value = Math.min(n, bytes);
    told.textContent = n < bytes ? `${size(n)} of ${size(bytes)}` : `${size(bytes)}, loaded`;
  }

  done() { this.element.hidden = true; }
}
