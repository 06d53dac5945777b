package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func ymms(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}

func zero256(v []VecVirtual) {
	for _, r := range v {
		VPXOR(r, r, r)
	}
}

// constant256 puts a read-only table of 8 words into a register.
func constant256(name string, word func(i int) uint32) VecVirtual {
	g := GLOBL(name, RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(word(i)))
	}
	y := YMM()
	VMOVDQU(g, y)
	return y
}

func dots256() {
	TEXT("dots256", NOSPLIT, "func(out *float32, n int, q *float32, k *float32, blocks int)")
	Pragma("noescape")
	Doc("dots256 is dots for n vectors of 16·blocks floats.")
	out, n := Load(Param("out"), GP64()), Load(Param("n"), GP64())
	q0, k, blocks := Load(Param("q"), GP64()), Load(Param("k"), GP64()), Load(Param("blocks"), GP64())
	Label("row")
	q, left := GP64(), GP64()
	MOVQ(q0, q)
	MOVQ(blocks, left)
	sum := ymms(2)
	zero256(sum)
	Label("block")
	for i, s := range sum {
		v := YMM()
		VMOVUPS(mem(q, 32*i), v)
		VMULPS(mem(k, 32*i), v, v)
		VADDPS(v, s, s)
	}
	ADDQ(U32(64), q)
	ADDQ(U32(64), k)
	DECQ(left)
	JNZ(LabelRef("block"))
	VADDPS(sum[1], sum[0], sum[0])
	fold256(sum[0], VADDPS)
	VMOVSS(sum[0].AsX(), mem(out, 0))
	ADDQ(U32(4), out)
	DECQ(n)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

func weightedSum256() {
	TEXT("weightedSum256", NOSPLIT, "func(out *float32, blocks int, p *float32, n int, v *float32, stride uintptr)")
	Pragma("noescape")
	Doc("weightedSum256 is weightedSum for out of 16·blocks floats; stride in bytes is out's size.")
	out, blocks := Load(Param("out"), GP64()), Load(Param("blocks"), GP64())
	p0, n := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	v0, stride := Load(Param("v"), GP64()), Load(Param("stride"), GP64())
	Label("block")
	p, v, left, sum := GP64(), GP64(), GP64(), ymms(2)
	MOVQ(p0, p)
	MOVQ(v0, v)
	MOVQ(n, left)
	for i, s := range sum {
		VMOVUPS(mem(out, 32*i), s)
	}
	Label("position")
	w := YMM()
	VBROADCASTSS(mem(p, 0), w)
	for i, s := range sum {
		x := YMM()
		VMULPS(mem(v, 32*i), w, x)
		VADDPS(x, s, s)
	}
	ADDQ(U32(4), p)
	ADDQ(stride, v)
	DECQ(left)
	JNZ(LabelRef("position"))
	for i, s := range sum {
		VMOVUPS(s, mem(out, 32*i))
	}
	ADDQ(U32(64), out)
	ADDQ(U32(64), v0)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
