package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bankai/dataset"
	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/flagtype"
	"bankai/internal/outputs"
	"bankai/internal/program"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/judge"
	"bankai/judge/external"
	"bankai/measure"
)

const dataHelp = `DATA are files of what people have: chats, prompts with answers, preferences,
labelled texts, plain text; see FORMAT.md. Prompts are written by the model's
chat template, without thinking if there is the choice. An answer is judged as
the data say (key match), as --match says, or else by what is wanted:

  calls of tools     tool      the same names and arguments, in any order
  a number           number    the last number of the answer, or that behind ####
  {...} or [...]     json      the same value, in a block of code or not
  a line, at most    begins    as probes are
    60 characters
  a longer text      none      no right or wrong: only how likely it is

and further exact, contains (:fold behind either ignores case), choice (A to J),
tool:ordered and regex:EXPRESSION (RE2). Labels and preferences are compared by
their likelihood. How likely the wanted answers are is measured of all, with a
paired test.

--judge COMMAND asks a program of yours. It is started once, by sh (on Windows
cmd), and reads a line of JSON for each answer,

  {"name": "q1", "prompt": "...", "wanted": "...", "answer": "..."}

and writes a line for each, in the same order, as soon as it has it (flush!):

  {"right": true, "reason": "..."}

The reason may be left out; a "name" is compared. What it says on its standard
error is shown if it fails. It is ended, with what it started, if it is silent
for longer than --judge-timeout. Answers of base and patch that are equal are
judged once. If the judge fails, no answer is lost: they are kept in a file, and
with --answers FILE the next run generates only what is missing there.`

// dataFlags choose people's data and how answers to them are judged.
type dataFlags struct {
	files   []string
	match   string
	judge   string
	timeout time.Duration
	answers string
	most    flagtype.Count
	cmd     *cobra.Command
	rule    *judge.Rule // of match
}

func (f *dataFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.StringArrayVar(&f.files, "data", nil, "`FILE` of data, as an argument is; may be repeated")
	flags.StringVar(&f.match, "match", "", "judge all answers by this `RULE`: exact, number, regex:..., see above")
	flags.StringVar(&f.judge, "judge", "", "`COMMAND` that judges the answers, see above")
	flags.DurationVar(&f.timeout, "judge-timeout", time.Minute, "the longest that the judge may take for an answer")
	flags.StringVar(&f.answers, "answers", "", "keep answers in this `FILE`, and take those that are there")
	flags.Var(&f.most, "max-tokens", "of an answer (default: 1.5 times the longest that is wanted, and 16)")
}

// isBuiltInSet reports whether a name is that of a probe set in the program, and of no file.
func isBuiltInSet(name string) bool {
	_, err := os.Stat(name)
	return err != nil && strings.HasPrefix(name, source.DemoModel+":")
}

// check refuses flags that do not go together.
func (f *dataFlags) check(probes string) error {
	switch {
	case probes == "" && len(f.files) == 0:
		return usagef("give the files of the data, or the probe file with --probes")
	case probes != "" && len(f.files) > 0:
		return usagef("%s: data and --probes exclude each other: measure one after the other", f.files[0])
	case slices.ContainsFunc(f.files, isBuiltInSet):
		name := f.files[slices.IndexFunc(f.files, isBuiltInSet)]
		return usagef("%s is a built-in probe set, which --probes of search and eval takes, and no file of data: docs/examples has some to try", name)
	case f.match != "" && f.judge != "":
		return usagef("--match and --judge exclude each other: answers are judged in one way")
	case f.timeout <= 0:
		return usagef("--judge-timeout %v: give a time above 0, as 30s or 2m", f.timeout)
	}
	for _, name := range []string{"match", "judge", "judge-timeout", "answers", "max-tokens"} {
		if probes != "" && f.cmd.Flags().Changed(name) {
			return usagef("--%s is for data: probes have their own rule", name)
		}
	}
	if f.cmd.Flags().Changed("judge-timeout") && f.judge == "" {
		return usagef("--judge-timeout needs a --judge")
	}
	if f.match != "" {
		r, err := judge.Parse(f.match)
		if err != nil {
			return usagef("--match: %w", err)
		}
		f.rule = &r
	}
	return nil
}

// evalDataDoc is the result of `eval` on data.
type evalDataDoc struct {
	*measure.DataResult
	Model     source.ModelRef `json:"model"`
	Data      []string        `json:"data"`
	Taken     []string        `json:"taken"` // what was taken as what, and what was left out
	Judge     string          `json:"judge"` // the command; "": the rules of the answers
	Patches   []string        `json:"patches"`
	Precision string          `json:"precision"`
	Tool      string          `json:"tool"`
	Command   string          `json:"command"`
}

func evalData(ctx context.Context, a *app, f *modelFlags, d *dataFlags, all bool) error {
	data, err := dataset.ReadFiles(d.files, dataset.Options{})
	if err != nil {
		return err
	}
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
	doc := evalDataDoc{
		Model: source.RefOf(f.path, m.Weights()), Data: d.files, Taken: data.Facts(), Judge: d.judge,
		Patches: append([]string{}, f.patches...), Precision: f.precision.String(), Tool: program.Tool(), Command: a.commandLine(),
	}
	e, about, err := d.evaluation(m, data)
	if err != nil {
		return err
	}
	doc.Taken = append(doc.Taken, about...)
	for _, fault := range data.Skipped {
		a.Warn("%s", fault)
	}
	e.Overlay, e.Watch = overlay, a.Console
	err = a.again(func() (err error) {
		doc.DataResult, err = d.evaluate(ctx, a, e)
		return err
	})
	if err != nil {
		return err
	}
	return a.PrintChecked(report.Sealed{Doc: doc}, func(w io.Writer) error { return doc.write(w, all) })
}

// evaluation makes the questions of the data. about says for people what was made of what.
func (f *dataFlags) evaluation(m *engine.Model, data *dataset.Dataset) (e *asking.Evaluation, about []string, err error) {
	r, err := asking.NewRenderer(m)
	if err != nil {
		return nil, nil, err
	}
	q, err := asking.New(m, r, data, asking.Options{Rule: f.rule, Other: f.judge != ""})
	if err != nil {
		return nil, nil, err
	}
	if n := len(q.TooLong); n > 0 {
		about = append(about, fmt.Sprintf("%s longer than the model's context of %s and left out: %s",
			text.Plural(n, "example is", "examples are"), text.Count(m.Context(), "token"), few(q.TooLong)))
	}
	if n := len(q.Unrendered); n > 0 {
		about = append(about, fmt.Sprintf("%s left out: %s", text.Plural(n, "example is", "examples are"), few(q.Unrendered)))
	}
	if len(q.Free)+len(q.Preferred)+len(q.Labelled)+len(q.Likely) == 0 {
		return nil, nil, fmt.Errorf("%s: nothing is left to ask: %s", strings.Join(f.files, ", "), strings.Join(about, "; "))
	}
	return &asking.Evaluation{Model: m, Questions: *q}, append(about, r.About()), nil
}

// few are the first names of a list, and how many more there are.
func few(names []string) string {
	const most = 3
	s := strings.Join(names[:min(most, len(names))], "; ")
	if n := len(names) - most; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// evaluate measures, with answers as long and judged as the flags say. If the judge fails,
// the answers are in a file when it returns.
func (f *dataFlags) evaluate(ctx context.Context, a *app, e *asking.Evaluation) (*measure.DataResult, error) {
	if e.MaxTokens = int(f.most); e.MaxTokens == 0 {
		e.MaxTokens = measure.Room(e.Free)
	}
	if f.judge != "" {
		e.Judge = &external.Judge{Command: f.judge, Timeout: f.timeout}
	}
	e.Answers = asking.NewAnswers(e.Model, e.Free, e.MaxTokens)
	if f.answers != "" {
		if err := e.Answers.Keep(f.answers); err != nil {
			return nil, err
		}
		if n := e.Answers.Resumed; n > 0 {
			a.Note("%s: %s there are taken", f.answers, text.Plural(n, "answer", "answers"))
		}
	}
	r, err := e.Run(ctx)
	if failed := (*asking.JudgeError)(nil); errors.As(err, &failed) {
		err = f.keep(e.Answers, err)
	}
	return r, errors.Join(err, e.Answers.Close())
}

// keep sees to it that the answers are in a file after the judge has failed, or was
// interrupted.
func (f *dataFlags) keep(answers *asking.Answers, failure error) error {
	path := f.answers
	if path == "" {
		path = strings.TrimSuffix(filepath.Base(f.files[0]), filepath.Ext(f.files[0])) + ".answers.jsonl"
		if err := answers.Keep(path); err != nil {
			return fmt.Errorf("%w; and the answers could not be kept: %w", failure, err)
		}
	}
	kept := fmt.Sprintf("the answers are kept in %s: give --answers %s to judge them without generating them again", path, text.Quoted(path))
	if errors.Is(failure, context.Canceled) {
		return &outputs.Interrupted{Text: kept, Useful: true}
	}
	return fmt.Errorf("%w; %s", failure, kept)
}

func (d evalDataDoc) write(w io.Writer, all bool) error {
	patches := "none"
	if len(d.Patches) > 0 {
		patches = strings.Join(d.Patches, ", ")
	}
	facts := []terminal.Fact{{"model", d.Model.String()}, {"data", strings.Join(d.Data, ", ")}, {"patch", patches}, {"precision", d.Precision}}
	if d.Judge != "" {
		facts = append(facts, terminal.Fact{"judge", d.Judge})
	}
	terminal.WriteFacts(w, facts...)
	for _, taken := range d.Taken {
		fmt.Fprintln(w, sentenceOf(taken))
	}
	fmt.Fprintln(w)
	return report.WriteData(w, d.DataResult, len(d.Patches) > 0, all)
}

// sentenceOf is a fact from the data on one line.
func sentenceOf(fact string) string { return text.Printable(fact) + "." }

// readEvalData reads the result of an eval on data; it is nil if it is something else.
func readEvalData(data []byte) (report.Result, error) {
	var doc evalDataDoc
	if json.Unmarshal(data, &doc) != nil || doc.DataResult == nil || len(doc.Data) == 0 || doc.MaxTokens == 0 {
		return nil, nil
	}
	if err := report.ReadSealed(data, &doc); err != nil {
		return nil, fmt.Errorf("is not a whole result of eval: it %w: give the document that eval printed, or do it again", err)
	}
	return &report.EvaluatedData{
		About: report.About{
			Experiment: "eval", Command: doc.Command, Tool: doc.Tool, Model: doc.Model.Name, Digest: doc.Model.Digest.String(),
			Precision: doc.Precision,
		},
		Data: doc.Data, Patches: doc.Patches, Taken: doc.Taken, Result: doc.DataResult,
	}, nil
}
