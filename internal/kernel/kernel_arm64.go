package kernel

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// assembly lists the sets of this architecture, fastest first.
var assembly = []*Set{dotprod, neon}

// runs reports whether this CPU has what the set's kernels use: NEON always, the
// dot product instruction on most cores from 2018 on and on every Apple one, where
// older releases of macOS do not report it.
func (s *Set) runs() bool {
	return s != dotprod || cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin"
}

var dotprod = neonSet("dotprod", tileFastBy(tileFastDot1, tileFastDot2, tileFastDot4), scoresBy(scoresDot1, scoresDot2), multiplyRowsDot)

var neon = neonSet("neon", tileFastBy(tileFastNEON1, tileFastNEON2, tileFastNEON4), scoresBy(scoresNEON), multiplyRowsNEON)

// neonSet returns a set whose integer products are given: only they have use for
// SDOT.
func neonSet(name string, tileFast func([]float32, int, []byte, *block), scores func([]float32, int, *Queries, kvBlock, kvBlock), multiply multiplyFunc) *Set {
	return &Set{
		Name:        name,
		layout:      dots,
		acts:        dotActs,
		matMul:      dotMatMul(tileFast, neonTileExact),
		quantize:    neonQuantize,
		dots:        dotsBy(dotsNEON),
		dot:         neonDot,
		weightedSum: weightedSumBy(weightedSumNEON),
		scaled:      scaledBy(scaledNEON),
		swiglu:      swigluBy(swigluNEON),
		swigluGrad:  swigluGradBy(swigluGradNEON),
		expSum:      neonExpSum,

		transpose:     &transposeKernels{unpackRowsNEON, quantizeRowsNEON, multiply},
		expand:        dotExpand(expandNEON),
		quantizeGroup: neonQuantizeGroup,
		scores:        scores,
		addValues:     addValuesBy(addValuesNEON1, addValuesNEON2),

		add:    addBy(addNEON),
		max:    maxBy(maxNEON),
		rotate: rotateBy(rotateNEON),
	}
}

type fastFunc func(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)

// tileFastBy returns tileFast made of kernels for 1, 2 and 4 tokens at a time.
func tileFastBy(x1, x2, x4 fastFunc) func([]float32, int, []byte, *block) {
	return func(y []float32, ystride int, tile []byte, b *block) {
		f, n := x4, 4
		switch b.width {
		case 1:
			f, n = x1, 1
		case 2:
			f, n = x2, 2
		}
		for t := 0; t < b.width; t += n {
			f(&y[t*ystride], uintptr(4*ystride), &tile[0], len(tile)/dots.groupBytes(),
				&b.q[t*maskCols], &b.scale[t], &b.nsum[t], uintptr(b.width))
		}
	}
}

func neonTileExact(y []float32, ystride int, tile []byte, b *block) {
	f, n := tileExactNEON4, 4
	switch b.width {
	case 1:
		f, n = tileExactNEON1, 1
	case 2:
		f, n = tileExactNEON2, 2
	}
	for t := 0; t < b.width; t += n {
		f(&y[t*ystride], uintptr(4*ystride), &tile[0], len(tile)/dots.groupBytes(), &b.f[t], uintptr(b.width))
	}
}

func neonQuantize(b *block, t int, x []float32) {
	quantizeNEON(&b.q[t*maskCols], &b.scale[t], &b.nsum[t], uintptr(4*b.width), &x[0], len(x)/ActGroup)
}

func neonQuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	quantizeNEON(&q[0], &scale, &sum, maskCols, &x[0], 1)
	return q, scale, -sum
}

func neonDot(x, y []float32) float32 {
	if !inBlocks(x) {
		return genericDot(x, y)
	}
	var out float32 // not by way of dotsBy: it would be moved to the heap
	dotsNEON(&out, 1, &x[0], &y[0], len(x)/Lanes)
	return out
}

func neonExpSum(x []float32, max float32) float32 {
	var lane [Lanes]float32
	n := whole(len(x))
	if n > 0 {
		expSumNEON(&lane, &x[0], n/Lanes, max)
	}
	return expSumTail(&lane, x[n:], max)
}
