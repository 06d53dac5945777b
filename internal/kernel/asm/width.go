package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// width is a vector width, for kernels that need nothing but instructions which
// exist at both.
type width struct {
	name  string
	bytes int
	reg   func() VecVirtual
	fold  func(v VecVirtual, op func(...Op)) // all lanes into the lowest
}

var (
	w512 = &width{"512", 64, ZMM, fold512}
	w256 = &width{"256", 32, YMM, fold256}
)

// perLanes is the number of registers that hold 16 floats.
func (w *width) perLanes() int { return 4 * lanes / w.bytes }

func (w *width) regs(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = w.reg()
	}
	return v
}

// all returns a register whose lanes hold bits.
func (w *width) all(bits uint32) VecVirtual {
	r, x, v := GP32(), XMM(), w.reg()
	MOVL(U32(bits), r)
	VMOVD(r, x)
	VPBROADCASTD(x, v)
	return v
}

// broadcast returns a register whose lanes hold a parameter of float32.
func (w *width) broadcast(name string) VecVirtual {
	v := w.reg()
	Load(Param(name), v.AsX())
	VBROADCASTSS(v.AsX(), v)
	return v
}

// advance adds 64 bytes, 16 floats, to pointers.
func advance(p ...Register) {
	for _, r := range p {
		ADDQ(U8(64), r)
	}
}
