// Keeps in view what is said while it comes, unless the user looks elsewhere.

// near is how many pixels of a turn may be below the view that is still looked at to its end.
const near = 24;

// Follow scrolls the page, always at once, so that the end of a turn stands above the form
// that is asked with, which lies over the end of the view.
export class Follow {
  constructor(form) {
    Object.assign(this, { form, of: null, on: false, last: 0, due: false });
    new ResizeObserver(() => form.parentElement?.style.setProperty("--asking", `${form.offsetHeight}px`)).observe(form);
    window.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  // begin follows an element from now on.
  begin(element) {
    Object.assign(this, { of: element, on: true });
    this.scroll();
  }

  // grown says that there is more of it; scrolling waits until that is drawn.
  grown() {
    if (this.due || !this.on) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.scroll(); });
  }

  end() {
    this.scroll();
    this.of = null;
  }

  // below is how many pixels of what is followed cannot be seen.
  get below() { return this.of.getBoundingClientRect().bottom - Math.min(window.innerHeight, this.form.getBoundingClientRect().top); }

  scroll() {
    if (this.on && this.of?.checkVisibility() && this.below > 0) window.scrollBy({ top: Math.ceil(this.below), behavior: "instant" });
    this.last = window.scrollY;
  }

  // scrolled lets go when the user scrolls up, and takes hold when the end is in view again.
  scrolled() {
    if (!this.of) return;
    if (this.below <= near) this.on = true;
    else if (window.scrollY < this.last) this.on = false;
    this.last = window.scrollY;
  }
}
