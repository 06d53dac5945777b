package main

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"bankai/evaluate"
	"bankai/experiment"
)

func stackCommand(a *app) *cobra.Command {
	f := &answerFlags{}
	cmd := &cobra.Command{
		Use:   "stack --probes F[,F...] --patch A --patch B...",
		Short: "what patches do alone and together",
		Long: `Measures two or more patches alone, in every pair and all together, on one or
more files of probes: right answers by greedy generation, what is fixed and
broken against the model without a patch, and the mean gain of seq_logprob.

It repeats the published experiment 7. There two patches could be applied in
either order and taken off again, and their gains partly cancelled.

  overlap       bits that patches share stay as they were when both are applied
  order         the patches are applied in place in every order (of more than 4
                patches: in 24) and taken off in another; the logits of 8 probes
                must have the same bits each time
  interference  a probe's gain with all patches, less the sum of the gains with
                each: 0 if patches do not get in each other's way, below 0 where
                gains cancel. An interval that holds 0 is no evidence of any.

Here --patch does not combine the patches into one, as elsewhere. The texts are
kept in the JSON, for "bankai experiment rescore".`,
		Example: `  bankai experiment stack --patch fix.bankai --patch old.json --probes demo:control_few
  bankai experiment stack --patch fix.bankai --patch old.json --probes demo:control_few,demo:control_heldout -o results`,
		Args: arguments(0, 0, "the patches with --patch"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(2, math.MaxInt); err != nil {
				return err
			}
			return a.answers(ctx, f, "stack", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []evaluate.Named) (experiment.Result, error) {
				return experiment.MeasureStack(ctx, r, experiment.StackOptions{Patches: patches, Probes: sets})
			})
		}),
	}
	f.addAnswers(cmd, "patch `FILE`; two or more, each is measured alone and with the others", true)
	return cmd
}
