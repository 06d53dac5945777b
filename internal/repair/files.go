package repair

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/score"
)

// Files are where a repair leaves what it found.
type Files struct {
	patch, aside *durable.Output // aside takes an interrupted run's patch where another run's must stay
	page         *durable.Output // nil if there is none
}

// NewFiles are a patch, and a page about it unless that is empty, that a run writes. Both
// replace what the run's command left there before.
func NewFiles(r *outputs.Run, patch, page string) *Files {
	f := &Files{patch: r.Found(patch, r.OwnPatch), aside: r.Found(AsideName(patch), r.OwnPatch)}
	if page != "" {
		f.page = r.Derived(page, r.PageOf(r.Command))
		f.page.Inputs = append(slices.Clone(f.page.Inputs), patch)
	}
	return f
}

// Check refuses what must not be replaced. What is in the place of aside is kept under a
// number in any case.
func (f *Files) Check() error {
	if f.page == nil {
		return f.patch.Check()
	}
	return outputs.Check(f.patch, f.page)
}

// AsideName is NAME.interrupted.EXT for NAME.EXT.
func AsideName(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + ".interrupted" + ext
}

// patch is what was found, with its provenance.
func (r *run) patch() *bankai.Patch { return r.found.Patch.WithMeta(r.meta) }

// hasDrawn reports whether a vote began: its trials are in the journals of the
// draws, not in its own.
func hasDrawn(p score.Plan, out string) bool {
	return p.Method == score.MethodVote && outputs.IsThere(out+".journal.draw1")
}

// save writes the patch that was found, and records that this run wrote it: only
// another run's patch is worth keeping when the run writes the next one.
func (r *run) save(o *durable.Output) (err error) {
	p, d := r.patch(), r.result
	if old, err := bankai.ReadFile(o.Path); err == nil {
		// What an earlier part of this run wrote is replaced by what is as good or
		// better; under other limits the run may end with less. The fitness of a draw
		// is not that of the vote.
		if fitness, ours := r.journal.Written(old); ours && (d.Fitness >= fitness || r.Plan.Method == score.MethodVote) {
			o.Adopt()
		}
	}
	if err := r.journal.Wrote(p, d.Fitness); err != nil { // before it is written, or a kill between the two would make it another run's
		return err
	}
	if d.Out, err = r.Run.PutPatch(context.Background(), o, p); err != nil {
		return err
	}
	d.Patch, d.Flips, d.Bits, d.Bytes, d.Content = d.Out.Path, d.Out.Flips, d.Out.Bits, d.Out.Bytes, d.Out.Content
	return nil
}

// leave leaves what a run found that was interrupted, or ended by runErr: it never
// replaces a better patch by a worse or an empty one.
func (r *run) leave(runErr error) error {
	doc, out := r.result, r.Files
	where, err := r.place()
	text := "nothing is found yet, and nothing was written"
	switch {
	case err != nil:
		text = fmt.Sprintf("the best patch so far could not be written: %v", err)
	case where != "" && doc.Patch == "":
		text = fmt.Sprintf("%s, which an earlier part of this run wrote, is as good or better and stays", where)
	case where != "" && where != out.patch.Path:
		text = fmt.Sprintf("the best patch so far is in %s; %s is of another run and stays", where, out.patch.Path)
	case where != "":
		text = "the best patch so far is in " + where
	}
	if runErr != nil {
		return fmt.Errorf("%w; %s", runErr, text)
	}
	if out.page != nil {
		text += "; " + out.page.Path + " is only written when the search is done"
	}
	kept := r.Run.IsRecorded(out.patch.Path + ".journal")
	if kept {
		doc.Resume = outputs.GoOn
		text += "; " + doc.Resume
	}
	return &outputs.Interrupted{Text: text, Useful: where != "" || kept}
}

// place writes the patch of a run that did not end, if it has flips, to where
// it replaces no better one, and returns the file that holds the best of this run.
func (r *run) place() (string, error) {
	if r.found.Patch.Len() == 0 {
		return "", nil
	}
	out := r.Files
	for _, o := range []*durable.Output{out.patch, out.aside} {
		if outputs.IsThere(o.Path) {
			old, err := bankai.ReadFile(o.Path)
			fitness, ours := 0.0, false
			if err == nil {
				fitness, ours = r.journal.Written(old)
			}
			switch {
			case ours && r.result.Fitness <= fitness:
				return o.Path, nil
			case !ours && o == out.patch:
				continue
			}
		}
		return o.Path, r.save(o)
	}
	return "", errors.New("there is no place for it")
}
