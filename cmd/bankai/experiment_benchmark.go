package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"bankai/internal/benchmark"
	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/program"
	"bankai/internal/report"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// benchmarkFlags are those of the experiments that ask the questions of a file.
type benchmarkFlags struct {
	experimentFlags
	file   string
	n      flagtype.Count
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

// benchmark opens the model and its patches and does an experiment whose pieces'
// keys say all that decides them.
func (a *app) benchmark(ctx context.Context, f *benchmarkFlags, name string,
	measure func(ctx context.Context, r *experiment.Run, p experiment.Patching) (report.Result, error),
) error {
	m, with, err := a.openPatching(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	return a.experiment(ctx, &f.experimentFlags, m, name, nil, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return measure(ctx, r, with)
	})
}

// choiceFlags are the flags of `experiment choice`.
type choiceFlags struct {
	benchmarkFlags
	by flagtype.Choice[benchmark.ChoiceBy]
}

func choiceCommand(a *app) *cobra.Command {
	f := &choiceFlags{by: flagtype.NewChoice(benchmark.ByLetter, "letter|text|text-per-byte", benchmark.ParseChoiceBy)}
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "choice [--file F.jsonl] [--patch P]...",
		Short: "multiple-choice questions by log-probability, with a patch and without",
		Long: `Asks multiple-choice questions, with a patch and without. Nothing is generated:
the model chooses what it gives the highest log-probability. The file has the
form of MMLU: a JSON object a line, with a "question", a list of "choices", an
"answer" (index from 0, letter or text) and maybe a "subject".

--by says what is compared:
  letter         the prompt lists the choices as "A. …", and the letter behind
                 "Answer:" decides, as in MMLU; a small model may not know what
                 the letters are for
  text           the choice's own text behind the question; longer texts have
                 less probability
  text-per-byte  that, divided by the bytes of the text, as acc_norm of
                 lm-evaluation-harness does

The published work has no such experiment; it names standard benchmarks as
future work. Read an accuracy beside that of guessing (p against chance: so many
right answers or more by guessing), and a patch by what it fixed and broke
(McNemar). By subject the p-values are adjusted by Holm's method, since among
many subjects some change by chance. The change of ln p of the right answer is
finer: it moves before any choice does.`,
		Example: `  bankai experiment choice --patch old.json
  bankai experiment choice --file demo:choices --by text-per-byte -n 20 -o results`,
		Args: arguments(0, 0, "the questions with --file"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.model.isBuiltIn() && !cmd.Flags().Changed("by") {
				f.by.Value = benchmark.ByText
			}
			if f.by.Value == benchmark.ByLetter && f.prompt == "" {
				f.prompt = benchmark.ByLetter.Template()
			}
			f.usualPrompt(f.by.Value.Template())
			return f.run(ctx, a)
		}),
	}
	f.addBenchmark(cmd, "demo:choices", `by letter '{question}\n{choices}\nAnswer:', else 'Question: {question}\nAnswer:'`)
	cmd.Flags().Var(&f.by, "by", "what is compared; with the built-in model text")
	return cmd
}

func (f *choiceFlags) run(ctx context.Context, a *app) error {
	questions, err := benchmark.ReadFile(f.file, benchmark.ReadChoices)
	if err != nil {
		return err
	}
	if f.n > 0 {
		questions = questions[:min(int(f.n), len(questions))]
	}
	return a.benchmark(ctx, &f.benchmarkFlags, "choice", func(ctx context.Context, r *experiment.Run, p experiment.Patching) (report.Result, error) {
		return benchmark.MeasureChoice(ctx, r, benchmark.ChoiceOptions{
			File: f.file, Questions: questions, By: f.by.Value, Prompt: f.prompt, Patch: p,
		})
	})
}

// How problems are put, unless flags say otherwise.
const (
	gsm8kPrompt = "Question: {question}\nAnswer:" // with other models than the built-in one
	gsm8kTokens = 256                             // of an answer
)

// gsm8kFlags are the flags of `experiment gsm8k`.
type gsm8kFlags struct {
	benchmarkFlags
	shots    flagtype.Count
	examples string
	tokens   flagtype.Count
	stop     []string
	rules    []string
}

func gsm8kCommand(a *app) *cobra.Command {
	f := &gsm8kFlags{benchmarkFlags: benchmarkFlags{n: 50}, tokens: gsm8kTokens}
	cmd := &cobra.Command{
		Use:   "gsm8k [--file F.jsonl] [--patch P]...",
		Short: "word problems solved with a patch and without",
		Long: `Lets the model solve problems whose answers are numbers, as it is and patched, by
greedy generation. The file has the form of GSM8K: a JSON object a line, with a
"question" and an "answer" that ends in "#### 42".

This repeats the published experiment 8: of 50 problems of GSM8K 11 were right
without the patch and 14 with it, so no degradation was seen. What to look at is
which answers changed. With 50 problems a loss of several points goes unnoticed:
the interval of the difference says how large a loss can be excluded.

The answer is found in the text by the first of these rules that finds a number;
--rules picks some, in another order if wanted:
  ####    the number behind the first "####"
  answer  the number behind the last "answer is", "answer:" or "\boxed{", in any
          case, on the same line
  last    the last number of the text
Numbers are compared as text, after $, commas, %, + and needless zeros are taken
away: $1,200.00 is 1200. Fractions stay as they are written. A number of another
kind than the right one (0.5 for 1/2) is wrong.

An answer ends at the model's own end token, at a --stop text, or after
--max-tokens. --shots puts worked examples in front: from --examples, or from
the end of the file; problems that are scored are never among them.`,
		Example: `  bankai experiment gsm8k --patch old.json
  bankai experiment gsm8k --file demo:words -n 1 --shots 1 --max-tokens 40 -o results`,
		Args: arguments(0, 0, "the problems with --file"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.addBenchmark(cmd, "demo:sums", `'Question: {question}\nAnswer:'`)
	flags := cmd.Flags()
	flags.Var(&f.shots, "shots", "`K` worked examples in front of every problem")
	flags.StringVar(&f.examples, "examples", "", "JSONL `FILE` to take them from (default: the end of --file)")
	flags.Var(&f.tokens, "max-tokens", "at most `N` tokens an answer")
	flags.StringArrayVar(&f.stop, "stop", nil, `end an answer at this `+"`TEXT`"+`; may be repeated (default: what begins the next question, as '\nQuestion:')`)
	flags.StringSliceVar(&f.rules, "rules", nil, "`RULES` that find the answer, in order (default ####,answer,last)")
	return cmd
}

func (f *gsm8kFlags) check() error {
	if err := f.benchmarkFlags.check(); err != nil {
		return err
	}
	if f.examples != "" && f.shots == 0 {
		return usagef("--examples needs --shots: say how many of them to show")
	}
	f.usualPrompt(gsm8kPrompt)
	if err := readStops(f.stop); err != nil {
		return err
	}
	if len(f.stop) == 0 {
		f.stop = []string{benchmark.StopFor(f.prompt)}
	}
	return nil
}

func (f *gsm8kFlags) run(ctx context.Context, a *app) error {
	rules := benchmark.AnswerRules
	if len(f.rules) > 0 {
		var err error
		if rules, err = benchmark.RulesNamed(f.rules); err != nil {
			return usageError{err}
		}
	}
	problems, examples, err := benchmark.ReadWithExamples(f.file, f.examples, int(f.n), int(f.shots))
	if err != nil {
		return err
	}
	return a.benchmark(ctx, &f.benchmarkFlags, "gsm8k", func(ctx context.Context, r *experiment.Run, p experiment.Patching) (report.Result, error) {
		return benchmark.MeasureGSM8K(ctx, r, benchmark.ProblemOptions{
			File: f.file, Problems: problems, Examples: examples, Prompt: f.prompt, MaxTokens: int(f.tokens), Stop: f.stop,
			Rules: rules, Patch: p,
		})
	})
}

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
		a.Warn("%s is of eval, which keeps no alternates: if the probes have some, give their file with --probes", path)
	}
	result, err := benchmark.Rescore(head, generated, o)
	if err != nil {
		return err
	}
	if result.ByName > 0 {
		a.Warn("%s: %s found by name only: make sure that they ask the same", probes, text.Count(result.ByName, "question"))
	}
	result.About = *head
	result.Experiment, result.Command, result.Tool = "rescore", a.commandLine(), program.Tool()
	result.Seconds = time.Since(began).Seconds()
	var folder *resultFolder
	if out != "" {
		if folder, err = a.resultFolder(out, "rescore"); err != nil {
			return err
		}
	}
	return a.publish(ctx, result, folder)
}
