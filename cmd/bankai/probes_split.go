package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bankai/evaluate"
	"bankai/internal/durable"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/probe"

	"github.com/spf13/cobra"
)

// The sets of a split, and the names of their files.
const (
	roleSearch          = "search"
	roleValidate        = "validate"
	roleHeldOut         = "heldout"
	roleControl         = "control"
	roleControlsHeldOut = "control_heldout"
)

var splitRoles = []string{roleSearch, roleValidate, roleHeldOut, roleControl, roleControlsHeldOut}

// splitFlags are the settings of probes split.
type splitFlags struct {
	model        modelFlags
	dir          string
	sizes        map[string]*setSize // by role
	controlsFrom []string
}

func (a *app) splitCommand() *cobra.Command {
	f := splitFlags{sizes: map[string]*setSize{}}
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
		{"search", roleSearch, "`SIZE` of the set to search with"},
		{"validate", roleValidate, "`SIZE` of the set to choose between searches by"},
		{"heldout", roleHeldOut, "`SIZE` of the set for the result"},
		{"controls", roleControl, "`SIZE` of the set of controls, which must hold while searching"},
		{"controls-heldout", roleControlsHeldOut, "`SIZE` of a set of controls for the result"},
	} {
		f.sizes[x.role] = new(setSize)
		cmd.Flags().Var(f.sizes[x.role], x.flag, x.what)
	}
	cmd.Flags().StringArrayVar(&f.controlsFrom, "controls-from", nil, "probe `FILE` to take the controls from; may be repeated")
	cmd.Flags().StringVarP(&f.dir, "out", "o", "", "`DIR` to write the files to")
	f.model.addPatch(cmd)
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if f.dir == "" {
			return usagef("give the folder to write to with -o")
		}
		return a.split(ctx, &f, args)
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

func (a *app) split(ctx context.Context, f *splitFlags, sources []string) error {
	s := &splitting{app: a, flags: f, sets: map[string]probe.Set{}, outputs: map[string]*durable.Output{}, doc: splitDoc{Files: []probeFile{}}}
	if !s.wantsControls() && !slices.ContainsFunc(splitRoles[:3], func(role string) bool { return !f.sizes[role].none() }) {
		return usagef("--search, --validate and --heldout are all 0: there is nothing to write")
	}
	if err := s.checkDir(); err != nil {
		return err
	}
	if err := s.read(sources); err != nil {
		return err
	}
	if len(f.model.patches) > 0 && !s.wantsControls() {
		return usagef("--patch decides which questions make controls: give it with --controls-from or --controls")
	}
	if s.wantsControls() {
		if err := s.takeControls(ctx); err != nil {
			return err
		}
	}
	if err := s.share(); err != nil {
		return err
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	if err := s.audit(ctx); err != nil {
		return err
	}
	return a.print(&s.doc, func(w io.Writer) { s.doc.writeText(w) })
}

// splitting is a split in progress.
type splitting struct {
	app   *app
	flags *splitFlags
	rest  probe.Set // not in a set yet
	other probe.Set // of --controls-from
	sets  map[string]probe.Set
	doc   splitDoc

	outputs map[string]*durable.Output // by role
}

func (s *splitting) path(role string) string { return filepath.Join(s.flags.dir, role+".json") }

// checkDir refuses what must not be replaced in the folder, if it is there.
func (s *splitting) checkDir() error {
	for _, role := range splitRoles {
		s.outputs[role] = s.app.probesOutput(s.path(role))
		if !isThere(s.flags.dir) {
			continue
		}
		if err := s.outputs[role].Check(); err != nil {
			return err
		}
	}
	return nil
}

// read reads the files; what is in both F and --controls-from counts as F's.
func (s *splitting) read(sources []string) error {
	merged, err := merge(sources)
	if err != nil {
		return err
	}
	s.rest, s.doc.Repeats, s.doc.Alike = merged.Set, merged.Repeats, merged.Alike
	if len(s.flags.controlsFrom) == 0 {
		return nil
	}
	if merged, err = merge(s.flags.controlsFrom); err != nil {
		return err
	}
	s.doc.Repeats, s.doc.Alike = s.doc.Repeats+merged.Repeats, s.doc.Alike+merged.Alike
	taken := map[string]bool{}
	for _, p := range s.rest {
		taken[probe.Normalize(p.Prompt)] = true
	}
	for _, p := range merged.Set {
		if taken[probe.Normalize(p.Prompt)] {
			s.doc.Repeats++
		} else {
			s.other = append(s.other, p)
		}
	}
	return nil
}

func merge(sources []string) (*evaluate.Merged, error) {
	sets, err := source.ReadSets(sources)
	var parse *probe.ParseError
	if errors.As(err, &parse) && parse.Field == "wrong" {
		parse.Msg += `: "bankai probes mine" finds wrong answers`
	}
	if err != nil {
		return nil, err
	}
	return evaluate.Merge(named(sets...))
}

// share divides what is left among the sets to search, validate and measure with.
func (s *splitting) share() error {
	roles := splitRoles[:3]
	var wants []*setSize
	for _, role := range roles {
		wants = append(wants, s.flags.sizes[role])
	}
	sizes, err := divide(len(s.rest), wants)
	if err != nil {
		return err
	}
	order := evaluate.Spread(s.rest, s.app.seed)
	for i, role := range roles {
		s.sets[role] = pick(s.rest, order[:sizes[i]])
		order = order[sizes[i]:]
	}
	s.doc.Unused = len(order)
	s.warnThin(roles)
	return nil
}

// pick returns the probes with the given indices, in the order of the set.
func pick(set probe.Set, indices []int) probe.Set {
	var out probe.Set
	for _, i := range slices.Sorted(slices.Values(indices)) {
		out = append(out, set[i])
	}
	return out
}

// warnThin names categories of which a set has nothing.
func (s *splitting) warnThin(roles []string) {
	counts := map[string]int{}
	var names []string
	for _, p := range s.rest {
		if counts[p.Category]++; counts[p.Category] == 1 {
			names = append(names, p.Category)
		}
	}
	for _, role := range roles {
		if want := s.flags.sizes[role]; len(s.sets[role]) == 0 && !want.none() {
			s.app.warn("there are too few probes for a set %q: add some, or leave it out with --%s 0", role, role)
		}
	}
	for _, name := range names {
		var without []string
		for _, role := range roles {
			has := slices.ContainsFunc(s.sets[role], func(p probe.Probe) bool { return p.Category == name })
			if len(s.sets[role]) > 0 && !has {
				without = append(without, role)
			}
		}
		if len(without) > 0 {
			s.app.warn("category %q has only %s: none in %s", name, text.Count(counts[name], "probe"), strings.Join(without, " and "))
		}
	}
}
