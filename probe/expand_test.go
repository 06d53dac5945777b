package probe

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bankai/internal/rng"
)

func templates(t *testing.T, text string) []Template {
	t.Helper()
	list, err := ReadTemplates(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestExpand(t *testing.T) {
	x, err := Expand(context.Background(), templates(t, `[
		{"prompt": "d/dx [x^{a} + {b}x] =", "correct": " {a}x^{a-1} + {b}", "wrong": " {a}x^{a-1}",
		 "alternates": [" {b} + {a}x^{a-1}"], "category": "d", "ranges": {"b": [5, 6], "a": [3, 5]}, "where": "a != b"},
		{"prompt": "Half of {n} is", "correct": " {n/2}", "name": "half", "ranges": {"n": [1, 4]}},
		{"prompt": "Half of 2 is", "correct": " {1}", "wrong": " 2"},
		{"prompt": "{s} is a", "correct": " word", "ranges": {"s": ["Cat", "Dog", "Cat"]}}
	]`), 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := func(name, prompt, correct, wrong, other string) Probe {
		return Probe{name, "d", prompt, correct, wrong, []string{other}}
	}
	want := Set{
		d("d_5_3", "d/dx [x^3 + 5x] =", " 3x^2 + 5", " 3x^2", " 5 + 3x^2"),
		d("d_5_4", "d/dx [x^4 + 5x] =", " 4x^3 + 5", " 4x^3", " 5 + 4x^3"),
		d("d_6_3", "d/dx [x^3 + 6x] =", " 3x^2 + 6", " 3x^2", " 6 + 3x^2"),
		d("d_6_4", "d/dx [x^4 + 6x] =", " 4x^3 + 6", " 4x^3", " 6 + 4x^3"),
		d("d_6_5", "d/dx [x^5 + 6x] =", " 5x^4 + 6", " 5x^4", " 6 + 5x^4"),
		{Name: "half", Prompt: "Half of 2 is", Correct: " 1"},
		{Name: "half_2", Prompt: "Half of 4 is", Correct: " 2"},
		{Name: "t4_Cat", Prompt: "Cat is a", Correct: " word"},
		{Name: "t4_Dog", Prompt: "Dog is a", Correct: " word"},
	}
	if !reflect.DeepEqual(x.Set, want) {
		t.Errorf("got  %+v\nwant %+v", x.Set, want)
	}
	if x.Unfit != 1 || x.NotWhole != 2 || x.Duplicates != 1 {
		t.Errorf("%d unfit, %d not whole, %d duplicates", x.Unfit, x.NotWhole, x.Duplicates)
	}
}

func TestExpandFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{
			`[{"prompt": "{a} + 1 =", "correct": " {a+1}", "ranges": {"a": [1, 3]}}, {"prompt": "{a} + {b} =", "correct": " {a+b+1}", "ranges": {"a": [3, 9], "b": [1, 3]}}]`,
			`template 2 with a = 3, b = 1: the answer to "3 + 1 =" is " 5", but " 4" in template 1 with a = 3: put what it depends on into the prompt, or exclude one with "where"`,
		},
		{`{"prompt": "{a}", "correct": "{9^9^a}", "ranges": {"a": [1, 9]}}`, `template 1 with a = 4: "correct", character 3: ^ gives a number of more than 4096 bits`},
		{`{"prompt": "{a}", "correct": "1", "ranges": {"a": [1, 9]}, "where": "9^9^a > 0"}`, `template 1 with a = 4: "where", character 2: ^ gives a number of more than 4096 bits`},
		{`{"prompt": "{s}", "correct": "1", "ranges": {"s": ["x", " "]}}`, `template 1 with s =  : "prompt" comes out empty`},
		{`{"prompt": "{a}", "correct": "1", "alternates": ["{s}"], "ranges": {"a": [1, 2], "s": [""]}}`, `template 1 with a = 1, s = : an entry of "alternates" comes out empty`},
		{`{"prompt": "{a}", "correct": "{a/2}", "ranges": {"a": [1, 3, 5]}, "where": "a > 2"}`, `the templates make no probe: 1 combinations do not fit "where" and 2 have no whole result`},
		{`{"prompt": "\ufffd", "correct": "1"}`, `template 1: has a character that was lost in a conversion (U+FFFD)`},
		{`{"prompt": "` + strings.Repeat("x", 1<<16) + `{a}", "correct": "1", "ranges": {"a": [1, 1000000]}}`, `more than 64 MiB of probes, as much as a probe file may hold: draw a sample of the combinations with -n`},
	} {
		_, err := Expand(context.Background(), templates(t, c.text), 0, 1, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.200s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	_, err := Expand(context.Background(), templates(t, `{"prompt": "{a}", "correct": "1", "ranges": {"a": [1, 100000000000]}, "where": "a == 0"}`), 2, 1, nil)
	if err == nil || !strings.Contains(err.Error(), "of 1000000 combinations in a row none fits") {
		t.Errorf("a hopeless search: %v", err)
	}
	_, err = Expand(context.Background(), templates(t, `{"prompt": "{a}", "correct": "1", "ranges": {"a": [1, 100000001]}}`), 0, 1, nil)
	if err == nil || err.Error() != "more than 100000000 combinations: draw a sample with -n" {
		t.Errorf("too many combinations: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Expand(cancelled, templates(t, `{"prompt": "{a}", "correct": "1", "ranges": {"a": [1, 100000]}}`), 0, 1, nil); err != context.Canceled {
		t.Errorf("an interrupted expansion: %v", err)
	}
}

// A sample is repeatable, without repetitions, even over templates and values,
// and takes from the larger template what the smaller does not have.
func TestSample(t *testing.T) {
	list := templates(t, `[
		{"prompt": "{a} times {b} is", "correct": " {a*b}", "category": "times", "ranges": {"a": [1, 10], "b": [1, 1000000000]}},
		{"prompt": "{a} plus {b} plus {c} is", "correct": " {a+b+c}", "category": "plus", "ranges": {"a": [0, 9], "b": [0, 9], "c": [0, 9]}, "where": "a != b"},
		{"prompt": "Twice {a} is", "correct": " {2*a}", "category": "twice", "ranges": {"a": [1, 5]}}
	]`)
	draw := func(n int, seed uint64) (Set, map[string]int) {
		x, err := Expand(context.Background(), list, n, seed, nil)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for _, p := range x.Set {
			counts[p.Category]++
			counts[p.Prompt]++
			if p.Category == "plus" {
				for i, word := range strings.Fields(p.Prompt) {
					counts[fmt.Sprintf("%d:%s", i, word)]++
				}
			}
		}
		return x.Set, counts
	}
	set, counts := draw(65, 1)
	if len(set) != 65 || counts["times"] != 30 || counts["plus"] != 30 || counts["twice"] != 5 {
		t.Errorf("%d probes: %v", len(set), counts)
	}
	for _, place := range []int{0, 2, 4} {
		for digit := range 10 {
			if n := counts[fmt.Sprintf("%d:%d", place, digit)]; n < 2 || n > 4 {
				t.Errorf("value %d of variable %d occurs %d times in a sample of 30", digit, place/2, n)
			}
		}
	}
	for _, p := range set {
		if counts[p.Prompt] != 1 {
			t.Errorf("%q was drawn twice", p.Prompt)
		}
	}
	if again, _ := draw(65, 1); !reflect.DeepEqual(set, again) {
		t.Error("one seed gives two samples")
	}
	if other, _ := draw(65, 2); reflect.DeepEqual(set, other) {
		t.Error("two seeds give one sample")
	}
	if whole, err := Expand(context.Background(), list[1:], 100000, 3, nil); err != nil || len(whole.Set) != 900+5 || whole.Unfit != 100 {
		t.Errorf("a sample larger than all there is: %v", err)
	}
}

func TestPermutation(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4, 5, 17, 64, 65, 1000} {
		p := newPermutation(n, rng.Numbered(n, 0))
		seen := map[uint64]bool{}
		for i := range n {
			if v := p.at(i); v >= n || seen[v] {
				t.Fatalf("n = %d: %d comes twice or is too large", n, v)
			} else {
				seen[v] = true
			}
		}
	}
	p := newPermutation(maxCombinations, rng.Numbered(1, 0))
	if a, b := p.at(0), p.at(maxCombinations-1); a == b || a >= maxCombinations || b >= maxCombinations {
		t.Errorf("of 2^62 numbers: %d and %d", a, b)
	}
}
