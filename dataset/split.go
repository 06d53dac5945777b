package dataset

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/internal/rng"
	"bankai/internal/text"
)

// SplitOptions say how examples are divided. A size is in examples; 0 is what suits the
// data, and a negative one is none.
type SplitOptions struct {
	Seed       uint64
	Validation int
	HeldOut    int
}

// Parts are examples in sets of which no two share a prompt, a group or a near duplicate.
type Parts struct {
	Search     []Example // to learn from
	Validation []Example // to choose settings by
	HeldOut    []Example // for the result

	Clusters int // of examples that must stay together; one alone is a cluster too
	Near     int // examples that a near duplicate ties to others
	Largest  int // examples of the largest cluster
	Notes    []string
}

const (
	mostHeldOut    = 2000 // at 2,000 questions a share is known to two points
	mostValidation = 500
	fewForThree    = 40 // below, no examples are spared for validation
	fewForFifth    = 100
	smallStratum   = 5 // kinds of fewer examples are divided together
)

// defaults are the sizes that suit n examples: a fifth each, three tenths held out of few,
// and no validation of very few.
func (o SplitOptions) sizes(n int) (validation, heldOut int) {
	heldOut = min(n/5, mostHeldOut)
	if n < fewForFifth {
		heldOut = (3*n + 5) / 10
	}
	validation = min(n/5, mostValidation)
	if n < fewForThree {
		validation = 0
	}
	pick := func(asked, suits int) int {
		switch {
		case asked < 0:
			return 0
		case asked > 0:
			return asked
		}
		return suits
	}
	return pick(o.Validation, validation), pick(o.HeldOut, heldOut)
}

// Split divides the examples. Where an example goes depends on its content and the seed,
// not on its place: a file in another order is divided alike, and further examples move
// only few.
func (d *Dataset) Split(o SplitOptions) (*Parts, error) {
	n := len(d.Examples)
	validation, heldOut := o.sizes(n)
	if validation+heldOut >= n {
		return nil, fmt.Errorf("%s and %d to validate and %d to hold out: none is left to learn from; ask for less, or give more examples", text.Count(n, "example"), validation, heldOut)
	}
	p := &Parts{}
	clusters := p.cluster(d.Examples)
	p.Clusters = len(clusters)
	if len(clusters) == 1 {
		return nil, errors.New("all examples belong together, by their prompts, groups or near duplicates: none can be held out")
	}
	sets := assign(d.Examples, clusters, o.Seed, validation, heldOut)
	for i := range d.Examples {
		to := &p.Search
		switch sets[i] {
		case inValidation:
			to = &p.Validation
		case inHeldOut:
			to = &p.HeldOut
		}
		*to = append(*to, d.Examples[i])
	}
	return p, p.check(validation, heldOut)
}

// check refuses a division that leaves nothing to learn from or to measure with.
func (p *Parts) check(validation, heldOut int) error {
	if len(p.Search) == 0 || heldOut > 0 && len(p.HeldOut) == 0 {
		return fmt.Errorf("the %s of examples that belong together are too few to hold some out: give more that differ", text.Count(p.Clusters, "cluster"))
	}
	for _, x := range []struct {
		name      string
		want, got int
	}{{"validate", validation, len(p.Validation)}, {"hold out", heldOut, len(p.HeldOut)}} {
		if x.got*2 < x.want {
			p.Notes = append(p.Notes, fmt.Sprintf("only %d instead of %d examples are there to %s, since many belong together", x.got, x.want, x.name))
		}
	}
	return nil
}

// cluster returns the indices of examples that must stay together. If that would be more
// than half of all, it is tried with fewer reasons, which a note says.
func (p *Parts) cluster(examples []Example) [][]int {
	prompts := make([]uint64, len(examples))
	for i := range examples {
		prompts[i] = hashText(examples[i].normalPrompt())
	}
	u := newUnion(len(examples))
	u.joinEqual(prompts)
	only := u.clone() // the same prompts alone
	u.joinGroups(examples)
	grouped := u.clone()
	p.Near = u.joinNear(examples)
	largest := func(u *union) int { return largestOf(u.clusters()) }
	p.Largest = largest(u)
	if p.Largest*2 <= len(examples) {
		return u.clusters()
	}
	if n := largest(grouped); p.Near > 0 && n*2 <= len(examples) {
		p.Notes = append(p.Notes, fmt.Sprintf("%d of %d examples hang together as near duplicates, too many to divide: they are divided all the same, so that what is held out may resemble what is learnt, and the result may be too good", p.Largest, len(examples)))
		p.Near, p.Largest = 0, n
		return grouped.clusters()
	}
	if n := largest(only); n*2 <= len(examples) {
		p.Notes = append(p.Notes, fmt.Sprintf("%d of %d examples hang together as conversations that share prompts: conversations are divided all the same, and only the same prompts are kept together, so that the result may be too good", p.Largest, len(examples)))
		p.Near, p.Largest = 0, n
		return only.clusters()
	}
	p.Notes = append(p.Notes, fmt.Sprintf("%d of %d examples have one prompt, or belong to one conversation: they are all learnt from, and the result is of the others alone", p.Largest, len(examples)))
	return u.clusters()
}

func largestOf(clusters [][]int) int {
	n := 0
	for _, c := range clusters {
		n = max(n, len(c))
	}
	return n
}

// normalPrompt is what an example asks, case, punctuation at the ends of words and white
// space aside, without what a system says to all; of a text the text.
func (e *Example) normalPrompt() string {
	var b strings.Builder
	add := func(s string) {
		for f := range strings.FieldsSeq(strings.ToLower(s)) {
			if f = strings.TrimRight(f, ".,;:?!"); f != "" {
				b.WriteString(f)
				b.WriteByte(' ')
			}
		}
	}
	add(e.compared())
	if b.Len() == 0 {
		b.WriteString(e.compared())
	}
	return b.String()
}

// compared is the text of an example by which it resembles others.
func (e *Example) compared() string {
	if e.Kind == Text {
		return e.Want.Content
	}
	if e.Messages == nil {
		return e.Prompt
	}
	var b strings.Builder
	for _, m := range e.Messages {
		if m.Role != "system" {
			b.WriteString(m.Content)
			b.WriteByte('\n')
			for _, c := range m.ToolCalls {
				b.WriteString(c.Name + " " + string(c.Arguments) + "\n")
			}
		}
	}
	return b.String()
}

// The sets, as numbers.
const (
	inSearch = iota
	inValidation
	inHeldOut
)

// contentHash is the same for examples that teach the same.
func (e *Example) contentHash() uint64 {
	d := e.digest(e.context())
	return binary.LittleEndian.Uint64(d[:])
}

// draw is a cluster with its place in an order that only its content and the seed decide.
type draw struct {
	at      uint64
	members []int
}

// assign gives each example its set: within a stratum, clusters are taken in an order drawn
// for each, first to hold out, then to validate with.
func assign(examples []Example, clusters [][]int, seed uint64, validation, heldOut int) []int {
	strata := map[string][]draw{}
	sizes := map[string]int{}
	for i := range examples {
		sizes[examples[i].stratum()]++
	}
	for _, c := range clusters {
		least, stratum := examples[c[0]].contentHash(), examples[c[0]].stratum()
		for _, k := range c[1:] {
			least = min(least, examples[k].contentHash())
			stratum = min(stratum, examples[k].stratum())
		}
		if sizes[stratum] < smallStratum {
			stratum = ""
		}
		strata[stratum] = append(strata[stratum], draw{rng.Numbered(seed, least).Uint64(), c})
	}
	sets := make([]int, len(examples))
	n := float64(len(examples))
	for name, list := range strata {
		slices.SortFunc(list, func(a, b draw) int { return cmp.Compare(a.at, b.at) })
		count := 0
		for _, x := range list {
			count += len(x.members)
		}
		dither := rng.Numbered(seed, hashText(name))
		if len(strata) == 1 {
			dither = nil
		}
		quota := func(size int) int {
			share := float64(size) / n * float64(count)
			if dither == nil {
				return int(math.Round(share))
			}
			return int(share + dither.Float64())
		}
		fill(list, sets, quota(heldOut), quota(validation))
	}
	return sets
}

// fill takes clusters until the quotas are met; one that is too large for what is left of
// a quota is passed over.
func fill(list []draw, sets []int, heldOut, validation int) {
	for _, x := range list {
		set := inSearch
		switch n := len(x.members); {
		case n <= heldOut:
			set, heldOut = inHeldOut, heldOut-n
		case n <= validation:
			set, validation = inValidation, validation-n
		}
		for _, k := range x.members {
			sets[k] = set
		}
	}
}

// stratum is the kind of example of which every set has its share.
func (e *Example) stratum() string { return string(e.Kind) + "\x00" + e.Category + "\x00" + e.Label }
