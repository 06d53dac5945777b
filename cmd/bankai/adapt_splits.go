package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bankai/dataset"
	"bankai/internal/durable"
	"bankai/internal/text"
)

// keepSplits writes the sets of examples to files in a folder, so that what was held out
// can be measured again. It tells how, given the patch that will be there. Files that
// are there already must hold the same.
func keepSplits(ctx context.Context, a *app, dir string, p *dataset.Parts, labels []string, patch string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return durable.Unwritable(dir, err)
	}
	var heldOut string
	for _, set := range []struct {
		name     string
		examples []dataset.Example
	}{{"search", p.Search}, {"validation", p.Validation}, {"heldout", p.HeldOut}} {
		for i, piece := range dataset.Pieces(set.examples) {
			name := set.name
			if i > 0 {
				name += fmt.Sprint("-", i+1)
			}
			path := filepath.Join(dir, name+".jsonl")
			if err := a.keepExamples(ctx, path, piece, labels); err != nil {
				return err
			}
			if set.name == "heldout" {
				heldOut += " " + text.Quoted(path)
			}
		}
	}
	if heldOut != "" {
		a.Note("what is held out can be measured again: bankai eval%s --patch %s", heldOut, text.Quoted(patch))
	}
	return nil
}

// keepExamples writes examples to a file, unless it holds them.
func (a *app) keepExamples(ctx context.Context, path string, examples []dataset.Example, labels []string) error {
	var b bytes.Buffer
	if err := dataset.Write(&b, examples, labels); err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b.Bytes()) {
		return nil
	}
	out := a.Run.Derived(path, func(string) (string, bool) { return "other examples", false })
	if err := out.Check(); err != nil {
		return err
	}
	return a.Run.Put(ctx, out, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}
