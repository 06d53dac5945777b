package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"bankai/experiment"
	"bankai/internal/source"
	"bankai/probe"
)

// layersFlags are the flags of `experiment layers`.
type layersFlags struct {
	experimentFlags
	probes string
	metric *choice[probe.Metric]
	sites  []string
	layers intList
}

func layersCommand(a *app) *cobra.Command {
	f := &layersFlags{layers: intList{ranges: true}}
	cmd := &cobra.Command{
		Use:   "layers [--probes F]",
		Short: "what every layer does to the answers, flipped whole",
		Long: `Flips all rows of one part of one layer, for every layer and part in turn, and
measures what that changes of each probe: a map of where the model depends on
its signs.

It repeats the published experiments 2A (the whole MLP of each layer, 8 probes,
--metric token_gap) and 15 (90 probes, seq_logprob). On Bonsai 8B, of 36 layers,
the MLP of layer 34 changed the gap by 9.0, those of layers 0 to 4 by 3.2 to 7.2
and those of layers 17 to 21 by 0.7 to 1.6; the ranking was 34, 2, 1, 3, 4. Here
attention and every single projection are measured too.

The sites: mlp (gate, up and down), attention (q, k, v and o), and each of those
seven alone. Some flips cancel exactly: an MLP flipped whole does what its gate
does alone, up does what down does, q what k, v what o, and the whole attention
does nothing. So --sites mlp,up,q,v is all there is, in half the time.

Figures are the mean absolute change of the metric over the probes, the mean
change, and how many probes changed sign each way, with McNemar's exact test
corrected for all sites (Holm).

How to read it: a rank comes with the interval that it has over bootstrap draws
of the probes. If that is wide, the probes do not tell the layers apart. A large
change says that a part matters, not that flips there help.`,
		Example: `  bankai experiment layers --sites mlp,up --layers 0,5
  bankai experiment layers --sites mlp --metric token_gap`,
		Args: arguments(0, 0, "the probes with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := (experiment.LayersOptions{Sites: f.sites}).Check(); err != nil {
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
	f.file(cmd, &f.probes, "probes", "demo:search_few", "probe `FILE`")
	cmd.Flags().StringSliceVar(&f.sites, "sites", nil, "`SITES` to flip: "+strings.Join(experiment.LayerSites(), ", ")+" (default all)")
	cmd.Flags().Var(&f.layers, "layers", "`LAYERS` to flip, as 0,3,8-11 (default all)")
	return cmd
}

func (f *layersFlags) run(ctx context.Context, a *app) error {
	s, err := source.ReadSet(f.probes)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fit(m, named(s)...); err != nil {
		return err
	}
	o := experiment.LayersOptions{Name: s.Source, Probes: s.Set, Metric: f.metric.value, Sites: f.sites, Layers: f.layers.ints()}
	facts := []experiment.Fact{{Name: "probes", Value: s.Identity()}, {Name: "metric", Value: o.Metric.String()}}
	return a.experiment(ctx, &f.experimentFlags, m, "layers", facts, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return experiment.MeasureLayers(ctx, r, o)
	})
}
