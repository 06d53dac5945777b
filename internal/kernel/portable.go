package kernel

import (
	"encoding/binary"
	"math"
)

// portable is plain Go that is made to be fast, for CPUs without kernels of their
// own. Where plain Go can do no better than the oracle, it takes the oracle's.
var portable = &Set{
	Name:        "portable",
	layout:      tables,
	acts:        byteActs,
	matMul:      portableMatMul,
	quantize:    portableQuantize,
	dots:        portableDots,
	dot:         portableDot,
	weightedSum: portableWeightedSum,
	scaled:      genericScaled,
	swiglu:      genericSwiGLU,
	swigluGrad:  genericSwiGLUGrad,
	expSum:      genericExpSum,

	transpose:     transposeFunc(portableTranspose),
	expand:        genericExpand,
	quantizeGroup: portableQuantizeGroup,
	scores:        portableScores,
	addValues:     portableAddValues,

	add:    genericAdd,
	max:    genericMax,
	rotate: genericRotate,

	deltaRule: portableDeltaRule,
	gate:      genericGate,
}

// tileBits are the sign bits of a group of a tile: byte v of every row side by side.
type tileBits [GroupSize / tableCols * tableRows]byte

// tileGroup is a group of a tile of the layout tables.
type tileGroup struct {
	bits *tileBits
	d    [tableRows]float32 // the rows' scales
}

func (t *tileGroup) read(w *Matrix, tile, g int) {
	group, _ := w.group(tile*tableRows, g)
	t.bits = (*tileBits)(group[tableScales:])
	half := (*[tableScales]byte)(group)
	for r := range t.d {
		t.d[r] = finiteHalf(binary.LittleEndian.Uint16(half[2*r:]))
	}
}

// finiteHalf is halfToFloat of a finite number, which the compiler can inline: the
// fields of a float16 become those of a float32, whose exponent's bias is greater by
// 112. The product is exact, for a subnormal number too.
func finiteHalf(h uint16) float32 {
	return float32(math.Float32frombits(uint32(int32(int16(h))<<13)&0x8FFFFFFF) * 0x1p112)
}

// portableMatMul adds one group of columns after the other to y.
func portableMatMul(y []float32, ystride int, w *Matrix, group0, group1 int, blocks []block, exact bool, tile0, tile1 int) {
	if tile0 >= tile1 {
		return
	}
	for _, b := range blocks {
		add := groupProduct(b.width, exact)
		for t := range b.width {
			clear(y[(b.token+t)*ystride:][tile0*tableRows : min(tile1*tableRows, w.Rows)])
		}
		for g := group0; g < group1; g++ {
			add(y, ystride, w, g, b.groups(g-group0, g-group0+1), tile0, tile1)
		}
	}
}

// groupProduct returns the function that adds to y the product of group g of some
// tiles with the same group of a block of tokens.
func groupProduct(width int, exact bool) func(y []float32, ystride int, w *Matrix, g int, b block, tile0, tile1 int) {
	switch {
	case exact && width == 1:
		return addExactOne
	case exact:
		return addExact
	case width == 1:
		return addFastOne
	}
	return addFast
}

// rowsOf is the part of y for the rows of a tile and token t of a block.
func rowsOf(y []float32, ystride int, w *Matrix, tile int, b *block, t int) []float32 {
	return y[(b.token+t)*ystride+tile*tableRows:][:min(tableRows, w.Rows-tile*tableRows)]
}
