package evaluate

import (
	"regexp"
	"slices"
	"testing"

	"bankai/internal/chart"
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

// The page and the pictures on it call the same colours by the same names.
func TestColours(t *testing.T) {
	of := func(css string) map[string][]string {
		values := map[string][]string{} // light, dark
		for _, m := range regexp.MustCompile(`(--[\w-]+): (#\w+)`).FindAllStringSubmatch(css, -1) {
			values[m[1]] = append(values[m[1]], m[2])
		}
		return values
	}
	ours, theirs := of(Style), of(chart.Style)
	for _, name := range []string{"--ink", "--soft", "--rule"} {
		if len(ours[name]) != 2 || !slices.Equal(ours[name], theirs[name]) {
			t.Errorf("%s is %v on the page and %v in pictures", name, ours[name], theirs[name])
		}
	}
}
