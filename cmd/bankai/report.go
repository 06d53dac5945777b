package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bankai/experiment"
)

// reportDoc is the result of `report`.
type reportDoc struct {
	Page    string   `json:"page"`
	Results []string `json:"results"` // the experiments, in order
	Bytes   int64    `json:"bytes"`
}

func (a *app) reportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RESULT.json... -o PAGE.html",
		Short: "put results of experiments on one page",
		Long: `Puts the results of any experiments on one page, in the order given: figures,
pictures, what they mean, and the command that made each. The page needs nothing
beside it: no scripts, fonts or pictures from elsewhere.

RESULT.json is what an experiment left in its folder, or printed with --json.`,
		Example: `  bankai report results/perplexity.json -o results.html`,
		Args:    arguments(1, -1, "the .json files that experiments wrote"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if filepath.Ext(out) != ".html" {
				return usagef("give a name for the page with -o, ending in .html")
			}
			return a.report(ctx, args, out)
		}),
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "`FILE`.html to write")
	a.forceFlag(cmd)
	return cmd
}

func (a *app) report(ctx context.Context, paths []string, out string) error {
	o := a.derived(out, aPage(onePage), paths...)
	o.Stream = true
	if err := o.Check(); err != nil {
		return err
	}
	doc := reportDoc{Page: out}
	var results []experiment.Result
	for _, path := range paths {
		r, err := readResult(path)
		if err != nil {
			return err
		}
		results = append(results, r)
		doc.Results = append(doc.Results, r.Head().Experiment)
	}
	if err := a.put(ctx, o, func(w io.Writer) error { return experiment.WriteHTML(w, results...) }); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	doc.Bytes = info.Size()
	return a.print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s\n", out, sizeText(doc.Bytes), many(len(doc.Results), "result"))
	})
}

// readResult reads what an experiment wrote.
func readResult(path string) (experiment.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := experiment.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
