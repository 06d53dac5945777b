package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bankai/internal/flagtype"
	"bankai/probe"
)

// metricFlag declares --metric, which is about what a search climbs, or what is measured
// of a probe.
func metricFlag(cmd *cobra.Command, about string, value probe.Metric) *flagtype.Choice[probe.Metric] {
	c := flagtype.NewChoice(value, "METRIC", probe.ParseMetric)
	cmd.Flags().Var(&c, "metric", about+": answer_logprob, answer_margin, seq_logprob or token_gap")
	return &c
}

// What --metric is about.
const (
	climbed  = "what a search climbs"
	measures = "what is measured of a probe"
)

// badFlag words the errors of pflag as this program words its own.
func badFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if word := firstWord(cmd); word != "" && cmd.HasSubCommands() && errors.As(err, &unknown) {
		return noCommand(cmd, word) // whose flag it would be
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	f := invalid.GetFlag()
	cause := errors.Unwrap(invalid)
	if errors.As(cause, new(*strconv.NumError)) {
		what := "a number"
		switch f.Value.Type() {
		case "uint64":
			what = "a whole number from 0"
		case "int":
			what = "a whole number"
		case "bool":
			what = "true or false"
		}
		cause = fmt.Errorf("%q is not %s", invalid.GetValue(), what)
	}
	if f.Value.Type() == "duration" {
		cause = fmt.Errorf("%q is not a time such as 30s or 2m", invalid.GetValue())
	}
	return fmt.Errorf("--%s: %w", f.Name, cause)
}

// firstWord is the first argument behind a command's name that is no flag.
func firstWord(cmd *cobra.Command) string {
	for _, arg := range cmd.Flags().Args() {
		return arg
	}
	return ""
}

// mayBeNone marks a flag for a file that may be given empty, for none.
const mayBeNone = "bankai_none"

// checkEmpty refuses lists and names of files that were given empty: left out, they
// mean the default, and an empty one, of a variable that is not set, is hardly meant
// to. An empty --model says that there is none, where a setting would give one.
func checkEmpty(flags *pflag.FlagSet) (err error) {
	files := fileValues()
	flags.Visit(func(f *pflag.Flag) {
		if _, ok := f.Annotations[mayBeNone]; ok {
			return
		}
		if _, ok := files[f.Name]; ok && f.Name != "model" && f.Value.String() == "" {
			err = usagef("--%s is empty: give it a file, or leave the flag out", f.Name)
		}
		if list, ok := f.Value.(pflag.SliceValue); ok && len(list.GetSlice()) == 0 {
			err = usagef("--%s is an empty list: give it a value, or leave the flag out", f.Name)
		}
	})
	return err
}
