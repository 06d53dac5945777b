package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/program"
	"bankai/internal/source"
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
			return bench(ctx, a, &model, benchPlan{int(prompt), int(tokens), int(repeat), contexts.Values, search})
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
	prompt, tokens, repeat int
	contexts               []int32
	search                 bool
}

// check refuses what does not fit into a model's context.
func (p benchPlan) check(limit int) error {
	if p.prompt+p.tokens > limit {
		return fmt.Errorf("-p %d and -n %d together are more than the model's context of %d tokens", p.prompt, p.tokens, limit)
	}
	for _, n := range p.contexts {
		if int(n)+p.tokens > limit {
			return fmt.Errorf("--context %d and -n %d together are more than the model's context of %d tokens", n, p.tokens, limit)
		}
	}
	return nil
}

// benchDoc is the result of `bench`.
type benchDoc struct {
	Model     source.ModelRef `json:"model"`
	PP        float64         `json:"pp"` // prompt tokens a second
	TG        float64         `json:"tg"` // generated tokens a second
	Prompt    int             `json:"prompt_tokens"`
	Tokens    int             `json:"tokens"`
	Threads   int             `json:"threads"`
	Kernel    string          `json:"kernel"`
	Precision string          `json:"precision"`
	Load      float64         `json:"load_s"`
	RSS       *int64          `json:"rss_bytes"` // most resident memory, mapped files included; null if unknown
	Apply     float64         `json:"apply_us"`  // patch of 100 rows, microseconds
	Contexts  []benchContext  `json:"contexts,omitempty"`
	Search    searchCost      `json:"search"`
	Limits    limits          `json:"limits"`
}

// limits is what the machine allows.
type limits struct {
	PP        *float64 `json:"pp"` // prompt tokens a second; null if unknown
	TG        float64  `json:"tg"` // generated tokens a second
	GMACs     *float64 `json:"gmac_per_s"`
	Bandwidth float64  `json:"gb_per_s"`
}

func bench(ctx context.Context, a *app, f *modelFlags, plan benchPlan) error {
	began := time.Now()
	m, err := a.openModel(f)
	if err != nil {
		return err
	}
	defer m.Close()
	doc := benchDoc{
		Prompt: plan.prompt, Tokens: plan.tokens,
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
	if doc.Apply, err = benchApply(m); err != nil {
		return err
	}
	sets, err := newBenchSets(m)
	if err != nil {
		return err
	}
	doc.Search = sets.estimate(doc.PP)
	doc.Model = source.RefOf(f.path, m.Weights()) // after the loading was timed: it reads the file
	if rss := program.PeakMemory(); rss > 0 {     // before the limits, which take memory of their own
		doc.RSS = &rss
	}
	doc.Limits = benchLimits(m)
	if plan.search {
		if doc.Search.Measured, err = benchSearch(ctx, a.Console, m, sets); err != nil {
			return err
		}
	}
	return a.Print(doc, doc.write)
}

func benchLimits(m *engine.Model) limits {
	l := m.Limits()
	out := limits{TG: l.Generation(), Bandwidth: l.Bandwidth / 1e9}
	if l.MACs > 0 {
		pp, gmacs := l.Prompt(), l.MACs/1e9
		out.PP, out.GMACs = &pp, &gmacs
	}
	return out
}

// benchSpeed is the median of several runs of benchOnce.
func benchSpeed(ctx context.Context, c *terminal.Console, m *engine.Model, plan benchPlan) (pp, tg float64, err error) {
	progress := c.Meter("bench, runs", int64(plan.repeat))
	defer progress.Stop()
	var pps, tgs []float64
	for i := range plan.repeat {
		p, t, err := benchOnce(ctx, m, plan.prompt, plan.tokens)
		if err != nil {
			return 0, 0, err
		}
		pps, tgs = append(pps, p), append(tgs, t)
		progress.Set(int64(i+1), "")
	}
	return median(pps), median(tgs), nil
}

// benchOnce times a prompt and then single tokens after it, in tokens a second.
func benchOnce(ctx context.Context, m *engine.Model, prompt, tokens int) (pp, tg float64, err error) {
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32(37 * i % m.Config().Vocab)
	}
	began := time.Now()
	if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: ids, Logits: 1}}); err != nil {
		return 0, 0, err
	}
	pp = float64(prompt) / time.Since(began).Seconds()
	tg, err = benchGeneration(ctx, b, s, tokens)
	return pp, tg, err
}

// benchGeneration times single tokens after those of s, in tokens a second.
func benchGeneration(ctx context.Context, b *engine.Batch, s *engine.Seq, tokens int) (float64, error) {
	began := time.Now()
	for range tokens {
		if _, err := b.Step(ctx, []engine.Input{{Seq: s, Tokens: []int32{0}, Logits: 1}}); err != nil {
			return 0, err
		}
	}
	return float64(tokens) / time.Since(began).Seconds(), nil
}

// benchRows is the size of the patch whose application is timed.
const benchRows = 100

// benchApply times applying a patch of 100 gate rows, in microseconds, on a workbench
// that has copied their matrices.
func benchApply(m *engine.Model) (float64, error) {
	c := m.Config()
	var flips []bankai.Flip
	for i := range benchRows {
		name, err := bankai.TensorName(i%c.Layers, "gate_proj")
		if err != nil {
			return 0, err
		}
		flips = append(flips, bankai.Flip{Tensor: name, Row: uint32(i * 7919 % c.FFN), N: bankai.ToEnd})
	}
	p := bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)
	w := m.Workbench()
	if err := w.Apply(p); err != nil {
		return 0, err
	}
	var times []float64
	for range 20 {
		began := time.Now()
		if err := w.Apply(p); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
	}
	return median(times), nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
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
		facts = append(facts, c.fact())
	}
	facts = append(facts, d.Search.facts()...)
	terminal.WriteFacts(w, append(facts,
		terminal.Fact{"patch", fmt.Sprintf("%s µs to apply or take off %d rows", text.ThreeDigits(d.Apply), benchRows)},
		terminal.Fact{"load", text.Elapsed(d.Load)},
		terminal.Fact{"memory", memory},
		terminal.Fact{"computed", fmt.Sprintf("%s, kernel %s, %s precision", text.Count(d.Threads, "thread"), d.Kernel, d.Precision)})...)
}

// benchContext is generation behind a context that was filled with random keys and
// values.
type benchContext struct {
	Tokens int     `json:"tokens"`
	TG     float64 `json:"tg"`       // generated tokens a second
	KV     int64   `json:"kv_bytes"` // of the context's key-value cache
}

func benchContexts(ctx context.Context, c *terminal.Console, m *engine.Model, plan benchPlan) (all []benchContext, err error) {
	if len(plan.contexts) == 0 {
		return nil, nil
	}
	progress := c.Meter("bench, contexts", int64(len(plan.contexts)))
	defer progress.Stop()
	for i, n := range plan.contexts {
		c, err := benchBehind(ctx, m, int(n), plan.tokens, plan.repeat)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		progress.Set(int64(i+1), "")
	}
	return all, nil
}

// benchBehind measures generation behind n tokens: the median of several runs, all
// from the same place, after one that is not counted because it makes the tables of
// the positions.
func benchBehind(ctx context.Context, m *engine.Model, n, tokens, repeat int) (benchContext, error) {
	b := m.NewBatch(0)
	s := b.NewSeq(nil)
	s.FillRandom(n)
	c := benchContext{Tokens: n, KV: b.Memory().Used}
	var speeds []float64
	for range 1 + repeat {
		f := s.Fork()
		tg, err := benchGeneration(ctx, b, f, tokens)
		if err != nil {
			return c, err
		}
		f.Release()
		speeds = append(speeds, tg)
	}
	c.TG = median(speeds[1:])
	return c, nil
}

func (c benchContext) fact() terminal.Fact {
	return terminal.Fact{
		fmt.Sprintf("behind %d tokens", c.Tokens),
		fmt.Sprintf("%s tokens/s, key-value cache of %s (random, not computed)", text.ThreeDigits(c.TG), text.Size(c.KV)),
	}
}
