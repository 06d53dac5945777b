package e2e

import (
	"testing"
)

// Every part of the page can be seen, at every width, light and dark, and axe finds nothing.
func TestParts(t *testing.T) {
	s := serve(t, "")
	p := open(t, s.url)
	for _, part := range []string{"chat", "patches", "anatomy", "evaluation", "search"} {
		p.click("header nav a[href='#" + part + "']")
		p.see("#view-" + part + " h1")
		for _, width := range []int64{320, 1280, 3840} {
			p.size(width, 900, "light")
			p.fits()
		}
		p.size(1280, 900, "light")
		p.accessible()
	}
}
