package engine

import (
	"strings"

	"bankai"
)

// Cut is a place in the forward pass: 0 before the embedding, then one before
// the attention and one before the MLP of each layer, and the last before the
// output norm and the head. The residual stream at a cut is all that the parts
// above it see of the parts below, other than the tokens.
type Cut int

// layer is the layer above c, and whether its MLP is next or its attention.
func (c Cut) layer() (i int, mlp bool) { return int(c-1) / 2, c%2 == 0 }

// lastCut is the one before the head.
func (m *Model) lastCut() Cut { return Cut(2*len(m.layers) + 1) }

// CutBelow returns the highest cut below which a change of the tensor changes
// nothing.
func (m *Model) CutBelow(tensor string) Cut {
	layer, proj, ok := bankai.SplitTensor(tensor)
	switch {
	case ok && (proj == "gate_proj" || proj == "up_proj" || proj == "down_proj"):
		return Cut(2*layer + 2)
	case ok:
		return Cut(2*layer + 1)
	case strings.HasPrefix(tensor, "output"):
		return m.lastCut()
	}
	return 0
}
