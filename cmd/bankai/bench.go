package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/program"
	"bankai/internal/source"
	"bankai/internal/speed"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

func benchCommand(a *app) *cobra.Command {
	var model modelFlags
	prompt, tokens, repeat := flagtype.Count(128), flagtype.Count(32), flagtype.Count(3)
	var contexts flagtype.IntList
	search := false
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "how fast a model runs here",
		Long: `Measures, each a few times of which the median counts: reading a prompt (pp) and
generating after it (tg), in tokens a second; loading; applying a patch of 100
rows. What a search would pay for one candidate is estimated from pp, for 60
probes and 20 controls of the demo's in this model's tokens.

With --search it is measured: one flipped gate row in each of the published
search's layers (1 to 4, and the last but one) from the residual streams that a
search keeps, beside a whole pass; and a gradient, which is a forward and a
backward pass over all probes. On the 8B's shape that takes some minutes.

With --context, generation behind contexts of so many tokens is measured too, -n
tokens each, and the memory of their key-value caches. Those contexts are never
computed, which may take minutes: their keys and values are random numbers.

Beside the speeds stand the limits of this machine, measured too: prompts cannot
be faster than the CPU multiplies bytes, nor generation than it reads the weights
from memory. A small model may beat the second: it stays in the cache.`,
		Example: `  bankai bench
  bankai bench --model demo -p 192 -n 64 --threads 2 --json
  bankai bench --context 64,128,224`,
		Args: arguments(0, 0, "the model with --model"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if prompt < 1 || tokens < 1 || repeat < 1 || slices.Contains(contexts.Values, 0) {
				return usagef("-p, -n, --repeat and --context must be at least 1")
			}
			return bench(ctx, a, &model, benchPlan{speed.Plan{Prompt: int(prompt), Tokens: int(tokens), Repeat: int(repeat)}, contexts.Values, search})
		}),
	}
	model.add(cmd)
	cmd.Flags().VarP(&prompt, "prompt-tokens", "p", "tokens of the prompt")
	cmd.Flags().VarP(&tokens, "tokens", "n", "tokens to generate")
	cmd.Flags().Var(&repeat, "repeat", "measure `N` times")
	cmd.Flags().Var(&contexts, "context", "measure generation behind contexts of so many tokens")
	cmd.Flags().BoolVar(&search, "search", false, "measure a search's steps too")
	return cmd
}

// benchPlan is what bench is to measure.
type benchPlan struct {
	speed.Plan
	contexts []int32
	search   bool
}

// check refuses what does not fit into a model's context.
func (p benchPlan) check(limit int) error {
	if p.Prompt+p.Tokens > limit {
		return fmt.Errorf("-p %d and -n %d together are more than the model's context of %d tokens", p.Prompt, p.Tokens, limit)
	}
	for _, n := range p.contexts {
		if int(n)+p.Tokens > limit {
			return fmt.Errorf("--context %d and -n %d together are more than the model's context of %d tokens", n, p.Tokens, limit)
		}
	}
	return nil
}

// benchDoc is the result of `bench`.
type benchDoc struct {
	Model     source.ModelRef  `json:"model"`
	PP        float64          `json:"pp"` // prompt tokens a second
	TG        float64          `json:"tg"` // generated tokens a second
	Prompt    int              `json:"prompt_tokens"`
	Tokens    int              `json:"tokens"`
	Threads   int              `json:"threads"`
	Kernel    string           `json:"kernel"`
	Precision string           `json:"precision"`
	Load      float64          `json:"load_s"`
	RSS       *int64           `json:"rss_bytes"` // most resident memory, mapped files included; null if unknown
	Apply     float64          `json:"apply_us"`  // patch of 100 rows, microseconds
	Contexts  []speed.Context  `json:"contexts,omitempty"`
	Search    speed.SearchCost `json:"search"`
	Limits    speed.Limits     `json:"limits"`
}

func bench(ctx context.Context, a *app, f *modelFlags, plan benchPlan) error {
	began := time.Now()
	m, err := a.openModel(f)
	if err != nil {
		return err
	}
	defer m.Close()
	doc := benchDoc{
		Prompt: plan.Prompt, Tokens: plan.Tokens,
		Threads: m.Threads(), Kernel: m.Kernel(), Precision: f.precision.String(), Load: time.Since(began).Seconds(),
	}
	if err := plan.check(m.Config().Context); err != nil {
		return err
	}
	if doc.PP, doc.TG, err = benchSpeed(ctx, a.Console, m, plan); err != nil {
		return err
	}
	if doc.Contexts, err = benchContexts(ctx, a.Console, m, plan); err != nil {
		return err
	}
	doc.Model = source.RefOf(f.path, m.Weights()) // after the loading was timed: it reads the file
	if rss := program.PeakMemory(); rss > 0 {     // before patches and limits, which take memory of their own
		doc.RSS = &rss
	}
	if doc.Apply, err = speed.Apply(m); err != nil {
		return err
	}
	sets, err := speed.NewProbes(m)
	if err != nil {
		return err
	}
	doc.Search = sets.Estimate(doc.PP)
	doc.Limits = speed.LimitsOf(m)
	if plan.search {
		if doc.Search.Measured, err = benchSearch(ctx, a.Console, m, sets); err != nil {
			return err
		}
	}
	return a.Print(doc, doc.write)
}

// benchSpeed measures prompts and generation.
func benchSpeed(ctx context.Context, c *terminal.Console, m *engine.Model, plan benchPlan) (pp, tg float64, err error) {
	progress := c.Meter("bench, runs", int64(plan.Repeat))
	defer progress.Stop()
	return plan.Runs(ctx, m, func(done int) { progress.Set(int64(done), "") })
}

func (d benchDoc) write(w io.Writer) {
	memory := ""
	if d.RSS != nil {
		memory = text.Size(*d.RSS) + " at most, mapped files included"
	}
	promptLimit := ""
	if l := d.Limits; l.PP != nil && d.Precision == engine.Fast.String() {
		promptLimit = fmt.Sprintf(", %.0f %% of what %s GMAC/s allow", 100*d.PP / *l.PP, text.ThreeDigits(*l.GMACs))
	}
	facts := []terminal.Fact{
		{"model", d.Model.String()},
		{"prompt", fmt.Sprintf("%s tokens/s (%d tokens)%s", text.ThreeDigits(d.PP), d.Prompt, promptLimit)},
		{"generation", fmt.Sprintf("%s tokens/s (%d tokens), %.0f %% of what %s GB/s allow", text.ThreeDigits(d.TG), d.Tokens, 100*d.TG/d.Limits.TG, text.ThreeDigits(d.Limits.Bandwidth))},
	}
	for _, c := range d.Contexts {
		facts = append(facts, contextFact(c))
	}
	facts = append(facts, searchFacts(d.Search)...)
	terminal.WriteFacts(w, append(facts,
		terminal.Fact{"patch", fmt.Sprintf("%s µs to apply or take off %d rows", text.ThreeDigits(d.Apply), speed.AppliedRows)},
		terminal.Fact{"load", text.Elapsed(d.Load)},
		terminal.Fact{"memory", memory},
		terminal.Fact{"computed", fmt.Sprintf("%s, kernel %s, %s precision", text.Count(d.Threads, "thread"), d.Kernel, d.Precision)})...)
}

func benchContexts(ctx context.Context, c *terminal.Console, m *engine.Model, plan benchPlan) (all []speed.Context, err error) {
	if len(plan.contexts) == 0 {
		return nil, nil
	}
	progress := c.Meter("bench, contexts", int64(len(plan.contexts)))
	defer progress.Stop()
	for i, n := range plan.contexts {
		c, err := plan.Behind(ctx, m, int(n))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		progress.Set(int64(i+1), "")
	}
	return all, nil
}

// contextFact says how generation behind a context goes.
func contextFact(c speed.Context) terminal.Fact {
	return terminal.Fact{
		fmt.Sprintf("behind %d tokens", c.Tokens),
		fmt.Sprintf("%s tokens/s, key-value cache of %s (random, not computed)", text.ThreeDigits(c.TG), text.Size(c.KV)),
	}
}

func benchSearch(ctx context.Context, c *terminal.Console, m *engine.Model, probes speed.Probes) (*speed.MeasuredSearch, error) {
	progress := c.Meter("bench, search", int64(probes.Steps(m)))
	defer progress.Stop()
	return probes.Search(ctx, m, func(done int) { progress.Set(int64(done), "") })
}

// searchFacts says what a search takes.
func searchFacts(c speed.SearchCost) []terminal.Fact {
	what := fmt.Sprintf("%d probes, %d controls: %d tokens", c.Probes, c.Controls, c.Tokens)
	if c.Measured == nil {
		return []terminal.Fact{{"search", fmt.Sprintf("about %s a pass (%s)", text.Elapsed(c.Seconds), what)}}
	}
	m := c.Measured
	facts := []terminal.Fact{{"whole pass", fmt.Sprintf("%s (%s)", text.Elapsed(m.Pass), what)}}
	for _, s := range m.Steps {
		facts = append(facts, terminal.Fact{
			fmt.Sprintf("candidate in layer %d", s.Layer),
			fmt.Sprintf("%s, %.0f %% of a pass; %.3f forward-pass equivalents", text.Elapsed(s.Seconds), 100*s.Seconds/m.Pass, s.Cost),
		})
	}
	return append(facts, terminal.Fact{"gradient", fmt.Sprintf("%s, %.2f passes", text.Elapsed(m.Gradient), m.Gradient/m.Pass)})
}
