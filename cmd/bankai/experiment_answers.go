package main

import (
	"context"
	"math"

	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"

	"github.com/spf13/cobra"
)

// answerFlags are those of the experiments that let a model answer probes with
// and without patches.
type answerFlags struct {
	experimentFlags
	probes  []string
	patches []string
}

// addAnswers declares --patch and --probes; several says that many files of
// probes may be given.
func (f *answerFlags) addAnswers(cmd *cobra.Command, patch string, several bool) {
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.patches, "patch", nil, patch)
	usage := "probe `FILE` that no search used"
	if several {
		usage += "; several: repeated, or with commas"
	}
	cmd.Flags().StringSliceVar(&f.probes, "probes", nil, usage+withBuiltIn("demo:heldout"))
}

// check refuses what cannot be right whatever the files hold, and sets the
// default. The command takes so many patches at least, and so many files of
// probes at most.
func (f *answerFlags) check(least, most int) error {
	if len(f.probes) == 0 && f.model.isBuiltIn() {
		f.probes = []string{source.Demo + "heldout"}
	}
	switch {
	case len(f.patches) == 0:
		return usagef("give the patch with --patch")
	case len(f.patches) < least:
		return usagef("%s: give at least %d, each with --patch", text.Plural(len(f.patches), "patch", "patches"), least)
	case len(f.probes) == 0:
		return usagef("give the probe file with --probes: demo:heldout goes with the built-in model only")
	case len(f.probes) > most:
		return usagef("%d probe files: give one with --probes", len(f.probes))
	}
	return f.experimentFlags.check()
}

// namedSets reads probe files.
func namedSets(sources []string) ([]measure.Named, error) {
	sets, err := source.ReadSets(sources)
	return watched.Named(sets...), err
}

// answers opens the model, reads the patches, and does the experiment of a name.
// What decides a piece of the work, its key says.
func (a *app) answers(ctx context.Context, f *answerFlags, name string,
	measure func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []measure.Named) (report.Result, error),
) error {
	sets, err := namedSets(f.probes)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, sets...); err != nil {
		return err
	}
	patches, err := experiment.ReadPatches(a.patches(m.Weights()), f.patches)
	if err != nil {
		return err
	}
	return a.experiment(ctx, &f.experimentFlags, m, name, nil, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return measure(ctx, r, patches, sets)
	})
}

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
	f.addAnswers(cmd, "`PATCH` to measure: a file, or a name of the library; may be repeated, patches combine by XOR", false)
	cmd.Flags().StringVar(&search, "search", "", "probe `FILE` that the patch was searched with, to measure too")
	return cmd
}

func variations(ctx context.Context, a *app, f *answerFlags, search string) error {
	var seen *measure.Named
	if search != "" {
		sets, err := namedSets([]string{search})
		if err != nil {
			return err
		}
		seen = &sets[0]
	}
	return a.answers(ctx, f, "variations", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []measure.Named) (report.Result, error) {
		all, err := experiment.Together(r.Model, patches)
		if err != nil {
			return nil, err
		}
		return experiment.MeasureVariations(ctx, r, experiment.VariationOptions{Patch: all, Probes: sets[0], Search: seen})
	})
}

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
			return a.answers(ctx, f, "stack", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []measure.Named) (report.Result, error) {
				return experiment.MeasureStack(ctx, r, experiment.StackOptions{Patches: patches, Probes: sets})
			})
		}),
	}
	f.addAnswers(cmd, "`PATCH` to measure, a file or a name of the library; two or more, each is measured alone and with the others", true)
	return cmd
}

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
			return a.answers(ctx, f, "compare", func(ctx context.Context, r *experiment.Run, patches []experiment.NamedPatch, sets []measure.Named) (report.Result, error) {
				return experiment.MeasureComparison(ctx, r, experiment.CompareOptions{Patches: patches, Probes: sets[0]})
			})
		}),
	}
	f.addAnswers(cmd, "`PATCH` to measure: a file, or a name of the library; may be repeated, each is measured alone", false)
	return cmd
}
