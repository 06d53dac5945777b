package score

import (
	"context"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/search"
)

// derivation goes back through the model once, and adds up what flips of some matrices
// change, block after block of the questions.
type derivation struct {
	e        *Evaluator
	sites    sites
	ends     []int // of the blocks: the question after the last
	portions []*portion
	emit     func(Effects) error // takes what a block says of a matrix

	// What predictions of bits need.
	gradient   []float64                       // ∂fitness/∂ weight·value of every question
	matrixDone func(name string, bits bitSums) // all blocks have said what they say of a matrix

	sums    map[string]*siteSums
	slots   []int     // of every token of some questions
	weights []float32 // of every token of some questions, for bits
	row     []float32
}

// siteSums are what is added up for a matrix.
type siteSums struct {
	rows   []float32 // of the block: [slot][row]
	groups []float32 // of the block: [slot][group][row]
	bits   []float32 // of all blocks: [row][column]
}

// newDerivation is of the questions of an evaluator, cut into blocks, on a patch under which
// they have the given values.
func newDerivation(e *Evaluator, s sites, ends []int, values []float64, emit func(Effects) error) *derivation {
	d := &derivation{e: e, sites: s, ends: ends, emit: emit, sums: map[string]*siteSums{}}
	first := 0
	for _, end := range ends {
		d.portions = append(d.portions, newPortion(e, first, end, values))
		first = end
	}
	return d
}

func (d *derivation) run(ctx context.Context) error {
	t := d.e.trunk
	return t.Gradient(ctx, d.e.weightings(t.Answers()), d.sites.lowest(d.e), d.ends[:len(d.ends)-1], d.visit)
}

// visit adds what one layer says of some questions of one block.
func (d *derivation) visit(l *engine.LayerGradient) error {
	block, _ := slices.BinarySearch(d.ends, l.Questions[0]+1)
	first, blockDone := 0, l.Questions[len(l.Questions)-1] == d.ends[block]-1
	if block > 0 {
		first = d.ends[block-1]
	}
	p := d.portions[block]
	d.slots, d.weights = d.slots[:0], d.weights[:0]
	for _, q := range l.Questions {
		d.slots = append(d.slots, p.slot[q-first])
		if d.gradient != nil {
			d.weights = append(d.weights, float32(d.gradient[q]))
		}
	}
	for k, proj := range l.Projections {
		s := d.sites[proj.Tensor]
		if s == nil {
			continue
		}
		sums := d.add(l, k, s, p)
		if blockDone {
			if err := d.say(s, sums, p); err != nil {
				return err
			}
		}
		if l.Last && d.matrixDone != nil {
			d.matrixDone(s.Name, bitSums{sums.bits, func(r int) []float32 {
				d.row = slices.Grow(d.row[:0], s.Groups*bankai.GroupSize)[:s.Groups*bankai.GroupSize]
				l.Weights(k, r, d.row)
				return d.row
			}})
			delete(d.sums, s.Name)
		}
	}
	return nil
}

// add adds up what a layer says of a matrix, its projection k.
func (d *derivation) add(l *engine.LayerGradient, k int, s *site, p *portion) *siteSums {
	sums := d.sums[s.Name]
	if sums == nil {
		sums = new(siteSums)
		d.sums[s.Name] = sums
	}
	n := len(p.slots) * s.Rows
	if s.wanted[search.Row] {
		sums.rows = sized(sums.rows, n)
		l.AddEffects(k, engine.WholeRow, d.slots, sums.rows)
	}
	if s.wanted[search.Group] {
		sums.groups = sized(sums.groups, n*s.Groups)
		for g := range s.Groups {
			l.AddEffects(k, g, d.slots, sums.groups[g*n:][:n])
		}
	}
	if s.wanted[search.Bit] {
		sums.bits = sized(sums.bits, s.Rows*s.Groups*bankai.GroupSize)
		l.AddOuter(k, 0, s.Rows, d.weights, sums.bits)
	}
	return sums
}

// sized is s, or n zeros if that is nil.
func sized(s []float32, n int) []float32 {
	if s == nil {
		s = make([]float32, n)
	}
	return s
}

// say emits what a block says of a matrix, and lets go of its sums.
func (d *derivation) say(s *site, sums *siteSums, p *portion) error {
	if sums.rows != nil {
		if err := d.emit(Effects{s.Name, search.Row, p.columns, p.effects(sums.rows)}); err != nil {
			return err
		}
	}
	if sums.groups != nil {
		if err := d.emit(p.ofGroups(s, sums.groups)); err != nil {
			return err
		}
	}
	sums.rows, sums.groups = nil, nil
	return nil
}

// ofGroups are the effects of a matrix's groups, of which the sums are [group][slot][row].
func (p *portion) ofGroups(s *site, sums []float32) Effects {
	n, flips := len(p.slots)*s.Rows, s.flips(search.Group)
	said := Effects{s.Name, search.Group, p.columns, make([]float32, len(p.columns)*flips)}
	for g := range s.Groups {
		part := p.effects(sums[g*n:][:n])
		for c := range p.columns {
			copy(said.Data[c*flips+g*s.Rows:], part[c*s.Rows:][:s.Rows])
		}
	}
	return said
}
