package main

import (
	"context"
	"fmt"
	"slices"

	"bankai/internal/benchmark"
	"bankai/internal/experiment"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// gsm8kFlags are the flags of `experiment gsm8k`.
type gsm8kFlags struct {
	benchmarkFlags
	shots    count
	examples string
	tokens   count
	stop     []string
	rules    []string
}

func gsm8kCommand(a *app) *cobra.Command {
	f := &gsm8kFlags{benchmarkFlags: benchmarkFlags{n: 50}, tokens: 256}
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
	f.usualPrompt("Question: {question}\nAnswer:")
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
	problems, examples, err := f.read()
	if err != nil {
		return err
	}
	return a.benchmark(ctx, &f.benchmarkFlags, "gsm8k", func(ctx context.Context, r *experiment.Run, p experiment.Patching) (experiment.Result, error) {
		return benchmark.MeasureGSM8K(ctx, r, benchmark.ProblemOptions{
			File: f.file, Problems: problems, Examples: examples, Prompt: f.prompt, MaxTokens: int(f.tokens), Stop: f.stop,
			Rules: rules, Patch: p,
		})
	})
}

// read reads the problems to score and the worked examples.
func (f *gsm8kFlags) read() (problems, examples []benchmark.Problem, err error) {
	if problems, err = readQuestions(f.file, benchmark.ReadProblems); err != nil {
		return nil, nil, err
	}
	shots, from := int(f.shots), f.file
	if f.examples == "" {
		at := max(0, len(problems)-shots)
		problems, examples = problems[:at], problems[at:]
	} else {
		from = f.examples
		if examples, err = readQuestions(from, benchmark.ReadProblems); err != nil {
			return nil, nil, err
		}
	}
	if f.n > 0 {
		problems = problems[:min(int(f.n), len(problems))]
	}
	examples = slices.DeleteFunc(slices.Clone(examples), func(e benchmark.Problem) bool {
		return slices.ContainsFunc(problems, func(p benchmark.Problem) bool { return p.Question == e.Question })
	})
	if len(examples) < shots || len(problems) == 0 {
		return nil, nil, fmt.Errorf("%s: has not %s beside a problem to score: give fewer --shots, or --examples from another file", from, text.Count(shots, "example"))
	}
	return problems, examples[:shots], nil
}
