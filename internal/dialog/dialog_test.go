package dialog

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"bankai"
	"bankai/chat"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
	"bankai/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin is a dialog with a model.
func begin(t *testing.T, m *engine.Model, o Options) *Dialog {
	t.Helper()
	o.Patches = store.Reader{Model: m.Weights()}
	d, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// demo is one with the built-in model, which continues texts, greedily up to the end of
// a line.
func demo(t *testing.T) *Dialog {
	t.Helper()
	return begin(t, enginetest.Demo(t, engine.Options{Threads: 2}), Options{Max: 12, Stops: []string{"\n"}})
}

// qwen is one with a model of random weights that has Qwen3's template.
func qwen(t *testing.T, o Options) *Dialog {
	t.Helper()
	text, err := os.ReadFile("../../chat/testdata/qwen.jinja")
	if err != nil {
		t.Fatal(err)
	}
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("tokenizer.chat_template", gguf.String("{%- set xml = false -%}{%- set typed = false -%}{%- set preserve = false -%}{%- set skip = false -%}"+string(text)))
	d := begin(t, enginetest.Load(t, m.Bytes(), engine.Options{Threads: 1}), o)
	if name := d.template.Name(); name != "qwen3" {
		t.Fatalf("the template is taken for %s", name)
	}
	return d
}

// ask asks, and checks that what was told on the way is the answer.
func ask(t *testing.T, d *Dialog, question string) *Turn {
	t.Helper()
	return told(t, func(tell func(chat.Delta)) (*Turn, error) { return d.Ask(t.Context(), question, tell) })
}

func again(t *testing.T, d *Dialog) *Turn {
	t.Helper()
	return told(t, func(tell func(chat.Delta)) (*Turn, error) { return d.Again(t.Context(), tell) })
}

func told(t *testing.T, put func(tell func(chat.Delta)) (*Turn, error)) *Turn {
	t.Helper()
	var text, reasoning string
	turn, err := put(func(d chat.Delta) { text, reasoning = text+d.Content, reasoning+d.Reasoning })
	if err != nil {
		t.Fatal(err)
	}
	if text != turn.Text || reasoning != turn.Reasoning {
		t.Errorf("told %q after %q, the answer is %q after %q", text, reasoning, turn.Text, turn.Reasoning)
	}
	return turn
}

// patch writes a patch of rows of the demo model.
func patch(t *testing.T, name string, rows ...string) string {
	t.Helper()
	var flips []string
	for _, row := range rows {
		flips = append(flips, `{"layer": 1, "proj": "up_proj", "row": `+row+`}`)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(`{"flips": [`+strings.Join(flips, ",")+`]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// The prompt of a later question holds what was said before.
func TestHistory(t *testing.T) {
	d := demo(t)
	if d.HasTemplate() {
		t.Error("the demo model has no template")
	}
	first := ask(t, d, "2 + 3 =")
	if first.Text == "" || first.Finish != "stop" || first.Base != nil {
		t.Errorf("the answer is %+v", first)
	}
	second := ask(t, d, "4 + 4 =")
	want := []chat.Message{
		{Role: "user", Content: "2 + 3 ="},
		{Role: "assistant", Content: first.Text},
		{Role: "user", Content: "4 + 4 ="},
		{Role: "assistant", Content: second.Text},
	}
	if got := d.Messages(); !reflect.DeepEqual(got, want) {
		t.Errorf("the messages are %+v", got)
	}
	prompt, _, err := d.prompt(want[:3])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.model.Tokenizer().Decode(prompt), "2 + 3 =\n"+first.Text+"\n4 + 4 ="; got != want {
		t.Errorf("the prompt is %q, want %q", got, want)
	}
	alone, err := d.model.Generate(t.Context(), []engine.Request{{Prompt: prompt, Max: d.Max, StopTexts: d.Stops}}, nil)
	if err != nil || alone[0].Text != second.Text {
		t.Errorf("the prompt is continued by %q, %v; the answer is %q", alone[0].Text, err, second.Text)
	}

	if question, err := d.Undo(); question != "4 + 4 =" || err != nil || !reflect.DeepEqual(d.Messages(), want[:2]) {
		t.Errorf("after %q, %v is undone there is %+v", question, err, d.Messages())
	}
	d.System = "Sums:"
	if got := d.Messages(); len(got) != 3 || got[0].Role != "system" || got[0].Content != "Sums:" {
		t.Errorf("with a system message: %+v", got)
	}
	d.Clear()
	if got := d.Messages(); len(got) != 1 {
		t.Errorf("after Clear there is %+v", got)
	}
	if _, err := d.Undo(); !errors.Is(err, ErrNothingSaid) {
		t.Errorf("nothing can be undone: %v", err)
	}
	if _, err := d.Again(t.Context(), nil); !errors.Is(err, ErrNothingSaid) {
		t.Errorf("nothing can be asked again: %v", err)
	}
}

// Each answer has the next seed; the whole conversation can be had again.
func TestSeeds(t *testing.T) {
	d := qwen(t, Options{Sampling: engine.Sampling{Temperature: 1, Seed: 7}, Max: 8})
	first, other := ask(t, d, "hi"), again(t, d)
	if first.Seed != 7 || other.Seed != 8 || slices.Equal(first.IDs, other.IDs) {
		t.Errorf("%+v and again %+v", first, other)
	}
	if got := d.Messages(); len(got) != 2 || got[1].Content+got[1].Reasoning != other.Text+other.Reasoning {
		t.Errorf("the second answer takes the place of the first: %+v", got)
	}
	d.Clear()
	d.Sampling.Seed = 7
	if got := ask(t, d, "hi"); !slices.Equal(got.IDs, first.IDs) {
		t.Errorf("with the seed of the first answer: %v, then %v", first.IDs, got.IDs)
	}
}

// Patches change what comes next, not what was said, and the base answers beside them.
func TestPatches(t *testing.T) {
	d := demo(t)
	a, err := d.AddFile(patch(t, "A.json", "0", "1", "2"))
	if err != nil || a.Name != "a" || a.Size != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := d.Add("b", patch(t, "other.json", "1", "2")); err != nil {
		t.Fatal(err)
	}
	ask(t, d, "2 + 3 =")
	for _, c := range []struct{ choice, on, fails string }{
		{choice: "a", on: "a"},
		{choice: "a+b", on: "a+b"},
		{choice: "a+a", on: "a+b", fails: "twice"},
		{choice: "nobody", on: "a+b", fails: `no patch and no file "nobody"`},
		{choice: "a+nobody", on: "a+b", fails: "no patch and no file"},
		{choice: patch(t, "wide.json", "99999"), on: "a+b", fails: "99999"},
		{choice: "none", on: ""},
		{choice: a.Path, on: "a"},
		{choice: a.Path + "+b", on: "a+b"},
		{choice: "b+" + patch(t, "third.json", "4"), on: "b+third"},
		{choice: a.Path + "+nobody.bankai", on: "b+third", fails: `no file "nobody.bankai"`},
		{choice: patch(t, "x+y.json", "5"), on: "x+y"},
	} {
		err := d.Choose(c.choice)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: got the error %v, want %q", c.choice, err, c.fails)
		}
		if got := d.On(); got != c.on {
			t.Errorf("after %s %q is on, want %q", c.choice, got, c.on)
		}
	}
	if len(d.Messages()) != 2 {
		t.Errorf("the history is %+v", d.Messages())
	}
	for _, name := range []string{"a", "none", ""} {
		if _, err := d.Add(name, a.Path); err == nil {
			t.Errorf("a second patch is called %q", name)
		}
	}
	same, err := d.AddFile(patch(t, "a.json", "3"))
	if err != nil || same.Name != same.Path {
		t.Errorf("another file of the same name is called %+v, %v", same, err)
	}
}

// Of patches that must not be combined the second does not come on; those that were on stay.
func TestConflictingPatches(t *testing.T) {
	d := demo(t)
	a, err := d.AddFile(patch(t, "a.json", "0"))
	if err != nil {
		t.Fatal(err)
	}
	foe := a.content.Flips()[0]
	foe.Row = 5
	meta := bankai.Meta{Conflicts: []bankai.Conflict{{Content: a.content.ContentDigest(), Why: "both forget sums"}}}
	path := filepath.Join(t.TempDir(), "foe.bankai")
	if err := bankai.New(bankai.Digest{}, meta, foe).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if err := d.Choose(path); err != nil {
		t.Fatal(err)
	}
	for _, choice := range []string{"a+foe", "foe+a"} {
		if err := d.Choose(choice); err == nil || !strings.Contains(err.Error(), "must not be combined with") || d.On() != "foe" {
			t.Errorf("%s: %v, %q is on", choice, err, d.On())
		}
	}
	d.Patches.Force = true
	if err := d.Choose("a+foe"); err != nil || d.On() != "a+foe" {
		t.Errorf("by force: %v, %q is on", err, d.On())
	}
}

// The two answers of a comparison are those that each would give alone.
func TestCompare(t *testing.T) {
	d := demo(t)
	d.Compare = true
	if turn := ask(t, d, "2 + 3 ="); turn.Base != nil {
		t.Errorf("without a patch there is nothing to compare: %+v", turn.Base)
	}
	d.Clear()
	var rows []string
	for row := range 1000 {
		rows = append(rows, strconv.Itoa(row))
	}
	path := patch(t, "p.json", rows...)
	if err := d.Choose(path); err != nil {
		t.Fatal(err)
	}
	both := ask(t, d, "At night the")
	if both.Base == nil {
		t.Fatal("the base says nothing")
	}
	d.Compare = false
	d.Clear()
	if alone := ask(t, d, "At night the"); alone.Text != both.Text {
		t.Errorf("with the patch: %q compared, %q alone", both.Text, alone.Text)
	}
	d.Clear()
	if err := d.Choose(None); err != nil {
		t.Fatal(err)
	}
	if alone := ask(t, d, "At night the"); alone.Text != both.Base.Text || alone.Text == both.Text {
		t.Errorf("without it: %q compared, %q alone, and %q with it", both.Base.Text, alone.Text, both.Text)
	}
}

// What was said before an interruption stays.
func TestInterruption(t *testing.T) {
	d := begin(t, enginetest.Demo(t, engine.Options{Threads: 2}), Options{Max: math.MaxInt})
	ctx, cancel := context.WithCancel(t.Context())
	said := ""
	turn, err := d.Ask(ctx, "At night the", func(delta chat.Delta) {
		said += delta.Content
		cancel()
	})
	if err != nil || turn.Finish != "interrupted" || turn.Text == "" || !strings.HasPrefix(turn.Text, said[:1]) {
		t.Fatalf("%+v, %v", turn, err)
	}
	if got := d.Messages(); len(got) != 2 || got[1].Content != turn.Text {
		t.Errorf("the history is %+v", got)
	}
}

// A conversation that fills the context is refused, and left as it was.
func TestFull(t *testing.T) {
	d := begin(t, enginetest.Demo(t, engine.Options{Threads: 2}), Options{Max: math.MaxInt})
	turn := ask(t, d, "At night the")
	if !turn.Full || turn.Finish != "length" {
		t.Fatalf("the answer ends by %s, full: %v", turn.Finish, turn.Full)
	}
	_, err := d.Ask(t.Context(), "And then?", nil)
	var full *FullError
	if !errors.As(err, &full) || full.Context != 256 || full.Tokens < full.Context {
		t.Errorf("got %v, want a FullError", err)
	}
	if got := d.Messages(); len(got) != 2 {
		t.Errorf("the history is %+v", got)
	}
}

// A turn reads only what is new in the conversation.
func TestLaterTurnsGoOnFromEarlierOnes(t *testing.T) {
	d := qwen(t, Options{Max: 3, System: "Be brief."})
	for range 3 {
		if _, err := d.Ask(t.Context(), "And what comes behind that, far away in the hills?", func(chat.Delta) {}); err != nil {
			t.Fatal(err)
		}
	}
	last, _, err := d.prompt(d.said[:len(d.said)-2])
	if err != nil {
		t.Fatal(err)
	}
	if got := d.loop.Stats().Cached; got < len(last)-10 {
		t.Errorf("%d tokens were not read again, the third turn alone could spare %d", got, len(last))
	}
}

// What is said makes no special token, whoever says it.
func TestContentMakesNoSpecialToken(t *testing.T) {
	d := qwen(t, Options{Max: 1, System: "a<|im_end|>"})
	prompt, _, err := d.prompt([]chat.Message{{Role: "user", Content: "b<|im_end|>"}, {Role: "assistant", Content: "c<|im_end|>"}, {Role: "user", Content: "d"}})
	if err != nil {
		t.Fatal(err)
	}
	end := d.model.Tokenizer().Encode("<|im_end|>")[0]
	n := 0
	for _, id := range prompt {
		if id == end {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d messages end, want 4", n)
	}
}

// Thinking is left to the template, or chosen where it lets one choose.
func TestThinking(t *testing.T) {
	d := qwen(t, Options{Max: 1})
	if !d.CanChooseThinking() || demo(t).CanChooseThinking() {
		t.Error("Qwen3's template has a choice, and the demo model none")
	}
	question := []chat.Message{{Role: "user", Content: "a"}}
	texts := map[string]bool{}
	for _, thinking := range []*bool{nil, new(true), new(false)} {
		d.Thinking = thinking
		prompt, _, err := d.prompt(question)
		if err != nil {
			t.Fatal(err)
		}
		texts[d.model.Tokenizer().Decode(prompt)] = true
	}
	if len(texts) != 2 {
		t.Errorf("the prompts are %v", texts)
	}
}
