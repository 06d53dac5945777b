package benchmark

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/measure"
	"bankai/probe"
)

// harmful is a patch that spoils some sums of the embedded model.
func harmful() *bankai.Patch {
	var flips []bankai.Flip
	for row := range uint32(24) {
		flips = append(flips, bankai.Flip{Tensor: "blk.0.attn_output.weight", Row: row, N: bankai.ToEnd})
	}
	return bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)
}

// sums are the options for the first committed sums.
func sums(t *testing.T, m *engine.Model, n int) ProblemOptions {
	t.Helper()
	f, err := os.Open("../../models/demo/sums.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	problems, err := ReadProblems(f)
	if err != nil {
		t.Fatal(err)
	}
	return ProblemOptions{
		File: "sums", Problems: problems[:n], Prompt: "{question}", MaxTokens: 20, Stop: []string{StopFor("{question}")},
		Rules: AnswerRules, Patch: experiment.Patching{Overlay: enginetest.Overlay(t, m, harmful()), Name: "harmful", ID: "1"},
	}
}

// greedy is what the model says token by token, without the generator.
func greedy(t *testing.T, m *engine.Model, prompt string) string {
	ids := m.Tokenizer().Encode(prompt)
	var said []int32
	for range 20 {
		rows := enginetest.LogProbs(t, m, append(slices.Clone(ids), said...))
		last := rows[len(rows)-1]
		said = append(said, int32(slices.Index(last, slices.Max(last))))
		if text := m.Tokenizer().Decode(said); strings.Contains(text, "\n") {
			text, _, _ = strings.Cut(text, "\n")
			return text
		}
	}
	return m.Tokenizer().Decode(said)
}

// The texts are those of greedy decoding with plain loops, of the model as it is
// and with the patch in its weights; and the model is as it was afterwards.
func TestGSM8KOfPlainDecoding(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	o := sums(t, m, 24)
	g, err := MeasureGSM8K(t.Context(), &experiment.Run{Model: m}, o)
	if err != nil {
		t.Fatal(err)
	}
	if g.Change.Fixed+g.Change.Broke == 0 || g.Right < 16 {
		t.Errorf("%d of 24 right, fixed %d, broke %d: the test says too little", g.Right, g.Change.Fixed, g.Change.Broke)
	}
	var before, after []bool
	check := func(m *engine.Model, s Solution, p Problem) bool {
		text := greedy(t, m, p.Question)
		right := strings.TrimSpace(text) == p.Want
		if s.Text != text || s.Right != right || s.Finish != "stop" || s.Rule != "last" {
			t.Errorf("%q: got %+v, by plain decoding %q", p.Question, s, text)
		}
		return right
	}
	for i, p := range o.Problems {
		before = append(before, check(m, g.Solved[i].Base, p))
	}
	harmed := enginetest.Patched(t, m, harmful())
	for i, p := range o.Problems {
		after = append(after, check(harmed, *g.Solved[i].Patched, p))
	}
	if want := pairedOf(before, after); !reflect.DeepEqual(*g.Change, want) {
		t.Errorf("got %+v, want %+v", *g.Change, want)
	}
	again := sums(t, m, 24)
	if h, err := MeasureGSM8K(t.Context(), &experiment.Run{Model: m}, again); err != nil || !reflect.DeepEqual(g, h) {
		t.Errorf("measured again it differs, %v", err)
	}
}

// resumed runs an experiment that is interrupted after every piece, on a model of
// its own with one thread, and compares it with one that ran through with two.
func resumed(t *testing.T, measure func(t *testing.T, ctx context.Context, r *experiment.Run) (report.Result, error)) {
	t.Helper()
	whole, err := measure(t, t.Context(), &experiment.Run{Model: enginetest.Demo(t, engine.Options{Threads: 2})})
	if err != nil {
		t.Fatal(err)
	}
	want := written(t, whole).Bytes()
	m := enginetest.Demo(t, engine.Options{Threads: 1})
	path := filepath.Join(t.TempDir(), "x.journal")
	for pieces := 1; ; pieces++ {
		j, err := experiment.OpenJournal(path, nil, pieces > 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		result, err := measure(t, ctx, &experiment.Run{Model: m, Journal: j, Progress: func(p experiment.Progress) {
			if p.Done > p.Resumed {
				stop()
			}
		}})
		stop()
		j.Close()
		if err != nil {
			continue
		}
		if got := written(t, result).Bytes(); !bytes.Equal(got, want) {
			t.Errorf("resumed %d times:\n%s\nat once:\n%s", pieces-1, got, want)
		}
		if pieces < 4 {
			t.Errorf("%d pieces: the test says too little", pieces)
		}
		return
	}
}

func TestGSM8KIsResumed(t *testing.T) {
	resumed(t, func(t *testing.T, ctx context.Context, r *experiment.Run) (report.Result, error) {
		g, err := MeasureGSM8K(ctx, r, sums(t, r.Model, 40))
		return g, err
	})
}

// Stored texts are marked again without the model.
func TestRescoreGSM8K(t *testing.T) {
	g := someGSM8K()
	if g.Right != 2 || g.Change.Fixed != 1 || g.Change.Broke != 1 || g.Solved[0].Patched.Rule != "last" {
		t.Errorf("got %+v", g)
	}
	strict, err := RulesNamed([]string{"####"})
	if err != nil {
		t.Fatal(err)
	}
	g.Rescore(strict)
	if g.Right != 1 || g.Change.Fixed != 0 || g.Change.Broke != 0 || g.Change.After != 1 || g.Accuracy.Value != 1.0/3 || g.Solved[0].Patched.Answer != "" {
		t.Errorf("strictly: %+v", g)
	}
	g.Rescore(AnswerRules)
	if want := someGSM8K(); !reflect.DeepEqual(g, want) {
		t.Errorf("back again: %+v", g)
	}
}

// The command that marks kept texts again takes a GSM8K result, and marks it as the
// experiment did; a right answer of another probe file counts as a number too.
func TestGSM8KIsRescorable(t *testing.T) {
	g := someGSM8K()
	head, texts, err := ReadGenerated(written(t, g))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Rescore(head, texts, RescoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Changed) != 0 || len(r.Rows) != 2 || r.Rows[0].RightNow != g.Right || r.Rows[1].RightNow != g.Change.After || r.Rows[1].AgainstNow.Broke != 1 {
		t.Errorf("got %+v", r)
	}
	other := &measure.Named{Name: "other", Set: probe.Set{
		{Name: "line 1", Prompt: "one and one", Correct: " $3.00"}, {Name: "line 2", Prompt: "1 + 2?", Correct: "3"}, {Name: "b", Prompt: "2 + 2?", Correct: "four", Alternates: []string{"5", "6"}},
	}}
	if r, err = Rescore(head, texts, RescoreOptions{Probes: other}); err != nil {
		t.Fatal(err)
	}
	if r.ByName != 1 || r.Rows[0].RightNow != 2 || r.Rows[1].RightNow != 2 || len(r.Changed) != 4 {
		t.Errorf("got %+v", r)
	}
}

// someGSM8K is a result without a model.
func someGSM8K() *GSM8K {
	o := ProblemOptions{
		File: "a <b>file</b>", Prompt: "{question}", MaxTokens: 9, Stop: []string{"\n"}, Rules: AnswerRules, Patch: experiment.Patching{Name: "fix.bankai"},
		Problems: []Problem{{1, "1 + 1?", "#### 2", "2"}, {2, "1 + 2?", "#### 3", "3"}, {4, "2 + 2?", "#### 4", "4"}},
	}
	g := o.result(
		[]generation{{"It is 3.", "stop"}, {"#### 3", "stop"}, {"4", "length"}},
		[]generation{{"It is\n2.", "stop"}, {"#### 3", "stop"}, {"<script>5", "stop"}})
	g.About = report.About{Experiment: "gsm8k", Tool: "bankai", Model: "demo", Precision: "fast", Seed: 1}
	return g
}

func TestGSM8KGoesThroughFiles(t *testing.T) {
	g := someGSM8K()
	again, err := report.Read(written(t, g), Kinds)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, again) {
		t.Errorf("got %+v, want %+v", again, g)
	}
	reporttest.SameFiles(t, g, again)
	var b strings.Builder
	if err := g.Present().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n     4  broke  4      4     5        2 + 2?    4          <script>5\n",
		"\n     1  fixed  2      3     2        1 + 1?    It is 3.   It is·2.\n",
		"fixed 1, broke 1, p = 1.00: no evidence of a difference.",
		"So few as 3 questions cannot show a loss",
		"\n1 texts ended at the limit",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
}

// A prompt is the template with the question, behind the examples in the same form.
func TestProblemPrompt(t *testing.T) {
	o := ProblemOptions{Prompt: "Question: {question}\nAnswer:", Examples: []Problem{{Question: "1 + 1?", Answer: "Two.\n#### 2"}}}
	if got, want := o.prompt(Problem{Question: "2 + 2?"}), "Question: 1 + 1?\nAnswer: Two.\n#### 2\n\nQuestion: 2 + 2?\nAnswer:"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for template, want := range map[string]string{o.Prompt: "\nQuestion:", "{question}": "\n", "Q {question} A": "\nQ", "Solve.\n\n" + o.Prompt: "\nQuestion:"} {
		if got := StopFor(template); got != want {
			t.Errorf("%q stops at %q, want %q", template, got, want)
		}
	}
}

func TestProblemOptionsRefuse(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	for _, c := range []struct {
		change func(o *ProblemOptions)
		want   string
	}{
		{func(o *ProblemOptions) { o.Problems = nil }, "there are no problems to solve"},
		{func(o *ProblemOptions) { o.Prompt = "Answer:" }, `the prompt "Answer:" has no place for the question: write {question}`},
		{func(o *ProblemOptions) { o.MaxTokens = 0 }, "an answer of 0 tokens"},
		{func(o *ProblemOptions) { o.Rules = nil }, "no rule says where the answer is"},
		{func(o *ProblemOptions) { o.Prompt = strings.Repeat("x y ", 200) + "{question}" }, "sums, line 1: the prompt has"},
	} {
		o := sums(t, m, 2)
		c.change(&o)
		if _, err := MeasureGSM8K(t.Context(), &experiment.Run{Model: m}, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
}

// Stored problems are marked alike by Rescore as an experiment of its own and by
// the result itself, whatever the rules.
func TestRescoreOfProblems(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	g, err := MeasureGSM8K(t.Context(), &experiment.Run{Model: m}, sums(t, m, 12))
	if err != nil {
		t.Fatal(err)
	}
	g.About = report.About{Experiment: "gsm8k"}
	for _, names := range [][]string{nil, {"last"}, {"####", "answer"}} {
		head, texts, err := ReadGenerated(written(t, g))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Rescore(head, texts, RescoreOptions{Source: "g.json", Rules: names})
		if err != nil {
			t.Fatal(err)
		}
		again := *g
		again.Solved = slices.Clone(g.Solved)
		if names != nil {
			rules, err := RulesNamed(names)
			if err != nil {
				t.Fatal(err)
			}
			again.Rescore(rules)
		}
		if row := r.Rows[0]; row.RightNow != again.Right || row.RightWas != g.Right || row.Total != 12 {
			t.Errorf("%v: %+v, the result itself has %d right", names, row, again.Right)
		}
		if names == nil && len(r.Changed) > 0 {
			t.Errorf("changed without a change of the rules: %+v", r.Changed)
		}
	}
}
