package main

import (
	"context"
	"strings"

	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"
	"bankai/search"

	"github.com/spf13/cobra"
)

// robustnessFlags are the flags of `experiment robustness`.
type robustnessFlags struct {
	experimentFlags
	text        string
	lines       flagtype.Count
	flips       flagtype.NumberList
	where       []string
	layers      flagtype.IntList
	granularity flagtype.SizeList
	scale       []string
	seeds       flagtype.Count
	cross       bool
}

func robustnessCommand(a *app) *cobra.Command {
	f := &robustnessFlags{
		lines: 100, seeds: 5, layers: flagtype.IntList{Ranges: true},
		granularity: flagtype.SizeList{search.Bit, search.Group, search.Row},
	}
	cmd := &cobra.Command{
		Use:   "robustness [--text F]",
		Short: "perplexity against random flips",
		Long: `Flips sign bits drawn at random, without replacement, and measures the perplexity
of the first --lines lines of a text: how much noise does the model bear?

It repeats the published experiment 1: 500,000 flips among the 5,435,817,984 MLP
bits of Bonsai 8B, 0.009 %, changed the perplexity of 5 sentences by less than
1 %. It adds what was not tested there: attention, embedding and head, and whole
groups and rows at equal bits.

The first of --where, --granularity and --scale make the standard curve; every
other one gives a curve that differs from it in that one thing. --cross makes a
curve of every combination. --flips are bits, or below 1 their share of all bits
of the part: N bits are N/128 groups, or as many rows as hold N bits on average.
--scale medium draws from groups whose scale |d| lies between the 40 % and the
60 % quantile of the part's groups, high from the top fifth (whole rows by the
mean of their groups). --layers restricts MLP and attention.

How to read it: a ratio of 1 is no change. The mean and its 95 % interval are
over --seeds draws, of the logarithm of the ratio. "Less than 1 %" is said only
where the whole interval is within 1 %, for that many flips and for fewer.
Perplexity is a blunt measure: answers are lost before it moves.`,
		Example: `  bankai experiment robustness --lines 10 --flips 0.001,0.01 --seeds 2
  bankai experiment robustness --lines 10 --where mlp,attention --granularity row --scale any --layers 0-2 --flips 5000 --seeds 2`,
		Args: arguments(0, 0, "the text with --text"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	flags := cmd.Flags()
	f.file(cmd, &f.text, "text", "demo:text", "text `FILE`, a sentence a line")
	flags.Var(&f.lines, "lines", "`N` lines of it, the first ones")
	flags.Var(&f.flips, "flips", "`BITS` to flip, or shares of all below 1 (default 0.0001,0.0003,0.001,0.003,0.01,0.03,0.1; of a large model as far as a draw goes)")
	flags.Lookup("flips").DefValue = "" // said above
	flags.StringSliceVar(&f.where, "where", []string{"mlp", "attention", "embedding"}, "`PARTS` to draw from: mlp, attention, delta-net, embedding, head, all")
	flags.Var(&f.layers, "layers", "`LAYERS` to draw from, as 0,3,8-11 (default all)")
	flags.Var(&f.granularity, "granularity", "`PIECES` to flip: bit, group, row")
	flags.StringSliceVar(&f.scale, "scale", []string{"any", "medium", "high"}, "`SCALES` of what is drawn: any, medium, high")
	flags.Var(&f.seeds, "seeds", "`N` draws of every amount")
	flags.BoolVar(&f.cross, "cross", false, "a curve for every combination")
	return cmd
}

// options are the experiment's, the text aside.
func (f *robustnessFlags) options() experiment.RobustnessOptions {
	return experiment.RobustnessOptions{
		Where: f.where, Sizes: f.granularity, Scales: f.scale, Cross: f.cross,
		Layers: f.layers.Ints(), Amounts: f.flips, Draws: int(f.seeds),
	}
}

func (f *robustnessFlags) check() error {
	if f.lines < 1 {
		return usagef("--lines 0: measure at least 1 line")
	}
	if err := f.options().Check(); err != nil {
		return usagef("%w", err)
	}
	return f.experimentFlags.check()
}

func (f *robustnessFlags) run(ctx context.Context, a *app) error {
	lines, err := source.ReadLines(f.text)
	if err != nil {
		return err
	}
	o := f.options()
	o.Text, o.Lines = f.text, lines[:min(len(lines), int(f.lines))]
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	return a.experiment(ctx, &f.experimentFlags, m, "robustness", o.Facts(a.seed), func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.MeasureRobustness(ctx, r, o)
	})
}

// layersFlags are the flags of `experiment layers`.
type layersFlags struct {
	experimentFlags
	probes string
	metric *flagtype.Choice[probe.Metric]
	sites  []string
	layers flagtype.IntList
}

func layersCommand(a *app) *cobra.Command {
	f := &layersFlags{layers: flagtype.IntList{Ranges: true}}
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
seven alone; in a hybrid, such as Bonsai 27B, delta-net, too, with its qkv, z,
alpha, beta and out. In a dense model some flips cancel exactly: an MLP flipped
whole does what its gate does alone, up does what down does, q what k, v what o,
and the whole attention does nothing. So --sites mlp,up,q,v is all there is, in
half the time.

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
	f.metric = metricFlag(cmd, measures, probe.SeqLogprob)
	f.file(cmd, &f.probes, "probes", "demo:search_few", "probe `FILE`")
	cmd.Flags().StringSliceVar(&f.sites, "sites", nil, "`SITES` to flip: "+strings.Join(experiment.LayerSites(), ", ")+" (default all)")
	cmd.Flags().Var(&f.layers, "layers", "`LAYERS` to flip, as 0,3,8-11 (default all)")
	return cmd
}

func (f *layersFlags) run(ctx context.Context, a *app) error {
	o := experiment.LayersOptions{Metric: f.metric.Value, Sites: f.sites, Layers: f.layers.Ints()}
	facts, err := o.Read(f.probes)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, measure.Named{Name: o.Name, Set: o.Probes}); err != nil {
		return err
	}
	return a.experiment(ctx, &f.experimentFlags, m, "layers", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.MeasureLayers(ctx, r, o)
	})
}

// scaleFlags are the flags of `experiment scale`.
type scaleFlags struct {
	experimentFlags
	probes   string
	controls string
	metric   *flagtype.Choice[probe.Metric]
	layers   flagtype.IntList
	proj     []string
	rows     []int
	draws    flagtype.Count
	sample   flagtype.Count
}

func scaleCommand(a *app) *cobra.Command {
	f := &scaleFlags{layers: flagtype.IntList{Ranges: true}, draws: 5, sample: 120}
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
predict it that cost next to nothing: the row's scale, and the first-order
prediction that guided search makes of all rows by one backward pass.

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
	f.metric = metricFlag(cmd, measures, probe.SeqLogprob)
	flags := cmd.Flags()
	f.file(cmd, &f.probes, "probes", "demo:search_few", "probe `FILE`")
	f.file(cmd, &f.controls, "controls", "demo:control", "probe `FILE` that the fitness of single rows charges losses on")
	flags.Var(&f.layers, "layers", "`LAYERS` to flip rows of, as 0,3,8-11 (default all)")
	flags.StringSliceVar(&f.proj, "proj", []string{"gate", "up", "down"}, "`PROJECTIONS` to flip rows of: gate, up, down, q, k, v, o, and a hybrid's qkv, z, alpha, beta, out")
	flags.IntSliceVar(&f.rows, "rows", []int{1, 4, 16, 64, 256}, "`N,N` rows to flip together")
	flags.Var(&f.draws, "draws", "`N` draws of random rows")
	flags.Var(&f.sample, "sample", "`N` single rows to compare with scale and prediction, 0 for none")
	return cmd
}

// options are the experiment's, the probes aside.
func (f *scaleFlags) options() experiment.ScaleOptions {
	return experiment.ScaleOptions{
		Metric: f.metric.Value, Layers: f.layers.Ints(), Projections: f.proj,
		Rows: f.rows, Draws: int(f.draws), Sample: int(f.sample),
	}
}

func (f *scaleFlags) run(ctx context.Context, a *app) error {
	o := f.options()
	facts, err := o.Read(f.probes, f.controls, a.seed)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, measure.Named{Name: o.Name, Set: o.Probes}, measure.Named{Name: o.ControlName, Set: o.Controls}); err != nil {
		return err
	}
	return a.experiment(ctx, &f.experimentFlags, m, "scale", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.MeasureScale(ctx, r, o)
	})
}
