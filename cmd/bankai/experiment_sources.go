package main

import (
	"github.com/spf13/cobra"

	"bankai/probe"
)

// sourceOr is the file that a flag names, or, for the embedded model, the
// embedded set that goes with it; a model of the user's own has none.
func (f *experimentFlags) sourceOr(given, flag, embedded string) (string, error) {
	switch {
	case given != "":
		return given, nil
	case f.model.path != demoName:
		return "", usagef("give a file with --%s: %s goes with the embedded model only", flag, embedded)
	}
	return embedded, nil
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
