package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/experiment"
	"bankai/internal/source"
	"bankai/probe"
)

// scaleFlags are the flags of `experiment scale`.
type scaleFlags struct {
	experimentFlags
	probes   string
	controls string
	metric   *choice[probe.Metric]
	layers   intList
	proj     []string
	rows     []int
	draws    count
	sample   count
}

func scaleCommand(a *app) *cobra.Command {
	f := &scaleFlags{layers: intList{ranges: true}, draws: 5, sample: 120}
	cmd := &cobra.Command{
		Use:   "scale [--probes F] [--controls F]",
		Short: "whether rows of high scale matter more",
		Long: `Flips the rows of the highest mean scale |d| of a matrix, then as many random
rows of it, and compares how much that changes the probes: in every matrix of
--layers and --proj in turn, with 1, 4, 16, 64 and 256 rows. A matrix takes part
with numbers up to half of its rows.

It repeats the published experiment 2B: 64 high-scale rows of layer 34 of Bonsai
8B changed the gap by 0.459, 64 random ones by 0.118, a ratio of 3.88. The
published search draws rows by their scale for that reason.

Then --sample single rows, drawn evenly, are flipped one by one, and the change
of fitness (answer_logprob of the probes, less twice what the controls lose of
seq_logprob) is measured. Spearman's correlation tells how well two things
foresee it that cost next to nothing: the row's scale, and the first-order
forecast that guided search makes of all rows by one backward pass.

How to read it: a ratio above 1, with its whole 95 % interval, says that scale
tells how much a row does. The interval is a bootstrap over the probes and the
--draws of random rows. Scale does not tell whether a flip helps; see its
correlation with the fitness. In fast precision activations are rounded, which
blurs small effects: --precision exact is slower and does not.`,
		Example: `  bankai experiment scale --layers 5 --proj gate --rows 1,16 --draws 2 --sample 8
  bankai experiment scale --layers 5 --rows 64 --sample 0 --metric token_gap`,
		Args: arguments(0, 0, "the probes with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.options().Check(); err != nil {
				return usagef("%w", err)
			}
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	f.metric = measuredBy(cmd, probe.SeqLogprob)
	flags := cmd.Flags()
	f.file(cmd, &f.probes, "probes", "demo:search_few", "probe `FILE`")
	f.file(cmd, &f.controls, "controls", "demo:control", "probe `FILE` that the fitness of single rows charges losses on")
	flags.Var(&f.layers, "layers", "`LAYERS` to flip rows of, as 0,3,8-11 (default all)")
	flags.StringSliceVar(&f.proj, "proj", []string{"gate", "up", "down"}, "`PROJECTIONS` to flip rows of: gate, up, down, q, k, v, o")
	flags.IntSliceVar(&f.rows, "rows", []int{1, 4, 16, 64, 256}, "`N,N` rows to flip together")
	flags.Var(&f.draws, "draws", "`N` draws of random rows")
	flags.Var(&f.sample, "sample", "`N` single rows to compare with scale and forecast, 0 for none")
	return cmd
}

// options are the experiment's, the probes aside.
func (f *scaleFlags) options() experiment.ScaleOptions {
	return experiment.ScaleOptions{
		Metric: f.metric.value, Layers: f.layers.ints(), Projections: f.proj,
		Rows: f.rows, Draws: int(f.draws), Sample: int(f.sample),
	}
}

func (f *scaleFlags) run(ctx context.Context, a *app) error {
	var controls source.Set
	targets, err := source.ReadSet(f.probes)
	if err == nil && f.sample > 0 {
		controls, err = source.ReadSet(f.controls)
	}
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fit(m, named(targets, controls)...); err != nil {
		return err
	}
	o := f.options()
	o.Name, o.Probes, o.ControlName, o.Controls = targets.Source, targets.Set, controls.Source, controls.Set
	facts := []experiment.Fact{
		{Name: "probes", Value: targets.Identity()},
		{Name: "controls", Value: digestOr(controls, "none")},
		{Name: "metric", Value: o.Metric.String()},
		{Name: "seed", Value: fmt.Sprint(a.seed)},
	}
	return a.experiment(ctx, &f.experimentFlags, m, "scale", facts, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return experiment.MeasureScale(ctx, r, o)
	})
}

// digestOr is the digest of a set, or a word for none.
func digestOr(s source.Set, none string) string {
	if s.Digest == (bankai.Digest{}) {
		return none
	}
	return s.Identity()
}
