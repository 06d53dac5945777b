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

var dotprod = neonSet("dotprod", scoresBy(scoresDot1, scoresDot2), multiplyRowsDot)

var neon = neonSet("neon", scoresBy(scoresNEON), multiplyRowsNEON)

// neonSet returns a set whose products of int8 are given: only they have use for
// SDOT.
func neonSet(name string, scores func([]float32, int, *Queries, kvBlock, kvBlock), multiply multiplyFunc) *Set {
	return &Set{
		Name:        name,
		layout:      tables,
		acts:        tableActs,
		matMul:      tableMatMul(neonTables.add),
		quantize:    neonQuantize,
		dots:        dotsBy(dotsNEON),
		dot:         neonDot,
		weightedSum: weightedSumBy(weightedSumNEON),
		scaled:      scaledBy(scaledNEON),
		swiglu:      swigluBy(swigluNEON),
		swigluGrad:  swigluGradBy(swigluGradNEON),
		expSum:      neonExpSum,

		transpose:     &transposeKernels{unpackRowsNEON, quantizeRowsNEON, multiply},
		expand:        tableExpand(expandBlockNEON),
		quantizeGroup: neonQuantizeGroup,
		scores:        scores,
		addValues:     addValuesBy(addValuesNEON1, addValuesNEON2),

		add:    pairBy(addNEON, genericAdd),
		max:    maxBy(maxNEON),
		rotate: rotateBy(rotateNEON),

		deltaRule: deltaRuleBy(deltaRuleNEON),
		gate:      pairBy(gateNEON, genericGate),
	}
}

var neonTables = &tableKernels{
	fast:  [...]tableFastFunc{tableFastNEON1, tableFastNEON2, tableFastNEON4},
	exact: [...]tableExactFunc{tableExactNEON1, tableExactNEON2, tableExactNEON4},
}

func neonQuantize(b *block, t int, x []float32) {
	quantizeTablesNEON(&b.table[t*tableBytes], uintptr(b.width*tableBytes), &b.scale[t], uintptr(4*b.width), &x[0], len(x)/ActGroup)
}

func neonQuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	sum = quantizeGroupNEON(&q[0], &scale, &x[0])
	return q, scale, sum
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
