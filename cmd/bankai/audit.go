package main

import (
	"context"
	"fmt"
	"io"

	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"

	"github.com/spf13/cobra"
)

func auditCommand(a *app) *cobra.Command {
	var model modelFlags
	var probes string
	var against []string
	var all bool
	cmd := &cobra.Command{
		Use:   "audit --probes F",
		Short: "look for the known defects of a probe set",
		Long: `Looks for everything known to make a probe set mislead a search on this model:
answers that reduce to the same tokens (dead), prompts that are also in another
set (leakage; name the others with --against), wrong answers that the model
would never give, categories that repeat one choice, mixed ways of writing, and
more. A search runs the same audit first.

Findings are fatal (a search would measure nothing or its result would be void),
warnings, or information. The exit status is 0 whatever is found.`,
		Example: `  bankai audit --probes demo:search --against demo:heldout
  bankai audit --probes demo:search --metric token_gap --json`,
		Args: arguments(0, 0, "the probe file with --probes"),
	}
	model.add(cmd)
	cmd.Flags().StringVar(&probes, "probes", "", "probe `FILE` to look at")
	cmd.Flags().StringArrayVar(&against, "against", nil, "probe `FILE` that must not share prompts; may be repeated")
	cmd.Flags().BoolVar(&all, "all", false, "list every finding")
	metric := metricFlag(cmd, climbed, probe.AnswerLogprob)
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		if probes == "" {
			return usagef("give the probe file with --probes")
		}
		s, err := source.ReadSet(probes)
		if err != nil {
			return err
		}
		others, err := source.ReadSets(against)
		if err != nil {
			return err
		}
		m, err := a.openModel(&model)
		if err != nil {
			return err
		}
		defer m.Close()
		found, err := watched.Audit(ctx, a.Console, m, s, metric.Value, others)
		if err != nil {
			return err
		}
		return printAudit(a.Console, s, source.RefOf(model.path, m.Weights()), found, all)
	})
	return cmd
}

func printAudit(c *terminal.Console, s source.Set, model source.ModelRef, found measure.Findings, all bool) error {
	doc := struct {
		Model    source.ModelRef     `json:"model"`
		File     string              `json:"file"`
		Probes   int                 `json:"probes"`
		Fatal    bool                `json:"fatal"`
		Summary  []measure.KindCount `json:"summary"`
		Findings measure.Findings    `json:"findings"`
	}{model, s.Source, len(s.Set), found.Fatal(), found.Summary(), found}
	if doc.Summary == nil {
		doc.Summary = []measure.KindCount{}
	}
	if doc.Findings == nil {
		doc.Findings = measure.Findings{}
	}
	return c.PrintChecked(doc, func(w io.Writer) error {
		fmt.Fprintf(w, "%s, %s, model %s\n\n", s.Source, text.Count(len(s.Set), "probe"), model)
		return report.WriteFindings(w, found, all)
	})
}
