package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"bankai/experiment"
)

// benchmarkFlags are those of the experiments that ask the questions of a file.
type benchmarkFlags struct {
	experimentFlags
	file   string
	n      count
	prompt string
}

// addBenchmark declares --file, --n, --prompt and --patch.
func (f *benchmarkFlags) addBenchmark(cmd *cobra.Command, prompt string) {
	f.add(cmd)
	f.model.addPatch(cmd)
	cmd.Flags().StringVar(&f.file, "file", "", "JSONL `FILE` of questions")
	cmd.Flags().VarP(&f.n, "n", "n", "`N` first questions; 0 for all")
	cmd.Flags().StringVar(&f.prompt, "prompt", "", prompt)
}

// check refuses what cannot be right whatever the files hold.
func (f *benchmarkFlags) check() error {
	if f.file == "" {
		return usagef("give the file of questions with --file")
	}
	f.prompt = escapes.Replace(f.prompt)
	return f.experimentFlags.check()
}

// escapes are how a shell's plain quotes can hold ends of lines.
var escapes = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)

// readQuestions reads a file by parse, whose errors say where.
func readQuestions[T any](source string, parse func(io.Reader) ([]T, error)) ([]T, error) {
	data, err := readSource(source)
	if err != nil {
		return nil, err
	}
	all, err := parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return all, nil
}

// benchmark opens the model and its patches and does an experiment whose pieces'
// keys say all that decides them.
func (a *app) benchmark(ctx context.Context, f *benchmarkFlags, name string,
	measure func(ctx context.Context, r *experiment.Run, p experiment.Patching) (experiment.Result, error),
) error {
	m, with, err := a.openPatching(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	return a.experiment(ctx, &f.experimentFlags, m, name, nil, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return measure(ctx, r, with)
	})
}
