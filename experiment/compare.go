package experiment

import (
	"context"

	"bankai"
	"bankai/evaluate"
)

// Comparison is many patches on one yardstick, each alone.
type Comparison struct {
	About
	Probes    string     `json:"probes"`
	Base      Estimate   `json:"base"`    // share of right answers without a patch
	Patches   []Compared `json:"patches"` // as given
	Pairs     []Duel     `json:"pairs"`   // every two of them
	Generated Generated  `json:"generated"`
}

// Compared is a patch against the model without one. Its p-value is adjusted for
// the number of patches.
type Compared struct {
	PatchSize
	AnswerChange
}

// Duel is two patches on the same questions. Answers that both give right, or
// both wrong, say nothing of which is better.
type Duel struct {
	A     string `json:"a"`
	B     string `json:"b"`
	OnlyA int    `json:"only_a"` // answers that A alone gives right
	OnlyB int    `json:"only_b"` // that B alone does
	Test         // adjusted for the number of pairs
}

// CompareOptions choose the patches and the questions.
type CompareOptions struct {
	Patches []NamedPatch // one at least
	Probes  evaluate.Named
}

// MeasureComparison lets the model answer the probes by greedy generation, as it
// is and under each of the patches.
func MeasureComparison(ctx context.Context, r *Run, o CompareOptions) (*Comparison, error) {
	patches, sizes, err := fitPatches(r.Model, o.Patches, 1)
	if err != nil {
		return nil, err
	}
	a := answering{r.Model, append([]*bankai.Patch{noPatch(r.Model)}, patches...), []evaluate.Named{o.Probes}}
	if err := checkSets(ctx, r.Model, a.sets); err != nil {
		return nil, err
	}
	done, err := doJobs(ctx, r, a.jobs())
	if err != nil {
		return nil, err
	}
	c := &Comparison{Probes: o.Probes.Name, Generated: Generated{By: []string{base}}}
	var by []*evaluate.Measurement // base, then the patches
	for _, sets := range a.collect(done) {
		by = append(by, sets[0])
	}
	c.compare(sizes, by)
	c.Generated.keep(o.Probes, by)
	return c, nil
}

// compare sets all answers against those of the base, and every two patches
// against each other.
func (c *Comparison) compare(sizes []PatchSize, by []*evaluate.Measurement) {
	all := allOf(len(by[0].Right))
	for i, s := range sizes {
		c.Patches = append(c.Patches, Compared{s, changeOf(by[0], by[i+1], all)})
		c.Generated.By = append(c.Generated.By, s.Name)
	}
	var tests []*Test
	for i := range c.Patches {
		tests = append(tests, &c.Patches[i].Test)
	}
	adjust(tests)
	c.Base = c.Patches[0].ShareBefore
	for i, a := range sizes {
		for j, b := range sizes[:i] {
			d := duel(by[j+1], by[i+1])
			d.A, d.B = b.Name, a.Name
			c.Pairs = append(c.Pairs, d)
		}
	}
	tests = nil
	for i := range c.Pairs {
		tests = append(tests, &c.Pairs[i].Test)
	}
	adjust(tests)
}

// duel counts the answers on which two measurements differ.
func duel(a, b *evaluate.Measurement) (d Duel) {
	c := countsOf(a.Right, b.Right)
	d.OnlyA, d.OnlyB, d.Test = c.Broke, c.Fixed, mcNemar(c.Fixed, c.Broke)
	return d
}

// Texts implements Rescorable.
func (c *Comparison) Texts() Generated { return c.Generated }
