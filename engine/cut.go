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

func beforeAttention(layer int) Cut { return Cut(2*layer + 1) }

func beforeMLP(layer int) Cut { return Cut(2*layer + 2) }

// lastCut is the one before the head, where another layer's attention would be.
func (m *Model) lastCut() Cut { return beforeAttention(len(m.layers)) }

// CutBelow returns the highest cut below which a change of the tensor changes
// nothing.
func (m *Model) CutBelow(tensor string) Cut {
	layer, proj, ok := bankai.SplitTensor(tensor)
	switch {
	case ok && (proj == "gate_proj" || proj == "up_proj" || proj == "down_proj"):
		return beforeMLP(layer)
	case ok:
		return beforeAttention(layer)
	case strings.HasPrefix(tensor, "output"):
		return m.lastCut()
	}
	return 0
}
