package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bankai/engine"
	"bankai/experiment"
)

func (a *app) experimentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "experiment",
		Short: "repeat the published experiments on a model",
		Long: `Repeats the published experiments with XOR patches on any model, and says what
came out: with the number of cases behind every figure, its 95 % interval or its
p-value, and corrected where many are tested at once.

With -o FOLDER every experiment leaves its figures there as JSON and CSV, its
pictures as SVG and PNG, and all of it as a page. What is done is kept in
FOLDER/NAME.journal as it goes: after Ctrl-C, a crash, or to add to what was
measured (more seeds, say), the same command with --resume does what is missing.
"bankai report" puts several results on one page.`,
	}
	asGroup(cmd)
	cmd.AddCommand(
		a.robustnessCommand(), a.layersCommand(), a.scaleCommand(),
		a.variationsCommand(), a.stackCommand(), a.compareCommand(), a.rescoreCommand(),
		a.ablateCommand(), a.loraCommand(), a.perplexityCommand(), a.gsm8kCommand(), a.choiceCommand(),
	)
	return cmd
}

// experimentFlags are those that all experiments on a model take.
type experimentFlags struct {
	model  modelFlags
	out    string
	resume bool
	files  []usualFile
}

func (f *experimentFlags) add(cmd *cobra.Command) {
	f.model.add(cmd)
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "`FOLDER` for figures, pictures, the page and the journal")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "do only what the folder's journal does not hold")
}

// experiment does the experiment of a name on an open model: measure does the
// work. The facts are all that decides a piece of it, besides the model, the
// precision and the piece's own key.
func (a *app) experiment(ctx context.Context, f *experimentFlags, m *engine.Model, name string, facts []experiment.Fact,
	measure func(ctx context.Context, r *experiment.Run) (experiment.Result, error),
) error {
	began := time.Now()
	r := &experiment.Run{Model: m, Seed: a.seed}
	if f.out != "" {
		if err := f.prepare(name); err != nil {
			return err
		}
		path := filepath.Join(f.out, name+".journal")
		facts = append([]experiment.Fact{
			{Name: "experiment", Value: name},
			{Name: "model", Value: m.Digest().String()},
			{Name: "settings", Value: m.Weights().Arithmetic().Fingerprint().String()},
			{Name: "precision", Value: m.Precision().String()},
		}, facts...)
		var err error
		if r.Journal, err = experiment.OpenJournal(path, facts, f.resume); err != nil {
			return unwritable(path, err)
		}
		defer r.Journal.Close()
	}
	result, err := a.watched(ctx, name, r, measure)
	if err != nil {
		return keptWork(err, r.Journal, f.out)
	}
	*result.Head() = experiment.About{
		Experiment: name, Command: a.commandLine(), Tool: toolName(), Model: modelName(f.model.path, m.Config()),
		Digest: m.Digest().String(), Precision: m.Precision().String(), Seed: a.seed, Seconds: time.Since(began).Seconds(),
	}
	return a.publish(result, f.out)
}

// prepare makes the folder, before the work for it is done: one that can be written
// to, and has no other result of this name in it.
func (f *experimentFlags) prepare(name string) error {
	result := filepath.Join(f.out, name+".json")
	if _, err := os.Stat(result); err == nil && !f.resume {
		return fmt.Errorf("%s: is there already: add to it with --resume, or give another folder", result)
	}
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return unwritable(f.out, err)
	}
	try, err := os.CreateTemp(f.out, ".bankai-*")
	if err != nil {
		return unwritable(f.out, err)
	}
	return errors.Join(try.Close(), os.Remove(try.Name()))
}

// watched runs an experiment with a bar that tells the time left.
func (a *app) watched(ctx context.Context, name string, r *experiment.Run,
	measure func(ctx context.Context, r *experiment.Run) (experiment.Result, error),
) (experiment.Result, error) {
	var m *meter
	defer func() {
		if m != nil {
			m.stop()
		}
	}()
	r.Progress = func(p experiment.Progress) {
		if m == nil {
			m = a.meterFrom(name, int64(p.Resumed), int64(p.Total))
		}
		m.set(int64(p.Done), fmt.Sprintf("%d of %d: %s", p.Done, p.Total, p.Remark))
	}
	return measure(ctx, r)
}

// keptWork says of an interrupted experiment what is kept.
func keptWork(err error, j *experiment.Journal, out string) error {
	if !errors.Is(err, context.Canceled) || j.Len() == 0 {
		return err
	}
	are := "are"
	if j.Len() == 1 {
		are = "is"
	}
	return fmt.Errorf("interrupted: %s of the work %s kept in %s: the same command with --resume goes on", many(j.Len(), "piece"), are, out)
}

// publish writes a result into a folder, if there is one, and prints it.
func (a *app) publish(result experiment.Result, out string) error {
	var files []string
	if out != "" {
		var err error
		if files, err = experiment.Save(out, result); err != nil {
			return err
		}
	}
	var writeErr error
	err := a.print(result, func(w io.Writer) {
		writeErr = result.Present().WriteText(w)
		if len(files) > 0 {
			fmt.Fprintf(w, "\nWritten: %s\n", strings.Join(files, ", "))
		}
	})
	if err == nil {
		err = writeErr
	}
	return err
}
