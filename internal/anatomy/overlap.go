package anatomy

import (
	"fmt"

	"bankai"
	"bankai/internal/text"
)

// Relation is how what two patches flip is related.
type Relation string

// The relations of two patches, A and B.
const (
	Independent Relation = "independent"  // no bit is in both
	Overlapping Relation = "overlapping"  // some bits are in both, and each has others
	AContainsB  Relation = "a_contains_b" // A has all of B's bits, and others
	BContainsA  Relation = "b_contains_a"
	Equal       Relation = "equal" // together they do nothing
)

// Overlap is what two patches have in common, and what is left of them together.
type Overlap struct {
	Relation Relation `json:"relation"`
	Verdict  string   `json:"verdict"` // in words
	Shares
	Tensors []TensorShares `json:"tensors"` // that either flips bits of
}

// Shares are amounts of two patches.
type Shares struct {
	A          Amount `json:"a"`
	B          Amount `json:"b"`
	Shared     Amount `json:"shared"`      // bits of both, which cancel when they are combined
	Together   Amount `json:"together"`    // of their XOR
	CommonRows int    `json:"common_rows"` // rows in which both flip something, be it the same or not
}

// TensorShares are the shares of one tensor.
type TensorShares struct {
	Tensor string `json:"tensor"`
	Layer  *int   `json:"layer"` // null for the embedding and the head
	Proj   string `json:"proj"`
	Shares
}

// Amount is how much is flipped.
type Amount struct {
	Flips int     `json:"flips"`        // runs of bits
	Bits  *uint64 `json:"bits"`         // null if a patch does not know how wide a row is
	Rows  int     `json:"touched_rows"` // in which a bit is flipped
}

// Compare says what two patches have in common. Its errors are those of [bankai.Patch.Xor].
func Compare(a, b *bankai.Patch) (*Overlap, error) {
	shared, err := a.And(b)
	if err != nil {
		return nil, err
	}
	together, err := a.Xor(b)
	if err != nil {
		return nil, err
	}
	either, err := together.Xor(shared) // the bits of A, of B, or of both
	if err != nil {
		return nil, err
	}
	o := &Overlap{Tensors: []TensorShares{}}
	at := map[string]int{}
	for i, f := range FlipsByTensor(either) {
		at[f.Tensor] = i
		o.Tensors = append(o.Tensors, TensorShares{Tensor: f.Tensor, Layer: f.Layer, Proj: f.Proj, Shares: nothing()})
	}
	for _, part := range []struct {
		patch *bankai.Patch
		of    func(s *Shares) *Amount
	}{
		{a, func(s *Shares) *Amount { return &s.A }},
		{b, func(s *Shares) *Amount { return &s.B }},
		{shared, func(s *Shares) *Amount { return &s.Shared }},
		{together, func(s *Shares) *Amount { return &s.Together }},
	} {
		rows, whole := rowsOf(part.patch), part.of(&o.Shares)
		*whole = Amount{part.patch.Len(), KnownBits(part.patch), len(rows)}
		for _, f := range FlipsByTensor(part.patch) {
			*part.of(&o.Tensors[at[f.Tensor]].Shares) = Amount{f.Flips, f.Bits, 0}
		}
		for r := range rows {
			part.of(&o.Tensors[at[r.tensor]].Shares).Rows++
		}
	}
	inB := rowsOf(b)
	for r := range rowsOf(a) {
		if inB[r] {
			o.CommonRows++
			o.Tensors[at[r.tensor]].CommonRows++
		}
	}
	if o.Relation, err = relationOf(a, b, shared); err != nil {
		return nil, err
	}
	o.Verdict = o.verdict()
	return o, nil
}

// nothing is shares of which every amount is known to be none.
func nothing() Shares {
	none := func() Amount { return Amount{Bits: new(uint64)} }
	return Shares{A: none(), B: none(), Shared: none(), Together: none()}
}

// row is one of a tensor.
type row struct {
	tensor string
	index  uint32
}

// rowsOf are the rows in which a patch flips something.
func rowsOf(p *bankai.Patch) map[row]bool {
	rows := map[row]bool{}
	for _, f := range p.Flips() {
		rows[row{f.Tensor, f.Row}] = true
	}
	return rows
}

// relationOf says how two patches are related that share some bits.
func relationOf(a, b, shared *bankai.Patch) (Relation, error) {
	onlyA, err := a.Xor(shared)
	if err != nil {
		return "", err
	}
	onlyB, err := b.Xor(shared)
	switch {
	case err != nil:
		return "", err
	case onlyA.Len() == 0 && onlyB.Len() == 0:
		return Equal, nil
	case shared.Len() == 0:
		return Independent, nil
	case onlyB.Len() == 0:
		return AContainsB, nil
	case onlyA.Len() == 0:
		return BContainsA, nil
	}
	return Overlapping, nil
}

// verdict is the relation in words.
func (o *Overlap) verdict() string {
	switch o.Relation {
	case Equal:
		return "both flip the same: together they cancel to nothing"
	case AContainsB:
		return "the first has all bits of the second: together they are what only the first has"
	case BContainsA:
		return "the second has all bits of the first: together they are what only the second has"
	case Overlapping:
		return "they overlap: what both flip cancels, so that together neither is whole"
	}
	said := "they are independent: no bit is in both, and together each is whole"
	if o.CommonRows > 0 {
		said += fmt.Sprintf(", though %s bits of both", text.Plural(o.CommonRows, "row has", "rows have"))
	}
	return said
}
