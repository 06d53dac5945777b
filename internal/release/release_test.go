package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	when  = time.Unix(1_700_000_000, 0).UTC()
	files = []file{{"bankai", []byte("program"), true}, {"man/man1/bankai.1", []byte(".TH"), false}}
)

// Archives hold what was put in, with its modes and the one time, and equal content
// makes equal archives whenever they are written.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []struct {
		name  string
		write func(string, string, []file, time.Time) error
		list  func([]byte) (string, error)
	}{{"a.tar.gz", writeTar, listTar}, {"a.zip", writeZip, listZip}} {
		var contents [][]byte
		for _, folder := range []string{"first", "second"} {
			path := filepath.Join(dir, folder+kind.name)
			if err := kind.write(path, "b_1", files, when); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			contents = append(contents, content)
		}
		if !bytes.Equal(contents[0], contents[1]) {
			t.Errorf("%s: written twice, two archives", kind.name)
		}
		got, err := kind.list(contents[0])
		want := "b_1/bankai -rwxr-xr-x 1700000000 program\nb_1/man/man1/bankai.1 -rw-r--r-- 1700000000 .TH\n"
		if err != nil || got != want {
			t.Errorf("%s holds %q (%v), want %q", kind.name, got, err, want)
		}
	}
}

// entry is a line about a file of an archive.
func entry(info os.FileInfo, name string, content []byte) string {
	return fmt.Sprintf("%s %s %d %s\n", name, info.Mode(), info.ModTime().Unix(), content)
}

func listTar(data []byte) (text string, err error) {
	packed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return "", err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		text += entry(h.FileInfo(), h.Name, content)
	}
}

func listZip(data []byte) (text string, err error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return "", err
	}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			return "", err
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return "", err
		}
		text += entry(f.FileInfo(), f.Name, content)
	}
	return text, nil
}

// A manual page holds the help as it is: what roff would take for a request or an
// escape is told from it.
func TestManualPage(t *testing.T) {
	p := page{Short: "find a patch", Help: "Searches.\n\n.dot and \\n\n  --probes F\n"}
	got := p.roff("bankai-search", "1.0", when)
	want := `.TH "BANKAI-SEARCH" 1 "2023-11-14" "bankai 1.0" "bankai"
.SH NAME
bankai\-search \- find a patch
.SH DESCRIPTION
.nf
Searches.

\&.dot and \en
  \-\-probes F
.fi
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The list of components has every module, and Go's own library.
func TestBOM(t *testing.T) {
	b := newBOM(&debug.BuildInfo{
		GoVersion: "go1.26", Main: debug.Module{Path: "bankai"},
		Deps: []*debug.Module{
			{Path: "a.org/x", Version: "v1.0.0"},
			{Path: "b.org/y", Version: "v2.0.0", Replace: &debug.Module{Path: "c.org/z", Version: "v3.0.0"}},
		},
	}, "1.0", when)
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	want := "pkg:golang/std@go1.26 pkg:golang/a.org/x@v1.0.0 pkg:golang/c.org/z@v3.0.0"
	if text := strings.Join(got, " "); text != want || b.Metadata.Component.Version != "1.0" {
		t.Errorf("got %s of %+v, want %s", text, b.Metadata, want)
	}
}
