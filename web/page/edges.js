// What is wider or higher than its place, and scrolls there.

import { h } from "./dom.js";

// edged puts a scroller into a frame that has a shadow at each edge behind which there is
// more, for browsers may hide their scroll bars.
export function edged(scroller) {
  const frame = h("div", { class: "edges" }, scroller);
  const look = () => {
    frame.classList.toggle("right", scroller.scrollLeft + scroller.clientWidth < scroller.scrollWidth - 1);
    frame.classList.toggle("below", scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 1);
  };
  scroller.addEventListener("scroll", look, { passive: true });
  const sizes = new ResizeObserver(look);
  for (const e of [scroller, ...scroller.children]) sizes.observe(e);
  return frame;
}
