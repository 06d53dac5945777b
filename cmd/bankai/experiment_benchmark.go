package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bankai/internal/experiment"
	"bankai/internal/source"
)

// benchmarkFlags are those of the experiments that ask the questions of a file.
type benchmarkFlags struct {
	experimentFlags
	file   string
	n      count
	prompt string
}

// addBenchmark declares --file, --n, --prompt and --patch.
func (f *benchmarkFlags) addBenchmark(cmd *cobra.Command, embedded, prompt string) {
	f.add(cmd)
	f.model.addPatch(cmd)
	f.experimentFlags.file(cmd, &f.file, "file", embedded, "JSONL `FILE` of questions")
	cmd.Flags().VarP(&f.n, "n", "n", "`N` first questions; 0 for all")
	cmd.Flags().StringVar(&f.prompt, "prompt", "", "prompt `TEMPLATE` (default "+prompt+"; with the built-in model '{question}')")
}

// check refuses what cannot be right whatever the files hold.
func (f *benchmarkFlags) check() error {
	f.prompt = escapes.Replace(f.prompt)
	return f.experimentFlags.check()
}

// usualPrompt sets the prompt that was not given: other is that of models other than
// the built-in one, which has learnt bare questions.
func (f *benchmarkFlags) usualPrompt(other string) {
	switch {
	case f.prompt != "":
	case f.model.isBuiltIn():
		f.prompt = "{question}"
	default:
		f.prompt = other
	}
}

// readQuestions reads a file by parse, whose errors say where.
func readQuestions[T any](file string, parse func(io.Reader) ([]T, error)) ([]T, error) {
	data, err := source.Read(file)
	if err != nil {
		return nil, err
	}
	all, err := parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
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
