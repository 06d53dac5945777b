package guard

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
)

// The list has some hundred prompts, each once and of a length that any context takes.
func TestListed(t *testing.T) {
	if !utf8.ValidString(promptsText) {
		t.Error("prompts.txt is not UTF-8")
	}
	categories, seen := map[string]int{}, map[string]bool{}
	for _, p := range listed() {
		categories[p.category]++
		for _, text := range []string{p.chat, p.plain} {
			if n := utf8.RuneCountInString(text); n < 2 || n > 160 || strings.TrimSpace(text) == "" || strings.HasSuffix(text, " ") {
				t.Errorf("%s: %q is too short, too long or ends in a space", p.category, text)
			}
		}
		if seen[p.chat] || seen["plain "+p.plain] {
			t.Errorf("%q is there twice", p.chat)
		}
		seen[p.chat], seen["plain "+p.plain] = true, true
	}
	if n := len(listed()); n < 250 {
		t.Errorf("%d prompts: some hundred are promised", n)
	}
	for _, c := range []string{
		"facts", "sums", "reasoning", "code", "json", "lists", "instructions", "chat", "caution",
		"german", "french", "spanish", "italian", "portuguese", "dutch", "polish", "turkish", "russian", "arabic", "hindi", "japanese", "chinese", "korean",
	} {
		if categories[c] < 5 {
			t.Errorf("%d prompts of %s", categories[c], c)
		}
	}
}

// Every line of the list is three fields; listed would otherwise panic or lose some.
func TestListFields(t *testing.T) {
	for i, line := range strings.Split(strings.TrimSuffix(promptsText, "\n"), "\n") {
		if fields := strings.Split(line, "\t"); line != "" && !strings.HasPrefix(line, "#") && len(fields) != 3 {
			t.Errorf("prompts.txt:%d: %d fields: %q", i+1, len(fields), line)
		}
	}
}

// What has other numbers in the form of a target is of its kind; what shares some
// letters with it is not.
func TestLikeness(t *testing.T) {
	l := newLikeness([]string{
		"d/dx [x^4 + 9x^2] =", "The derivative of x^9 + 5x^4 is", "Is 359 a prime number? Answer:",
		"Read this.\nWhat is the capital of Finland?",
	})
	for _, c := range []struct {
		text string
		want bool
	}{
		{"d/dx [4x^7 + 4x^5] = 28x^6 + 20x^2", true},
		{"The derivative of 2x^3 + x^2 is 6x^2 + 2x", true},
		{"Is 7 a prime number? Answer: Yes", true},
		{"WHAT IS THE CAPITAL OF SWEDEN?", true}, // one line of a longer target
		{"18 + 3 = 21", false},
		{"The clock at school was broken.", false},
		{"for i in b: a += i", false},
		{"日本の首都はどこですか。", false},
		{"", false},
		{"Once there was a clock.\nd/dx [7x^4 + 2x^5] =\nIt was broken.", true}, // a line of the text
	} {
		if got := l.resembles(c.text); got != c.want {
			t.Errorf("%q resembles a target: %v, want %v", c.text, got, c.want)
		}
	}
	if newLikeness(nil).resembles("anything") {
		t.Error("a text resembles no targets")
	}
}

func made(t *testing.T, m *engine.Model, o Options) *Guard {
	t.Helper()
	g, err := Make(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Equal options give equal guards at any number of threads; another seed gives another.
func TestMakeIsDeterministic(t *testing.T) {
	o := Options{Seed: 3, Tokens: 300, Avoid: []string{"b", "a"}}
	one := made(t, enginetest.Tiny(t, engine.Options{Threads: 1}), o)
	o.Avoid = []string{"a", "b", "a"} // the same prompts
	many := made(t, enginetest.Tiny(t, engine.Options{Threads: 3}), o)
	if !reflect.DeepEqual(one, many) || one.Digest() != many.Digest() {
		t.Error("guards of equal options differ")
	}
	o.Seed = 4
	if other := made(t, enginetest.Tiny(t, engine.Options{}), o); other.Digest() == one.Digest() {
		t.Error("another seed gives the same guard")
	}
}

// A guard takes about the tokens that it may; no prompt, beginning or line is in both
// parts; answers that are said to be greedy are; and all of it fits into the context.
func TestMake(t *testing.T) {
	demo := enginetest.Demo(t, engine.Options{})
	for _, c := range []struct {
		name  string
		m     *engine.Model
		avoid []string
		least int // tokens that must be there
	}{
		{"plain", demo, nil, 600},
		{"chat", enginetest.Load(t, testmodel.Adder().Bytes(), engine.Options{}), nil, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := made(t, c.m, Options{Seed: 1, Tokens: 800, Avoid: c.avoid})
			if n, h := tokens(g.Used), tokens(g.HeldOut); n < c.least || n > 800 || h < c.least/2-100 || h > 400 {
				t.Errorf("%d tokens, and %d held out", n, h)
			}
			shared := map[string]bool{}
			for _, it := range g.Used {
				shared[string(c.m.Tokenizer().Decode(it.Prompt))] = it.Category != OwnText
			}
			for _, it := range slices.Concat(g.Used, g.HeldOut) {
				if n := it.Tokens() + 1; c.m.Context() > 0 && n > c.m.Context() {
					t.Errorf("%s: %d tokens in a context of %d", it.Category, n, c.m.Context())
				}
				score, err := c.m.Score(t.Context(), []engine.Question{it.Question})
				if err != nil {
					t.Fatal(err)
				}
				if it.Greedy && !score[0][0].Greedy {
					t.Errorf("%s: %q is not what %q is answered with", it.Category, c.m.Tokenizer().Decode(it.Answers[0]), c.m.Tokenizer().Decode(it.Prompt))
				}
			}
			for _, it := range g.HeldOut {
				if text := c.m.Tokenizer().Decode(it.Prompt); it.Category != OwnText && shared[text] {
					t.Errorf("%q is used and held out", text)
				}
			}
		})
	}
}

// Of what the demo model says, the sums stay in a guard and the derivatives, which the
// targets are, do not.
func TestMakeAvoids(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	var avoid []string
	for _, p := range enginetest.DemoSet(t, "search") {
		avoid = append(avoid, p.Prompt)
	}
	all := func(g *Guard) (text string) {
		for _, it := range slices.Concat(g.Used, g.HeldOut) {
			text += m.Tokenizer().Decode(it.Prompt) + m.Tokenizer().Decode(it.Answers[0]) + "\n"
		}
		return text
	}
	without, with := made(t, m, Options{Seed: 1, Tokens: 800}), made(t, m, Options{Seed: 1, Tokens: 800, Avoid: avoid})
	if with.LeftOut == 0 || !strings.Contains(all(without), "derivative of") {
		t.Fatalf("%d left out: the test shows nothing", with.LeftOut)
	}
	for line := range strings.Lines(all(with)) {
		if strings.Contains(line, "derivative of x") {
			t.Errorf("%q is in the guard", line)
		}
	}
	if !strings.Contains(all(with), " + ") {
		t.Error("no sum is in the guard")
	}
}

// If all that there is resembles the targets, there is no guard.
func TestMakeOfNothing(t *testing.T) {
	var avoid []string
	for _, p := range listed() {
		avoid = append(avoid, p.chat)
	}
	m := enginetest.Load(t, testmodel.Adder().Bytes(), engine.Options{})
	avoid = append(avoid, "I greet you.", "Hello")
	if g, err := Make(t.Context(), m, Options{Tokens: 200, Avoid: avoid}); err == nil {
		t.Logf("left: %d items", len(g.Used))
	} else if !strings.Contains(err.Error(), "nothing is left") {
		t.Error(err)
	}
	if _, err := Make(t.Context(), m, Options{}); err == nil {
		t.Error("a guard of no tokens was made")
	}
}

// A patch that does nothing changes nothing at all; one that turns half a layer around
// is seen in every figure.
func TestMeasure(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	g := made(t, m, Options{Seed: 1, Tokens: 600})
	for _, c := range []struct {
		name  string
		flips []bankai.Flip
	}{
		{"nothing", nil},
		{"twice", []bankai.Flip{{Tensor: "blk.2.ffn_gate.weight", Row: 1, N: 256}, {Tensor: "blk.2.ffn_gate.weight", Row: 1, N: 256}}},
	} {
		r, err := g.Measure(t.Context(), m, enginetest.Overlay(t, m, bankai.New(m.Digest(), bankai.Meta{}, c.flips...)), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Part{&r.HeldOut, r.Used} {
			if p.KL != 0 || p.Same != p.Greedy || p.Greedy == 0 || len(p.Changes) != 0 {
				t.Errorf("%s: %v nats, %d of %d same", c.name, p.KL, p.Same, p.Greedy)
			}
		}
	}
	var harm []bankai.Flip
	for row := range uint32(500) {
		harm = append(harm, bankai.Flip{Tensor: "blk.2.ffn_gate.weight", Row: row, N: 256})
	}
	r, err := g.Measure(t.Context(), m, enginetest.Overlay(t, m, bankai.New(m.Digest(), bankai.Meta{}, harm...)), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := r.HeldOut
	if !(p.KL > 0.01) || p.Same == p.Greedy || len(p.Changes) == 0 || r.Used != nil || p.Changes[0].Before == p.Changes[0].After {
		t.Errorf("a harmful patch: %+v", p)
	}
	if p.Interval == nil || !(p.Interval.Low < p.KL && p.KL < p.Interval.High) {
		t.Errorf("%v is not in %v", p.KL, p.Interval)
	}
}
