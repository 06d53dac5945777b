package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// values is what the kernels of AddValues are made of.
type values struct {
	w       *width
	n       int
	weights Mem // n · 16 int16

	out, outStride, row, stride, v, vscale, groups, next, nextScale Register

	// tinyMax, weightMax, weightStep and what takes the sign from a float
	tiny, most, unit, abs Op
}

// valueBits are the constants of AddValues: tinyMax, weightMax, weightStep and the
// bits of a float without its sign.
var valueBits = []uint32{tinyMaxBits, 0x46FFFE00, 0x38000100, 0x7FFFFFFF}

// addValues sums products of pairs of positions in int32: at most 16 · 127 · 32767.
// all puts a constant where it can be an operand.
func addValues[T Op](w *width, n int, all func(bits uint32) T) {
	name := fmt.Sprintf("addValues%sx%d", w.name, n)
	TEXT(name, NOSPLIT, "func(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is addValues for %d weights a position; strides are in bytes.", name, n))
	a := values{
		w: w, n: n, weights: AllocLocal(2 * kvLen * n),
		out: Load(Param("out"), GP64()), outStride: Load(Param("outStride"), GP64()),
		row: Load(Param("w"), GP64()), stride: Load(Param("stride"), GP64()),
		v: Load(Param("v"), GP64()), vscale: Load(Param("vscale"), GP64()), groups: Load(Param("groups"), GP64()),
		next: Load(Param("next"), GP64()), nextScale: Load(Param("nextScale"), GP64()),
		tiny: all(valueBits[0]), most: all(valueBits[1]), unit: all(valueBits[2]), abs: all(valueBits[3]),
	}
	acc := w.regs(2 * w.perLanes() * n)

	Label("group")
	PREFETCHT0(mem(a.nextScale, 0))
	steps := a.quantize()
	for _, r := range acc {
		VXORPS(r.AsX(), r.AsX(), r.AsX())
	}
	for p := 0; p < kvLen; p += 2 {
		PREFETCHT0(mem(a.next, actGroup*p))
		if w == w512 {
			a.pair512(p, acc)
		} else {
			a.pair256(p, acc)
		}
	}
	a.add(acc, steps)
	ADDQ(U32(4*actGroup), a.out)
	ADDQ(U32(actGroup*kvLen), a.v)
	ADDQ(U32(actGroup*kvLen), a.next)
	advance(a.vscale, a.nextScale)
	DECQ(a.groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// quantize makes the int16 weights of a group and returns their steps.
func (a values) quantize() []VecVirtual {
	steps, row := a.w.regs(a.n), GP64()
	MOVQ(a.row, row)
	for i, step := range steps {
		x := a.w.regs(a.w.perLanes())
		largest := a.w.reg()
		for part, v := range x {
			VMOVUPS(mem(a.vscale, a.w.bytes*part), v)
			VMULPS(mem(row, a.w.bytes*part), v, v)
			if part == 0 {
				VANDPS(a.abs, v, largest)
				continue
			}
			m := a.w.reg()
			VANDPS(a.abs, v, m)
			VMAXPS(m, largest, largest)
		}
		a.w.fold(largest, VMAXPS)
		VMAXSS(lowest32(a.tiny), largest.AsX(), largest.AsX())
		inv := a.w.reg()
		if most, ok := a.most.(Mem); ok {
			VMOVSS(most, inv.AsX())
			VDIVSS(largest.AsX(), inv.AsX(), inv.AsX())
		} else {
			VDIVSS(largest.AsX(), lowest32(a.most), inv.AsX())
		}
		VMULSS(lowest32(a.unit), largest.AsX(), step.AsX())
		VBROADCASTSS(inv.AsX(), inv)
		VBROADCASTSS(step.AsX(), step)
		for _, v := range x {
			VMULPS(inv, v, v)
			VCVTPS2DQ(v, v)
		}
		if a.w == w512 {
			VPMOVDW(x[0], x[0].AsY())
		} else {
			VPACKSSDW(x[1], x[0], x[0]) // within halves
			VPERMQ(U8(0b11011000), x[0], x[0])
		}
		VMOVUPS(x[0].AsY(), a.weights.Offset(2*kvLen*i))
		if i+1 < a.n {
			ADDQ(a.stride, row)
		}
	}
	return steps
}

// lowest32 is the first lane of a constant.
func lowest32(c Op) Op {
	if v, ok := c.(VecVirtual); ok {
		return v.AsX()
	}
	return c
}

// pair512 adds the values of positions p and p+1.
func (a values) pair512(p int, acc []VecVirtual) {
	for j := range 2 {
		v := ZMM()
		VPMOVSXBW(mem(a.v, actGroup*p+32*j), v)
		for i := range a.n {
			VPDPWSSD_BCST(a.weights.Offset(2*(kvLen*i+p)), v, acc[2*i+j])
		}
	}
}

// pair256 is pair512 with half as wide registers.
func (a values) pair256(p int, acc []VecVirtual) {
	weight := ymms(a.n)
	for i, w := range weight {
		VPBROADCASTD(a.weights.Offset(2*(kvLen*i+p)), w)
	}
	for j := range 4 {
		v := YMM()
		VPMOVSXBW(mem(a.v, actGroup*p+16*j), v)
		for i, w := range weight {
			x := YMM()
			VPMADDWD(w, v, x)
			VPADDD(x, acc[4*i+j], acc[4*i+j])
		}
	}
}

// add adds the sums times their step to the result.
func (a values) add(acc, steps []VecVirtual) {
	out, each := GP64(), len(acc)/a.n
	MOVQ(a.out, out)
	for i, step := range steps {
		for j, x := range acc[i*each : (i+1)*each] {
			VCVTDQ2PS(x, x)
			VMULPS(step, x, x)
			VADDPS(mem(out, a.w.bytes*j), x, x)
			VMOVUPS(x, mem(out, a.w.bytes*j))
		}
		if i+1 < a.n {
			ADDQ(a.outStride, out)
		}
	}
}
