package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func addFloats(w *width) {
	TEXT("add"+w.name, NOSPLIT, "func(x *float32, y *float32, blocks int)")
	Pragma("noescape")
	Doc("add" + w.name + " is add for 16·blocks values.")
	x, y, blocks := Load(Param("x"), GP64()), Load(Param("y"), GP64()), Load(Param("blocks"), GP64())
	loop(blocks, func() {
		for i := range w.perLanes() {
			v := w.reg()
			VMOVUPS(mem(x, w.bytes*i), v)
			VADDPS(mem(y, w.bytes*i), v, v)
			VMOVUPS(v, mem(x, w.bytes*i))
		}
		advance(x, y)
	})
}

func maxFloats(w *width) {
	TEXT("max"+w.name, NOSPLIT, "func(x *float32, blocks int) float32")
	Pragma("noescape")
	Doc("max" + w.name + " is max of 16·blocks values.")
	x, blocks := Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	lane := w.regs(w.perLanes())
	for i, m := range lane {
		VMOVUPS(mem(x, w.bytes*i), m)
	}
	Label("block")
	for i, m := range lane {
		VMAXPS(mem(x, w.bytes*i), m, m)
	}
	advance(x)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	for _, m := range lane[1:] {
		VMAXPS(m, lane[0], lane[0])
	}
	w.fold(lane[0], VMAXPS)
	Store(lane[0].AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func rotatePairs(w *width) {
	TEXT("rotate"+w.name, NOSPLIT, "func(lo *float32, hi *float32, cos *float32, sin *float32, scale float32, blocks int)")
	Pragma("noescape")
	Doc("rotate" + w.name + " is rotate for 16·blocks pairs.")
	lo, hi := Load(Param("lo"), GP64()), Load(Param("hi"), GP64())
	cos, sin := Load(Param("cos"), GP64()), Load(Param("sin"), GP64())
	scale, blocks := w.broadcast("scale"), Load(Param("blocks"), GP64())
	loop(blocks, func() {
		for i := range w.perLanes() {
			at := func(p Register) VecVirtual {
				v := w.reg()
				VMOVUPS(mem(p, w.bytes*i), v)
				return v
			}
			a, b, c, s := at(lo), at(hi), at(cos), at(sin)
			ac, bc := w.reg(), w.reg()
			VMULPS(c, a, ac)
			VMULPS(c, b, bc)
			VMULPS(s, a, a)
			VMULPS(s, b, b)
			VSUBPS(b, ac, ac)
			VADDPS(a, bc, bc)
			VMULPS(scale, ac, ac)
			VMULPS(scale, bc, bc)
			VMOVUPS(ac, mem(lo, w.bytes*i))
			VMOVUPS(bc, mem(hi, w.bytes*i))
		}
		advance(lo, hi, cos, sin)
	})
}

func scaled(w *width) {
	TEXT("scaled"+w.name, NOSPLIT, "func(out *float32, x *float32, w *float32, r float32, blocks int)")
	Pragma("noescape")
	Doc("scaled" + w.name + " is scaled for 16·blocks values.")
	out, x, weight, blocks := Load(Param("out"), GP64()), Load(Param("x"), GP64()), Load(Param("w"), GP64()), Load(Param("blocks"), GP64())
	r := w.broadcast("r")
	loop(blocks, func() {
		for i := range w.perLanes() {
			v := w.reg()
			VMULPS(mem(x, w.bytes*i), r, v)
			VMULPS(mem(weight, w.bytes*i), v, v)
			VMOVUPS(v, mem(out, w.bytes*i))
		}
		advance(out, x, weight)
	})
}

func fetch256() {
	TEXT("fetch256", NOSPLIT, "func(p *byte, lines int)")
	Pragma("noescape")
	Doc("fetch256 begins to bring lines of 64 bytes into the caches.")
	p, lines := Load(Param("p"), GP64()), Load(Param("lines"), GP64())
	Label("line")
	PREFETCHT0(mem(p, 0))
	ADDQ(U8(64), p)
	DECQ(lines)
	JNZ(LabelRef("line"))
	RET()
}
