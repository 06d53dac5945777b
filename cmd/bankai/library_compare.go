package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/recheck"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"

	"github.com/spf13/cobra"
)

func libraryCompareCommand(a *app) *cobra.Command {
	var model modelFlags
	var sets []string
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "what two patches share, and do to each other",
		Long: `Compares two patches bit by bit: what each flips, what both flip, which cancels
when they are combined, and what is left of them together, by layer and matrix.
Rows in which both flip something are counted even where it is not the same.

With --model it is measured, too: on the probes that the claims of either are
about, how many answers are right without patches, with each, and with both; and
what both together fix and break against each alone, with McNemar's exact test.
Probes are found as "bankai library verify" finds them.`,
		Example: `  bankai library compare fix.bankai other.json
  bankai library compare old.json other.json --model demo --json`,
		Args: arguments(2, 2, "two names of the library, or patches"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			c := &comparison{app: a, refs: args}
			if model.path == "" {
				if len(sets) > 0 {
					return usagef("--set is to be measured on: give the model, too, with --model")
				}
				return c.bits()
			}
			return c.measured(ctx, &model, sets)
		}),
	}
	otherModelFlag(cmd, &model.path, "model `FILE` (or demo) to measure on, too")
	model.addPrecision(cmd)
	cmd.Flags().StringArrayVar(&sets, "set", nil, "`FILE` of probes that claims are about; may be repeated")
	cmd.Flags().Bool(forceName, false, "take patches that were made for other settings of the model")
	return cmd
}

// comparison is a run of `library compare`.
type comparison struct {
	app  *app
	refs []string
	doc  compareDoc
}

// compareDoc is the result of `library compare`.
type compareDoc struct {
	Patches []string `json:"patches"`
	*anatomy.Overlap
	Conflict *bankai.Conflict     `json:"conflict"` // that one declares with the other; null if none does
	Model    *source.ModelRef     `json:"model"`    // null if nothing was measured
	Measured []recheck.PairResult `json:"measured"`
	Missing  []recheck.Missing    `json:"missing"` // claims on which the pair was not measured
}

// compare compares the bits of the patches, read for a model unless that is nil.
func (c *comparison) compare(f *weights.File) (a, b *bankai.Patch, err error) {
	reader := c.app.patches(f)
	if a, err = reader.Read(c.refs[0]); err != nil {
		return nil, nil, err
	}
	if b, err = reader.Read(c.refs[1]); err != nil {
		return nil, nil, err
	}
	c.doc = compareDoc{Patches: c.refs, Measured: []recheck.PairResult{}, Missing: []recheck.Missing{}}
	if c.doc.Overlap, err = anatomy.Compare(a, b); err != nil {
		return nil, nil, fmt.Errorf("%s and %s: %w", c.refs[0], c.refs[1], err)
	}
	if conflict, declared := bankai.ConflictOf(a, b); declared {
		c.doc.Conflict = &conflict
	}
	return a, b, nil
}

// bits is the comparison without a model.
func (c *comparison) bits() error {
	if _, _, err := c.compare(nil); err != nil {
		return err
	}
	return c.app.Print(c.doc, c.write)
}

// measured is the comparison with what the patches do.
func (c *comparison) measured(ctx context.Context, model *modelFlags, sets []string) error {
	found := &material{}
	if err := found.add(sets); err != nil {
		return err
	}
	if _, err := found.gather(); err != nil {
		return err
	}
	if err := c.app.patches(nil).CheckRefs(c.refs); err != nil {
		return err
	}
	m, err := c.app.openModel(model)
	if err != nil {
		return err
	}
	defer m.Close()
	a, b, err := c.compare(m.Weights())
	if err != nil {
		return err
	}
	ref := source.RefOf(model.path, m.Weights())
	c.doc.Model = &ref
	pair := recheck.Pair{Model: m, A: a, B: b, Find: found.file, To: c.app.Console}
	results, missing, err := pair.Measure(ctx)
	if err != nil {
		return err
	}
	c.doc.Measured, c.doc.Missing = append(c.doc.Measured, results...), append(c.doc.Missing, missing...)
	return c.app.Print(c.doc, c.write)
}

func (c *comparison) write(w io.Writer) {
	terminal.WriteFacts(w, terminal.Fact{"a", c.refs[0]}, terminal.Fact{"b", c.refs[1]}, terminal.Fact{"verdict", c.doc.Verdict})
	if x := c.doc.Conflict; x != nil {
		why := text.Printable(x.Why)
		if why == "" {
			why = "it does not say why"
		}
		fmt.Fprintf(w, "\nOne says that it must not be combined with the other: %s.\n", why)
	}
	fmt.Fprintln(w)
	t := text.Table{Right: append([]bool{false, false}, text.RightAligned(5)...)}
	t.Add("layer", "matrix", "a", "b", "both", "together", "common rows")
	for _, s := range c.doc.Tensors {
		layer := ""
		if s.Layer != nil {
			layer = fmt.Sprint(*s.Layer)
		}
		t.Add(layer, text.Printable(s.Proj), bitCount(s.A), bitCount(s.B), bitCount(s.Shared), bitCount(s.Together), s.CommonRows)
	}
	s := c.doc.Shares
	t.Add("all", "", bitCount(s.A), bitCount(s.B), bitCount(s.Shared), bitCount(s.Together), s.CommonRows)
	fmt.Fprintf(w, "Bits that are inverted:\n%s", &t)
	if c.doc.Model == nil {
		fmt.Fprintln(w, "\nNothing was measured: what they do to each other's claims is with --model MODEL.")
		return
	}
	c.writeMeasured(w)
}

// bitCount is an amount in bits, or in runs where these are not known.
func bitCount(a anatomy.Amount) string {
	if a.Bits == nil {
		return text.Count(a.Flips, "run")
	}
	return text.Thousands(int64(*a.Bits))
}

// writeMeasured tells what the patches do on the sets of their claims.
func (c *comparison) writeMeasured(w io.Writer) {
	for _, r := range c.doc.Measured {
		fmt.Fprintf(w, "\n%s (%s): of %d right %d without patches, %d with a, %d with b, %d with one or the other, %d with both.\n",
			text.Line(r.Set), text.Printable(strings.Join(r.Of, ", ")), r.Right.Total, r.Right.Base, r.Right.A, r.Right.B, r.Right.Either, r.Right.Both)
		fmt.Fprintf(w, "  both against a: %d fixed, %d broke (p = %s): %s\n", r.AgainstA.Fixed, r.AgainstA.Broke, text.Probability(r.AgainstA.PValue), report.Conclusion(r.AgainstA.Fixed, r.AgainstA.Broke, r.AgainstA.PValue))
		fmt.Fprintf(w, "  both against b: %d fixed, %d broke (p = %s): %s\n", r.AgainstB.Fixed, r.AgainstB.Broke, text.Probability(r.AgainstB.PValue), report.Conclusion(r.AgainstB.Fixed, r.AgainstB.Broke, r.AgainstB.PValue))
	}
	if len(c.doc.Missing) > 0 {
		fmt.Fprintln(w, "\nNot measured:")
	}
	for _, m := range c.doc.Missing {
		fmt.Fprintf(w, "  %s: %s\n", text.Printable(m.Claim), text.Printable(m.Reason))
	}
}
