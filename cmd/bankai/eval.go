package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"bankai/internal/program"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/watched"
	"bankai/measure"
)

func evalCommand(a *app) *cobra.Command {
	var model modelFlags
	var probes string
	var all bool
	guarded := evalGuard{guardFlag: guardFlag{none: true}}
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
			if err := data.check(probes); err != nil {
				return err
			}
			if probes == "" && !guarded.none {
				return usagef("--guard goes with --probes: of data, adapt measures it, and the patch records it (bankai info)")
			}
			if probes == "" {
				return evalData(ctx, a, &model, &data, all)
			}
			return eval(ctx, a, &model, probes, all, &guarded)
		}),
	}
	model.add(cmd)
	model.addPatch(cmd)
	cmd.Flags().StringVar(&probes, "probes", "", "probe `FILE`, best one that no search used")
	cmd.Flags().Var(&guarded.guardFlag, "guard", "what else the patches changed: auto, none, or on a guard made of N tokens")
	cmd.Flags().StringArrayVar(&guarded.avoid, "avoid", nil, "probe `FILE` whose like is no part of the guard (default that of --probes); may be repeated")
	data.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list the answers that did not change, too")
	return cmd
}

func eval(ctx context.Context, a *app, f *modelFlags, probes string, all bool, guarded *evalGuard) error {
	s, err := source.ReadSet(probes)
	if err != nil {
		return err
	}
	m, overlay, err := a.openPatched(f)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, watched.Named(s)...); err != nil {
		return err
	}
	doc := evalDoc{
		Model: source.RefOf(f.path, m.Weights()), Set: s.Ref(), Patches: f.patches, Precision: f.precision.String(),
		Tool: program.Tool(), Command: a.commandLine(),
	}
	if doc.Patches == nil {
		doc.Patches = []string{}
	}
	if doc.Result, err = watched.Compare(ctx, a.Console, m, overlay, s); err != nil {
		return err
	}
	if doc.Guard, err = guarded.measure(ctx, a, m, overlay, f.patches, s); err != nil {
		return err
	}
	return a.PrintChecked(report.Sealed{Doc: doc}, func(w io.Writer) error { return doc.write(w, all) })
}

// evalDoc is the result of `eval`.
type evalDoc struct {
	*measure.Result
	Model     source.ModelRef `json:"model"`
	Set       source.SetRef   `json:"set"`
	Patches   []string        `json:"patches"` // files; none: the model as it is
	Precision string          `json:"precision"`
	Guard     *guardOutcome   `json:"guard,omitempty"`
	Tool      string          `json:"tool"`
	Command   string          `json:"command"`
}

func (d evalDoc) write(w io.Writer, all bool) error {
	patches := "none"
	if len(d.Patches) > 0 {
		patches = strings.Join(d.Patches, ", ")
	}
	terminal.WriteFacts(w, terminal.Fact{"model", d.Model.String()}, terminal.Fact{"probes", d.Set.Source}, terminal.Fact{"patch", patches}, terminal.Fact{"precision", d.Precision})
	fmt.Fprintln(w)
	if len(d.Patches) == 0 {
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
