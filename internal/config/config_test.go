package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// small are settings of which one takes numbers alone.
var small = Settings{
	{Name: "model", Check: func(string) error { return nil }},
	{Name: "size", Check: func(value string) error {
		if strings.Trim(value, "0123456789") != "" {
			return errors.New("is no number")
		}
		return nil
	}},
}

// A setting changes by its own line; what is beside it stays, and what cannot be changed
// by a line alone is refused.
func TestChange(t *testing.T) {
	value := func(s string) *string { return &s }
	for _, c := range []struct {
		what, before string
		value        *string
		after        string // "" for an error
	}{
		{"a new file", "", value("7"), "size = 7\n"},
		{"another value", "# mine\nsize = 3\nmodel = \"demo\"\n", value("7"), "# mine\nsize = 7\nmodel = \"demo\"\n"},
		{"taken out", "size = 3\nmodel = \"demo\"\n", nil, "model = \"demo\"\n"},
		{"no end of the last line", "model = \"demo\"", value("7"), "model = \"demo\"\nsize = 7\n"},
		{"a quoted key", "\"size\" = 3\n", value("7"), ""},
		{"an unknown key", "colour = 1\n", value("7"), ""},
		{"a value that cannot be", "size = \"x\"\n", value("7"), ""},
	} {
		path := filepath.Join(t.TempDir(), "folder", "config.toml")
		if c.before != "" {
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(c.before), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := small.Change(path, "size", c.value)
		after, readErr := os.ReadFile(path)
		switch {
		case c.after == "" && (err == nil || string(after) != c.before):
			t.Errorf("%s: %v, and the file is %q", c.what, err, after)
		case c.after != "" && (errors.Join(err, readErr) != nil || string(after) != c.after):
			t.Errorf("%s: %v, and the file is %q, not %q", c.what, err, after, c.after)
		}
	}
}

// The environment comes before the file, and each is named.
func TestOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	t.Setenv("BANKAI_CONFIG", path)
	if err := os.WriteFile(path, []byte("size = 3\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	size, err := small.Named("size")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Chosen{{"3", path}, {"4", "BANKAI_SIZE"}} {
		if want.From != path {
			t.Setenv(want.From, want.Value)
		}
		f, err := small.Read()
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := f.Of(size); !ok || got != want {
			t.Errorf("got %v, %v, want %v", got, ok, want)
		}
	}
}
