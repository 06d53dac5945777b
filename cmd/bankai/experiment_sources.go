package main

import (
	"errors"
	"fmt"
	"strings"

	"bankai/engine"
	"bankai/experiment"
	"bankai/internal/text"
	"bankai/probe"

	"github.com/spf13/cobra"
)

// usualFile is a file that a flag names, and the embedded one that is meant with
// the built-in model if it does not.
type usualFile struct {
	flag, embedded string
	value          *string
	given          func() bool
}

// withBuiltIn says in a flag's help what it is with the built-in model.
func withBuiltIn(embedded string) string {
	return fmt.Sprintf(" (default with the built-in model: %s)", embedded)
}

// file declares a flag for a file. With another model than the built-in one it has
// to be given: see check.
func (f *experimentFlags) file(cmd *cobra.Command, value *string, flag, embedded, usage string) {
	cmd.Flags().StringVar(value, flag, "", usage+withBuiltIn(embedded))
	f.files = append(f.files, usualFile{flag, embedded, value, func() bool { return cmd.Flags().Changed(flag) }})
}

// check refuses what cannot be right whatever the files hold, and sets the files
// that were not given.
func (f *experimentFlags) check() error {
	for _, u := range f.files {
		switch {
		case u.given():
		case f.model.path != demoName:
			return usagef("give a file with --%s: %s goes with the built-in model only", u.flag, u.embedded)
		default:
			*u.value = u.embedded
		}
	}
	if f.resume && f.out == "" {
		return usagef("--resume needs the folder of the earlier run: give it with -o")
	}
	return nil
}

// measuredBy declares the metric of an experiment.
func measuredBy(cmd *cobra.Command, value probe.Metric) *choice[probe.Metric] {
	c := &choice[probe.Metric]{value, "METRIC", probe.ParseMetric}
	cmd.Flags().Var(c, "metric", "what is measured of a probe: answer_logprob, answer_margin, seq_logprob or token_gap")
	return c
}

// ints are the values as int, nil for none.
func (l *intList) ints() []int {
	var out []int
	for _, v := range l.values {
		out = append(out, int(v))
	}
	return out
}

// openPatching opens the model, with the patches on it as an overlay.
func (a *app) openPatching(f *modelFlags) (*engine.Model, experiment.Patching, error) {
	var with experiment.Patching
	m, err := a.openModel(f)
	if err != nil {
		return nil, with, err
	}
	p, err := a.patches(m.Weights()).Sum(f.patches)
	if err == nil {
		with.Name, with.ID = strings.Join(f.patches, " ^ "), fmt.Sprintf("%.16s", p.ContentDigest())
		with.Overlay, err = m.Overlay(p)
	}
	if err == nil && len(f.patches) > 0 && with.Overlay == nil {
		err = fmt.Errorf("%s: together they flip nothing: give each patch once", text.Listed(f.patches))
	}
	if err != nil {
		return nil, with, errors.Join(err, m.Close())
	}
	return m, with, nil
}
