package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The time of everything is that which is asked for, in UTC, or an error that says what
// is wanted.
func TestSourceTime(t *testing.T) {
	for text, want := range map[string]string{"0": "1970-01-01T00:00:00Z", "1700000000": "2023-11-14T22:13:20Z", "-1": "1969-12-31T23:59:59Z"} {
		t.Setenv("SOURCE_DATE_EPOCH", text)
		if got, err := sourceTime(); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"today", "1.5", "99999999999999999999"} {
		t.Setenv("SOURCE_DATE_EPOCH", text)
		if _, err := sourceTime(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("SOURCE_DATE_EPOCH %q: want seconds", text)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Checksums stand one a line: 64 digits, two spaces and the name without its folder, as
// sha256sum -c reads them.
func TestAddSum(t *testing.T) {
	dir := t.TempDir()
	var sums strings.Builder
	want := ""
	for name, content := range map[string]string{"a.zip": "", "b.tar.gz": "some bytes"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := addSum(&sums, dir, name); err != nil {
			t.Fatal(err)
		}
		want += fmt.Sprintf("%x", sha256.Sum256([]byte(content))) + "  " + name + "\n"
	}
	if sums.String() != want || !strings.Contains(want, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.zip\n") {
		t.Errorf("got\n%s\nwant\n%s", sums.String(), want)
	}
	if err := addSum(&sums, dir, "none"); !errors.Is(err, fs.ErrNotExist) || sums.String() != want {
		t.Errorf("a file that is not there: %v", err)
	}
}

// The list of components is what a program that exists, this test, says of itself.
func TestWriteBOM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b.cdx.json")
	if err := writeBOM(path, self, "1.2", when); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Metadata.Timestamp != "2023-11-14T22:13:20Z" || b.Components[0].Version != runtime.Version() {
		t.Errorf("%+v", b)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || len(b.Components) != 1+len(info.Deps) || b.Metadata.Component.Name != info.Main.Path {
		t.Errorf("%s, which says of itself: %v", text, info)
	}
	if err := writeBOM(path, filepath.Join(t.TempDir(), "none"), "1.2", when); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no program: %v", err)
	}
}

// An archive that cannot be written is an error, not an empty one.
func TestArchivesNeedAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "a")
	for what, write := range map[string]func(string, string, []file, time.Time) error{"tar": writeTar, "zip": writeZip} {
		if err := write(path, "b_1", files, when); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whatever the help is, man(1) shows the same: no line is taken for a request, and
// without the escapes it is the help.
func TestManualShowsAnyHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		help := rapid.StringMatching(`([-.'\\a &e\n]{0,6}[a.'\\])?\n?`).Draw(t, "help")
		page := page{Short: "s", Help: help}.roff("n", "1", when)
		_, body, _ := strings.Cut(page, ".nf\n")
		body, ended := strings.CutSuffix(body, ".fi\n")
		var shown strings.Builder
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
				t.Errorf("%q: a request of %q", line, help)
			}
			shown.WriteString(strings.NewReplacer(`\&`, "", `\e`, `\`, `\-`, "-").Replace(line))
		}
		if want := strings.TrimSuffix(help, "\n"); !ended || strings.TrimSuffix(shown.String(), "\n") != want {
			t.Errorf("shown is %q, want %q", shown.String(), want)
		}
	})
}
