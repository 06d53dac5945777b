package experiment

import (
	"context"
	"fmt"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
)

// Stack is what patches do alone, in pairs and all together.
type Stack struct {
	About
	Sets         []StackSet     `json:"sets"`
	Patches      []PatchSize    `json:"patches"`
	Combinations []Combination  `json:"combinations"` // each alone, every pair, all
	Overlaps     []Overlap      `json:"overlaps"`     // of every pair, then of all
	Orders       OrderCheck     `json:"orders"`
	Interference []Interference `json:"interference"` // of every pair, then of all
	Probes       []Interfered   `json:"probes"`       // by how far they interfere, farthest first
	Generated    Generated      `json:"generated"`
}

// StackSet is a set of questions.
type StackSet struct {
	Name   string `json:"name"`
	Probes int    `json:"probes"`
	Before int    `json:"before"` // right answers of the model as it is
}

// Combination is the patches of some numbers at once. Its p-value is adjusted
// for the number of combinations.
type Combination struct {
	Members []int  `json:"members"` // indices of Stack.Patches, ascending
	Name    string `json:"name"`
	Bits    uint64 `json:"bits"`  // inverted: those that two of them share stay as they were
	Right   []int  `json:"right"` // answers in each set
	AnswerChange
}

// StackOptions choose the patches and the questions.
type StackOptions struct {
	Patches []NamedPatch     // two at least
	Probes  []evaluate.Named // one at least, no prompt in two of them
}

// MeasureStack lets the model answer under every combination, and checks on some
// probes that neither the order in which patches are applied nor that in which
// they are taken off changes a bit of the logits.
func MeasureStack(ctx context.Context, r *Run, o StackOptions) (*Stack, error) {
	patches, sizes, err := fitPatches(r.Model, o.Patches, 2)
	if err != nil {
		return nil, err
	}
	for i, p := range sizes {
		for _, q := range sizes[:i] {
			if p.Digest == q.Digest {
				return nil, fmt.Errorf("%s: flips what %s flips, so that both together do nothing: give one of them", p.Name, q.Name)
			}
		}
	}
	if err := checkSets(ctx, r.Model, o.Probes); err != nil {
		return nil, err
	}
	s := &Stack{Patches: sizes, Generated: Generated{By: []string{Base}}}
	a := answering{r.Model, []*bankai.Patch{noPatch(r.Model)}, o.Probes}
	for _, members := range combinations(len(patches)) {
		p, err := s.combine(r.Model, patches, members)
		if err != nil {
			return nil, err
		}
		a.patches = append(a.patches, p)
	}
	if s.Overlaps, err = overlaps(r.Model, patches); err != nil {
		return nil, err
	}
	orders := newOrdering(r, patches, o.Probes)
	done, err := doJobs(ctx, r, append(a.jobs(), orders.jobs()...))
	if err != nil {
		return nil, err
	}
	s.answer(o.Probes, a.collect(done))
	s.Orders = orders.check(done)
	return s, nil
}

// combinations are every one of n, every pair, and, of three or more, all.
func combinations(n int) (all [][]int) {
	for i := range n {
		all = append(all, []int{i})
	}
	all = append(all, pairs(n)...)
	if n > 2 {
		all = append(all, allOf(n))
	}
	return all
}

// pairs are every two of n.
func pairs(n int) (all [][]int) {
	for i := range n {
		for j := i + 1; j < n; j++ {
			all = append(all, []int{i, j})
		}
	}
	return all
}

// combine adds a combination and returns its patch.
func (s *Stack) combine(m *engine.Model, patches []*bankai.Patch, members []int) (*bankai.Patch, error) {
	var some []*bankai.Patch
	var names []string
	for _, i := range members {
		some, names = append(some, patches[i]), append(names, s.Patches[i].Name)
	}
	p, err := xorOf(m, some...)
	if err != nil {
		return nil, err
	}
	c := Combination{Members: members, Name: strings.Join(names, " ^ ")}
	c.Bits, _ = p.Bits()
	s.Combinations = append(s.Combinations, c)
	s.Generated.By = append(s.Generated.By, c.Name)
	return p, nil
}

// answer sums up what each combination answered: by patch, the base first, and
// by set.
func (s *Stack) answer(sets []evaluate.Named, got [][]*evaluate.Measurement) {
	var whole []*evaluate.Measurement
	for _, parts := range got {
		whole = append(whole, joined(parts))
	}
	for k, set := range sets {
		var by []*evaluate.Measurement
		for _, parts := range got {
			by = append(by, parts[k])
		}
		s.Sets = append(s.Sets, StackSet{set.Name, len(set.Set), rightOf(by[0])})
		for i := range s.Combinations {
			s.Combinations[i].Right = append(s.Combinations[i].Right, rightOf(by[i+1]))
		}
		s.Generated.keep(set, by)
	}
	var tests []*McNemar
	for i := range s.Combinations {
		c := &s.Combinations[i]
		c.AnswerChange = changeOf(whole[0], whole[i+1], allOf(len(whole[0].Right)))
		tests = append(tests, &c.McNemar)
	}
	AdjustHolm(tests)
	s.interfere(whole)
}

func rightOf(m *evaluate.Measurement) (n int) {
	for _, right := range m.Right {
		n += one(right)
	}
	return n
}

// Texts implements Rescorable.
func (s *Stack) Texts() Generated { return s.Generated }
