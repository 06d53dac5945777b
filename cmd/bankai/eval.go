package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/evaluation"
	"bankai/internal/flagtype"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/watched"
)

func evalCommand(a *app) *cobra.Command {
	var model modelFlags
	o := evalFlags{guard: evalGuard{guardFlag: guardFlag{none: true}}}
	var data dataFlags
	cmd := &cobra.Command{
		Use:   "eval (--probes F | DATA...) [--patch P]...",
		Short: "what a patch fixed and broke",
		Long: `Lets the model answer a probe set by greedy generation, without the patches and
with them, and counts the answers that went from wrong to right (fixed) and from
right to wrong (broke). McNemar's exact test says how likely such a split would
be if the patches did nothing. Use prompts that the search did not see.

An answer is right if the line it generates begins with the right answer, whole:
spacing, brackets, case and * do not count, and "+ C" may follow.

With --guard it is measured, too, what the patches changed that nobody asked
about: on what the model itself says, and on a built-in list of prompts,
without any data. If a patch records a guard, as those of a search without
controls do, auto makes the same one again, given the probes of that search
with --avoid. It takes about as long as reading 30,000 tokens: half a minute
on the built-in model, ten on one of 8B.

Without a patch it is the model as it is that is measured.

Of data of your own: bankai eval chats.jsonl --patch fix.bankai --match contains,
or with a judge of your own: --judge 'python3 judge.py'.

` + dataHelp,
		Example: `  bankai eval --probes demo:heldout --patch fix.bankai
  bankai eval --probes demo:control_heldout --patch fix.bankai --json`,
		Args: arguments(0, -1, "the files of the data, or the probe file with --probes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			data.files = append(data.files, args...)
			if err := model.workers.check(); err != nil {
				return err
			}
			if err := data.check(o.probes); err != nil {
				return err
			}
			if o.probes == "" && o.limit > 0 {
				return usagef("--limit goes with --probes: of data, give a file with fewer examples")
			}
			if o.probes == "" && !o.guard.none {
				return usagef("--guard goes with --probes: of data, adapt measures it, and the patch records it (bankai info)")
			}
			if o.probes == "" {
				return evalData(ctx, a, &model, &data, o.all)
			}
			return eval(ctx, a, &model, &o)
		}),
	}
	model.add(cmd)
	model.addPatch(cmd)
	model.workers.add(cmd)
	cmd.Flags().StringVar(&o.probes, "probes", "", "probe `FILE`, best one that no search used")
	cmd.Flags().Var(&o.limit, "limit", "ask only `N` of the probes, with the categories in proportion; --seed says which")
	cmd.Flags().Var(&o.guard.guardFlag, "guard", "what else the patches changed: auto, none, or on a guard made of N tokens")
	cmd.Flags().StringArrayVar(&o.guard.avoid, "avoid", nil, "probe `FILE` whose like is no part of the guard (default that of --probes); may be repeated")
	data.add(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "list the answers that did not change, too")
	return cmd
}

// evalFlags are how probes are asked, and what is shown of it.
type evalFlags struct {
	probes string
	limit  flagtype.Count // probes; 0: all
	guard  evalGuard
	all    bool
}

func eval(ctx context.Context, a *app, f *modelFlags, o *evalFlags) error {
	s, err := source.ReadSet(o.probes)
	if err != nil {
		return err
	}
	all := len(s.Set)
	s = evaluation.Sample(s, int(o.limit), a.seed)
	m, overlay, err := a.openPatched(f)
	if err != nil {
		return err
	}
	defer m.Close()
	m, done, err := a.share(ctx, f, m)
	if err != nil {
		return err
	}
	defer done()
	if err := watched.Fit(m, watched.Named(s)...); err != nil {
		return err
	}
	doc := &evaluation.Doc{Model: source.RefOf(f.path, m.Weights()), Patches: f.patches, Command: a.commandLine()}
	if len(s.Set) < all {
		doc.SampledFrom = all
	}
	err = a.again(func() error {
		if err := doc.Measure(ctx, a.Console, m, overlay, s); err != nil {
			return err
		}
		doc.Guard, err = o.guard.measure(ctx, a, m, overlay, f.patches, s)
		return err
	})
	if err != nil {
		return err
	}
	return a.PrintChecked(doc.Sealed(), func(w io.Writer) error { return writeEval(w, doc, o.all) })
}

// writeEval says what an evaluation found, for a person.
func writeEval(w io.Writer, d *evaluation.Doc, all bool) error {
	patches := "none"
	if len(d.Patches) > 0 {
		patches = strings.Join(d.Patches, ", ")
	}
	probes := d.Set.Source
	if d.SampledFrom > 0 {
		probes = fmt.Sprintf("%s, %d of %d", probes, d.Set.Probes, d.SampledFrom)
	}
	terminal.WriteFacts(w, terminal.Fact{"model", d.Model.String()}, terminal.Fact{"probes", probes}, terminal.Fact{"patch", patches}, terminal.Fact{"precision", d.Precision})
	fmt.Fprintln(w)
	if !d.Patched() {
		return report.WriteBase(w, d.Result, all)
	}
	if err := report.WriteAnswers(w, d.Result, all); err != nil || d.Guard == nil {
		return err
	}
	writeGuard(w, d.Guard.Report)
	if same := d.Guard.AsClaimed; same != nil {
		fmt.Fprintln(w, map[bool]string{
			true:  "\nIt is the guard that the patch was searched and measured with.",
			false: "\nIt is another guard than the one that the patch was measured with: give the probes of its search with --avoid.",
		}[*same])
	}
	return nil
}
