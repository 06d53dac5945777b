package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
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

func splitCommand(a *app) *cobra.Command {
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
	return a.Print(&s.doc, func(w io.Writer) { s.doc.writeText(w) })
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
		if !outputs.IsThere(s.flags.dir) {
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
	order := measure.Spread(s.rest, s.app.seed)
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
			s.app.Warn("there are too few probes for a set %q: add some, or leave it out with --%s 0", role, role)
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
			s.app.Warn("category %q has only %s: none in %s", name, text.Count(counts[name], "probe"), strings.Join(without, " and "))
		}
	}
}

// setSize is a flag that takes a number or a share of probes.
type setSize struct {
	text  string // as given, empty if it was not
	n     int
	share float64 // above 0 where text is a share
}

func (z *setSize) String() string { return z.text }
func (z *setSize) Type() string   { return "SIZE" }

func (z *setSize) Set(s string) error {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		*z = setSize{text: s, n: n}
		return nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	share, err := strconv.ParseFloat(digits, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) {
		return fmt.Errorf(`%q is neither a number of probes nor a share such as "60%%" or "0.6"`, s)
	}
	*z = setSize{text: s, share: share}
	return nil
}

func (z *setSize) given() bool { return z.text != "" }

// none says that no such set is wanted.
func (z *setSize) none() bool { return z.given() && z.share == 0 && z.n == 0 }

// of is the number of probes, given that there are total.
func (z *setSize) of(total int) int {
	if z.share > 0 {
		return int(math.Round(z.share * float64(total)))
	}
	return z.n
}

// divide gives total probes to the sets for searching, validating and measuring:
// as many as is asked for and, of what is left, 60 : 20 : 20 to those for which
// nothing is.
func divide(total int, wants []*setSize) ([]int, error) {
	weights := []int{60, 20, 20}
	sizes := make([]int, len(wants))
	left, open, shares := total, 0, 0.0
	for i, w := range wants {
		if !w.given() {
			open += weights[i]
			continue
		}
		sizes[i] = w.of(total)
		shares += w.share
		if over := sizes[i] - left; w.share > 0 && over == 1 {
			sizes[i]-- // two halves of an odd number
		}
		left -= sizes[i]
	}
	if shares > 1.0001 {
		return nil, fmt.Errorf("the shares of search, validate and heldout add up to %.0f%%: ask for less", 100*shares)
	}
	if left < 0 {
		return nil, fmt.Errorf("there are %d probes for search, validate and heldout, %d too few: ask for less, or give more files", total, -left)
	}
	for i, w := range wants {
		if !w.given() {
			sizes[i] = (left*weights[i] + open/2) / open
			left, open = left-sizes[i], open-weights[i]
		}
	}
	return sizes, nil
}

func (s *splitting) wantsControls() bool {
	sizes := s.flags.sizes
	return len(s.flags.controlsFrom) > 0 || sizes[roleControl].given() || sizes[roleControlsHeldOut].given()
}

// takeControls makes the sets of controls, of probes that the model answers right.
func (s *splitting) takeControls(ctx context.Context) error {
	from := s.rest
	if len(s.flags.controlsFrom) > 0 {
		from = s.other
		if len(from) == 0 {
			return usagef("--controls-from: all of its probes are among those to split: give other files, or take some of these with --controls N")
		}
	}
	size, held := s.flags.sizes[roleControl], s.flags.sizes[roleControlsHeldOut]
	want, unseen := size.of(len(from)), held.of(len(from))
	most, least := want+unseen, want+unseen
	if !size.given() && len(s.flags.controlsFrom) > 0 { // the controls are all that is right and not held out
		want, most, least = unseen, len(from), unseen+1
	}
	found, err := s.rightNow(ctx, from, most)
	if err != nil {
		return err
	}
	if len(found) < least {
		unseen = proportion(len(found), unseen, want)
		s.warnFew(len(found), len(from), unseen)
	}
	s.sets[roleControlsHeldOut] = pick(from, found[:unseen])
	s.sets[roleControl] = pick(from, found[unseen:])
	if len(s.flags.controlsFrom) == 0 {
		s.rest = without(s.rest, found)
	}
	return nil
}

// proportion is what is due to a of n things, which are fewer than a and b ask for
// together: its share of them, but some to both as far as that goes, and to b first.
func proportion(n, a, b int) int {
	if n == 0 || a == 0 || b == 0 {
		return min(n, a)
	}
	share := (2*n*a + a + b) / (2 * (a + b)) // rounded
	return min(max(share, 1), n-1)
}

// warnFew says how the controls that were found are shared among the two sets.
func (s *splitting) warnFew(found, of, unseen int) {
	if found == 0 {
		s.app.Warn("the model answers none of the %s right that controls may be taken from: there are no controls", text.Count(of, "probe"))
		return
	}
	var shares []string
	for _, x := range []struct {
		role string
		n    int
	}{{roleControl, found - unseen}, {roleControlsHeldOut, unseen}} {
		text := fmt.Sprintf("%s has %d", x.role, x.n)
		if size := s.flags.sizes[x.role]; size.given() {
			text += " of the " + size.text + " asked for"
		} else if x.n == 0 {
			continue
		}
		shares = append(shares, text)
	}
	s.app.Warn("there are too few controls, since the model answers %d right of the %s they may be taken from: %s", found, text.Count(of, "probe"), text.Listed(shares))
}

// rightNow returns the indices of up to n probes, spread over the categories, that
// the model answers right.
func (s *splitting) rightNow(ctx context.Context, set probe.Set, n int) ([]int, error) {
	m, overlay, err := s.app.openPatched(&s.flags.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := watched.Fit(m, measure.Named{Name: "controls", Set: set}); err != nil {
		return nil, err
	}
	progress := s.app.Meter("controls", int64(min(n, len(set))))
	defer progress.Stop()
	// Another order than share's, so that its sets do not depend on the controls'.
	order := measure.Spread(set, s.app.seed+1)
	return measure.FirstRight(ctx, m, overlay, set, order, n, func(found int) { progress.Set(int64(found), "") })
}

// without is the set less the probes with the given indices.
func without(set probe.Set, indices []int) probe.Set {
	gone := map[int]bool{}
	for _, i := range indices {
		gone[i] = true
	}
	var out probe.Set
	for i, p := range set {
		if !gone[i] {
			out = append(out, p)
		}
	}
	return out
}

// write writes the sets that have probes.
func (s *splitting) write(ctx context.Context) error {
	if err := os.MkdirAll(s.flags.dir, 0o777); err != nil {
		return durable.Unwritable(s.flags.dir, err)
	}
	for _, role := range splitRoles {
		set := s.sets[role]
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
	return nil
}

// audit reads the files again and looks for leakage between them.
func (s *splitting) audit(ctx context.Context) error {
	var sets []measure.Named
	for _, f := range s.doc.Files {
		set, err := source.ReadSet(f.Path)
		if err != nil {
			return err
		}
		sets = append(sets, measure.Named{Name: f.Path, Set: set.Set})
	}
	for i, set := range sets {
		found, err := measure.Audit(ctx, set.Set, probe.AnswerLogprob, sets[:i], nil, nil)
		if err != nil {
			return err
		}
		s.doc.Leaks += len(found.Of(measure.Leakage, measure.Fatal))
	}
	if s.doc.Leaks > 0 {
		return fmt.Errorf("%s: the audit finds %d prompts in more than one set: was a file changed meanwhile?", s.flags.dir, s.doc.Leaks)
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
