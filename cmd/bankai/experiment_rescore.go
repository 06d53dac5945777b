package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"bankai/internal/benchmark"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

func rescoreCommand(a *app) *cobra.Command {
	var probes, out string
	var rules []string
	cmd := &cobra.Command{
		Use:   "rescore RESULT.json [--probes F]",
		Short: "mark generated texts again, without the model",
		Long: `Marks the texts again that an experiment kept in its JSON (variations, compare,
stack, gsm8k), or that "bankai eval --json" printed. The model is not needed. It
tells the old and the new counts, every answer that is marked otherwise, and
McNemar's exact test before and after.

Without --probes, today's rules are applied to the right answers that are
stored. With --probes the right answers and the alternates are those of that
file: add a spelling there that should have counted. A question is found by its
prompt; if the file has no such prompt, by its name, which is told.

The answers of gsm8k are found in its texts by the rules it was made with, or by
--rules.

The published patch looked harmless until its answers were marked by sound rules
(experiment 13): 2 fixed and 15 broken, of 90.

The output of eval holds no alternates: if the probes have some, give the file
with --probes.`,
		Example: `  bankai experiment rescore results/compare.json
  bankai experiment rescore results/compare.json --probes demo:control_heldout --json`,
		Args: arguments(1, 1, "one result, a .json file"),
		RunE: a.do(func(ctx context.Context, args []string) error { return rescore(ctx, a, args[0], probes, rules, out) }),
	}
	cmd.Flags().StringVar(&probes, "probes", "", "probe `FILE` with the right answers")
	cmd.Flags().StringSliceVar(&rules, "rules", nil, "`RULES` that find the answers of gsm8k: ####, answer, last")
	cmd.Flags().StringVarP(&out, "out", "o", "", "`FOLDER` for figures, pictures and the page")
	return cmd
}

func rescore(ctx context.Context, a *app, path, probes string, rules []string, out string) error {
	began := time.Now()
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, generated, err := benchmark.ReadGenerated(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	o := benchmark.RescoreOptions{Source: path, Rules: rules}
	if probes != "" {
		sets, err := namedSets([]string{probes})
		if err != nil {
			return err
		}
		o.Probes = &sets[0]
	} else if head.Experiment == "" {
		a.warn("%s is of eval, which keeps no alternates: if the probes have some, give their file with --probes", path)
	}
	result, err := benchmark.Rescore(head, generated, o)
	if err != nil {
		return err
	}
	if result.ByName > 0 {
		a.warn("%s: %s found by name only: make sure that they ask the same", probes, text.Count(result.ByName, "question"))
	}
	result.About = *head
	result.Experiment, result.Command, result.Tool = "rescore", a.commandLine(), toolName()
	result.Seconds = time.Since(began).Seconds()
	var folder *resultFolder
	if out != "" {
		if folder, err = a.resultFolder(out, "rescore"); err != nil {
			return err
		}
	}
	return a.publish(ctx, result, folder)
}
