package anatomy

import (
	"context"
	"slices"

	"bankai"
)

// Combination is what comes of several patches together: their XOR, and what of them is
// lost in it.
type Combination struct {
	Parts       []Amount      `json:"parts"` // of each patch, in the order that they were given in
	Together    Amount        `json:"together"`
	Content     int64         `json:"content_bytes"` // of their XOR, without provenance, in the compact form
	Digest      bankai.Digest `json:"digest"`        // of what the XOR does
	Cancelled   Amount        `json:"cancelled"`     // bits that an even number of the patches invert: they stay as they were
	Overlapping Amount        `json:"overlapping"`   // bits that more than one of the patches inverts
	Pairs       []PairShares  `json:"pairs"`         // of patches that touch a tensor in common
	Cells       []CombinedOf  `json:"cells"`         // by tensor

	Sum *bankai.Patch `json:"-"` // the XOR, without provenance
}

// PairShares are what two of several patches have in common.
type PairShares struct {
	A             int      `json:"a"` // which of the patches, from 0
	B             int      `json:"b"` // another, after A
	Relation      Relation `json:"relation"`
	Shared        Amount   `json:"shared"`         // bits of both
	CommonRows    int      `json:"common_rows"`    // in which both flip something, be it the same or not
	CommonTensors int      `json:"common_tensors"` // in which both do
}

// CombinedOf is what several patches do to one tensor.
type CombinedOf struct {
	Tensor    string `json:"tensor"`
	Layer     *int   `json:"layer"` // null for the embedding and the head
	Proj      string `json:"proj"`
	Patches   int    `json:"patches"` // that flip something in it
	Together  Amount `json:"together"`
	Cancelled Amount `json:"cancelled"`
}

// Combine puts patches together. Its errors are those of [bankai.Patch.Xor], and that of
// ctx, which is asked between two pairs.
func Combine(ctx context.Context, patches []*bankai.Patch) (*Combination, error) {
	none := bankai.New(bankai.Digest{}, bankai.Meta{})
	sum, some, many := none, none, none // what an odd number inverts, what any does, and what more than one does
	c := &Combination{Parts: []Amount{}, Pairs: []PairShares{}, Cells: []CombinedOf{}}
	for _, p := range patches {
		again, err := some.And(p)
		if err != nil {
			return nil, err
		}
		if many, err = union(many, again); err != nil {
			return nil, err
		}
		if some, err = union(some, p); err != nil {
			return nil, err
		}
		if sum, err = sum.Xor(p); err != nil {
			return nil, err
		}
		c.Parts = append(c.Parts, amountOf(p))
	}
	cancelled, err := some.Xor(sum)
	if err != nil {
		return nil, err
	}
	c.Sum, c.Digest = sum, sum.ContentDigest()
	c.Together, c.Cancelled, c.Overlapping = amountOf(sum), amountOf(cancelled), amountOf(many)
	if c.Content, err = sum.ContentSize(); err != nil {
		return nil, err
	}
	c.Cells = combinedCells(patches, some, sum, cancelled)
	c.Pairs, err = pairsOf(ctx, patches)
	return c, err
}

// union is the patch of the bits that either of two inverts.
func union(p, q *bankai.Patch) (*bankai.Patch, error) {
	both, err := p.And(q)
	if err != nil {
		return nil, err
	}
	either, err := p.Xor(q)
	if err != nil {
		return nil, err
	}
	return either.Xor(both)
}

// amountOf is how much a patch flips.
func amountOf(p *bankai.Patch) Amount {
	rows := 0
	for _, n := range touched(p) {
		rows += n
	}
	return Amount{p.Len(), KnownBits(p), rows}
}

// touched counts the rows in which a patch flips something, by tensor.
func touched(p *bankai.Patch) map[string]int {
	rows := map[string]int{}
	var last row
	for i, f := range p.Flips() {
		if now := (row{f.Tensor, f.Row}); i == 0 || now != last {
			rows[f.Tensor]++
			last = now
		}
	}
	return rows
}

// combinedCells are the tensors that some of the patches flip bits of.
func combinedCells(patches []*bankai.Patch, some, sum, cancelled *bankai.Patch) []CombinedOf {
	cells, at := []CombinedOf{}, map[string]int{}
	for i, f := range FlipsByTensor(some) {
		at[f.Tensor] = i
		cells = append(cells, CombinedOf{Tensor: f.Tensor, Layer: f.Layer, Proj: f.Proj, Together: Amount{Bits: new(uint64)}, Cancelled: Amount{Bits: new(uint64)}})
	}
	for _, p := range patches {
		for tensor := range touched(p) {
			cells[at[tensor]].Patches++
		}
	}
	for _, part := range []struct {
		patch *bankai.Patch
		of    func(c *CombinedOf) *Amount
	}{
		{sum, func(c *CombinedOf) *Amount { return &c.Together }},
		{cancelled, func(c *CombinedOf) *Amount { return &c.Cancelled }},
	} {
		rows := touched(part.patch)
		for _, f := range FlipsByTensor(part.patch) {
			*part.of(&cells[at[f.Tensor]]) = Amount{f.Flips, f.Bits, rows[f.Tensor]}
		}
	}
	return cells
}

// pairsOf compares every two patches that touch a tensor in common. Rows are compared
// first, for most patches share none and their bits need no look.
func pairsOf(ctx context.Context, patches []*bankai.Patch) ([]PairShares, error) {
	pairs, rows := []PairShares{}, orderedRows(patches)
	for a := range patches {
		for b := a + 1; b < len(patches); b++ {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p := PairShares{A: a, B: b, Relation: Independent, Shared: Amount{Bits: new(uint64)}}
			p.CommonTensors = commonTensors(rows[a], rows[b])
			if p.CommonTensors == 0 {
				continue
			}
			if p.CommonRows = common(rows[a], rows[b]); p.CommonRows > 0 {
				shared, err := patches[a].And(patches[b])
				if err != nil {
					return nil, err
				}
				p.Shared = amountOf(shared)
				if p.Relation, err = relationOf(patches[a], patches[b], shared); err != nil {
					return nil, err
				}
			}
			pairs = append(pairs, p)
		}
	}
	return pairs, nil
}

// orderedRows are the rows in which patches flip something, of each in ascending order: the
// tensor's number, which is the same for all patches, in the upper half.
func orderedRows(patches []*bankai.Patch) [][]uint64 {
	numbers, all := map[string]uint64{}, make([][]uint64, len(patches))
	for i, p := range patches {
		for _, f := range p.Flips() {
			n, there := numbers[f.Tensor]
			if !there {
				n = uint64(len(numbers))
				numbers[f.Tensor] = n
			}
			all[i] = append(all[i], n<<32|uint64(f.Row))
		}
		slices.Sort(all[i])
		all[i] = slices.Compact(all[i])
	}
	return all
}

// common counts what is in both of two ascending lists without repetitions.
func common(a, b []uint64) (n int) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			n, a, b = n+1, a[1:], b[1:]
		}
	}
	return n
}

// commonTensors counts the tensors that two lists of [orderedRows] have rows of.
func commonTensors(a, b []uint64) int { return common(tensorsOf(a), tensorsOf(b)) }

func tensorsOf(rows []uint64) (tensors []uint64) {
	for _, r := range rows {
		if t := r >> 32; len(tensors) == 0 || tensors[len(tensors)-1] != t {
			tensors = append(tensors, t)
		}
	}
	return tensors
}
