package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bankai/engine"
	"bankai/internal/durable"
	"bankai/internal/experiment"
	"bankai/internal/outputs"
	"bankai/internal/program"
	"bankai/internal/progress"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

func experimentCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "experiment",
		Short: "repeat the published experiments on a model",
		Long: `Repeats the published experiments with XOR patches on any model, and says what
came out: with the number of cases behind every figure, its 95 % interval or its
p-value, and corrected where many are tested at once.

With -o FOLDER every experiment leaves its figures there as JSON and CSV, its
pictures as SVG, and all of it as a page. What is done is kept in
FOLDER/NAME.journal as it goes: after Ctrl-C, a crash, or to add to what was
measured (more seeds, say), the same command with --resume does what is missing.
Without --resume it begins anew, and the older journal is kept under a number.
"bankai report" puts several results on one page.`,
	}
	asGroup(cmd)
	cmd.AddCommand(
		robustnessCommand(a), layersCommand(a), scaleCommand(a),
		variationsCommand(a), stackCommand(a), compareCommand(a), rescoreCommand(a),
		ablateCommand(a), loraCommand(a), perplexityCommand(a), gsm8kCommand(a), choiceCommand(a),
	)
	for _, c := range cmd.Commands() {
		forceFlag(c)
	}
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
	f.model.workers.add(cmd)
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "`FOLDER` for figures, pictures, the page and the journal")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "do only what the folder's journal does not hold")
}

// experiment does the experiment of a name on an open model: measure does the
// work. The facts are all that decides a piece of it, besides the model, the
// precision and the piece's own key.
func (a *app) experiment(ctx context.Context, f *experimentFlags, m *engine.Model, name string, facts []experiment.Fact,
	measure func(ctx context.Context, r *experiment.Run) (report.Result, error),
) error {
	began := time.Now()
	m, done, err := a.share(ctx, &f.model, m)
	if err != nil {
		return err
	}
	defer done()
	r := &experiment.Run{Model: m, Seed: a.seed}
	if a.machines != nil {
		r.Searcher, r.AtOnce = a.machines.Searcher(), piecesAtOnce
	}
	var folder *resultFolder
	if f.out != "" {
		if folder, err = a.resultFolder(f.out, name); err != nil {
			return err
		}
		path := filepath.Join(f.out, name+".journal")
		if r.Journal, err = experiment.OpenJournal(path, slices.Concat(experiment.ModelFacts(name, m), facts), f.resume); err != nil {
			return err
		}
		defer r.Journal.Close()
		a.Resumable(path, f.resume)
	}
	var result report.Result
	err = a.again(func() (err error) {
		if err := r.Journal.Restart(); err != nil {
			return err
		}
		result, err = withMeter(ctx, a.Console, name, r, measure)
		return err
	})
	if err != nil {
		return keptWork(err, r.Journal, f.out)
	}
	*result.Head() = report.About{
		Experiment: name, Command: a.commandLine(), Tool: program.Tool(), Model: source.ModelName(f.model.path, m.Config()),
		Digest: m.Digest().String(), Precision: m.Precision().String(), Seed: a.seed, Seconds: time.Since(began).Seconds(),
	}
	return a.publish(ctx, result, folder)
}

// piecesAtOnce is how many pieces of an experiment are in work at a time where there are
// other machines: enough for a few, and not more of what each keeps in memory here.
const piecesAtOnce = 8

// resultFolder is where the files of an experiment go.
type resultFolder struct {
	app    *app
	dir    string
	ours   bool            // an earlier result of the experiment is there, with all of its files
	own    map[string]bool // files that are as the earlier result gives them
	others []string        // tables and pictures that were there before
}

// resultFolder makes the folder of an experiment, before the work for it is done: one
// that can be written to, and has no other files of the names that are needed.
func (a *app) resultFolder(dir, name string) (*resultFolder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, durable.Unwritable(dir, err)
	}
	f := &resultFolder{app: a, dir: dir}
	result := a.Derived(filepath.Join(dir, name+".json"), aResult(name))
	if err := result.Check(); err != nil {
		return nil, err
	}
	if r, err := readResult(result.Path); err == nil && r.Head().Experiment == name {
		f.ours = true
		f.own = report.Unchanged(dir, r)
		f.own[result.Path] = true // its checksum was right, whatever its white space
	}
	others := append([]string{name + ".html"}, report.Tables(dir, name)...)
	for _, other := range others {
		path := filepath.Join(dir, other)
		if err := f.output(path).Check(); err != nil {
			return nil, err
		}
		if outputs.IsThere(path) {
			f.others = append(f.others, path)
		}
	}
	return f, nil
}

// output is one of the files. Where an earlier result is, they are all part of it.
func (f *resultFolder) output(path string) *durable.Output {
	o := f.app.Derived(path, func(path string) (string, bool) {
		what, page := f.app.PageOf(report.ByExperiment)(path)
		return what, f.ours || page
	})
	o.Keep = o.Keep || f.ours && !f.own[path]
	return o
}

func (f *resultFolder) save(ctx context.Context, r report.Result) ([]string, error) {
	written := map[string]bool{}
	files, err := report.Save(f.dir, r, func(path string, write func(io.Writer) error) error {
		written[path] = true
		o := f.output(path)
		if err := o.Check(); err != nil {
			return err
		}
		return f.app.Put(ctx, o, write)
	})
	for _, path := range f.others {
		if err == nil && !written[path] {
			f.app.Warn("%s: is of an earlier run, and no part of this result: take it away if you do not need it", path)
		}
	}
	return files, err
}

// withMeter runs an experiment with a bar that tells the time left.
func withMeter(ctx context.Context, c *terminal.Console, name string, r *experiment.Run,
	measure func(ctx context.Context, r *experiment.Run) (report.Result, error),
) (report.Result, error) {
	var m progress.Meter
	defer func() {
		if m != nil {
			m.Stop()
		}
	}()
	r.Progress = func(p experiment.Progress) {
		if m == nil {
			m = c.MeterFrom(name, int64(p.Resumed), int64(p.Total))
		}
		m.Set(int64(p.Done), fmt.Sprintf("%d of %d: %s", p.Done, p.Total, p.Remark))
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
	return &outputs.Interrupted{Text: fmt.Sprintf("%s of the work %s kept in %s: %s", text.Count(j.Len(), "piece"), are, out, outputs.GoOn), Useful: true}
}

// publish writes a result into a folder, if there is one, and prints it.
func (a *app) publish(ctx context.Context, result report.Result, folder *resultFolder) error {
	var files []string
	if folder != nil {
		var err error
		if files, err = folder.save(ctx, result); err != nil {
			return err
		}
	}
	return a.PrintChecked(report.Sealed{Doc: result}, func(w io.Writer) error {
		err := result.Present().WriteText(w)
		if len(files) > 0 {
			fmt.Fprintf(w, "\nWritten: %s\n", strings.Join(files, ", "))
		}
		return err
	})
}

// usualFile is a file that a flag names, and the embedded one that is meant with
// the built-in model if it does not.
type usualFile struct {
	flag, embedded string
	value          *string
	given          func() bool
}

// withBuiltIn says in a flag's help what it is with the built-in model.
func withBuiltIn(embedded string) string {
	return fmt.Sprintf(" (default with the built-in model: %s)", embedded)
}

// file declares a flag for a file. With another model than the built-in one it has
// to be given: see check.
func (f *experimentFlags) file(cmd *cobra.Command, value *string, flag, embedded, usage string) {
	cmd.Flags().StringVar(value, flag, "", usage+withBuiltIn(embedded))
	f.files = append(f.files, usualFile{flag, embedded, value, func() bool { return cmd.Flags().Changed(flag) }})
}

// check refuses what cannot be right whatever the files hold, and sets the files
// that were not given.
func (f *experimentFlags) check() error {
	if err := f.model.workers.check(); err != nil {
		return err
	}
	for _, u := range f.files {
		switch {
		case u.given():
		case !f.model.isBuiltIn():
			return usagef("give a file with --%s: %s goes with the built-in model only", u.flag, u.embedded)
		default:
			*u.value = u.embedded
		}
	}
	if f.resume && f.out == "" {
		return usagef("--resume needs the folder of the earlier run: give it with -o")
	}
	return nil
}

// openPatching opens the model, with the patches on it as an overlay.
func (a *app) openPatching(f *modelFlags) (*engine.Model, experiment.Patching, error) {
	m, err := a.openModel(f)
	if err != nil {
		return nil, experiment.Patching{}, err
	}
	with, err := experiment.ReadPatching(m, a.patches(m.Weights()), f.patches)
	if err != nil {
		return nil, with, errors.Join(err, m.Close())
	}
	return m, with, nil
}
