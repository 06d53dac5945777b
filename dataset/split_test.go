package dataset

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bankai/internal/rng"
)

// completions makes examples of pairs of prompt and answer.
func completions(pairs ...string) *Dataset {
	d := &Dataset{}
	for i := 0; i < len(pairs); i += 2 {
		d.Examples = append(d.Examples, Example{Kind: Answer, Weight: 1, Name: fmt.Sprint(i), Prompt: pairs[i], Want: said(pairs[i+1])})
	}
	return d
}

// derivatives are n problems of one template.
func derivatives(n int) *Dataset {
	r := rng.New(1, "test")
	var pairs []string
	seen := map[string]bool{}
	for len(pairs) < 2*n {
		a, b, c, d := r.Int(9)+1, r.Int(7)+3, r.Int(9)+1, r.Int(7)+2
		p := fmt.Sprintf("The derivative of %dx^%d + %dx^%d is", a, b, c, d)
		if !seen[p] {
			pairs = append(pairs, p, fmt.Sprintf(" %dx^%d + %dx^%d", a*b, b-1, c*d, d-1))
		}
		seen[p] = true
	}
	return completions(pairs...)
}

var long = strings.Fields("we met at the harbour in the early morning and walked along the old wall to the market where nobody sold anything but bread and a few apples so that we went home again with empty bags and told the others what we had seen on the way there and back before it began to rain")

// What is near, and what only looks so.
func TestNear(t *testing.T) {
	words := func(replaced ...int) string {
		w := slices.Clone(long)
		for _, i := range replaced {
			w[i] = "other"
		}
		return strings.Join(w, " ")
	}
	for _, c := range []struct {
		a, b string
		near bool
	}{
		{"What is the capital of France?", "what is  the Capital of France", true},
		{"What is the capital of France?", "Please: what is the capital of France?", true},
		{"What is the capital of France?", "What is the capital of Spain?", false},
		{"Is the black cat in?", "Is the cat black in?", true},
		{"The derivative of x^4 + 9x^3 is", "The derivative of x^4 + 9x^3 is:", true},
		{"The derivative of x^4 + 9x^3 is", "The derivative of 3x^7 + 8x^4 is", false},
		{"The derivative of x^4 + 9x^3 is", "The derivative of x^4 + 9x^2 is", false},
		{"The derivative of x^4 + 9x^3 is", "The derivative of x^4 - 9x^3 is", false},
		{"3 - 5 =", "5 - 3 =", false},
		{"sin(30) =", "cos(30) =", false},
		{"It costs 1.5 now", "It costs 15 now", false},
		{"short", "short one", false},
		{"今天天气怎么样", "今天天气怎么样？", true},
		{"今天天气怎么样", "明天天气怎么样", false},
		{words(), words(20), true},
		{words(), words(20, 40), true},
		{words(), words(5, 15, 25, 35, 45), false},
		{words() + " on page 3", words() + " on page 4", true},
	} {
		for _, pair := range [][]string{{c.a, c.b}, {c.b, c.a}} {
			u := newUnion(2)
			nearPairs(pair, func(a, b int) bool { return false }, u.join)
			if got := u.find(0) == u.find(1); got != c.near {
				t.Errorf("%q and %q: near %v", pair[0], pair[1], got)
			}
		}
	}
}

// Problems of one template ask different things and may be divided; so may those that a
// long instruction frames. Copies of one with a word more may not.
func TestTemplatesAreNoNearDuplicates(t *testing.T) {
	d := derivatives(300)
	framed := &Dataset{}
	for i := range 200 {
		p := strings.Join(long, " ") + ": " + string(rune('a'+i%26)) + "word" + string(rune('a'+i/26))
		framed.Examples = append(framed.Examples, Example{Kind: Answer, Weight: 1, Prompt: p, Want: said(p)})
	}
	for name, d := range map[string]*Dataset{"derivatives": d, "framed": framed} {
		p, err := d.Split(SplitOptions{Seed: 1})
		if err != nil || p.Near != 0 || p.Clusters != len(d.Examples) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for i := range 20 {
		e := d.Examples[i]
		e.Prompt = "Please tell: " + strings.ToLower(e.Prompt) // two words of more than ten
		e.Name += "again"
		d.Examples = append(d.Examples, e)
	}
	p, err := d.Split(SplitOptions{Seed: 1})
	if err != nil || p.Near != 40 || p.Clusters != 300 {
		t.Errorf("with copies: near %d, clusters %d, %v", p.Near, p.Clusters, err)
	}
}

// where says in which set each content is.
func where(t *testing.T, d *Dataset, o SplitOptions) map[string]string {
	t.Helper()
	p, err := d.Split(o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, set := range map[string][]Example{"search": p.Search, "validation": p.Validation, "heldout": p.HeldOut} {
		for _, e := range set {
			out[e.context()+e.Want.Content] = name
		}
	}
	if len(out) != len(d.Examples) {
		t.Fatalf("%d of %d examples are in a set", len(out), len(d.Examples))
	}
	return out
}

func TestSplitMetamorphic(t *testing.T) {
	d := derivatives(400)
	for i := range d.Examples {
		d.Examples[i].Category = []string{"a", "b", "c"}[i%3]
		d.Examples[i].Group = fmt.Sprint("g", i/2)
	}
	o := SplitOptions{Seed: 7}
	base := where(t, d, o)
	t.Run("the order does not matter", func(t *testing.T) {
		other := &Dataset{Examples: slices.Clone(d.Examples)}
		slices.Reverse(other.Examples)
		for k, set := range where(t, other, o) {
			if base[k] != set {
				t.Fatalf("%s is in %s, and in %s in another order", k, base[k], set)
			}
		}
	})
	t.Run("one more example moves few", func(t *testing.T) {
		other := &Dataset{Examples: append(slices.Clone(d.Examples), completions("Who goes there?", " me").Examples...)}
		moved := 0
		for k, set := range where(t, other, o) {
			if was, known := base[k]; known && was != set {
				moved++
			}
		}
		if moved > 12 {
			t.Errorf("%d of 400 examples moved", moved)
		}
	})
	t.Run("another seed divides otherwise", func(t *testing.T) {
		moved := 0
		for k, set := range where(t, d, SplitOptions{Seed: 8}) {
			if base[k] != set {
				moved++
			}
		}
		if moved < 100 {
			t.Errorf("%d of 400 examples moved", moved)
		}
	})
	t.Run("groups stay together, and every set has its share of every category", func(t *testing.T) {
		p, err := d.Split(o)
		if err != nil {
			t.Fatal(err)
		}
		groups := map[string]int{}
		for n, set := range [][]Example{p.Search, p.Validation, p.HeldOut} {
			count := map[string]int{}
			for _, e := range set {
				if was, known := groups[e.Group]; known && was != n {
					t.Errorf("group %s is in two sets", e.Group)
				}
				groups[e.Group] = n
				count[e.Category]++
			}
			for c, k := range count {
				if share := float64(k) / float64(len(set)); share < 0.25 || share > 0.42 {
					t.Errorf("set %d has %d of category %s in %d", n, k, c, len(set))
				}
			}
		}
	})
}

// No prompt and no near duplicate is in two sets.
func TestSplitLeaksNothing(t *testing.T) {
	d := derivatives(100)
	for i := range 60 {
		e := d.Examples[i]
		e.Prompt, e.Want = strings.ToUpper(e.Prompt)+[]string{"", "?", " now"}[i%3], said(" other")
		d.Examples = append(d.Examples, e)
	}
	for seed := range uint64(20) {
		p, err := d.Split(SplitOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for n, set := range [][]Example{p.Search, p.Validation, p.HeldOut} {
			for _, e := range set {
				key := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(e.Prompt), "?"), " now")
				if was, known := at[key]; known && was != n {
					t.Errorf("seed %d: %q is in two sets", seed, e.Prompt)
				}
				at[key] = n
			}
		}
	}
}

func TestSplitSizes(t *testing.T) {
	for _, c := range []struct {
		n                       int
		o                       SplitOptions
		search, validation, out int
	}{
		{2, SplitOptions{}, 1, 0, 1},
		{20, SplitOptions{}, 14, 0, 6},
		{60, SplitOptions{}, 30, 12, 18},
		{300, SplitOptions{}, 180, 60, 60},
		{300, SplitOptions{HeldOut: 10, Validation: -1}, 290, 0, 10},
		{3000, SplitOptions{}, 1900, 500, 600},
	} {
		d := derivatives(c.n)
		p, err := d.Split(c.o)
		if err != nil || len(p.Search) != c.search || len(p.Validation) != c.validation || len(p.HeldOut) != c.out {
			t.Errorf("%d: %d, %d, %d, %v", c.n, len(p.Search), len(p.Validation), len(p.HeldOut), err)
		}
	}
	for n, o := range map[int]SplitOptions{1: {}, 10: {HeldOut: 10}} {
		if p, err := derivatives(n).Split(o); err == nil {
			t.Errorf("%d examples, %+v: %+v", n, o, p)
		}
	}
}

// Where most examples hang together, that is said, and the strongest reason that leaves
// something to measure with is kept.
func TestSplitFallsBack(t *testing.T) {
	chain := &Dataset{} // each is one word longer than the one before
	for i := range 40 {
		chain.Examples = append(chain.Examples, Example{Kind: Answer, Weight: 1, Prompt: strings.Join(long[:i+5], " "), Want: said("yes")})
	}
	greeted := &Dataset{} // conversations that begin alike
	for i := range 40 {
		g := fmt.Sprint("g", i)
		greeted.Examples = append(greeted.Examples,
			Example{Kind: Answer, Weight: 1, Group: g, Prompt: "hi", Want: said(g)},
			Example{Kind: Answer, Weight: 1, Group: g, Prompt: fmt.Sprintf("the %d of %s", i, long[i]), Want: said("yes")})
	}
	one := completions("a b", "1", "a b", "2", "a b", "3", "c", "4", "d", "5")
	for _, c := range []struct {
		d    *Dataset
		note string
	}{
		{chain, "37 of 40 examples hang together as near duplicates"},
		{greeted, "80 of 80 examples hang together as conversations that share prompts"},
		{one, "3 of 5 examples have one prompt"},
	} {
		p, err := c.d.Split(SplitOptions{})
		if err != nil || len(p.Notes) == 0 || !strings.HasPrefix(p.Notes[0], c.note) || len(p.HeldOut) == 0 {
			t.Errorf("%s: %v", c.note, err)
		}
	}
	if _, err := completions("a", "1", "a", "2", "a", "3").Split(SplitOptions{}); err == nil {
		t.Error("examples of one prompt are divided")
	}
}
