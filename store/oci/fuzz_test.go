package oci

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// Whatever a tar file holds: it is refused with a line, or what it has is a whole artifact.
func FuzzArchive(f *testing.F) {
	a := whole(f)
	a.Files[1].Data = []byte("<p>")
	t := archive{bytes.NewReader(nil), map[string]span{}, map[string][]byte{}}
	ctx, l := context.Background(), layout{&t}
	p, err := a.check(quick)
	if err != nil {
		f.Fatal(err)
	}
	if err := l.begin(ctx); err != nil {
		f.Fatal(err)
	}
	if err := (&pushing{ref: Ref{Layout: "x", Tag: "v1"}, patch: p, artifact: a, options: quick}).to(ctx, l); err != nil {
		f.Fatal(err)
	}
	data, err := t.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := openArchive(bytes.NewReader(data))
		g := &pulling{ref: Ref{Layout: "x", Tag: "v1"}}
		if err == nil {
			err = layout{a}.check()
		}
		if err == nil {
			err = g.from(context.Background(), layout{a})
		}
		switch {
		case err == nil:
			if _, err := g.artifact.check(quick); err != nil {
				t.Errorf("it was taken, and would not be sent: %v", err)
			}
		case strings.ContainsAny(err.Error(), "\n\r\x1b"):
			t.Errorf("more than a line: %q", err)
		}
	})
}

// Whatever a manifest says: it is refused with a line, or has one layer that may be read.
func FuzzManifest(f *testing.F) {
	p, err := decodePatch(aPatch(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	d, data, err := patchManifest(p, aPatch(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"schemaVersion":2,"layers":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeManifest(d, data)
		if err == nil {
			kindInWords(d, m)
			_, err = layer(m, PatchType, "patch", maxPatch)
		}
		if err == nil {
			err = agrees(m.Annotations, p)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("more than a line: %q", err)
		}
	})
}
