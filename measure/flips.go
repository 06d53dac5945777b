package measure

import (
	"cmp"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/weights"
)

// FlipCell counts what a patch inverts in one tensor.
type FlipCell struct {
	Tensor     string // GGUF name
	Layer      int    // −1 for tensors outside the layers, such as the embedding
	Projection string // "gate_proj"; of any other tensor a name of its own, "token_embd"

	Flips  int // separate runs of weights
	Rows   int // of them whole rows
	Groups int // groups of [bankai.GroupSize] in the runs that are made of whole groups
	Bits   int // weights in all other runs

	Weights uint64 // inverted in all; 0 if the patch does not know how wide a row is
}

// Cells counts a patch's flips by tensor: the projections by layer and in the order of
// the forward pass, then the other tensors by name. A run of unknown length, to the end
// of a row whose width the patch does not know ([bankai.Patch.Fit]), counts as
// one group or one bit, unless it is a row.
func Cells(p *bankai.Patch) []FlipCell {
	var cells []FlipCell
	for flips := p.Flips(); len(flips) > 0; {
		n := slices.IndexFunc(flips, func(f bankai.Flip) bool { return f.Tensor != flips[0].Tensor })
		if n < 0 {
			n = len(flips)
		}
		width, _ := p.Width(flips[0].Tensor)
		cells = append(cells, newFlipCell(flips[:n], width))
		flips = flips[n:]
	}
	order := Projections(cells)
	slices.SortStableFunc(cells, func(a, b FlipCell) int {
		return cmp.Or(cmp.Compare(uint(a.Layer), uint(b.Layer)), // −1 comes last
			cmp.Compare(slices.Index(order, a.Projection), slices.Index(order, b.Projection)))
	})
	return cells
}

// newFlipCell counts the flips of one tensor; width is 0 if it is not known.
func newFlipCell(flips []bankai.Flip, width uint32) FlipCell {
	c := FlipCell{Tensor: flips[0].Tensor, Flips: len(flips)}
	if layer, p, ok := weights.ProjectionOf(c.Tensor); ok {
		c.Layer, c.Projection = layer, p.Short+"_proj"
	} else {
		name := strings.TrimSuffix(c.Tensor, ".weight")
		c.Layer, c.Projection = -1, name[strings.LastIndexByte(name, '.')+1:]
	}
	known := true
	for _, f := range flips {
		row := f.Col == 0 && f.N == bankai.ToEnd
		switch {
		case f.N != bankai.ToEnd:
		case width > 0:
			f.N = width - f.Col
		default:
			known = false
			f.N = 1
			if f.Col%bankai.GroupSize == 0 {
				f.N = bankai.GroupSize
			}
		}
		c.Weights += uint64(f.N)
		switch {
		case row:
			c.Rows++
		case f.Col%bankai.GroupSize == 0 && f.N%bankai.GroupSize == 0:
			c.Groups += int(f.N / bankai.GroupSize)
		default:
			c.Bits += int(f.N)
		}
	}
	if !known {
		c.Weights = 0
	}
	return c
}

// Projections returns those of the layers' projections that occur in the cells'
// layers or among the further names, in the order of the forward pass. Names
// are as in "gate_proj", or short as in "gate".
func Projections(cells []FlipCell, further ...string) (projs []string) {
	for _, p := range weights.Projections() {
		proj := p.Short + "_proj"
		if slices.Contains(further, proj) || slices.Contains(further, p.Short) ||
			slices.ContainsFunc(cells, func(c FlipCell) bool { return c.Layer >= 0 && c.Projection == proj }) {
			projs = append(projs, proj)
		}
	}
	return projs
}
