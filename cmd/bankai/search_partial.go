package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
	"bankai/search"
)

// searchOutputs are the files that a search writes.
type searchOutputs struct {
	patch, aside *durable.Output // aside takes an interrupted run's patch where another run's must stay
	report       *durable.Output // nil without --report
}

// searchOutputs are the outputs that the flags ask for.
func (a *app) searchOutputs(f *searchFlags) *searchOutputs {
	o := &searchOutputs{patch: a.found(f.out, a.aPatch), aside: a.found(asideName(f.out), a.aPatch)}
	if f.report != "" {
		o.report = a.derived(f.report, aPage(a.command))
		o.report.Inputs = append(slices.Clone(o.report.Inputs), f.out)
	}
	return o
}

// all are those that must be writable. What is in the place of aside is kept under a
// number in any case.
func (o *searchOutputs) all() []*durable.Output {
	if o.report == nil {
		return []*durable.Output{o.patch}
	}
	return []*durable.Output{o.patch, o.report}
}

// asideName is NAME.interrupted.EXT for NAME.EXT.
func asideName(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + ".interrupted" + ext
}

// leavePartial leaves what a run found that was interrupted, or ended by runErr: it
// never replaces a better patch by a worse or an empty one.
func (a *app) leavePartial(doc *searchDoc, p *bankai.Patch, runErr error, journal *search.Journal, out *searchOutputs) error {
	where, err := a.placePartial(doc, p, journal, out)
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
	if out.report != nil {
		text += "; " + out.report.Path + " is only written when the search is done"
	}
	kept := a.isRecorded(out.patch.Path + ".journal")
	if kept {
		doc.Resume = a.goOn()
		text += "; " + doc.Resume
	}
	if err := a.print(doc, doc.write); err != nil {
		return err
	}
	return &interrupted{text, where != "" || kept}
}

// placePartial writes the patch of a run that did not end, if it has flips, to where
// it replaces no better one, and returns the file that holds the best of this run.
func (a *app) placePartial(doc *searchDoc, p *bankai.Patch, journal *search.Journal, out *searchOutputs) (string, error) {
	if p.Len() == 0 {
		return "", nil
	}
	for _, o := range []*durable.Output{out.patch, out.aside} {
		if isThere(o.Path) {
			old, err := bankai.ReadFile(o.Path)
			fitness, ours := 0.0, false
			if err == nil {
				fitness, ours = journal.Written(old)
			}
			switch {
			case ours && doc.Fitness <= fitness:
				return o.Path, nil
			case !ours && o == out.patch:
				continue
			}
		}
		return o.Path, doc.save(a, p, journal, o)
	}
	return "", errors.New("there is no place for it")
}

// where says where the patch is.
func (d *searchDoc) where() string {
	if d.Patch == "" {
		return ""
	}
	return d.out.String()
}
