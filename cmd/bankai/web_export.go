package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/web/try"
)

// exported is the result of `web export`.
type exported struct {
	Out        string     `json:"out"` // the folder
	Bytes      int64      `json:"bytes"`
	Compressed int64      `json:"compressed_bytes"` // as a host that compresses sends them
	Files      []try.File `json:"files"`
}

// exportSite writes a page into a folder, in place of an earlier one.
func exportSite(ctx context.Context, a *app, dir string, site *try.Site) (*exported, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, durable.Unwritable(dir, err)
	}
	names, err := site.Names()
	if err != nil {
		return nil, err
	}
	earlier := try.Earlier(dir)
	files := map[string]*durable.Output{}
	for _, name := range names {
		files[name] = a.Derived(filepath.Join(dir, name), earlier.Holds)
		files[name].Keep = false // nothing of a page is the only one of its kind
		if err := files[name].Check(); err != nil {
			return nil, err
		}
	}
	var sent sizes
	m, err := site.Write(func(name string, write func(w io.Writer) error) error {
		return a.Put(ctx, files[name], func(w io.Writer) error { return sent.of(name, w, write) })
	})
	if err != nil {
		return nil, err
	}
	for _, file := range earlier.Stale(dir, m) {
		if err := os.Remove(file); err != nil {
			return nil, durable.Unwritable(file, err)
		}
	}
	return &exported{Out: dir, Bytes: sent.bytes, Compressed: sent.compressed, Files: m.Files}, nil
}

// sizes add up what a page weighs.
type sizes struct{ bytes, compressed int64 }

// of counts what is written of a file. What is compressed already is sent as it is.
func (s *sizes) of(name string, w io.Writer, write func(w io.Writer) error) error {
	var plain, packed counter
	gz := gzip.NewWriter(&packed)
	err := write(io.MultiWriter(w, &plain, gz))
	err = errors.Join(err, gz.Close())
	s.bytes += int64(plain)
	if filepath.Ext(name) == ".gz" {
		packed = plain
	}
	s.compressed += int64(packed)
	return err
}

// counter counts bytes.
type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

func (e *exported) write(w io.Writer) {
	fmt.Fprintf(w, "%s: the page, %s in %s; %s as a host that compresses sends them\n", e.Out, text.Size(e.Bytes), text.Count(len(e.Files)+1, "file"), text.Size(e.Compressed))
	fmt.Fprintf(w, "look at it with \"python3 -m http.server --directory %s\", or let any host of files serve it\n", text.Quoted(e.Out))
}
