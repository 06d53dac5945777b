package kernel

//go:generate go run -C asm . -out ../kernel_amd64.s -stubs ../stubs_amd64.go -pkg kernel -requires ../requires_amd64.go

import (
	"slices"

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
	layout:      dots,
	acts:        dotActs,
	matMul:      dotMatMul(avx512TileFast, avx512TileExact),
	quantize:    quantizeBy(quantize512),
	dots:        dotsBy(dots512),
	dot:         avx512Dot,
	weightedSum: weightedSumBy(weightedSum512),
	scaled:      scaledBy(scaled512),
	swiglu:      swigluBy(swiglu512),
	swigluGrad:  swigluGradBy(swigluGrad512),
	expSum:      avx512ExpSum,
	fetch:       fetch256,
	peak:        peak512,
	peakMACs:    16 * 64,

	transpose:     &transposeKernels{unpackRows512, quantizeRows512, multiplyRows512},
	expand:        dotExpand(expandDots256),
	quantizeGroup: avx512QuantizeGroup,
	scores:        scoresBy(scores512x1, scores512x2, scores512x4),
	addValues:     addValuesBy(addValues512x1, addValues512x2, addValues512x4),

	add:    pairBy(add512, genericAdd),
	max:    maxBy(max512),
	rotate: rotateBy(rotate512),

	deltaRule: deltaRuleBy(deltaRule512),
	gate:      pairBy(gate512, genericGate),
}

var avx2 = &Set{
	Name:        "avx2",
	layout:      tables,
	acts:        tableActs,
	matMul:      tableMatMul(avx2Tables.add),
	quantize:    avx2Quantize,
	dots:        dotsBy(dots256),
	dot:         avx2Dot,
	weightedSum: weightedSumBy(weightedSum256),
	scaled:      scaledBy(scaled256),
	swiglu:      swigluBy(swiglu256),
	swigluGrad:  swigluGradBy(swigluGrad256),
	expSum:      avx2ExpSum,
	fetch:       fetch256,
	peak:        peak256,
	peakMACs:    8 * 64,

	transpose:     &transposeKernels{unpackRows256, quantizeRows256, multiplyRows256},
	expand:        tableExpand(expandBlock256),
	quantizeGroup: avx2QuantizeGroup,
	scores:        scoresBy(scores256x1, scores256x2),
	addValues:     addValuesBy(addValues256x1, addValues256x2),

	add:    pairBy(add256, genericAdd),
	max:    maxBy(max256),
	rotate: rotateBy(rotate256),

	deltaRule: deltaRuleBy(deltaRule256),
	gate:      pairBy(gate256, genericGate),
}

func avx512TileFast(y []float32, ystride int, tile []byte, b *block) {
	f := tileFast512x8
	switch b.width {
	case 1:
		f = tileFast512x1
	case 2:
		f = tileFast512x2
	case 4:
		f = tileFast512x4
	}
	f(&y[0], uintptr(4*ystride), &tile[0], len(tile)/dots.groupBytes(), &b.q[0], &b.scale[0], &b.nsum[0])
}

func avx512TileExact(y []float32, ystride int, tile []byte, b *block) {
	f := tileExact512x8
	switch b.width {
	case 1:
		f = tileExact512x1
	case 2:
		f = tileExact512x2
	case 4:
		f = tileExact512x4
	}
	f(&y[0], uintptr(4*ystride), &tile[0], len(tile)/dots.groupBytes(), &b.f[0])
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

var avx2Tables = &tableKernels{
	fast:  [...]tableFastFunc{tableFast256x1, tableFast256x2, tableFast256x4},
	exact: [...]tableExactFunc{tableExact256x1, tableExact256x2, tableExact256x4},
}

func avx2Quantize(b *block, t int, x []float32) {
	quantizeTables256(&b.table[t*tableBytes], uintptr(b.width*tableBytes), &b.scale[t], uintptr(4*b.width), &x[0], len(x)/ActGroup)
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
