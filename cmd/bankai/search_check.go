package main

import (
	"cmp"
	"errors"
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
	if err := f.checkShares(); err != nil {
		return err
	}
	return cmp.Or(f.checkPlan(), f.checkUsed(), checkPatchName(f.out))
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

// checkPlan refuses what the strategy cannot do, and what is no part of a fitness.
func (f *searchFlags) checkPlan() error {
	p := f.plan(searchSets{}, 0)
	err := cmp.Or(p.Check(), p.Limits.Check())
	if wrong := (*search.OptionError)(nil); errors.As(err, &wrong) {
		switch wrong.Field {
		case "Votes":
			return usagef("--votes %d of --draws %d: %s", p.Votes, p.Draws, wrong.Rule)
		case "Sizes":
			if len(p.Sizes) > 1 {
				return usagef("--strategy %s searches by one granularity: give one of row, group and bit", p.Method)
			}
			return usagef("--strategy %s draws rows or groups: use --strategy guided for bits", p.Method)
		}
	}
	return flagError(err)
}

// optionFlags are the flags that set the options of a search, by the names of its
// fields, and what is said of a wrong value where that is not the option's own rule.
var optionFlags = map[string]struct{ flag, rule string }{
	"Steps":      {"steps", "try at least 1 candidate"},
	"MaxFlips":   {"max-flips", ""},
	"MaxBytes":   {"max-bytes", ""},
	"MaxCost":    {"max-cost", "must be 0 (no limit) or more"},
	"Penalty":    {"penalty", ""},
	"Slack":      {"slack", ""},
	"Harm":       {"harm", ""},
	"Divergence": {"kl", ""},
	"Cap":        {"cap", ""},
	"Tie":        {"tie", ""},
	"Weight":     {"weights", ""},
	"Floor":      {"floors", ""},
}

// flagError names the flag that a wrong option of a search was set by. Other errors
// are as they were.
func flagError(err error) error {
	var wrong *search.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	f, ok := optionFlags[wrong.Field]
	if !ok {
		return err
	}
	return usagef("--%s %v: %s", f.flag, wrong.Value, cmp.Or(f.rule, wrong.Rule))
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
	return nil
}
