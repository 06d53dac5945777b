package main

import (
	"bytes"
	"strings"
	"testing"

	"bankai/internal/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand calls do for every command there is.
func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		eachCommand(c, do)
	}
}

func testRoot() *cobra.Command {
	return newApp(nil, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}).root()
}

// What is completed, the flag takes; and every flag with a list of words for its type
// is completed.
func TestCompletedValuesAreTaken(t *testing.T) {
	seen := map[string]bool{}
	eachCommand(testRoot(), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			values, ok := closedValues()[f.Name]
			if !ok || f.Value.Type() == "bool" {
				if strings.Contains(f.Value.Type(), "|") {
					t.Errorf("%s --%s: takes %s and is not completed", cmd.CommandPath(), f.Name, f.Value.Type())
				}
				return
			}
			seen[f.Name] = true
			for _, v := range values {
				if err := f.Value.Set(v); err != nil {
					t.Errorf("%s --%s: completes %s, and does not take it: %v", cmd.CommandPath(), f.Name, v, err)
				}
			}
		})
	})
	for name := range closedValues() {
		if !seen[name] {
			t.Errorf("no command has a flag --%s", name)
		}
	}
}

// Every page of help fits 100 columns, whatever its flags, and 60 as far as the flags
// go; and no flag repeats that its default is nothing.
func TestHelpFits(t *testing.T) {
	eachCommand(testRoot(), func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag()
		for _, line := range strings.Split(cmd.Long+"\n"+cmd.UsageString(), "\n") {
			if n := len([]rune(line)); n > terminal.MaxWidth {
				t.Errorf("bankai help %s: %d columns: %s", cmd.CommandPath(), n, line)
			}
			if strings.Contains(line, "default []") {
				t.Errorf("bankai help %s: %s", cmd.CommandPath(), line)
			}
		}
	})
}
