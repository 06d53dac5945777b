package terminal

import "testing"

// The tab key writes what all that a line may become begins with.
func TestComplete(t *testing.T) {
	words := []string{"/patch", "/patches", "/größe", "/große"}
	e := &Editor{Complete: func(line string) (all []string) {
		for _, w := range words {
			if len(w) >= len(line) && w[:len(line)] == line {
				all = append(all, w)
			}
		}
		return all
	}}
	for _, c := range []struct {
		line string
		pos  int
		key  rune
		want string // "" if the key is none of ours
	}{
		{"/p", 2, '\t', "/patch"},
		{"/patche", 7, '\t', "/patches"},
		{"/gr", 3, '\t', "/gr"}, // ö and o differ
		{"/x", 2, '\t', "/x"},
		{"/p", 1, '\t', ""},
		{"/p", 2, 'a', ""},
	} {
		got, pos, ok := e.complete(c.line, c.pos, c.key)
		if ok != (c.want != "") || ok && (got != c.want || pos != len(got)) {
			t.Errorf("%q at %d, key %q: got %q at %d, %v, want %q", c.line, c.pos, c.key, got, pos, ok, c.want)
		}
	}
	if _, _, ok := (&Editor{}).complete("/p", 2, '\t'); ok {
		t.Error("an editor without completions takes the tab key")
	}
}
