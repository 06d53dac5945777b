package hub

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai/internal/hubtest"
	"bankai/internal/progress"
)

// quiet is told how work goes, and remembers notes.
type quiet struct{ notes []string }

func (*quiet) Warn(string, ...any) {}

func (q *quiet) Note(format string, args ...any) {
	q.notes = append(q.notes, fmt.Sprintf(format, args...))
}

func (*quiet) Meter(string, int64) progress.Meter { return still{} }

type still struct{}

func (still) Set(int64, string) {}
func (still) Stop()             {}

// commit and other are two commits.
var (
	commit = strings.Repeat("c0ffee12", 5)
	other  = strings.Repeat("0ddba115", 5)
)

const repo = "owner/Model-gguf"

// newHub is a hub with one repository.
func newHub(t *testing.T, files map[string]string) *hubtest.Hub {
	t.Helper()
	h := hubtest.New()
	t.Cleanup(h.Close)
	h.Put(repo, hubtest.Repo{Commit: commit, Files: files})
	return h
}

// newClient is a client of a hub with an empty cache, which does not wait.
func newClient(t *testing.T, h *hubtest.Hub) (*Client, *quiet) {
	t.Helper()
	q := &quiet{}
	c := &Client{Endpoint: h.URL, Folder: filepath.Join(t.TempDir(), "hub"), Watcher: q}
	if err := c.prepare(); err != nil {
		t.Fatal(err)
	}
	c.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(c.http.CloseIdleConnections)
	return c, q
}

// parsed is a reference that is right.
func parsed(t *testing.T, text string) Ref {
	t.Helper()
	ref, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// pull pulls and returns the content of what was pulled.
func pull(t *testing.T, c *Client, text string) (Pulled, string, error) {
	t.Helper()
	p, err := c.Pull(t.Context(), parsed(t, text))
	if err != nil {
		return p, "", err
	}
	if p.Folder {
		return p, "", nil
	}
	data, err := os.ReadFile(p.Path)
	return p, string(data), err
}

// tree lists the files below a folder: links with what they lead to, files with their
// content.
func tree(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := filepath.ToSlash(name)
		if to, err := os.Readlink(path); err == nil {
			line += " -> " + filepath.ToSlash(to)
		} else if data, err := os.ReadFile(path); err != nil {
			return err
		} else {
			line += " = " + string(data)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// checkBlobs fails if the cache has a blob that is not what its name says.
func checkBlobs(t *testing.T, folder string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*", "blobs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		etag := filepath.Base(name)
		if strings.HasSuffix(etag, ".incomplete") {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := digestOf(t.Context(), f, info.Size(), etag, still{}); err != nil || sum != etag {
			t.Errorf("%s holds what has the digest %s (%v)", name, sum, err)
		}
		f.Close()
	}
}

// incomplete is the size of what began to come, -1 if nothing did.
func incomplete(t *testing.T, folder string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*", "blobs", "*.incomplete"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			return int(info.Size())
		}
	}
	return -1
}

// redirectFrom is the error of an answer at an address that leads elsewhere.
func redirectFrom(t *testing.T, address, location string) error {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Response{StatusCode: http.StatusFound, Header: http.Header{}}
	if location == "" {
		r.StatusCode = http.StatusOK
	}
	r.Header.Set("Location", location)
	_, err = redirect(at, r)
	return err
}
