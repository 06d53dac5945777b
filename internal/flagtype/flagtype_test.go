package flagtype

import (
	"testing"

	"pgregory.net/rapid"
)

func TestIntList(t *testing.T) {
	for _, c := range []struct {
		text   string
		ranges bool
		want   string // "" for an error
	}{
		{"1,2,3", false, "1,2,3"},
		{"[1, 2, 3]", false, "1,2,3"},
		{" 7 ", false, "7"},
		{"0,3-5", true, "0,3,4,5"},
		{"3-3", true, "3"},
		{"3-5", false, ""},
		{"5-3", true, ""},
		{"-1", true, ""},
		{"-1", false, ""},
		{"1.5", false, ""},
		{"", false, ""},
		{"[]", false, ""},
		{",", false, ""},
		{"99999999999", false, ""},
		{"0-2000000000", true, ""},
		{"1--2", true, ""},
	} {
		l := &IntList{Ranges: c.ranges}
		err := l.Set(c.text)
		if (err == nil) != (c.want != "") || err == nil && l.String() != c.want {
			t.Errorf("%q: got %v, %v, want %q", c.text, l, err, c.want)
		}
	}
}

// A list that was printed reads back as itself.
func TestIntListRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := IntList{Values: rapid.SliceOfN(rapid.Int32Min(0), 1, 20).Draw(t, "values")}
		var b IntList
		if err := b.Set(a.String()); err != nil || b.String() != a.String() {
			t.Fatalf("%s became %s, %v", &a, &b, err)
		}
	})
}

func TestCount(t *testing.T) {
	var c Count
	for text, ok := range map[string]bool{"0": true, "300": true, "-1": false, "1e3": false, "": false, "99999999999999999999": false} {
		if err := c.Set(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
