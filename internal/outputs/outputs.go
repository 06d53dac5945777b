// Package outputs says what the files that a run writes may replace: earlier results of
// the same command, and nothing that the run reads. It tells by what a file holds.
package outputs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/internal/weights"
)

// Run is a run of a command, as far as its outputs are concerned.
type Run struct {
	Command string   // as "bankai patch compose"
	Inputs  []string // files that it reads, which no output replaces: see Inputs
	Force   bool     // replace what is no earlier result, too

	// CommandOf is the command of a recorded command line, "" if it is none of this
	// program.
	CommandOf func(line string) string
	// Open opens a model that may be replaced, or that was patched.
	Open func(path string) (*weights.File, error)

	Kept
}

// Known tells what a file holds, "" for the unknown, and whether it is an earlier
// result of the command that is running. It goes by the content alone.
type Known func(path string) (what string, earlier bool)

// Found is an output that holds what was found by long work: an earlier one is kept
// under a number. No output takes the place of a file that the command line names as
// something to read.
func (r *Run) Found(path string, is Known) *durable.Output {
	return &durable.Output{Path: path, Keep: true, Force: r.Force, Known: is, Inputs: r.Inputs}
}

// Derived is an output that can be made again of what is there.
func (r *Run) Derived(path string, is Known) *durable.Output {
	return &durable.Output{Path: path, Keep: r.Force && mayBeFound(path), Force: r.Force, Known: is, Inputs: r.Inputs}
}

// mayBeFound reports whether a file may hold what was found by long work, though it
// need not be whole: a patch, probes, a journal, a result.
func mayBeFound(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // the end of a pipe may never come
	}
	what := Content(path)
	return what == isJSON || what == isBinaryPatch
}

// Put writes an output, and remembers that it was written.
func (r *Run) Put(ctx context.Context, o *durable.Output, write func(w io.Writer) error) error {
	err := o.Write(ctx, func(f durable.File) error {
		w := bufio.NewWriter(f)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	})
	if err == nil {
		r.wrote(o.Path)
	}
	return err
}

// PutModel writes a copy of a model, remembers that it was written, and opens it.
func (r *Run) PutModel(ctx context.Context, o *durable.Output, c *weights.Copy) (*weights.File, error) {
	if err := o.Write(ctx, c.Write); err != nil {
		return nil, err
	}
	r.wrote(o.Path)
	return weights.Open(o.Path)
}

// Written is a patch that was written to a file.
type Written struct {
	Path    string
	Flips   int
	Bits    *uint64 // nil if unknown
	Bytes   int64   // of the file
	Content int64   // bytes that the compact form takes without provenance
}

// PutPatch writes a patch, in the form that the output's name asks for, and says
// what was written.
func (r *Run) PutPatch(ctx context.Context, o *durable.Output, p *bankai.Patch) (Written, error) {
	err := r.Put(ctx, o, func(w io.Writer) error {
		if strings.ToLower(filepath.Ext(o.Path)) == ".json" {
			return p.WriteJSON(w)
		}
		_, err := p.WriteTo(w)
		return err
	})
	if err != nil {
		return Written{}, err
	}
	info, err := os.Stat(o.Path)
	if err != nil {
		return Written{}, err
	}
	content, err := p.ContentSize()
	return Written{Path: o.Path, Flips: p.Len(), Bits: anatomy.KnownBits(p), Bytes: info.Size(), Content: content}, err
}

// String tells what was written in a line.
func (w Written) String() string {
	bits := ""
	if w.Bits != nil {
		bits = fmt.Sprintf(", %s bits", text.Thousands(int64(*w.Bits)))
	}
	return fmt.Sprintf("%s: %s%s, content %s bytes, file %s bytes",
		w.Path, text.Count(w.Flips, "flip"), bits, text.Thousands(w.Content), text.Thousands(w.Bytes))
}

// Check refuses what must not be replaced, before the work begins.
func Check(outputs ...*durable.Output) error {
	for _, o := range outputs {
		if err := o.Check(); err != nil {
			return err
		}
	}
	return nil
}
