package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"bankai/evaluate"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/probe"
)

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
		s.app.warn("the model answers none of the %s right that controls may be taken from: there are no controls", text.Count(of, "probe"))
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
	s.app.warn("there are too few controls, since the model answers %d right of the %s they may be taken from: %s", found, text.Count(of, "probe"), text.Listed(shares))
}

// rightNow returns the indices of up to n probes, spread over the categories, that
// the model answers right.
func (s *splitting) rightNow(ctx context.Context, set probe.Set, n int) ([]int, error) {
	m, overlay, err := s.app.openPatched(&s.flags.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := fit(m, evaluate.Named{Name: "controls", Set: set}); err != nil {
		return nil, err
	}
	progress := s.app.meter("controls", int64(min(n, len(set))))
	defer progress.stop()
	// Another order than share's, so that its sets do not depend on the controls'.
	order := evaluate.Spread(set, s.app.seed+1)
	return evaluate.FirstRight(ctx, m, overlay, set, order, n, func(found int) { progress.set(int64(found), "") })
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
		return unwritable(s.flags.dir, err)
	}
	for _, role := range splitRoles {
		set := s.sets[role]
		if len(set) == 0 {
			if _, err := os.Stat(s.path(role)); err == nil {
				s.app.warn("%s is not of this split and may share prompts with it: delete it", s.path(role))
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
	var sets []evaluate.Named
	for _, f := range s.doc.Files {
		set, err := source.ReadSet(f.Path)
		if err != nil {
			return err
		}
		sets = append(sets, evaluate.Named{Name: f.Path, Set: set.Set})
	}
	for i, set := range sets {
		found, err := evaluate.Audit(ctx, set.Set, probe.AnswerLogprob, sets[:i], nil, nil)
		if err != nil {
			return err
		}
		s.doc.Leaks += len(found.Of(evaluate.Leakage, evaluate.Fatal))
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
