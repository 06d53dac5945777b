package main

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"

	"bankai"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// check refuses what cannot be right whatever the files hold.
func (f *searchFlags) check() error {
	least, err := bankai.New(bankai.Digest{1}, bankai.Meta{}).ContentSize()
	switch {
	case err != nil:
		return err
	case len(f.probes) == 0:
		return usagef("give the probe file with --probes")
	case f.steps < 1:
		return usagef("--steps 0: try at least 1 candidate")
	case !(f.maxCost >= 0):
		return usagef("--max-cost %v: must be 0 (no limit) or more", f.maxCost)
	case f.kl > 0 && f.controlText == "":
		return usagef("--kl needs a text to hold on to: give it with --control-text")
	case slices.Contains(f.granularity, search.Bit) && filepath.Ext(f.out) == ".json":
		return usagef("the JSON form holds rows and groups, no bits: let the name after -o end in .bankai")
	case f.maxBytes > 0 && filepath.Ext(f.out) == ".json":
		return usagef("--max-bytes counts those of the compact form: let the name after -o end in .bankai")
	case f.maxBytes > 0 && int64(f.maxBytes) < least:
		return usagef("--max-bytes %d: too few: the content of a patch without any flip takes %d", f.maxBytes, least)
	case f.report != "" && filepath.Ext(f.report) != ".html":
		return usagef("--report %s: must end in .html", f.report)
	}
	return cmp.Or(f.checkObjective(), f.checkShares(), f.checkUsed(), checkPlan(f.plan(searchSets{}, 0)), checkPatchName(f.out))
}

// checkUsed refuses flags of which the search that is asked for makes no use.
func (f *searchFlags) checkUsed() error {
	method := f.strategy.value
	for _, x := range []struct {
		flag  string
		used  bool
		users string
	}{
		{"draws", method == score.MethodVote, "--strategy vote"},
		{"votes", method == score.MethodVote, "--strategy vote"},
		{"no-prune", method.Guided(), "--strategy guided, evolve and vote"},
		{"tie", method.Guided() && slices.Contains(f.granularity, search.Bit), "--granularity bit, of which it weighs predictions"},
	} {
		if f.changed(x.flag) && !x.used {
			return usagef("--%s has no effect in a search with --strategy %s --granularity %s: it is for %s",
				x.flag, method, f.granularity.String(), x.users)
		}
	}
	return nil
}

// checkObjective refuses numbers that are no part of a fitness.
func (f *searchFlags) checkObjective() error {
	for _, n := range []struct {
		flag  string
		value float64
	}{{"penalty", f.penalty}, {"slack", f.slack.value}, {"harm", f.harm}, {"kl", f.kl}} {
		if !(n.value >= 0) || math.IsInf(n.value, 1) {
			return usagef("--%s %v: must be a finite number, 0 or more", n.flag, n.value)
		}
	}
	switch {
	case !(f.tie >= 0 && f.tie <= 1):
		return usagef("--tie %v: must be from 0 to 1", f.tie)
	case math.IsNaN(f.cap) || math.IsInf(f.cap, 0):
		return usagef("--cap %v: must be a finite number", f.cap)
	}
	return nil
}

// checkShares refuses weights and floors that are not one for each of several
// probe files.
func (f *searchFlags) checkShares() error {
	for _, list := range []struct {
		flag    string
		numbers []float64
	}{{"weights", f.weights}, {"floors", f.floors}} {
		if n := len(list.numbers); n > 0 && (n != len(f.probes) || n == 1) {
			return usagef("--%s has %s for %s: give several files, and one number for each",
				list.flag, text.Count(n, "number"), text.Count(len(f.probes), "probe file"))
		}
	}
	for _, w := range f.weights {
		if !(w > 0) || math.IsInf(w, 1) {
			return usagef("--weights %v: must be a finite number above 0", w)
		}
	}
	for _, floor := range f.floors {
		if !(floor <= 0) {
			return usagef("--floors %v: must be 0 or less, since the unpatched model gains 0", floor)
		}
	}
	return nil
}
