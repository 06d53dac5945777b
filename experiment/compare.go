package experiment

import (
	"context"

	"bankai"
	"bankai/evaluate"
)

// Comparison is many patches on one yardstick, each alone.
type Comparison struct {
	About
	Probes    string         `json:"probes"`
	Base      Estimate       `json:"base"`    // share of right answers without a patch
	Patches   []Compared     `json:"patches"` // as given
	Pairs     []PairwiseTest `json:"pairs"`   // every two of them
	Generated Generated      `json:"generated"`
}

// Compared is a patch against the model without one. Its p-value is adjusted for
// the number of patches.
type Compared struct {
	PatchSize
	AnswerChange
}

// PairwiseTest is two patches on the same questions. Answers that both give right, or
// both wrong, say nothing of which is better.
type PairwiseTest struct {
	A       string `json:"a"`
	B       string `json:"b"`
	OnlyA   int    `json:"only_a"` // answers that A alone gives right
	OnlyB   int    `json:"only_b"` // that B alone does
	McNemar        // adjusted for the number of pairs
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
	c := &Comparison{Probes: o.Probes.Name, Generated: Generated{By: []string{Base}}}
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
	var tests []*McNemar
	for i := range c.Patches {
		tests = append(tests, &c.Patches[i].McNemar)
	}
	AdjustHolm(tests)
	c.Base = c.Patches[0].ShareBefore
	for i, a := range sizes {
		for j, b := range sizes[:i] {
			d := pairwiseTest(by[j+1], by[i+1])
			d.A, d.B = b.Name, a.Name
			c.Pairs = append(c.Pairs, d)
		}
	}
	tests = nil
	for i := range c.Pairs {
		tests = append(tests, &c.Pairs[i].McNemar)
	}
	AdjustHolm(tests)
}

// pairwiseTest counts the answers on which two measurements differ.
func pairwiseTest(a, b *evaluate.Measurement) (d PairwiseTest) {
	c := CountsOf(a.Right, b.Right)
	d.OnlyA, d.OnlyB, d.McNemar = c.Broke, c.Fixed, NewMcNemar(c.Fixed, c.Broke)
	return d
}

// Texts implements Rescorable.
func (c *Comparison) Texts() Generated { return c.Generated }
