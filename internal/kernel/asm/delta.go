package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// deltaRule keeps the sums of some blocks of 16 columns in registers over all rows:
// counts says of how many, the most first.
func deltaRule(w *width, counts ...int) {
	TEXT("deltaRule"+w.name, NOSPLIT, "func(o *float32, s *float32, q *float32, k *float32, v *float32, rows int, blocks int, stride uintptr, alpha float32, beta float32)")
	Pragma("noescape")
	Doc("deltaRule" + w.name + " is deltaRule for 16·blocks columns; stride in bytes is from row to row of s.")
	h := deltaHead{w: w}
	load := func(name string) Register { return Load(Param(name), GP64()) }
	h.o, h.s, h.q, h.k, h.v = load("o"), load("s"), load("q"), load("k"), load("v")
	h.rows, h.stride = load("rows"), load("stride")
	blocks := load("blocks")
	h.alpha, h.beta = w.broadcast("alpha"), w.broadcast("beta")
	for _, n := range counts {
		next := fmt.Sprintf("fewerThan%d", n)
		Label(fmt.Sprintf("blocks%d", n))
		CMPQ(blocks, U8(uint8(n)))
		JL(LabelRef(next))
		h.columns(n)
		SUBQ(U8(uint8(n)), blocks)
		JMP(LabelRef(fmt.Sprintf("blocks%d", n)))
		Label(next)
	}
	VZEROUPPER()
	RET()
}

// deltaHead is what deltaRule works on, where it is.
type deltaHead struct {
	w                           *width
	o, s, q, k, v, rows, stride Register
	alpha, beta                 VecVirtual
}

// columns does n blocks of 16 columns and steps over them.
func (h *deltaHead) columns(n int) {
	w := h.w
	sum, r := w.regs(n*w.perLanes()), w.regs(n*w.perLanes())
	clearSums := func() {
		for _, x := range sum {
			VXORPS(x, x, x)
		}
	}
	row, at, q, left := GP64(), GP64(), GP64(), GP64()

	clearSums()
	MOVQ(h.s, row)
	MOVQ(h.k, at)
	MOVQ(h.rows, left)
	key := w.reg()
	Label(fmt.Sprintf("had%d", n))
	VBROADCASTSS(mem(at, 0), key)
	for i, had := range sum {
		x := w.reg()
		VMULPS(mem(row, w.bytes*i), key, x)
		VADDPS(x, had, had)
	}
	ADDQ(U8(4), at)
	ADDQ(h.stride, row)
	DECQ(left)
	JNZ(LabelRef(fmt.Sprintf("had%d", n)))

	for i, had := range sum {
		VMULPS(h.alpha, had, had)
		VMOVUPS(mem(h.v, w.bytes*i), r[i])
		VSUBPS(had, r[i], r[i])
		VMULPS(h.beta, r[i], r[i])
	}

	clearSums()
	MOVQ(h.s, row)
	MOVQ(h.k, at)
	MOVQ(h.q, q)
	MOVQ(h.rows, left)
	query := w.reg()
	Label(fmt.Sprintf("row%d", n))
	VBROADCASTSS(mem(at, 0), key)
	VBROADCASTSS(mem(q, 0), query)
	for i, out := range sum {
		x, y := w.reg(), w.reg()
		VMULPS(mem(row, w.bytes*i), h.alpha, x)
		VMULPS(r[i], key, y)
		VADDPS(y, x, x)
		VMOVUPS(x, mem(row, w.bytes*i))
		VMULPS(query, x, x)
		VADDPS(x, out, out)
	}
	ADDQ(U8(4), at)
	ADDQ(U8(4), q)
	ADDQ(h.stride, row)
	DECQ(left)
	JNZ(LabelRef(fmt.Sprintf("row%d", n)))

	for i, out := range sum {
		VMOVUPS(out, mem(h.o, w.bytes*i))
	}
	for _, p := range []Register{h.o, h.s, h.v} {
		ADDQ(U32(uint32(64*n)), p)
	}
}
