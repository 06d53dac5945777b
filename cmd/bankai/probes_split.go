package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/splitting"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"

	"github.com/spf13/cobra"
)

// splitFlags are the settings of probes split.
type splitFlags struct {
	model        modelFlags
	dir          string
	sizes        splitting.Sizes
	controlsFrom []string
}

func splitCommand(a *app) *cobra.Command {
	f := splitFlags{sizes: splitting.NewSizes()}
	cmd := &cobra.Command{
		Use:   "split F... -o DIR",
		Short: "make sets to search, validate and measure with, without leakage",
		Long: `Splits probes into sets that share no prompt, by the audit's measure: spacing,
brackets, case and * tell no prompts apart. Of prompts that are the same by it,
the first stays. Every set has its share of every category. Files are
DIR/search.json, validate.json, heldout.json, control.json, control_heldout.json.

A size is a number of probes or a share ("240", "60%", "0.6"). Sets without one
share what is left by 60 : 20 : 20; a size of 0 means no such set. Shares are of
the probes without the controls.

Controls are probes that the model answers right now, so this needs the model.
They are taken out of F, or with --controls-from out of other files, where they
are all that the model answers right unless --controls says how many.`,
		Example: `  bankai probes split probes.json -o sets
  bankai probes split demo:search -o sets2 --heldout 200 --controls-from demo:control`,
		Args: arguments(1, -1, "probe files"),
	}
	f.model.add(cmd)
	for _, x := range []struct{ flag, role, what string }{
		{"search", splitting.Search, "`SIZE` of the set to search with"},
		{"validate", splitting.Validate, "`SIZE` of the set to choose between searches by"},
		{"heldout", splitting.HeldOut, "`SIZE` of the set for the result"},
		{"controls", splitting.Controls, "`SIZE` of the set of controls, which must hold while searching"},
		{"controls-heldout", splitting.ControlsHeldOut, "`SIZE` of a set of controls for the result"},
	} {
		cmd.Flags().Var(f.sizes[x.role], x.flag, x.what)
	}
	cmd.Flags().StringArrayVar(&f.controlsFrom, "controls-from", nil, "probe `FILE` to take the controls from; may be repeated")
	cmd.Flags().StringVarP(&f.dir, "out", "o", "", "`DIR` to write the files to")
	f.model.addPatch(cmd)
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if f.dir == "" {
			return usagef("give the folder to write to with -o")
		}
		return split(ctx, a, &f, args)
	})
	return cmd
}

// splitDoc is what a split made.
type splitDoc struct {
	Probes  int         `json:"probes"` // in all files
	Files   []probeFile `json:"files"`
	Repeats int         `json:"duplicates"` // left out: ask what another asks
	Alike   int         `json:"alike"`      // left out: the prompt is like another's, but not the same
	Unused  int         `json:"unused"`
	Leaks   int         `json:"leaks"` // that the audit found between the files
}

func split(ctx context.Context, a *app, f *splitFlags, sources []string) error {
	apart := len(f.controlsFrom) > 0
	controls := apart || f.sizes.AreControls()
	if !controls && f.sizes.AreNone() {
		return usagef("--search, --validate and --heldout are all 0: there is nothing to write")
	}
	s := &splitFiles{app: a, dir: f.dir, outputs: map[string]*durable.Output{}, doc: splitDoc{Files: []probeFile{}}}
	if err := s.check(); err != nil {
		return err
	}
	probes, err := merge(sources)
	if err != nil {
		return err
	}
	var other *measure.Merged
	if apart {
		if other, err = merge(f.controlsFrom); err != nil {
			return err
		}
	}
	if len(f.model.patches) > 0 && !controls {
		return usagef("--patch decides which questions make controls: give it with --controls-from or --controls")
	}
	d := splitting.New(f.sizes, a.seed, a.Warn, probes, other)
	if controls && d.Available() == 0 && apart {
		return usagef("--controls-from: all of its probes are among those to split: give other files, or take some of these with --controls N")
	}
	if controls {
		err := d.TakeControls(func(set probe.Set, order []int, n int) ([]int, error) {
			return rightNow(ctx, a, &f.model, set, order, n)
		})
		if err != nil {
			return err
		}
	}
	if err := d.Share(); err != nil {
		return err
	}
	if err := s.write(ctx, d); err != nil {
		return err
	}
	if err := s.audit(ctx); err != nil {
		return err
	}
	return a.Print(&s.doc, func(w io.Writer) { s.doc.writeText(w) })
}

func merge(sources []string) (*measure.Merged, error) {
	sets, err := source.ReadSets(sources)
	var parse *probe.ParseError
	if errors.As(err, &parse) && parse.Field == "wrong" {
		parse.Msg += `: "bankai probes mine" finds wrong answers`
	}
	if err != nil {
		return nil, err
	}
	return measure.Merge(watched.Named(sets...))
}

// rightNow returns the indices of the first n probes, in an order, that the model answers
// right.
func rightNow(ctx context.Context, a *app, f *modelFlags, set probe.Set, order []int, n int) ([]int, error) {
	m, overlay, err := a.openPatched(f)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := watched.Fit(m, measure.Named{Name: "controls", Set: set}); err != nil {
		return nil, err
	}
	meter := a.Meter("controls", int64(min(n, len(set))))
	defer meter.Stop()
	return measure.FirstRight(ctx, m, overlay, set, order, n, func(found int) { meter.Set(int64(found), "") })
}

// splitFiles are the files of a split.
type splitFiles struct {
	app     *app
	dir     string
	outputs map[string]*durable.Output // by role
	doc     splitDoc
}

func (s *splitFiles) path(role string) string { return filepath.Join(s.dir, role+".json") }

// check refuses what must not be replaced in the folder, if it is there.
func (s *splitFiles) check() error {
	for _, role := range splitting.Roles {
		s.outputs[role] = s.app.probesOutput(s.path(role))
		if !outputs.IsThere(s.dir) {
			continue
		}
		if err := s.outputs[role].Check(); err != nil {
			return err
		}
	}
	return nil
}

// write writes the sets that have probes.
func (s *splitFiles) write(ctx context.Context, d *splitting.Split) error {
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return durable.Unwritable(s.dir, err)
	}
	for _, role := range splitting.Roles {
		set := d.Sets[role]
		if len(set) == 0 {
			if _, err := os.Stat(s.path(role)); err == nil {
				s.app.Warn("%s is not of this split and may share prompts with it: delete it", s.path(role))
			}
			continue
		}
		file, err := s.app.writeSet(ctx, set, s.outputs[role], role)
		if err != nil {
			return err
		}
		s.doc.Files = append(s.doc.Files, file)
		s.doc.Probes += len(set)
	}
	s.doc.Repeats, s.doc.Alike, s.doc.Unused = d.Repeats, d.Alike, d.Unused
	return nil
}

// audit reads the files again and looks for leakage between them.
func (s *splitFiles) audit(ctx context.Context) error {
	var files []string
	for _, f := range s.doc.Files {
		files = append(files, f.Path)
	}
	sets, err := source.ReadSets(files)
	if err != nil {
		return err
	}
	if s.doc.Leaks, err = splitting.Leaks(ctx, watched.Named(sets...)...); err != nil {
		return err
	}
	if s.doc.Leaks > 0 {
		return fmt.Errorf("%s: the audit finds %d prompts in more than one set: was a file changed meanwhile?", s.dir, s.doc.Leaks)
	}
	return nil
}

func (d *splitDoc) writeText(w io.Writer) {
	width := 0
	for _, f := range d.Files {
		width = max(width, len(f.Path))
	}
	for _, f := range d.Files {
		noun := strings.TrimPrefix(text.Count(f.Probes, "probe"), fmt.Sprint(f.Probes))
		fmt.Fprintf(w, "%-*s %5d%s\n", width, f.Path, f.Probes, noun)
	}
	fmt.Fprintln(w)
	if d.Repeats > 0 {
		fmt.Fprintf(w, "%s left out: their prompts are there already\n", text.Count(d.Repeats, "probe"))
	}
	if d.Alike > 0 {
		fmt.Fprintf(w, "%s left out: their prompts differ from others only in what an audit does not see\n", text.Count(d.Alike, "probe"))
	}
	if d.Unused > 0 {
		fmt.Fprintf(w, "%s in no set: the sizes ask for no more\n", text.Count(d.Unused, "probe"))
	}
	fmt.Fprintln(w, "Audited: no prompt is in two sets.")
}
