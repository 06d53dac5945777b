package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/engine"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/measure"
)

func evalCommand(a *app) *cobra.Command {
	var model modelFlags
	var probes string
	var all bool
	cmd := &cobra.Command{
		Use:   "eval --probes F [--patch P]...",
		Short: "what a patch fixed and broke",
		Long: `Lets the model answer a probe set by greedy generation, without the patches and
with them, and counts the answers that went from wrong to right (fixed) and from
right to wrong (broke). McNemar's exact test says how likely such a split would
be if the patches did nothing. Use prompts that the search did not see.

An answer is right if the line it generates begins with the right answer, whole:
spacing, brackets, case and * do not count, and "+ C" may follow.

Without a patch it is the model as it is that is measured.`,
		Example: `  bankai eval --probes demo:heldout --patch fix.bankai
  bankai eval --probes demo:control_heldout --patch fix.bankai --json`,
		Args: arguments(0, 0, "the probe file with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if probes == "" {
				return usagef("give the probe file with --probes")
			}
			return eval(ctx, a, &model, probes, all)
		}),
	}
	model.add(cmd)
	model.addPatch(cmd)
	cmd.Flags().StringVar(&probes, "probes", "", "probe `FILE`, best one that no search used")
	cmd.Flags().BoolVar(&all, "all", false, "list the answers that did not change, too")
	return cmd
}

func eval(ctx context.Context, a *app, f *modelFlags, probes string, all bool) error {
	s, err := source.ReadSet(probes)
	if err != nil {
		return err
	}
	m, overlay, err := a.openPatched(f)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fit(m, named(s)...); err != nil {
		return err
	}
	doc := evalDoc{
		Model: modelOf(f.path, m.Weights()), Set: setOf(s), Patches: f.patches, Precision: f.precision.String(),
		Tool: toolName(), Command: a.commandLine(),
	}
	if doc.Patches == nil {
		doc.Patches = []string{}
	}
	if doc.Result, err = compareSet(ctx, a.console, m, overlay, s); err != nil {
		return err
	}
	return a.printChecked(report.Sealed{Doc: doc}, func(w io.Writer) error { return doc.write(w, all) })
}

// setRef says in a result which probes it is of.
type setRef struct {
	Source string        `json:"source"` // as on the command line
	Digest bankai.Digest `json:"digest"`
	Probes int           `json:"probes"`
}

func setOf(s source.Set) setRef { return setRef{s.Source, s.Digest, len(s.Set)} }

// evalDoc is the result of `eval`.
type evalDoc struct {
	*measure.Result
	Model     modelRef `json:"model"`
	Set       setRef   `json:"set"`
	Patches   []string `json:"patches"` // files; none: the model as it is
	Precision string   `json:"precision"`
	Tool      string   `json:"tool"`
	Command   string   `json:"command"`
}

func (d evalDoc) write(w io.Writer, all bool) error {
	patches := "none"
	if len(d.Patches) > 0 {
		patches = strings.Join(d.Patches, ", ")
	}
	writeFacts(w, fact{"model", d.Model.String()}, fact{"probes", d.Set.Source}, fact{"patch", patches}, fact{"precision", d.Precision})
	fmt.Fprintln(w)
	if len(d.Patches) == 0 {
		return report.WriteBase(w, d.Result, all)
	}
	return report.WriteAnswers(w, d.Result, all)
}

// compareSet measures the base and the patched model on a set.
func compareSet(ctx context.Context, c *console, m *engine.Model, overlay *engine.Overlay, s source.Set) (*measure.Result, error) {
	before, err := measureSet(ctx, c, m, nil, s, "base")
	if err != nil {
		return nil, err
	}
	after := before
	if overlay != nil {
		if after, err = measureSet(ctx, c, m, overlay, s, "patched"); err != nil {
			return nil, err
		}
	}
	return measure.Compare(s.Set, before, after), nil
}

func measureSet(ctx context.Context, c *console, m *engine.Model, overlay *engine.Overlay, s source.Set, what string) (*measure.Measurement, error) {
	progress, done := c.probeMeter(fmt.Sprintf("%s, %s", s.Source, what), m.Tokenizer(), s.Set)
	defer progress.stop()
	result, err := measure.Measure(ctx, m, overlay, s.Set, done)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Source, err)
	}
	return result, nil
}

// claim is a result as a patch records it. Where only some categories of a file
// were measured, its name tells them: the digest is that of the whole file, which
// anybody can compute.
func claim(name string, s source.Set, r *measure.Result) bankai.Claim {
	if s.Part != "" {
		name += "#" + s.Part
	}
	return bankai.Claim{
		Name: name, Probes: s.Digest, Total: r.Total, Before: r.Before, After: r.After,
		Fixed: len(r.Fixed), Broke: len(r.Broke), PValue: r.PValue,
	}
}

// counts is a result in numbers.
type counts struct {
	measure.Counts
	PValue float64 `json:"p_value"`
}

func countsOf(r *measure.Result) counts { return counts{r.Counts(), r.PValue} }
