package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/flagtype"
	"bankai/internal/outputs"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/probe"

	"github.com/spf13/cobra"
)

func probesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probes",
		Short: "make probe files: fill in templates, mine wrong answers, split",
		Long: `Makes probe files that a search can use. From a few templates to sets that share
no prompt it is three steps: expand fills in the templates, mine asks the model
for its own wrong answers, split makes the sets for searching, for choosing and
for the result.

Audit looks for what is wrong with a probe file.`,
	}
	asGroup(cmd)
	cmd.AddCommand(expandCommand(a), mineCommand(a), splitCommand(a))
	return cmd
}

// probeFile is a probe file that was written.
type probeFile struct {
	Path   string `json:"path"`
	Role   string `json:"role"`
	Probes int    `json:"probes"`
}

// writeSet writes a probe file, whole or not at all.
func (a *app) writeSet(ctx context.Context, s probe.Set, o *durable.Output, role string) (probeFile, error) {
	return probeFile{o.Path, role, len(s)}, a.Put(ctx, o, s.WriteJSON)
}

// probesOutput is an output for probes. An earlier file is kept under a number, even
// one that could be made again: the file does not tell whether a hand changed it.
func (a *app) probesOutput(path string) *durable.Output {
	return a.Found(path, outputs.OwnProbes)
}

// probesOut declares -o for one file.
func probesOut(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("out", "o", "", "`FILE` to write, ending in .json")
}

// checkProbesOut refuses an output name before the work for it is done.
func checkProbesOut(path string) error {
	if path == "" {
		return usagef("give a name for the probe file with -o, ending in .json")
	}
	if strings.ToLower(filepath.Ext(path)) != ".json" {
		return usagef("-o %s: the name of the probe file ends in .json", path)
	}
	return nil
}

func expandCommand(a *app) *cobra.Command {
	var n flagtype.Count
	cmd := &cobra.Command{
		Use:   "expand TEMPLATE -o OUT",
		Short: "make many probes of a few templates",
		Long: `Fills in templates. A template has the texts of a probe with expressions in
braces, and the ranges of their variables:

  {"prompt": "d/dx [x^{a} + {b}x] =", "correct": " {a}x^{a-1} + {b}",
   "ranges": {"a": [2, 9], "b": [3, 5, 7]}, "where": "a != b"}

[2, 9] is the whole numbers from 2 to 9, any other list the values themselves.
Expressions have + - * / % ^ and parentheses, conditions == != < <= > >= && ||
and !, too. A combination whose division has a remainder is left out. {{ is a
brace. A file holds one template or a list of them; FORMAT.md has the rest.

Without "wrong" the result is a file of prompts for bankai probes mine.`,
		Example: `  bankai probes expand sums.json -o prompts.json
  bankai probes expand sums.json -n 20 --seed 7 -o some.json --json`,
		Args: arguments(1, 1, "one template file"),
	}
	cmd.Flags().VarP(&n, "number", "n", "draw a sample of `N` probes, even over templates and values; 0 for all")
	out := probesOut(cmd)
	forceFlag(cmd)
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if err := checkProbesOut(*out); err != nil {
			return err
		}
		return expand(ctx, a, args[0], *out, int(n))
	})
	return cmd
}

// expandDoc is what an expansion made.
type expandDoc struct {
	Probes     int         `json:"probes"`
	Files      []probeFile `json:"files"`
	Templates  int         `json:"templates"`
	Incomplete int         `json:"incomplete"` // probes without a wrong answer
	Unfit      int         `json:"unfit"`      // combinations that "where" excludes
	NotWhole   int         `json:"not_whole"`  // combinations without whole results
	Duplicates int         `json:"duplicates"` // combinations with a prompt that was there
}

func expand(ctx context.Context, a *app, source, out string, n int) error {
	o := a.probesOutput(out)
	if err := o.Check(); err != nil {
		return err
	}
	templates, err := readTemplates(source)
	if err != nil {
		return err
	}
	x, err := expandAll(ctx, a, templates, n, source)
	if err != nil {
		return err
	}
	if len(x.Set) < n {
		a.Warn("%s: makes %s, not %d", source, text.Count(len(x.Set), "probe"), n)
	}
	doc := &expandDoc{
		Probes: len(x.Set), Templates: len(templates), Unfit: x.Unfit, NotWhole: x.NotWhole, Duplicates: x.Duplicates,
	}
	for _, p := range x.Set {
		if p.Wrong == "" {
			doc.Incomplete++
		}
	}
	role := "probes"
	if doc.Incomplete > 0 {
		role = "prompts"
	}
	file, err := a.writeSet(ctx, x.Set, o, role)
	if err != nil {
		return err
	}
	doc.Files = []probeFile{file}
	return a.Print(doc, func(w io.Writer) { doc.writeText(w) })
}

func expandAll(ctx context.Context, a *app, templates []probe.Template, n int, source string) (*probe.Expansion, error) {
	total := n
	for i := range templates {
		if n == 0 {
			total += int(min(templates[i].Combinations(), math.MaxInt32)) // Expand refuses more
		}
	}
	progress := a.Meter(source, int64(total))
	defer progress.Stop()
	x, err := probe.Expand(ctx, templates, n, a.seed, func(done int) { progress.Set(int64(done), "") })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return x, nil
}

func (d *expandDoc) writeText(w io.Writer) {
	fmt.Fprintf(w, "%s: %s from %s\n", d.Files[0].Path, text.Count(d.Probes, "probe"), text.Count(d.Templates, "template"))
	for _, left := range []struct {
		n   int
		why string
	}{
		{d.Unfit, "that do not fit \"where\""},
		{d.NotWhole, "without a whole result"},
		{d.Duplicates, "that ask what another asks"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "left out: %s %s\n", text.Count(left.n, "combination"), left.why)
		}
	}
	if d.Incomplete > 0 {
		fmt.Fprintf(w, "%d have no wrong answer yet. Next: bankai probes mine --prompts %s -o %s\n", d.Incomplete, text.Quoted(d.Files[0].Path), text.Quoted(minedName(d.Files[0].Path)))
	}
}

// minedName is NAME.mined.json for NAME.json: probes that have their wrong answers.
func minedName(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".mined.json"
}

func readTemplates(file string) ([]probe.Template, error) {
	data, err := source.Read(file)
	if err != nil {
		return nil, err
	}
	templates, err := probe.ReadTemplates(bytes.NewReader(data))
	var fault *probe.TemplateError
	if errors.As(err, &fault) {
		fault.File = file
	} else if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return templates, err
}
