package e2e

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// collisions is JavaScript for the texts of pictures that lie on one another, or that their
// picture cuts off, by more than the width of a hair.
const collisions = `(() => {
	const found = [];
	for (const picture of document.querySelectorAll("svg")) {
		if (!picture.checkVisibility()) continue;
		const all = [...picture.querySelectorAll("text")].filter((e) => e.textContent.trim() && e.checkVisibility());
		const boxes = all.map((e) => ({ text: e.textContent, r: e.getBoundingClientRect() }));
		const frame = picture.getBoundingClientRect();
		for (const [i, a] of boxes.entries()) {
			if (a.r.left < frame.left - 1 || a.r.right > frame.right + 1) found.push(a.text + " is beyond the picture");
			for (const b of boxes.slice(i + 1)) {
				const wide = Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left);
				const high = Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top);
				if (wide > 1 && high > 0.25 * Math.min(a.r.height, b.r.height)) found.push(a.text + " / " + b.text);
			}
		}
	}
	return found.slice(0, 12);
})()`

// hosted serves files.
func hosted(t *testing.T, dir string) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// Pages of reports fit, at every width; no text of their pictures lies on another; axe finds
// nothing, light and dark; and nothing is lost in the reader's own colours.
func TestReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	experiments, err := filepath.Abs(filepath.Join(root, "docs/experiments"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"report", "-o", "experiments.html", "-q"}
	for _, kind := range []string{"compare", "layers", "perplexity-bits-256"} {
		args = append(args, filepath.Join(experiments, kind))
	}
	bankai(t, dir, args...)
	data, err := os.ReadFile(filepath.Join(root, "docs/examples/derivatives.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	some := bytes.Join(bytes.SplitAfterN(data, []byte("\n"), 41)[:40], nil)
	if err := os.WriteFile(filepath.Join(dir, "some.jsonl"), some, 0o666); err != nil {
		t.Fatal(err)
	}
	bankai(t, dir, "adapt", "some.jsonl", "-o", "fix.bankai", "--max-cost", "1", "--granularity", "row", "--guard", "none", "--report", "adapt.html", "-q")
	url := hosted(t, dir)
	p := open(t, url+"adapt.html")
	for _, page := range []string{"adapt.html", "experiments.html"} {
		t.Run(page, p.within(t, func(t *testing.T) {
			p.do(chromedp.Navigate(url + page))
			for _, width := range []int64{320, 700, 1280, 3840} {
				p.size(width, 900, "light")
				p.fits()
				if found := js[[]string](p, collisions); len(found) > 0 {
					t.Errorf("at %d pixels: %s", width, strings.Join(found, "\n"))
				}
			}
			p.size(1280, 900, "light")
			p.accessible()
		}))
	}
	t.Run("forced colours", p.within(t, func(t *testing.T) {
		p.do(chromedp.Navigate(url + "adapt.html"))
		js[bool](p, "(document.querySelector('td').append(document.createElement('mark')), true)") // as in an answer that differs
		p.told(".bar > i", ".key i", ".whisk > b", ".map td", "mark")
	}))
}

// Nor does one in the pictures that experiments leave as files.
func TestPictures(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "docs/experiments")
	pictures, err := filepath.Glob(filepath.Join(dir, "*", "*.svg"))
	if err != nil || len(pictures) < 20 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	all := t.TempDir()
	var page strings.Builder
	page.WriteString("<!DOCTYPE html><title>pictures</title><link rel=icon href=data:,>")
	for _, file := range pictures {
		picture, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(picture)
		page.WriteString("<p>" + text[strings.Index(text, "<svg"):] + "</p>")
	}
	if err := os.WriteFile(filepath.Join(all, "all.html"), []byte(page.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	p := open(t, hosted(t, all)+"all.html")
	if found := js[[]string](p, collisions); len(found) > 0 {
		t.Errorf("%s", strings.Join(found, "\n"))
	}
	// A text on another would be found.
	js[bool](p, `(() => { const e = document.querySelector("svg text"); e.after(e.cloneNode(true)); return true; })()`)
	if found := js[[]string](p, collisions); len(found) == 0 {
		t.Error("a text that lies on its copy is not found")
	}
}
