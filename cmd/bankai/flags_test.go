package main

import (
	"bytes"
	"strings"
	"testing"

	"bankai/internal/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"
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
			if !ok {
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

func TestIntList(t *testing.T) {
	for _, c := range []struct {
		text   string
		ranges bool
		want   string // "" for an error
	}{
		{"1,2,3", false, "1,2,3"},
		{"[1, 2, 3]", false, "1,2,3"},
		{" 7 ", false, "7"},
		{"0,3-5", true, "0,3,4,5"},
		{"3-3", true, "3"},
		{"3-5", false, ""},
		{"5-3", true, ""},
		{"-1", true, ""},
		{"-1", false, ""},
		{"1.5", false, ""},
		{"", false, ""},
		{"[]", false, ""},
		{",", false, ""},
		{"99999999999", false, ""},
		{"0-2000000000", true, ""},
		{"1--2", true, ""},
	} {
		l := &intList{ranges: c.ranges}
		err := l.Set(c.text)
		if (err == nil) != (c.want != "") || err == nil && l.String() != c.want {
			t.Errorf("%q: got %v, %v, want %q", c.text, l, err, c.want)
		}
	}
}

// A list that was printed reads back as itself.
func TestIntListRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := intList{values: rapid.SliceOfN(rapid.Int32Min(0), 1, 20).Draw(t, "values")}
		var b intList
		if err := b.Set(a.String()); err != nil || b.String() != a.String() {
			t.Fatalf("%s became %s, %v", &a, &b, err)
		}
	})
}

func TestCount(t *testing.T) {
	var c count
	for text, ok := range map[string]bool{"0": true, "300": true, "-1": false, "1e3": false, "": false, "99999999999999999999": false} {
		if err := c.Set(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
