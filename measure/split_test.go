package measure

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
)

func TestMerge(t *testing.T) {
	ask := func(name, prompt, correct string) probe.Probe {
		return probe.Probe{Name: name, Prompt: prompt, Correct: correct, Wrong: " x"}
	}
	one := Named{"one.json", probe.Set{ask("a", "2 * 34 =", " 68"), ask("b", "1 + 1 =", " 2"), ask("c", "1+1 =", " 2")}}
	two := Named{"two.json", probe.Set{ask("a", "1 + 2 =", " 3"), ask("d", "23 * 4 =", " 92"), ask("e", "(1 + 2) =", " 3")}}
	m, err := Merge([]Named{one, two})
	if err != nil {
		t.Fatal(err)
	}
	want := probe.Set{one.Set[0], one.Set[1], ask("a_2", "1 + 2 =", " 3")}
	if !reflect.DeepEqual(m, &Merged{Set: want, Repeats: 2, Alike: 1}) {
		t.Errorf("%+v", m)
	}
	two.Set[0] = ask("f", "1 + 1 =", " 3")
	_, err = Merge([]Named{one, two})
	if err == nil || err.Error() != `two.json: probe f answers "1 + 1 =" with " 3", but b of one.json with " 2": take out the one that is wrong` {
		t.Errorf("a contradiction: %v", err)
	}
}

// Of every stretch of the order a category has its share, give or take one, and a
// seed gives one order.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 40), 1, 6).Draw(t, "sizes")
		seed := rapid.Uint64().Draw(t, "seed")
		var set probe.Set
		for c, n := range sizes {
			for i := range n {
				set = append(set, probe.Probe{Name: fmt.Sprint(c, "-", i), Category: fmt.Sprint(c)})
			}
		}
		order := Spread(set, seed)
		if !slices.Equal(order, Spread(set, seed)) {
			t.Fatal("one seed, two orders")
		}
		if sorted := slices.Sorted(slices.Values(order)); len(sorted) != len(set) || len(slices.Compact(sorted)) != len(set) || sorted[0] != 0 {
			t.Fatalf("no permutation: %v", order)
		}
		lo := rapid.IntRange(0, len(set)-1).Draw(t, "lo")
		hi := rapid.IntRange(lo, len(set)).Draw(t, "hi")
		for c, n := range sizes {
			got := 0
			for _, k := range order[lo:hi] {
				if set[k].Category == fmt.Sprint(c) {
					got++
				}
			}
			share := float64(n) * float64(hi-lo) / float64(len(set))
			if off := float64(got) - share; off < -3 || off > 3 {
				t.Errorf("of %d of category %d of %v the stretch [%d, %d) has %d, its share is %.1f", n, c, sizes, lo, hi, got, share)
			}
		}
	})
}

// The first right answers in the order are taken, across batches.
func TestFirstRight(t *testing.T) {
	set := manyProbes()
	s := script{enginetest.Tiny(t, engine.Options{Threads: 2}).Tokenizer(), map[string]string{}, map[string]int{}}
	var want, order []int
	for i := range slices.Backward(set) {
		order = append(order, i)
		s.lines[set[i].Prompt] = " no\n"
		if i%3 == 0 {
			s.lines[set[i].Prompt] = set[i].Correct + "\n"
			want = append(want, i)
		}
	}
	for _, n := range []int{0, 1, 7, 100} {
		got, err := FirstRight(context.Background(), s, nil, set, order, n, nil)
		if err != nil || !slices.Equal(got, want[:min(n, len(want))]) {
			t.Errorf("the first %d: %v, %v", n, got, err)
		}
	}
	last := 0
	if _, err := FirstRight(context.Background(), s, nil, set, order, 100, func(found int) { last = found }); err != nil || last != len(want) {
		t.Errorf("progress ends at %d of %d", last, len(want))
	}
	if !strings.HasPrefix(set[0].Prompt, "0") {
		t.Error("the set has changed")
	}
}

// A sample has its probes in the set's order, the categories in proportion, and is the same
// for the same seed.
func TestSample(t *testing.T) {
	var set probe.Set
	for i := range 100 {
		set = append(set, probe.Probe{Name: fmt.Sprint(i), Category: []string{"a", "a", "a", "b"}[i%4]})
	}
	for _, n := range []int{1, 8, 40, 99} {
		some, of, last := Sample(set, n, 1), map[string]int{}, -1
		for _, p := range some {
			at := slices.IndexFunc(set, func(q probe.Probe) bool { return q.Name == p.Name })
			if at <= last {
				t.Errorf("%d probes: %s stands in another place", n, p.Name)
			}
			last = at
			of[p.Category]++
		}
		if want := float64(n) / 4; len(some) != n || math.Abs(float64(of["b"])-want) > 1 {
			t.Errorf("%d probes: %v", n, of)
		}
		if !reflect.DeepEqual(some, Sample(set, n, 1)) {
			t.Errorf("%d probes: another time, others", n)
		}
	}
	if reflect.DeepEqual(Sample(set, 8, 1), Sample(set, 8, 2)) {
		t.Error("the seed says nothing")
	}
	if got := Sample(set, 101, 1); len(got) != 100 {
		t.Errorf("of 100 probes 101 are %d", len(got))
	}
}
