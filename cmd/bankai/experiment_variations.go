package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/evaluate"
	"bankai/experiment"
)

func variationsCommand(a *app) *cobra.Command {
	f := &answerFlags{}
	var search string
	cmd := &cobra.Command{
		Use:   "variations --probes F --patch P...",
		Short: "does a patch generalise to questions that its search did not see",
		Long: `Lets the model answer questions that the search for a patch did not see, as it
is and patched, by greedy generation. It counts the answers that were fixed and
that broke, in all and by category. With --search, the probes of the search are
measured as well: a patch that gains on those and not on the others has
memorised them. The two sets must not share a prompt.

This repeats the published experiments 5 and 13. There the patch of a search
over 6 probes had memorised them: of 90 unseen variations it fixed 2 and broke
15 (49 right before, 36 after).

The verdict, at p below 0.05 by McNemar's exact test:
  generalises  fixed more unseen answers than it broke
  memorised    fixed more than it broke of those that its search saw; on unseen
               ones it broke more, or gained less by more than chance
  harms        broke more unseen answers than it fixed
  no evidence  none of these: it may do nothing, or the probes are too few

Several patches are measured as one, their XOR. The texts are kept in the JSON,
for "bankai experiment rescore".`,
		Example: `  bankai experiment variations --patch fix.bankai --probes demo:control_heldout
  bankai experiment variations --patch fix.bankai --probes demo:control_heldout --search demo:control_few -o results`,
		Args: arguments(0, 0, "the patch with --patch"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(1, 1); err != nil {
				return err
			}
			return variations(ctx, a, f, search)
		}),
	}
	f.addAnswers(cmd, "patch `FILE`; may be repeated, patches combine by XOR", false)
	cmd.Flags().StringVar(&search, "search", "", "probe `FILE` that the patch was searched with, to measure too")
	return cmd
}

func variations(ctx context.Context, a *app, f *answerFlags, search string) error {
	var seen *evaluate.Named
	if search != "" {
		sets, err := namedSets([]string{search})
		if err != nil {
			return err
		}
		seen = &sets[0]
	}
	return a.answers(ctx, f, "variations", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []evaluate.Named) (experiment.Result, error) {
		sum := bankai.New(r.Model.Digest(), bankai.Meta{})
		var names []string
		for _, p := range patches {
			var err error
			if sum, err = sum.Xor(p.Patch); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
			names = append(names, p.Name)
		}
		return experiment.MeasureVariations(ctx, r, experiment.VariationOptions{
			Patch: experiment.NamedPatch{Name: strings.Join(names, " ^ "), Patch: sum}, Probes: sets[0], Search: seen,
		})
	})
}
