package report

import (
	"regexp"
	"testing"
)

// checkSVG holds for every picture: it has a description, takes its colours from
// the page, and has nothing in it that is no number.
func checkSVG(t *testing.T, svg string) {
	t.Helper()
	if !regexp.MustCompile(`^<svg role="img" aria-label="[^"]+"`).MatchString(svg) {
		t.Errorf("begins with %.80s", svg)
	}
	if m := regexp.MustCompile(`[^&]#-?\d+|NaN|Inf`).FindString(svg); m != "" {
		t.Errorf("has %q", m)
	}
}

// dots counts the filled and the hollow marks of a picture.
func dots(svg string) (filled, hollow int) {
	for _, m := range regexp.MustCompile(`<circle [^>]*style="fill:([^;"]*)`).FindAllStringSubmatch(svg, -1) {
		if m[1] == "none" {
			hollow++
		} else {
			filled++
		}
	}
	return filled, hollow
}
