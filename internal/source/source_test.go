package source

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const threeProbes = `[
	{"prompt": "1 + 1 =", "correct": "2", "wrong": "3", "category": "a"},
	{"prompt": "2 + 2 =", "correct": "4", "wrong": "5", "category": "b"},
	{"prompt": "3 + 3 =", "correct": "6", "wrong": "7", "category": "a+b"}
]`

// A set is a file, some categories of one, or an embedded set. Its digest is always
// that of the whole file, which anybody can compute.
func TestReadSet(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("p.json", threeProbes)
	write("c#.json", threeProbes)
	write("damaged.json", `[{"prompt": 1}]`)
	write("large.json", strings.Repeat(" ", MaxSize+1))
	t.Chdir(dir)
	digest := sha256.Sum256([]byte(threeProbes))
	for _, c := range []struct {
		source  string
		prompts string // their first words
		part    string
		wrong   string
	}{
		{"p.json", "1 2 3", "", ""},
		{"p.json#a", "1", "a", ""},
		{"p.json#a+b", "3", "a+b", ""}, // the longest name that exists
		{"p.json#b+a", "1 2", "b+a", ""},
		{"p.json#c", "", "", `p.json: has no category "c": it has a, b and a+b`},
		{"c#.json", "1 2 3", "", ""}, // is a file of that name
		{"demo:nothing", "", "", `the demo has no set "nothing"`},
		{"damaged.json", "", "", "damaged.json"},
		{"large.json", "", "", "large.json: is larger than 64 MiB: split it"},
		{"missing.json", "", "", "missing.json"},
	} {
		s, err := ReadSet(c.source)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", c.source, err, c.wrong)
			}
			continue
		}
		var prompts []string
		for _, p := range s.Set {
			prompts = append(prompts, p.Prompt[:1])
		}
		if err != nil || strings.Join(prompts, " ") != c.prompts || s.Part != c.part || s.Source != c.source || s.Digest != digest {
			t.Errorf("%s: %+v, %v", c.source, s, err)
		}
		want := s.Digest.String()
		if c.part != "" {
			want += "#" + c.part
		}
		if s.Identity() != want {
			t.Errorf("%s: identity %s", c.source, s.Identity())
		}
	}
	sets, err := ReadSets([]string{"demo:control_few", "p.json"})
	if err != nil || len(sets) != 2 || len(sets[0].Set) != 5 {
		t.Errorf("an embedded set and a file: %v, %v", sets, err)
	}
}

// Prompts may have no wrong answers yet; probes must.
// A set is the same whether it is read from a file or from the file's content.
func TestParseSet(t *testing.T) {
	const file = `[{"prompt":"p","correct":"a","wrong":"b","category":"x+y"},{"prompt":"q","correct":"a","wrong":"b","category":"z"}]`
	for _, c := range []struct {
		part, fails string
		probes      int
	}{
		{"", "", 2}, {"x+y", "", 1}, {"x+y+z", "", 2}, {"w", `p.json: has no category "w"`, 0},
	} {
		s, err := ParseSet("p.json", []byte(file), c.part)
		if c.fails != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.fails) {
				t.Errorf("%q: %v, want %q", c.part, err, c.fails)
			}
			continue
		}
		if err != nil || len(s.Set) != c.probes || s.Part != c.part || s.Digest != sha256.Sum256([]byte(file)) {
			t.Errorf("%q: %+v, %v", c.part, s, err)
		}
	}
	if _, err := ParseSet("p.json", []byte("{"), ""); err == nil || !strings.HasPrefix(err.Error(), "p.json: ") {
		t.Errorf("half a file: %v", err)
	}
}

func TestReadPrompts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(path, []byte(`[{"prompt": "1 + 1 =", "correct": "2"}]`), 0o666); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadPrompts(path); err != nil || len(s.Set) != 1 {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := ReadSet(path); err == nil || !strings.HasPrefix(err.Error(), path) {
		t.Errorf("as probes: %v", err)
	}
}

func TestReadLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.txt")
	for text, want := range map[string]string{"a\n\n  b  \r\nc": "a|b|c", " \n\n": ""} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		lines, err := ReadLines(path)
		if got := strings.Join(lines, "|"); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if lines, err := ReadLines(Demo + "control_text"); err != nil || len(lines) != 100 {
		t.Errorf("the demo's: %d lines, %v", len(lines), err)
	}
}
