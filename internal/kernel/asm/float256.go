package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fold256 folds 8 lanes into the lowest, at distance 4, 2, 1.
func fold256(y VecVirtual, op func(...Op)) {
	x := XMM()
	VEXTRACTF128(U8(1), y, x)
	op(x, y.AsX(), y.AsX())
	VPSHUFD(U8(0b01001110), y.AsX(), x)
	op(x, y.AsX(), y.AsX())
	VPSHUFD(U8(0b10110001), y.AsX(), x)
	op(x, y.AsX(), y.AsX())
}

// quantize256 is quantize512 with half as wide registers.
func quantize256() {
	TEXT("quantize256", NOSPLIT, "func(q *int8, qstride uintptr, scale *float32, nsum *int32, sstride uintptr, x *float32, groups int)")
	Pragma("noescape")
	Doc("quantize256 is quantize for one token; strides are in bytes.")
	z := loadQuantizer()
	abs, c127, tiny := w256.all(0x7FFFFFFF), w256.all(0x42FE0000), w256.all(tinyMaxBits)
	z.begin(NewDataAddr(NewStaticSymbol("powers"), 0))
	v, most := largest256(z.x, abs)
	round256(v, z.storeScale(most, c127, tiny))
	storeBytes256(v, z.q, z.qstride)
	for _, r := range v[1:] {
		VPADDD(r, v[0], v[0])
	}
	fold256(v[0], VPADDD)
	z.storeSum(v[0])
}

// largest256 loads 32 floats and finds the largest magnitude, in the lowest lane.
func largest256(x Register, abs VecVirtual) (v []VecVirtual, most VecVirtual) {
	v, most = ymms(4), YMM()
	for i, r := range v {
		VMOVUPS(mem(x, 32*i), r)
		if i == 0 {
			VANDPS(abs, r, most)
			continue
		}
		m := YMM()
		VANDPS(abs, r, m)
		VMAXPS(m, most, most)
	}
	fold256(most, VMAXPS)
	return v, most
}

// round256 makes integers of v·inv.
func round256(v []VecVirtual, inv VecVirtual) {
	wide := YMM()
	VBROADCASTSS(inv, wide)
	for _, r := range v {
		VMULPS(wide, r, r)
		VCVTPS2DQ(r, r)
	}
}

// storeBytes256 writes 32 small int32 as bytes, 4 at a time. Packing works within
// the halves of a register: the low one ends up with the even fours.
func storeBytes256(v []VecVirtual, q, stride Register) {
	lo, hi := YMM(), YMM()
	VPACKSSDW(v[1], v[0], lo)
	VPACKSSDW(v[3], v[2], hi)
	VPACKSSWB(hi, lo, lo)
	VEXTRACTI128(U8(1), lo, hi.AsX())
	for i := range 4 {
		for _, half := range []VecVirtual{lo, hi} {
			VPEXTRD(U8(uint8(i)), half.AsX(), mem(q, 0))
			ADDQ(stride, q)
		}
	}
}

func expSum256(all func(bits uint32) Mem) {
	TEXT("expSum256", NOSPLIT, "func(sum *float32, x *float32, blocks int, max float32)")
	Pragma("noescape")
	Doc("expSum256 replaces 16·blocks values of x by e^(x−max) and writes the 16", "lanes of their sum, not yet folded.")
	sum, x, blocks := Load(Param("sum"), GP64()), Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	most, e := w256.broadcast("max"), loadExp(w256, all)
	lane := ymms(2)
	zero256(lane)
	Label("block")
	for i, s := range lane {
		v := YMM()
		VMOVUPS(mem(x, 32*i), v)
		VSUBPS(most, v, v)
		e.exp(v)
		VMOVUPS(v, mem(x, 32*i))
		VADDPS(v, s, s)
	}
	advance(x)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	for i, s := range lane {
		VMOVUPS(s, mem(sum, 32*i))
	}
	VZEROUPPER()
	RET()
}
