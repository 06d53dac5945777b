package measure

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/probe"
)

// bytewise is a tokenizer with a token for every byte and for a few longer
// pieces: digits are single tokens, as Qwen3's are.
type bytewise []string

func (b bytewise) Encode(text string) []int32 {
	var ids []int32
	for text != "" {
		id, n := int32(text[0]), 1
		for i, piece := range b {
			if strings.HasPrefix(text, piece) {
				id, n = int32(1000+i), len(piece)
			}
		}
		ids, text = append(ids, id), text[n:]
	}
	return ids
}

// audit runs the checks that need no model and returns "kind severity subject:
// detail" of each finding.
func audit(t *testing.T, set probe.Set, m probe.Metric, against ...Named) []string {
	t.Helper()
	f, err := Audit(context.Background(), set, m, against, bytewise{" =", "= "}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, x := range f {
		lines = append(lines, strings.Join([]string{string(x.Kind), string(x.Severity), x.Subject() + ":", x.Detail}, " "))
	}
	return lines
}

// Each defect in the smallest set that has it and no other.
func TestAudit(t *testing.T) {
	ask := func(name, prompt, correct, wrong string) probe.Probe {
		return probe.Probe{Name: name, Category: "c", Prompt: prompt, Correct: correct, Wrong: wrong}
	}
	held := Named{"heldout.json", probe.Set{ask("h7", "D/DX [x^2]  =", "2", "3")}}
	for _, c := range []struct {
		what    string
		set     probe.Set
		metric  probe.Metric
		against []Named
		want    []string
	}{
		{"nothing", probe.Set{ask("a", "1 + 1 =", "2", "3"), ask("b", "1 + 2 =", "3", "4"), ask("d", "2 + 2 =", "4", "3")}, probe.TokenGap, []Named{held}, nil},

		{"dead: both answers end in one token", probe.Set{ask("a", "10 + 10 =", "20", "0")}, probe.TokenGap, nil, []string{
			`dead fatal a: "20" and "0" end in the same token, id 48: token_gap is always 0`,
			`multi_token warning a: "20" is 2 tokens: token_gap reads the last, which is not the one emitted next`,
		}},
		{"which harms token_gap alone", probe.Set{ask("a", "10 + 10 =", "20", "0")}, probe.AnswerLogprob, nil, []string{
			`dead info a: "20" and "0" end in the same token, id 48: token_gap is always 0; harmless to answer_logprob`,
			`multi_token info a: "20" is 2 tokens: token_gap reads the last, which is not the one emitted next`,
		}},
		{"dead: one answer", probe.Set{ask("a", "Prime?", "y", "(Y)")}, probe.SeqLogprob, nil, []string{
			`dead fatal a: right answer "y" and wrong answer "(Y)" are the same`,
		}},

		{"leakage, in other spacing and case", probe.Set{ask("a", "d/dx [x^2] =", "2", "3")}, probe.SeqLogprob, []Named{held}, []string{
			`leakage fatal a: "d/dx [x^2] =" is h7 of heldout.json too`,
		}},
		{"duplicate", probe.Set{ask("a", "1 + 1 =", "2", "3"), ask("b", "1+1=", "2", "4")}, probe.SeqLogprob, nil, []string{
			`duplicate warning b: asks "1+1=", as a does`,
		}},
		{"contradiction", probe.Set{ask("a", "1 + 1 =", "2", "3"), ask("b", "1 + 1 =", "3", "2")}, probe.SeqLogprob, nil, []string{
			`duplicate warning b: asks "1 + 1 =", as a does`,
			`contradiction warning b: answer "3" to "1 + 1 =", but "2" in a`,
		}},

		{"ambiguous", probe.Set{ask("a", "Integrate 1:", "x", "x + C")}, probe.SeqLogprob, nil, []string{
			`ambiguous warning a: the wrong answer "x + C" would be marked right`,
		}},
		{"unmatchable", probe.Set{ask("a", "f:", "*", "3")}, probe.SeqLogprob, nil, []string{
			`unmatchable fatal a: nothing is left of the answer "*" once normalised`,
		}},
		{"unmatchable beyond the line", probe.Set{ask("a", "f:", "2\n3", "4")}, probe.SeqLogprob, nil, []string{
			`unmatchable fatal a: the answer "2\n3" goes beyond the end of the line, where decoding stops`,
			`multi_token info a: "2\n3" is 3 tokens: token_gap reads the last, which is not the one emitted next`,
		}},

		{"one contrast repeated", probe.Set{ask("a", "Is 4 prime?", "n", "y"), ask("b", "Is 6 prime?", "n", "y"), ask("d", "Is 8 prime?", "n", "y")}, probe.TokenGap, nil, []string{
			`repeated_contrast warning category c: 1 distinct pair of answers in 3 probes: "n" against "y"`,
			`repeated_contrast warning category c: token_gap reads 1 distinct pair of tokens in 3 probes`,
		}},

		{"mixed conventions in a category", probe.Set{ask("a", "1 + 1 =", "2", "3"), ask("b", "1 + 2 =", "3.", "4.")}, probe.SeqLogprob, nil, []string{
			`mixed_conventions warning category c: 1 right answer with a full stop (b), 1 without a full stop (a)`,
			`dead info b: "3." and "4." end in the same token, id 46: token_gap is always 0; harmless to seq_logprob`,
			`multi_token info b: "3." is 2 tokens: token_gap reads the last, which is not the one emitted next`,
		}},
		{"mixed conventions in a probe", probe.Set{ask("a", "1 + 1 =", "2", " 3")}, probe.SeqLogprob, nil, []string{
			`mixed_conventions warning a: right answer "2" is without a leading space, wrong answer " 3" is with a leading space`,
		}},
		{"one answer spelt twice", probe.Set{ask("a", "Is 4 prime?", "n", "y"), ask("b", "Is 6 prime?", "N", "Y")}, probe.SeqLogprob, nil, []string{
			`mixed_conventions warning category c: one right answer is written "n" and "N" (b)`,
		}},

		{"a token across the border", probe.Set{ask("a", "1 + 1=", " 2", " 3")}, probe.SeqLogprob, nil, []string{
			`multi_token info a: " 2" is 2 tokens: token_gap reads the last, which is not the one emitted next`,
			`boundary_merge warning a: the answers change the last 1 token of the prompt "1 + 1=": scored are other ids than a generation starts from`,
		}},
	} {
		if got := audit(t, c.set, c.metric, c.against...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.what, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// Every convention, by one answer on each side of it and one that it leaves be.
func TestConventions(t *testing.T) {
	for i, c := range []struct{ one, other, neither string }{
		{" 7", "7", ""},
		{"7 ", "7", ""},
		{"7.", "7", ""},
		{"7*x", "7x", "yes"},
		{"√2", "Sqrt(2)", "2"},
		{"-0.5", "-1/2", "7"},
		{"x^3/3 + C", "x^3/3", "yes"},
	} {
		v := conventions[i]
		if one, applies := v.choice(c.one); !one || !applies {
			t.Errorf("%q is not taken to be %s", c.one, v.one)
		}
		if one, applies := v.choice(c.other); one || !applies {
			t.Errorf("%q is not taken to be %s", c.other, v.other)
		}
		if _, applies := v.choice(c.neither); applies && c.neither != "" {
			t.Errorf("%q is taken to choose between %s and %s", c.neither, v.one, v.other)
		}
	}
}

// ranked answers for a model: the rank and greediness of an answer that begins
// with a given token.
type ranked map[int32]engine.Answer

func (ranked) Context() int { return 40 }

func (ranked) Width() int { return 1 }

func (r ranked) Score(_ context.Context, qs []engine.Question) ([][]engine.Answer, error) {
	var out [][]engine.Answer
	for _, q := range qs {
		var as []engine.Answer
		for _, ids := range q.Answers {
			as = append(as, r[ids[0]])
		}
		out = append(out, as)
	}
	return out, nil
}

// A distractor is weak when the model would say something else before it. Of
// answers that begin alike, the token that tells them apart counts.
func TestAuditRanks(t *testing.T) {
	set := probe.Set{
		{Name: "rival", Prompt: "1 + 1 =", Correct: "2", Wrong: "3"},
		{Name: "weak", Prompt: "2 + 2 =", Correct: "4", Wrong: "5"},
		{Name: "shared start", Prompt: "5 + 5 =", Correct: "x6", Wrong: "x7"},
		{Name: "part", Prompt: "7 + 7 =", Correct: "2", Wrong: "2+"}, // the end of the line against "+"
		{Name: "endless", Prompt: strings.Repeat("1 + ", 10) + "1 =", Correct: "11", Wrong: "10"},
	}
	model := ranked{
		'2': {Rank: 0, Greedy: true}, '3': {Rank: 1},
		'4': {Rank: 3}, '5': {Rank: 23},
		'x': {Rank: 9, Greedy: true}, '6': {Rank: 1}, '7': {Rank: 0},
		'\n': {Rank: 0}, '+': {Rank: 2},
	}
	found, err := Audit(context.Background(), set, probe.AnswerLogprob, nil, bytewise{" ="}, model)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range found {
		if x.Kind == WeakDistractor || x.Kind == Overview || x.Kind == TooLong {
			got = append(got, x.Subject()+": "+x.Detail)
		}
	}
	want := []string{
		`endless: prompt and answer are 45 tokens, more than the model's context of 40: shorten it, or leave it out`,
		`weak: "5" is only number 23 of what the model would say instead of "4"`,
		`part: "2+" is only number 2 of what the model would say instead of "2"`,
		`the set: the model gives 3 of 4 right answers as written; its own mistake would be the wrong answer in 2 of 4 (median place 2)`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

type failing struct{}

func (failing) Context() int { return 0 }

func (failing) Width() int { return 1 }

func (failing) Score(context.Context, []engine.Question) ([][]engine.Answer, error) {
	return nil, errors.New("out of memory")
}

func TestAuditErrors(t *testing.T) {
	set := probe.Set{{Name: "a", Prompt: "1 + 1 =", Correct: "2", Wrong: "3"}}
	if _, err := Audit(context.Background(), set, 0, nil, bytewise{}, failing{}); err == nil || err.Error() != "ranking the answers: out of memory" {
		t.Errorf("a model that fails: %v", err)
	}
	set[0].Prompt = ""
	if _, err := Audit(context.Background(), set, 0, nil, bytewise{}, nil); err == nil || !strings.Contains(err.Error(), "make the prompt longer") {
		t.Errorf("a prompt without tokens: %v", err)
	}
}
