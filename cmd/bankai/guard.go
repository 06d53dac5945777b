package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"bankai/engine"
	"bankai/internal/evaluation"
	"bankai/internal/guard"
	"bankai/internal/repair"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/store"
)

// guardFlag is a flag that takes auto, none or a number of tokens.
type guardFlag struct {
	none   bool
	tokens int // 0: auto
}

func (g *guardFlag) String() string {
	switch {
	case g.none:
		return "none"
	case g.tokens > 0:
		return strconv.Itoa(g.tokens)
	}
	return "auto"
}

func (g *guardFlag) Type() string { return "auto|none|N" }

func (g *guardFlag) Set(s string) error {
	switch s {
	case "auto", "none":
		*g = guardFlag{none: s == "none"}
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither auto nor none nor a number of tokens", s)
	}
	*g = guardFlag{tokens: int(n)}
	return nil
}

// evalGuard is how `eval` is to measure what a patch changed besides.
type evalGuard struct {
	guardFlag
	avoid []string // files of probes; none: the ones that are measured
}

// measure makes the guard that a patch records, or another one, and measures patches on
// it. Without a patch there is nothing to measure.
func (e *evalGuard) measure(ctx context.Context, a *app, m *engine.Model, overlay *engine.Overlay, patches []string, probes source.Set) (*evaluation.Guard, error) {
	if e.none || overlay == nil {
		return nil, nil
	}
	claimed := claimedGuard(a.patches(nil), patches)
	o := guard.Options{Seed: a.seed, Tokens: e.tokens, To: a.Console}
	if claimed != nil && e.tokens == 0 {
		o.Seed, o.Tokens = claimed.Seed, claimed.Tokens
	}
	prompts, n, err := e.prompts(m, probes)
	if err != nil {
		return nil, err
	}
	o.Avoid = prompts
	g, err := repair.MakeGuard(ctx, m, o, n)
	if err != nil {
		return nil, err
	}
	report, err := g.Measure(ctx, m, overlay, false, a.Console)
	if err != nil {
		return nil, err
	}
	out := &evaluation.Guard{Report: report}
	if claimed != nil {
		same := claimed.Definition == report.Definition && claimed.Digest == report.Digest
		out.AsClaimed = &same
	}
	return out, nil
}

// claimedGuard is what the only patch records of a guard; nil if it does not, or if its
// file cannot be read a second time.
func claimedGuard(from store.Reader, patches []string) *guard.Record {
	if len(patches) != 1 || source.IsStream(patches[0]) {
		return nil
	}
	p, err := from.Raw(patches[0])
	if err != nil {
		return nil
	}
	return guard.RecordOf(p.Meta())
}

// prompts are those to stay away from, and the tokens of the probes that are measured.
func (e *evalGuard) prompts(m *engine.Model, probes source.Set) (prompts []string, n int, err error) {
	sets := []source.Set{probes}
	if len(e.avoid) > 0 {
		if sets, err = source.ReadSets(e.avoid); err != nil {
			return nil, 0, err
		}
	}
	for _, s := range sets {
		for _, p := range s.Set {
			prompts = append(prompts, p.Prompt)
			n += len(m.Tokenizer().Encode(p.Prompt + p.Correct))
		}
	}
	return prompts, n, nil
}

// writeGuard tells what became of a guard, for a person: the categories that changed, and
// the worst changes.
func writeGuard(w io.Writer, r *guard.Report) {
	p := r.HeldOut
	fmt.Fprintf(w, "\nGuard: %s.\n", repair.GuardText(r))
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(3)}
	t.Add("answers", "the same", "nats a token", "category")
	for _, name := range slices.Sorted(maps.Keys(p.ByCategory)) {
		if c := p.ByCategory[name]; c.Same < c.Greedy || c.Greedy == 0 {
			t.Add(c.Items, same(c), strconv.FormatFloat(c.KL, 'f', 4, 64), name)
		}
	}
	if len(t.Rows) > 1 {
		fmt.Fprintf(w, "%s", &t)
	}
	if len(p.Changes) > 0 {
		fmt.Fprintln(w, "\nChanged most:")
	}
	for _, c := range p.Changes {
		fmt.Fprintf(w, "  %s → %s, before %s (%s)\n", text.Clip(text.Printable(c.Prompt), 40), text.Clip(text.Printable(c.After), 30), text.Clip(text.Printable(c.Before), 30), text.Printable(c.Category))
	}
}

// same is how many greedy answers of a category stayed, if it has any.
func same(c guard.Category) string {
	if c.Greedy == 0 {
		return ""
	}
	return strconv.Itoa(c.Same)
}
