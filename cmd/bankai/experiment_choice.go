package main

import (
	"context"

	"github.com/spf13/cobra"

	"bankai/internal/benchmark"
	"bankai/internal/experiment"
)

// choiceFlags are the flags of `experiment choice`.
type choiceFlags struct {
	benchmarkFlags
	by choice[benchmark.ChoiceBy]
}

func choiceCommand(a *app) *cobra.Command {
	f := &choiceFlags{by: choice[benchmark.ChoiceBy]{benchmark.ByLetter, "letter|text|text-per-byte", benchmark.ParseChoiceBy}}
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
				f.by.value = benchmark.ByText
			}
			if f.by.value == benchmark.ByLetter && f.prompt == "" {
				f.prompt = benchmark.ByLetter.Template()
			}
			f.usualPrompt(f.by.value.Template())
			return f.run(ctx, a)
		}),
	}
	f.addBenchmark(cmd, "demo:choices", `by letter '{question}\n{choices}\nAnswer:', else 'Question: {question}\nAnswer:'`)
	cmd.Flags().Var(&f.by, "by", "what is compared; with the built-in model text")
	return cmd
}

func (f *choiceFlags) run(ctx context.Context, a *app) error {
	questions, err := readQuestions(f.file, benchmark.ReadChoices)
	if err != nil {
		return err
	}
	if f.n > 0 {
		questions = questions[:min(int(f.n), len(questions))]
	}
	return a.benchmark(ctx, &f.benchmarkFlags, "choice", func(ctx context.Context, r *experiment.Run, p experiment.Patching) (experiment.Result, error) {
		return benchmark.MeasureChoice(ctx, r, benchmark.ChoiceOptions{
			File: f.file, Questions: questions, By: f.by.value, Prompt: f.prompt, Patch: p,
		})
	})
}
