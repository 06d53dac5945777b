package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	rowGroup        = 128 // rows
	rowGroupTiles   = rowGroup / lanes
	transposeTokens = 4
	vectorBytes     = tileBytes - scaleBytes
)

// The kernels of the transposed product keep the bits of a tile in the order
// [4 quarters of the rows][4 vectors v][4 columns k][4 rows]. So one bit of the
// bytes of a quarter is 16 columns of it, a plane; the factor for all of them are
// the gradients of 4 rows, 4 bytes; and the sums need no horizontal addition.

// swap4x4 transposes a 4×4 matrix: element i of the result is element swap4x4(i)
// of the source.
func swap4x4(i int) uint32 { return uint32(i%4*4 + i/4) }

// swapBytes is word i of a table for VPSHUFB that does so in each 16-byte lane.
func swapBytes(i int) (word uint32) {
	for j := range 4 {
		word |= swap4x4(i%4*4+j) << (8 * j)
	}
	return word
}

// constant512 puts a read-only table of 16 words into a register.
func constant512(name string, word func(i int) uint32) VecVirtual {
	g := GLOBL(name, RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(word(i)))
	}
	z := ZMM()
	VMOVDQU32(g, z)
	return z
}

// nextRows is the address n rows after one. The rows of tiles, and those of dy,
// are too far apart for the CPU to predict which it needs next, so the kernels
// prefetch the next row group's tiles and the next tokens.
func nextRows(row, stride Register, n uint8) Register {
	next := GP64()
	LEAQ(Mem{Base: row, Index: stride, Scale: n}, next)
	return next
}

// prefetch prefetches a row of some bytes and steps to the one after it. Past the
// end of the memory it does nothing.
func prefetch(row, stride Register, bytes int) {
	for line := 0; line < bytes; line += 64 {
		PREFETCHT0(mem(row, line))
	}
	ADDQ(stride, row)
}

func unpackRows512() {
	TEXT("unpackRows512", NOSPLIT, "func(bits *byte, d *float32, tile *byte, stride uintptr, tiles int)")
	Pragma("noescape")
	Doc("unpackRows512 is transposeKernels.unpack.")
	bits, d, tile := Load(Param("bits"), GP64()), Load(Param("d"), GP64()), Load(Param("tile"), GP64())
	stride, tiles := Load(Param("stride"), GP64()), Load(Param("tiles"), GP64())
	bytes := constant512("swapBytes512", swapBytes)
	next := nextRows(tile, stride, rowGroupTiles)
	Label("tile")
	scales := ZMM()
	VCVTPH2PS(mem(tile, 0), scales)
	VMOVUPS(scales, mem(d, 0))
	w := make([]VecVirtual, 4)
	for v := range w {
		w[v] = ZMM()
		VMOVDQU64(mem(tile, scaleBytes+64*v), w[v])
		VPSHUFB(bytes, w[v], w[v])
	}
	for half, lanes := range []uint8{0x44, 0xEE} { // quarters 0 and 1, 2 and 3
		front, back, quarter := ZMM(), ZMM(), ZMM()
		VSHUFI32X4(U8(lanes), w[1], w[0], front)
		VSHUFI32X4(U8(lanes), w[3], w[2], back)
		VSHUFI32X4(U8(0x88), back, front, quarter)
		VMOVDQU64(quarter, mem(bits, 128*half))
		VSHUFI32X4(U8(0xDD), back, front, quarter)
		VMOVDQU64(quarter, mem(bits, 128*half+64))
	}
	prefetch(next, stride, tileBytes)
	ADDQ(U32(64), d)
	ADDQ(U32(vectorBytes), bits)
	ADDQ(stride, tile)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// quantizeRows512 keeps the 128 values of a token in 8 registers.
func quantizeRows512() {
	TEXT("quantizeRows512", NOSPLIT, "func(q *int8, scale *float32, sum *int32, d *float32, dy *float32, stride uintptr)")
	Pragma("noescape")
	Doc("quantizeRows512 is transposeKernels.quantize.")
	q, scale, sum := Load(Param("q"), GP64()), Load(Param("scale"), GP64()), Load(Param("sum"), GP64())
	d, dy, stride := Load(Param("d"), GP64()), Load(Param("dy"), GP64()), Load(Param("stride"), GP64())
	abs, c127, tiny := set512(0x7FFFFFFF), set512(0x42FE0000), set512(tinyMaxBits)
	ones, order := set512(0x01010101), constant512("byteOrder512", swap4x4)
	left := GP64()
	MOVQ(U32(transposeTokens), left)
	next := nextRows(dy, stride, transposeTokens)

	Label("token")
	prefetch(next, stride, 4*rowGroup)
	v, most := make([]VecVirtual, rowGroup/16), make([]VecVirtual, rowGroup/16)
	for i := range v {
		v[i], most[i] = ZMM(), ZMM()
		VMOVUPS(mem(d, 64*i), v[i])
		VMULPS(mem(dy, 64*i), v[i], v[i])
		VPANDD(abs, v[i], most[i])
	}
	m := tree(most, VMAXPS)
	fold512(m, VMAXPS)
	inv, s := XMM(), XMM()
	VDIVSS(m.AsX(), c127.AsX(), inv)
	VDIVSS(c127.AsX(), m.AsX(), s)
	UCOMISS(m.AsX(), tiny.AsX()) // as in quantize512
	JLS(LabelRef("keep"))
	VPXOR(inv, inv, inv)
	VPXOR(s, s, s)
	Label("keep")
	VMOVSS(s, mem(scale, 0))
	wide := ZMM()
	VBROADCASTSS(inv, wide)
	for i := range v {
		VMULPS(wide, v[i], v[i])
		VCVTPS2DQ(v[i], v[i])
	}
	total := m // a register below 16, which fold512 needs
	VPXORD(total, total, total)
	for i := range rowGroup / 64 {
		b := v[4*i : 4*i+4]
		VPACKSSDW(b[1], b[0], b[0])
		VPACKSSDW(b[3], b[2], b[2])
		VPACKSSWB(b[2], b[0], b[0])
		VPERMD(b[0], order, b[0])
		VMOVDQU64(b[0], mem(q, 64*i))
		VPDPBUSD(b[0], ones, total)
	}
	fold512(total, VPADDD)
	VMOVD(total.AsX(), mem(sum, 0))
	ADDQ(U32(rowGroup), q)
	ADDQ(U32(4), scale)
	ADDQ(U32(4), sum)
	ADDQ(stride, dy)
	DECQ(left)
	JNZ(LabelRef("token"))
	VZEROUPPER()
	RET()
}

// tree combines registers pairwise into the first.
func tree(v []VecVirtual, op func(...Op)) VecVirtual {
	for n := len(v) / 2; n > 0; n /= 2 {
		for i := range n {
			op(v[i+n], v[i], v[i])
		}
	}
	return v[0]
}

// multiplyRows512 does 64 columns at a time, in 4 planes of 16: the bits of two
// activation groups a and of the chunks h = 0 and 1. The bits stay where they are
// in their bytes, so the sums are Σbq times 2^(4·h+a), below 2^21.
func multiplyRows512() {
	TEXT("multiplyRows512", NOSPLIT, "func(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)")
	Pragma("noescape")
	Doc("multiplyRows512 is transposeKernels.multiply.")
	m := multiply512{
		dx: Load(Param("dx"), GP64()), stride: Load(Param("stride"), GP64()), bits: Load(Param("bits"), GP64()),
		q: Load(Param("q"), GP64()), scale: Load(Param("scale"), GP64()), sum: Load(Param("sum"), GP64()),
		zero: ZMM(),
	}
	// Lanes of two planes in turn.
	lane := func(i int) uint32 { return uint32(i%4 + i/8*4 + i/4%2*16) }
	m.front = constant512("front512", lane)
	m.back = constant512("back512", func(i int) uint32 { return lane(i) + 8 })
	VPXORD(m.zero, m.zero, m.zero)
	for i, bit := range []uint32{0x01010101, 0x10101010, 0x02020202, 0x20202020} {
		m.mask[i] = set512(bit)
	}
	m.columns(0)
	for _, mask := range m.mask {
		VPSLLW(U8(2), mask, mask)
	}
	m.columns(2)
	VZEROUPPER()
	RET()
}

type multiply512 struct {
	dx, stride, bits, q, scale, sum Register
	mask                            [4]VecVirtual
	front, back, zero               VecVirtual
}

// columns does the columns of activation groups a and a+1.
func (m multiply512) columns(a int) {
	bits, q, left := GP64(), GP64(), GP64()
	MOVQ(m.bits, bits)
	MOVQ(m.q, q)
	MOVQ(U32(rowGroupTiles), left)
	acc := make([]VecVirtual, 4*transposeTokens)
	for i := range acc {
		acc[i] = ZMM()
		VMOVDQA64(m.zero, acc[i])
	}
	tile := fmt.Sprintf("tile%d", a)
	Label(tile)
	for quarter := range 4 {
		var w [4]VecVirtual
		for p := range w {
			w[p] = ZMM()
			VPANDD(mem(bits, 64*quarter), m.mask[p], w[p])
		}
		for t := range transposeTokens {
			x := ZMM()
			VPBROADCASTD(mem(q, rowGroup*t+4*quarter), x)
			for p := range w {
				VPDPBUSD(x, w[p], acc[4*t+p])
			}
		}
	}
	ADDQ(U32(vectorBytes), bits)
	ADDQ(U32(lanes), q)
	DECQ(left)
	JNZ(LabelRef(tile))

	out := GP64()
	LEAQ(mem(m.dx, 4*32*a), out)
	for t := range transposeTokens {
		m.add(acc[4*t:4*t+2], a, out, 0, t)
		m.add(acc[4*t+2:4*t+4], a+1, out, 4*32, t)
		if t+1 < transposeTokens {
			ADDQ(m.stride, out)
		}
	}
}

// add makes I = 2·Σbq − Σq of the sums of activation group a's planes and adds
// scale·I to its 32 columns of token t.
func (m multiply512) add(plane []VecVirtual, a int, out Register, disp, t int) {
	for h, s := range plane {
		if p := 4*h + a; p == 0 {
			VPADDD(s, s, s)
		} else if p > 1 {
			VPSRAD(U8(uint8(p-1)), s, s)
		}
		VPSUBD_BCST(mem(m.sum, 4*t), s, s)
	}
	front, back := ZMM(), plane[0]
	VMOVDQA64(m.front, front)
	VPERMI2D(plane[1], plane[0], front)
	VPERMT2D(plane[1], m.back, back)
	for i, s := range []VecVirtual{front, back} {
		VCVTDQ2PS(s, s)
		VMULPS_BCST(mem(m.scale, 4*t), s, s)
		VADDPS(mem(out, disp+64*i), s, s)
		VMOVUPS(s, mem(out, disp+64*i))
	}
}
