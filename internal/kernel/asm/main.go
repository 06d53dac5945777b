// Command asm writes the assembly of package kernel for amd64. Run it with
// `go generate ./internal/kernel`; CI checks that its output is committed.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	lanes      = 16
	actGroups  = 4
	tileBytes  = 288
	scaleBytes = 32
)

func main() {
	ConstraintExpr("amd64")
	for _, n := range []int{1, 2, 4, 8} {
		tileFast512(n)
	}
	for _, n := range []int{1, 2, 4, 8} {
		tileExact512(n)
	}
	quantize512()
	dots512()
	weightedSum512()
	scaled(w512)
	swiglu(w512, set512)
	swigluGrad(w512, set512)
	gate(w512, set512)
	expSum512()
	tableOne256()
	tableFast256(2)
	tableFast256(4)
	for _, n := range []int{1, 2, 4} {
		tableExact256(n)
	}
	peak512()
	peak256()
	fetch256()
	dots256()
	weightedSum256()
	unpackRows512()
	quantizeRows512()
	multiplyRows512()
	tables := newTables256()
	expandDots256(tables)
	unpackRows256()
	expandBlock256()
	quantizeRows256(tables)
	multiplyRows256()
	for _, n := range []int{1, 2, 4} {
		scores512(n)
		addValues(w512, n, w512.all)
	}
	valuesInMemory := w256.inMemory("values", valueBits...)
	for _, n := range []int{1, 2} {
		scores256(n)
		addValues(w256, n, valuesInMemory)
	}
	deltaRule(w512, 4, 1)
	deltaRule(w256, 2, 1)
	for _, w := range []*width{w512, w256} {
		addFloats(w)
		maxFloats(w)
		rotatePairs(w)
	}
	inMemory := w256.inMemory("exp", expBits...)
	quantize256()
	quantizeTables256()
	scaled(w256)
	swiglu(w256, inMemory)
	swigluGrad(w256, inMemory)
	gate(w256, inMemory)
	expSum256(inMemory)
	generate()
}

func mem(base Register, disp int) Mem { return Mem{Base: base, Disp: disp} }
