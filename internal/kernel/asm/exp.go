package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// expBits are the constants of Exp: clamps, log2 e, ln 2 in two parts, the
// exponent's bias and 1/k! for k = 6 … 1.
var expBits = []uint32{
	0xC2AE0000, 0x42B00000, 0x3FB8AA3B, 0x3F318000, 0xB95E8083, 127,
	0x3AB60B61, 0x3C088889, 0x3D2AAAAB, 0x3E2AAAAB, 0x3F000000, 0x3F800000,
}

// expConsts are the constants of Exp where they can be operands.
type expConsts struct {
	w                                          *width
	lo, hi, log2e, ln2hi, ln2lo, bias, c6, one Op
	c                                          []Op // after c6
}

// loadExp puts the constants where the function all puts a number.
func loadExp[T Op](w *width, all func(bits uint32) T) expConsts {
	at := make([]Op, len(expBits))
	for i, bits := range expBits {
		at[i] = all(bits)
	}
	return expConsts{w, at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[11], at[7:]}
}

// inMemory returns a function that finds a number in a read-only table of
// repeated numbers, for want of registers.
func (w *width) inMemory(name string, numbers ...uint32) func(bits uint32) Mem {
	table := GLOBL(name+w.name, RODATA|NOPTR)
	where := map[uint32]Mem{}
	for i, bits := range numbers {
		where[bits] = table.Offset(w.bytes * i)
		for lane := range w.bytes / 4 {
			DATA(w.bytes*i+4*lane, U32(bits))
		}
	}
	return func(bits uint32) Mem { return where[bits] }
}

// exp replaces x by Exp(x), with the operations of the Go version in its order.
func (e expConsts) exp(x VecVirtual) {
	VMAXPS(e.lo, x, x)
	VMINPS(e.hi, x, x)
	n, t, p := e.w.reg(), e.w.reg(), e.w.reg()
	VMULPS(e.log2e, x, n)
	VCVTPS2DQ(n, n)
	f := e.w.reg()
	VCVTDQ2PS(n, f)
	VMULPS(e.ln2hi, f, t)
	VSUBPS(t, x, x)
	VMULPS(e.ln2lo, f, t)
	VSUBPS(t, x, x)
	VMOVUPS(e.c6, p)
	for _, c := range append(e.c, e.one) {
		VMULPS(x, p, p)
		VADDPS(c, p, p)
	}
	VPADDD(e.bias, n, n)
	VPSLLD(U8(23), n, n)
	VMULPS(n, p, x)
}

func swiglu[T Op](w *width, all func(bits uint32) T) {
	TEXT("swiglu"+w.name, NOSPLIT, "func(h *float32, gate *float32, up *float32, blocks int)")
	Pragma("noescape")
	Doc("swiglu" + w.name + " is swiglu for 16·blocks values.")
	h, gate, up, blocks := Load(Param("h"), GP64()), Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("blocks"), GP64())
	e, sign := loadExp(w, all), w.all(0x80000000)
	loop(blocks, func() {
		for i := range w.perLanes() {
			g, x := w.reg(), w.reg()
			VMOVUPS(mem(gate, w.bytes*i), g)
			VXORPS(sign, g, x)
			e.exp(x)
			VADDPS(e.one, x, x)
			VDIVPS(x, g, g)
			VMULPS(mem(up, w.bytes*i), g, g)
			VMOVUPS(g, mem(h, w.bytes*i))
		}
		advance(h, gate, up)
	})
}

func gate[T Op](w *width, all func(bits uint32) T) {
	TEXT("gate"+w.name, NOSPLIT, "func(x *float32, logit *float32, blocks int)")
	Pragma("noescape")
	Doc("gate" + w.name + " is gate for 16·blocks values.")
	x, logit, blocks := Load(Param("x"), GP64()), Load(Param("logit"), GP64()), Load(Param("blocks"), GP64())
	e, sign := loadExp(w, all), w.all(0x80000000)
	loop(blocks, func() {
		for i := range w.perLanes() {
			d, v := w.reg(), w.reg()
			VXORPS(mem(logit, w.bytes*i), sign, d)
			e.exp(d)
			VADDPS(e.one, d, d)
			VMOVUPS(mem(x, w.bytes*i), v)
			VDIVPS(d, v, v)
			VMOVUPS(v, mem(x, w.bytes*i))
		}
		advance(x, logit)
	})
}

func swigluGrad[T Op](w *width, all func(bits uint32) T) {
	TEXT("swigluGrad"+w.name, NOSPLIT, "func(dgate *float32, dup *float32, dh *float32, gate *float32, up *float32, blocks int)")
	Pragma("noescape")
	Doc("swigluGrad" + w.name + " is swigluGrad for 16·blocks values.")
	dgate, dup, dh := Load(Param("dgate"), GP64()), Load(Param("dup"), GP64()), Load(Param("dh"), GP64())
	gate, up, blocks := Load(Param("gate"), GP64()), Load(Param("up"), GP64()), Load(Param("blocks"), GP64())
	e, sign, one := loadExp(w, all), w.all(0x80000000), w.all(0x3F800000)
	loop(blocks, func() {
		for i := range w.perLanes() {
			silu, slope, sigma, d := w.reg(), w.reg(), w.reg(), w.reg()
			VMOVUPS(mem(gate, w.bytes*i), silu)
			VXORPS(sign, silu, slope)
			e.exp(slope)
			VADDPS(one, slope, sigma)
			VDIVPS(sigma, one, sigma)
			VMULPS(sigma, silu, silu)
			VMULPS(sigma, slope, slope)
			VMULPS(silu, slope, slope)
			VADDPS(sigma, slope, slope)
			VMOVUPS(mem(dh, w.bytes*i), d)
			VMULPS(d, silu, silu)
			VMULPS(mem(up, w.bytes*i), d, d)
			VMULPS(d, slope, slope)
			VMOVUPS(slope, mem(dgate, w.bytes*i))
			VMOVUPS(silu, mem(dup, w.bytes*i))
		}
		advance(dgate, dup, dh, gate, up)
	})
}
