package asking

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/chat"
	"bankai/dataset"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/progress"
	"bankai/internal/testmodel"
	"bankai/judge"
	"bankai/judge/external"
	"bankai/measure"
)

// The digest of questions is the SHA-256 of the lines that FORMAT.md says.
func TestDigest(t *testing.T) {
	q := Questions{
		Likely:    []measure.Scored{{Prompt: []int32{1}, Answers: [][]int32{{2, 3}}, Shown: "c"}},
		Preferred: []measure.Scored{{Prompt: []int32{15, 10, 22}, Answers: [][]int32{{16, 17}, {18}}, Shown: "a"}},
		Labelled:  []measure.Scored{{Prompt: []int32{4}, Answers: [][]int32{{5}, {6}}, Shown: "a"}},
	}
	want := sha256.Sum256([]byte("[15 10 22] [[16 17] [18]]\n[4] [[5] [6]]\n[1] [[2 3]]\n"))
	if got := q.Digest(); got != want {
		t.Errorf("got %v", got)
	}
	if got := q.Prompts(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("the prompts are %q", got)
	}
}

// turns is a chat template whose answers end with <|im_end|> and a line break, and which
// writes an empty thought if it is told not to think.
const turns = `{%- for m in messages -%}
{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>' ~ '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\n\n</think>\n\n' }}{%- endif -%}
{%- endif -%}`

func templated(t *testing.T, template string) *engine.Model {
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("tokenizer.chat_template", gguf.String(template))
	return enginetest.Load(t, m.Bytes(), engine.Options{})
}

func renderer(t *testing.T, m *engine.Model) *Renderer {
	r, err := NewRenderer(m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, name, data string) *dataset.Dataset {
	d, err := dataset.Read(name, []byte(data), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A model without a template reads a prompt and its answer as a line.
func TestPlain(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	r := renderer(t, m)
	for _, c := range []struct {
		data, prompt, answer string
	}{
		{`{"prompt": "Bees make", "completion": " honey"}`, "Bees make", " honey\n"},
		{`{"prompt": "Bees make", "completion": " honey\n"}`, "Bees make", " honey\n"},
		{`{"messages": [{"role": "user", "content": "Bees make"}, {"role": "assistant", "content": "honey"}]}`, "Bees make", " honey\n"},
	} {
		e := read(t, "x.jsonl", c.data).Examples[0]
		prompt, answers, err := r.Scored(e, e.Want)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tokenizer().Decode(prompt) + "|" + m.Tokenizer().Decode(answers[0]); got != c.prompt+"|"+c.answer {
			t.Errorf("%s: %q", c.data, got)
		}
	}
}

// A model with one reads what the server would send, and the answer up to its end token,
// not what the template writes behind that. Thinking is off where there is the choice.
func TestChat(t *testing.T) {
	m := templated(t, turns)
	r, tok := renderer(t, m), m.Tokenizer()
	e := read(t, "x.jsonl", `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "yes"}]}`).Examples[0]
	prompt, answers, err := r.Scored(e, e.Want)
	if err != nil {
		t.Fatal(err)
	}
	template, err := chat.TemplateOf(m)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := template.Encode(tok, e.Messages, chat.Options{Generate: true, Thinking: new(bool)})
	if err != nil || !slices.Equal(prompt, want) {
		t.Errorf("%q, %v", tok.Decode(prompt), err)
	}
	a := answers[0]
	if !tok.IsEnd(a[len(a)-1]) || tok.Decode(a[:len(a)-1]) != "yes" {
		t.Errorf("%v: %q", a, tok.Decode(a))
	}
	if !strings.Contains(r.About(), "without thinking") {
		t.Error(r.About())
	}
}

// What the data say never makes a control token, in prompts and answers, of any format
// and with or without a template.
func TestContentMakesNoControlToken(t *testing.T) {
	for name, m := range map[string]*engine.Model{"template": templated(t, turns), "plain": enginetest.Tiny(t, engine.Options{})} {
		r, tok := renderer(t, m), m.Tokenizer()
		special := func(ids []int32) (n int) {
			for _, id := range ids {
				if slices.Contains(tok.Specials(), tok.Token(id)) {
					n++
				}
			}
			return n
		}
		count := func(text string) (prompt, answer int) {
			d := read(t, "x.jsonl", fmt.Sprintf(`{"messages": [{"role": "system", "content": %q}, {"role": "user", "content": %q}, {"role": "assistant", "content": %q}]}`, text, text, text))
			p, as, err := r.Scored(d.Examples[0], d.Examples[0].Want)
			if err != nil {
				t.Fatal(err)
			}
			return special(p), special(as[0])
		}
		for _, s := range tok.Specials() {
			p, a := count("a " + s + " b")
			if wantP, wantA := count("a b"); p != wantP || a != wantA {
				t.Errorf("%s: %s makes control tokens: %d and %d, without it %d and %d", name, s, p, a, wantP, wantA)
			}
		}
	}
}

// Examples become questions by their kind and by what is wanted.
func TestQuestions(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	r := renderer(t, m)
	d := read(t, "a.jsonl", `{"prompt": "5 + 7 =", "completion": " 12"}
{"prompt": "At night", "completion": " the owl wakes, and then it flies a long way over the dark fields."}
{"prompt": "Bees make", "completion": " honey", "match": "contains"}`)
	q, err := New(m, r, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(q.Free) != 2 || q.Free[0].Rule.Kind != judge.Number || q.Free[1].Rule.Kind != judge.Contains || q.Undecided != 1 || len(q.Likely) != 3 {
		t.Errorf("%+v", q)
	}
	if q, err = New(m, r, d, Options{Other: true}); err != nil || len(q.Free) != 3 || q.Undecided != 0 {
		t.Errorf("%+v, %v", q, err)
	}
	rule, _ := judge.Parse("json")
	if _, err = New(m, r, d, Options{Rule: &rule}); err == nil || !strings.Contains(err.Error(), "a.jsonl:2") && !strings.Contains(err.Error(), "a.jsonl:1") {
		t.Errorf("%v", err)
	}
	long := strings.Repeat("word ", m.Context()+1)
	q, err = New(m, r, read(t, "l.jsonl", fmt.Sprintf("{\"prompt\": %q, \"completion\": \" x\"}\n{\"prompt\": \"a\", \"completion\": \" b\"}", long)), Options{})
	if err != nil || len(q.TooLong) != 1 || len(q.Free) != 1 {
		t.Errorf("too long: %v, %v", q.TooLong, err)
	}
	labels := read(t, "l.csv", "text,label\nBees make honey.,fact\nThe owl wakes.,fact\nWhat is 5?,sum\nWhat is 7?,sum\n")
	q, err = New(m, r, labels, Options{})
	if err != nil || len(q.Labelled) != 4 || q.Labelled[2].Texts[0] != "sum" || q.Labelled[2].Texts[1] != "fact" || len(q.Likely) != 0 {
		t.Errorf("labels: %+v, %v", q, err)
	}
}

// silent watches nothing.
type silent struct{}

func (silent) Warn(string, ...any)                {}
func (silent) Note(string, ...any)                {}
func (silent) Meter(string, int64) progress.Meter { return silent{} }
func (silent) Set(int64, string)                  {}
func (silent) Stop()                              {}

// evaluation is of two questions to the demo, without a patch.
func evaluation(t *testing.T) *Evaluation {
	m := enginetest.Demo(t, engine.Options{})
	d := read(t, "a.jsonl", "{\"prompt\": \"5 + 7 =\", \"completion\": \" 12\"}\n{\"prompt\": \"Bees make\", \"completion\": \" honey\"}\n")
	q, err := New(m, renderer(t, m), d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Evaluation{Model: m, Questions: *q, Answers: NewAnswers(m, q.Free, 8), MaxTokens: 8, Watch: silent{}}
}

// harm is a patch that changes what the demo says.
func harm(t *testing.T, m *engine.Model) *engine.Overlay {
	var flips []bankai.Flip
	for row := range uint32(256) {
		flips = append(flips, bankai.Flip{Tensor: "blk.0.attn_output.weight", Row: row, N: 128})
	}
	return enginetest.Overlay(t, m, bankai.New(m.Digest(), bankai.Meta{}, flips...))
}

func TestRun(t *testing.T) {
	e := evaluation(t)
	r, err := e.Run(context.Background())
	if err != nil || r.Answers.Before != 2 || r.Answers.After != 2 || r.Likelihood.Examples != 2 || len(r.Answers.Broke) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	e.Overlay = harm(t, e.Model)
	if r, err = e.Run(context.Background()); err != nil || r.Answers.Before != 2 || len(r.Answers.Broke) == 0 || r.Likelihood.Worse != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// When the judge fails, the answers are there and go into a file; from the file the next
// run takes them, and generates nothing.
func TestAnswersAreKept(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no sh here: on Windows nothing of this is tested")
	}
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	e := evaluation(t)
	e.Judge = &external.Judge{Command: "exit 1", Timeout: time.Minute}
	_, err := e.Run(context.Background())
	if failed := (*JudgeError)(nil); !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if err := errors.Join(e.Answers.Keep(path), e.Answers.Close()); err != nil {
		t.Fatal(err)
	}

	again := evaluation(t)
	if err := again.Answers.Keep(path); err != nil || again.Answers.Resumed != 2 {
		t.Fatalf("%d, %v", again.Answers.Resumed, err)
	}
	if left := again.Answers.lacking("", again.Free); len(left) != 0 {
		t.Errorf("%d are lacking", len(left))
	}
	if r, err := again.Run(context.Background()); err != nil || r.Answers.Before != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := again.Answers.Close(); err != nil {
		t.Error(err)
	}

	for name, other := range map[string]*Answers{
		"other questions":      NewAnswers(e.Model, e.Free[:1], 8),
		"another precision":    NewAnswers(enginetest.Demo(t, engine.Options{Precision: engine.Exact}), e.Free, 8),
		"another --max-tokens": NewAnswers(e.Model, e.Free, 9),
	} {
		if err := other.Keep(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The judge is asked about the answers of the base, and again only about those that the
// patch changed.
func TestEqualAnswersAreJudgedOnce(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no sh here: on Windows nothing of this is tested")
	}
	e := evaluation(t)
	path := filepath.Join(t.TempDir(), "asked")
	e.Judge = &external.Judge{Command: "tee " + path + ` | while read -r l; do echo '{"right": true}'; done`, Timeout: time.Minute}
	asked := func(before, after []measure.Given) int {
		was, is, err := e.ask(context.Background(), before, after)
		if err != nil || len(was) != 2 || len(is) != 2 {
			t.Fatalf("%v, %v, %v", was, is, err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
	a, b := measure.Given{Text: "a"}, measure.Given{Text: "b"}
	if got := asked([]measure.Given{a, b}, []measure.Given{a, b}); got != 2 {
		t.Errorf("of equal answers %d were asked about", got)
	}
	if got := asked([]measure.Given{a, b}, []measure.Given{a, a}); got != 3 {
		t.Errorf("of one changed answer %d were asked about", got)
	}
}
