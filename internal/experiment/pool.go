package experiment

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/rng"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/score"
	"bankai/search"
)

// The parts of a model of which bits are drawn, and the scales.
var (
	wheres = []string{"mlp", "attention", "delta-net", "embedding", "head", "all"}
	scales = []string{"any", "medium", "high"}
)

// pool is the pieces of some tensors that can be drawn: rows, groups or bits. Its
// units are what has a scale, the rows or groups; a piece is a unit, or a bit of
// one.
type pool struct {
	tensors []search.Matrix
	size    search.Granularity
	ends    []uint64 // units of the tensors up to and with each
	only    []uint64 // the units that count, ascending; nil: all
}

// newPool is the pieces of a part of the model whose scale is as named.
func newPool(f *weights.File, where string, layers []int, size search.Granularity, scale string) (*pool, error) {
	tensors, err := tensorsOf(f, where, layers)
	if err != nil {
		return nil, err
	}
	p := &pool{tensors: tensors, size: size}
	n := uint64(0)
	for _, t := range tensors {
		n += uint64(t.Rows) * p.unitsOfRow(t)
		p.ends = append(p.ends, n)
	}
	if scale != "any" {
		p.restrict(scale)
	}
	return p, nil
}

// tensorsOf are the 1-bit matrices of a part of the model. Layers, none meaning
// all, choose among those of the layers.
func tensorsOf(f *weights.File, where string, layers []int) ([]search.Matrix, error) {
	switch where {
	case "mlp", "attention", "delta-net":
		projections, _ := siteProjections(f, layers, where)
		return score.Matrices(f, layers, projections)
	case "embedding":
		return outside(f, weights.Embedding), nil
	case "head":
		head := outside(f, weights.Head)
		if len(head) == 0 {
			return nil, errors.New("the model has no head of its own: its embedding is the head, so ask for embedding")
		}
		return head, nil
	}
	all, err := score.Matrices(f, layers, score.ProjectionsOf(f, layers))
	return append(append(all, outside(f, weights.Embedding)...), outside(f, weights.Head)...), err
}

// outside is the 1-bit matrices of a part of the model that is in no layer.
func outside(f *weights.File, part weights.Part) (ms []search.Matrix) {
	for _, s := range f.Config().Tensors() {
		if s.Part == part && s.Kind == weights.OneBit {
			t, _ := f.Tensor(s.Name)
			ms = append(ms, score.MatrixOf(t))
		}
	}
	return ms
}

func (p *pool) unitsOfRow(t search.Matrix) uint64 {
	if p.size == search.Row {
		return 1
	}
	return uint64(t.Groups)
}

// restrict leaves the units of medium scale, from the 40 % to the 60 % quantile,
// or of high scale, from the 80 % quantile on. The quantiles are over all units
// of the pool; those that equal one belong to it.
func (p *pool) restrict(scale string) {
	count := map[float64]uint64{}
	n := uint64(0)
	for _, s := range p.unitScales() {
		count[s]++
		n++
	}
	values := slices.Sorted(maps.Keys(count))
	at := func(rank uint64) float64 { // the scale with rank values below it
		for _, v := range values {
			if rank < count[v] {
				return v
			}
			rank -= count[v]
		}
		return math.Inf(1)
	}
	low, high := at(n*2/5), at((n*3+4)/5-1)
	if scale == "high" {
		low, high = at(n*4/5), math.Inf(1)
	}
	for unit, s := range p.unitScales() {
		if s >= low && s <= high {
			p.only = append(p.only, unit)
		}
	}
}

// unitScales goes through all units with their scales: a group's, or the mean of
// a row's groups, in units of 2^-24.
func (p *pool) unitScales() func(yield func(uint64, float64) bool) {
	return func(yield func(uint64, float64) bool) {
		unit := uint64(0)
		for _, t := range p.tensors {
			for r := range t.Rows {
				if p.size == search.Row {
					if !yield(unit, rowScale(t, r)) {
						return
					}
					unit++
					continue
				}
				for g := range t.Groups {
					if !yield(unit, float64(t.Scale(r, g))) {
						return
					}
					unit++
				}
			}
		}
	}
}

// rowScale is the mean scale of a row, in units of 2^-24. The sum is a whole
// number, and exact.
func rowScale(t search.Matrix, row int) float64 {
	var sum uint64
	for g := range t.Groups {
		sum += t.Scale(row, g)
	}
	return float64(sum) / float64(t.Groups)
}

// perUnit is the number of pieces in a unit.
func (p *pool) perUnit() uint64 {
	if p.size == search.Bit {
		return bankai.GroupSize
	}
	return 1
}

func (p *pool) units() uint64 {
	if p.only != nil {
		return uint64(len(p.only))
	}
	return p.ends[len(p.ends)-1]
}

// pieces is how many pieces there are to draw from.
func (p *pool) pieces() uint64 { return p.units() * p.perUnit() }

// allBits is the number of weights of the tensors, of whatever scale.
func (p *pool) allBits() uint64 {
	n := uint64(0)
	for _, t := range p.tensors {
		n += uint64(t.Rows) * uint64(t.Groups) * bankai.GroupSize
	}
	return n
}

// flip is the piece of a number below pieces.
func (p *pool) flip(piece uint64) bankai.Flip {
	unit := piece / p.perUnit()
	if p.only != nil {
		unit = p.only[unit]
	}
	i, found := slices.BinarySearch(p.ends, unit)
	if found {
		i++
	}
	t := p.tensors[i]
	if i > 0 {
		unit -= p.ends[i-1]
	}
	f := bankai.Flip{Tensor: t.Name, Row: uint32(unit / p.unitsOfRow(t)), N: uint32(t.Groups * bankai.GroupSize)}
	switch group := uint32(unit%p.unitsOfRow(t)) * bankai.GroupSize; p.size {
	case search.Group:
		f.Col, f.N = group, bankai.GroupSize
	case search.Bit:
		f.Col, f.N = group+uint32(piece%p.perUnit()), 1
	}
	return f
}

// flipChunk is how many pieces are turned into flips at once.
const flipChunk = 1 << 20

// flipped does work on the workbench with the pieces flipped in place, and takes them
// off again. It returns the number of bits that were.
func (p *pool) flipped(w *engine.Workbench, pieces []uint64, work func() error) (bits uint64, err error) {
	var on []*bankai.Patch
	defer func() {
		for _, patch := range on {
			err = errors.Join(err, w.Apply(patch))
		}
	}()
	for chunk := range slices.Chunk(pieces, flipChunk) {
		patch := p.patch(chunk)
		if err := w.Apply(patch); err != nil {
			return 0, err
		}
		on = append(on, patch)
		for _, f := range patch.Flips() {
			bits += uint64(f.N)
		}
	}
	return bits, work()
}

func (p *pool) patch(pieces []uint64) *bankai.Patch {
	flips := make([]bankai.Flip, len(pieces))
	for i, piece := range pieces {
		flips[i] = p.flip(piece)
	}
	return bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)
}

// drawStream tells the random numbers of draws from those of other uses.
const drawStream = 0xd4a37b15

// drawing is the random numbers of one draw: a stream for each name, however long.
func drawing(seed uint64, name string) *rng.Stream {
	h := fnv.New64a()
	io.WriteString(h, name)
	return rng.Numbered(seed, h.Sum64()^drawStream)
}

// draw returns n different numbers below total, ascending, every such set being
// equally likely: none of its steps treats one number unlike another. Its memory
// goes with n.
func draw(random *rng.Stream, n, total uint64) []uint64 {
	if n > total/2 {
		return others(draw(random, total-n, total), total)
	}
	drawn := make([]uint64, 0, n)
	for uint64(len(drawn)) < n {
		for uint64(len(drawn)) < n {
			drawn = append(drawn, random.Below(total))
		}
		slices.Sort(drawn)
		drawn = slices.Compact(drawn)
	}
	return drawn
}

// others are the numbers below total that are not in drawn, which ascends.
func others(drawn []uint64, total uint64) []uint64 {
	rest := make([]uint64, 0, total-uint64(len(drawn)))
	for i := range total {
		if len(drawn) > 0 && drawn[0] == i {
			drawn = drawn[1:]
			continue
		}
		rest = append(rest, i)
	}
	return rest
}

// oneOf refuses what is not in a list.
func oneOf(what, value string, list []string) error {
	if !slices.Contains(list, value) {
		return fmt.Errorf("unknown %s %q: use %s", what, value, strings.Join(list, ", "))
	}
	return nil
}

// thousands is a large number for people.
func thousands(n uint64) string { return text.Thousands(int64(n)) }
