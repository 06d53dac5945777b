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

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "7": 7, "7B": 7, "64KB": 64 << 10, "512MB": 512 << 20, "2GB": 2 << 30, "2 gib": 2 << 30, "1.5kb": 1536, "1TB": 1 << 40,
	} {
		var s Size
		if err := s.Set(text); err != nil || int64(s) != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "GB", "-1", "2XB", "1e99", "NaN", "2GBGB", "1 2"} {
		if s := Size(9); s.Set(text) == nil || s != 9 {
			t.Errorf("%q: %d", text, s)
		}
	}
}
