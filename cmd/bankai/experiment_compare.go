package main

import (
	"context"

	"github.com/spf13/cobra"

	"bankai/evaluate"
	"bankai/experiment"
)

func compareCommand(a *app) *cobra.Command {
	f := &answerFlags{}
	cmd := &cobra.Command{
		Use:   "compare --probes F --patch P...",
		Short: "many patches on one yardstick",
		Long: `Measures each patch alone on the same probes, by greedy generation: right
answers, what is fixed and broken against the model without a patch, and the
mean change of seq_logprob. The model without a patch is always there.

It repeats the published experiment 14. There three patches gave 13, 19 and 17
of 30 right answers, and the base 14.

Then every two patches are set against each other: only the answers that one
gives right and the other wrong tell which is better. A p-value below 0.05 after
Holm's correction is evidence that two patches differ; anything above is none,
however far apart the counts look.

Each --patch is one of its own here; they are not combined by XOR, as by the
other commands. With --resume, a patch that is added is all that is measured.
The texts are kept in the JSON, for "bankai experiment rescore".`,
		Example: `  bankai experiment compare --patch fix.bankai --patch old.json --probes demo:control_few
  bankai experiment compare --patch fix.bankai --patch old.json --probes demo:control_heldout -o results`,
		Args: arguments(0, 0, "the patches with --patch"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(1, 1); err != nil {
				return err
			}
			return a.answers(ctx, f, "compare", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []evaluate.Named) (experiment.Result, error) {
				return experiment.MeasureComparison(ctx, r, experiment.CompareOptions{Patches: patches, Probes: sets[0]})
			})
		}),
	}
	f.addAnswers(cmd, "patch `FILE` to measure; may be repeated, each is measured alone", false)
	return cmd
}
