package kernel

//go:generate go run -C asm . -out ../kernel_amd64.s -stubs ../stubs_amd64.go -pkg kernel -requires ../requires_amd64.go

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// extensions are those of amd64 that this CPU and its operating system have, by
// the names of requires.
var extensions = map[string]bool{
	"AVX":        cpu.X86.HasAVX,
	"AVX2":       cpu.X86.HasAVX2,
	"F16C":       cpu.X86.HasF16C,
	"BMI2":       cpu.X86.HasBMI2,
	"AVX512F":    cpu.X86.HasAVX512F,
	"AVX512BW":   cpu.X86.HasAVX512BW,
	"AVX512DQ":   cpu.X86.HasAVX512DQ,
	"AVX512VL":   cpu.X86.HasAVX512VL,
	"AVX512VNNI": cpu.X86.HasAVX512VNNI,
}

// assembly lists the sets of this architecture, fastest first.
var assembly = []*Set{avx512, avx2}

// runs reports whether this CPU has what the set's kernels use.
func (s *Set) runs() bool {
	return !slices.ContainsFunc(requires[s.Name], func(x string) bool { return !extensions[x] })
}

var avx512 = &Set{
	Name:        "avx512",
	tileFast:    avx512TileFast,
	tileExact:   avx512TileExact,
	quantize:    quantizeBy(quantize512),
	dots:        dotsBy(dots512),
	dot:         avx512Dot,
	weightedSum: weightedSumBy(weightedSum512),
	scaled:      scaledBy(scaled512),
	swiglu:      swigluBy(swiglu512),
	swigluGrad:  swigluGradBy(swigluGrad512),
	expSum:      avx512ExpSum,
	peak:        peak512,
	peakMACs:    16 * 64,

	transpose:     &transposeKernels{unpackRows512, quantizeRows512, multiplyRows512},
	expand:        expand256,
	quantizeGroup: avx512QuantizeGroup,
	scores:        scoresBy(scores512x1, scores512x2, scores512x4),
	addValues:     addValuesBy(addValues512x1, addValues512x2, addValues512x4),

	add:    addBy(add512),
	max:    maxBy(max512),
	rotate: rotateBy(rotate512),
}

var avx2 = &Set{
	Name:        "avx2",
	tileFast:    avx2TileFast,
	tileExact:   avx2TileExact,
	quantize:    quantizeBy(quantize256),
	dots:        dotsBy(dots256),
	dot:         avx2Dot,
	weightedSum: weightedSumBy(weightedSum256),
	scaled:      scaledBy(scaled256),
	swiglu:      swigluBy(swiglu256),
	swigluGrad:  swigluGradBy(swigluGrad256),
	expSum:      avx2ExpSum,
	peak:        peak256,
	peakMACs:    8 * 32,

	transpose:     &transposeKernels{unpackRows256, quantizeRows256, multiplyRows256},
	expand:        expand256,
	quantizeGroup: avx2QuantizeGroup,
	scores:        scoresBy(scores256x1, scores256x2),
	addValues:     addValuesBy(addValues256x1, addValues256x2),

	add:    addBy(add256),
	max:    maxBy(max256),
	rotate: rotateBy(rotate256),
}

func avx512TileFast(y []float32, ystride int, tile []uint64, b *block) {
	f := tileFast512x8
	switch b.width {
	case 1:
		f = tileFast512x1
	case 2:
		f = tileFast512x2
	case 4:
		f = tileFast512x4
	}
	f(&y[0], uintptr(4*ystride), &tile[0], len(tile)/tileWords, &b.q[0], &b.scale[0], &b.nsum[0])
}

func avx512TileExact(y []float32, ystride int, tile []uint64, b *block) {
	f := tileExact512x8
	switch b.width {
	case 1:
		f = tileExact512x1
	case 2:
		f = tileExact512x2
	case 4:
		f = tileExact512x4
	}
	f(&y[0], uintptr(4*ystride), &tile[0], len(tile)/tileWords, &b.f[0])
}

func quantizeBy(f func(q *int8, qstride uintptr, scale *float32, nsum *int32, sstride uintptr, x *float32, groups int)) func(*block, int, []float32) {
	return func(b *block, t int, x []float32) {
		f(&b.q[t*maskCols], uintptr(b.width*maskCols), &b.scale[t], &b.nsum[t], uintptr(4*b.width), &x[0], len(x)/ActGroup)
	}
}

func avx512QuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	quantize512(&q[0], maskCols, &scale, &sum, 0, &x[0], 1)
	return q, scale, -sum
}

func avx512Dot(x, y []float32) float32 {
	if !inBlocks(x) {
		return genericDot(x, y)
	}
	var out float32 // not by way of dotsBy: it would be moved to the heap
	dots512(&out, 1, &x[0], &y[0], len(x)/Lanes)
	return out
}

func avx512ExpSum(x []float32, max float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return expSum512(&x[0], len(x), max)
}

// half256 calls f for both halves of a tile and at most 4 tokens of b at a time.
func half256(y []float32, tile []uint64, width int, f func(y *float32, scales, bits *uint64, t, n int)) {
	n := min(width, 4)
	for t := 0; t < width; t += n {
		for h := range 2 {
			f(&y[8*h], &tile[2*h], &tile[scaleWords+vectorWords/2*h], t, n)
		}
	}
}

func avx2TileFast(y []float32, ystride int, tile []uint64, b *block) {
	groups, width := len(tile)/tileWords, uintptr(b.width)
	half256(y, tile, b.width, func(out *float32, scales, bits *uint64, t, n int) {
		f := tileFast256x4
		switch n {
		case 1:
			f = tileFast256x1
		case 2:
			f = tileFast256x2
		}
		out = (*float32)(unsafe.Add(unsafe.Pointer(out), 4*t*ystride))
		f(out, uintptr(4*ystride), scales, bits, groups, &b.q[t*maskCols], &b.scale[t], &b.nsum[t], width)
	})
}

func avx2TileExact(y []float32, ystride int, tile []uint64, b *block) {
	groups, width := len(tile)/tileWords, uintptr(b.width)
	half256(y, tile, b.width, func(out *float32, scales, bits *uint64, t, n int) {
		f := tileExact256x4
		switch n {
		case 1:
			f = tileExact256x1
		case 2:
			f = tileExact256x2
		}
		out = (*float32)(unsafe.Add(unsafe.Pointer(out), 4*t*ystride))
		f(out, uintptr(4*ystride), scales, bits, groups, &b.f[t], width)
	})
}

func avx2QuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	quantize256(&q[0], maskCols, &scale, &sum, 0, &x[0], 1)
	return q, scale, -sum
}

func avx2Dot(x, y []float32) float32 {
	if !inBlocks(x) {
		return genericDot(x, y)
	}
	var out float32 // not by way of dotsBy: it would be moved to the heap
	dots256(&out, 1, &x[0], &y[0], len(x)/Lanes)
	return out
}

func avx2ExpSum(x []float32, max float32) float32 {
	var lane [Lanes]float32
	n := whole(len(x))
	if n > 0 {
		expSum256(&lane[0], &x[0], n/Lanes, max)
	}
	return expSumTail(&lane, x[n:], max)
}
