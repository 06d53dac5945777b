package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bankai/internal/benchmark"
	"bankai/internal/evaluation"
	"bankai/internal/outputs"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// reportDoc is the result of `report`.
type reportDoc struct {
	Page    string   `json:"page"`
	Results []string `json:"results"`  // the experiments, in order
	LeftOut []string `json:"left_out"` // files of folders that hold no whole result
	Bytes   int64    `json:"bytes"`
}

func reportCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RESULT... -o PAGE.html",
		Short: "put results of experiments and evals on one page",
		Long: `Puts results on one page, in the order given: figures, pictures, what they mean,
and the command that made each. The page needs nothing beside it: no scripts,
fonts or pictures from elsewhere.

A RESULT is a file that an experiment left in its folder, or that an experiment
or eval printed with --json; or a folder, whose results, and those of the folders
in it, are taken in the order of their names. Other JSON files are left out, and
named.`,
		Example: `  bankai report results/perplexity.json -o results.html
  bankai report results -o results.html`,
		Args: arguments(1, -1, "the .json files that experiments and evals wrote, or folders of them"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if filepath.Ext(out) != ".html" {
				return usagef("give a name for the page with -o, ending in .html")
			}
			return writeReport(ctx, a, args, out)
		}),
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "`FILE`.html to write")
	forceFlag(cmd)
	return cmd
}

func writeReport(ctx context.Context, a *app, paths []string, out string) error {
	o := a.Derived(out, a.PageOf(a.Command))
	o.Stream = true
	if err := o.Check(); err != nil {
		return err
	}
	doc := reportDoc{Page: out, LeftOut: []string{}}
	var results []report.Result
	for _, path := range paths {
		found, left, err := readResults(a.Console, path)
		if err != nil {
			return err
		}
		doc.LeftOut = append(doc.LeftOut, left...)
		for _, r := range found {
			results = append(results, r)
			doc.Results = append(doc.Results, r.Head().Experiment)
		}
	}
	if err := a.Put(ctx, o, func(w io.Writer) error { return report.WriteResults(w, a.Command, results...) }); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	doc.Bytes = info.Size()
	return a.Print(doc, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s\n", out, text.Size(doc.Bytes), text.Count(len(doc.Results), "result"))
	})
}

// readResults reads a result, or all that a folder holds, and names the files there
// that hold none.
func readResults(c *terminal.Console, path string) (results []report.Result, left []string, err error) {
	if !source.IsFolder(path) {
		r, err := readResult(path)
		return []report.Result{r}, nil, err
	}
	err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error { // in the order of names
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != path && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".json":
			return nil
		}
		r, err := readResult(file)
		if err != nil {
			c.Warn("left out: %v", err)
			left = append(left, file)
			return nil
		}
		results = append(results, r)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if len(results) == 0 {
		return nil, nil, fmt.Errorf("%s: the folder has no results of experiments or evals: give another", path)
	}
	return results, left, nil
}

// readResult reads what an experiment or an eval wrote.
func readResult(path string) (report.Result, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if r, err := readEval(data); err != nil || r != nil {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return r, nil
	}
	r, err := report.Read(bytes.NewReader(data), benchmark.Kinds)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// readEval reads the result of an eval; it is nil if the data are something else.
func readEval(data []byte) (report.Result, error) {
	if r, err := readEvalData(data); r != nil || err != nil {
		return r, err
	}
	doc, err := evaluation.Read(data)
	if errors.Is(err, evaluation.ErrOther) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return doc.Evaluated(), nil
}

// aResult knows the results of an experiment.
func aResult(name string) outputs.Known {
	return func(path string) (string, bool) {
		r, err := readResult(path)
		if err != nil {
			return outputs.Content(path), false
		}
		return "a result of experiment " + r.Head().Experiment, r.Head().Experiment == name
	}
}
