package main

import (
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

// The kernels of the transposed product keep the bits of a tile in 16-byte lanes
// of one column each: byte 16·k+r of a vector is byte 4·r+k of the packed one,
// of row r. So the gradients of a tile's rows, 16 bytes, are the other factor
// for all columns, and a dword of a sum holds four rows of a column.

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

// unpackRows512 prefetches the next row group, which the caller wants once it is
// done with this one for all its tokens.
func unpackRows512() {
	TEXT("unpackRows512", NOSPLIT, "func(bits *byte, d *float32, tile *uint64, stride uintptr, tiles int)")
	Pragma("noescape")
	Doc("unpackRows512 is transposeKernels.unpack.")
	bits, d, tile := Load(Param("bits"), GP64()), Load(Param("d"), GP64()), Load(Param("tile"), GP64())
	stride, tiles := Load(Param("stride"), GP64()), Load(Param("tiles"), GP64())
	bytes, dwords := constant512("swapBytes512", swapBytes), constant512("swapDwords512", swap4x4)
	next := GP64()
	MOVQ(stride, next)
	SHLQ(U8(3), next)
	ADDQ(tile, next)
	Label("tile")
	scales := ZMM()
	VCVTPH2PS(mem(tile, 0), scales)
	VMOVUPS(scales, mem(d, 0))
	for v := range 4 {
		w := ZMM()
		VMOVDQU64(mem(tile, scaleBytes+64*v), w)
		VPSHUFB(bytes, w, w)
		VPERMD(w, dwords, w)
		VMOVDQU64(w, mem(bits, 64*v))
	}
	for line := 0; line < tileBytes; line += 64 {
		PREFETCHT0(mem(next, line))
	}
	ADDQ(U32(64), d)
	ADDQ(U32(vectorBytes), bits)
	ADDQ(stride, tile)
	ADDQ(stride, next)
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

	Label("token")
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

// multiplyRows512 does 16 columns at a time, in 4 planes of 4: the chunks h = 0
// and 1 of two vectors v, in activation group a. A plane is one bit of the bytes,
// left where it is: its sums are Σbq times 2^a or 2^(4+a), below 2^21.
func multiplyRows512() {
	TEXT("multiplyRows512", NOSPLIT, "func(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)")
	Pragma("noescape")
	Doc("multiplyRows512 is transposeKernels.multiply.")
	m := multiply512{
		dx: Load(Param("dx"), GP64()), stride: Load(Param("stride"), GP64()),
		q: Load(Param("q"), GP64()), scale: Load(Param("scale"), GP64()), sum: Load(Param("sum"), GP64()),
		order: constant512("columnOrder512", swap4x4),
		shift: constant512("planeShift512", func(i int) uint32 { return uint32(i % 2 * 4) }),
		zero:  ZMM(),
	}
	bits := Load(Param("bits"), GP64())
	m.mask[0], m.mask[1] = set512(0x01010101), set512(0x10101010)
	left, one := GP64(), set512(1)
	VPXORD(m.zero, m.zero, m.zero)
	MOVQ(U32(actGroups), left)
	Label("activations")
	for pair := range 2 {
		m.columns(bits, pair)
		ADDQ(U32(4*16), m.dx)
	}
	VPADDB(m.mask[0], m.mask[0], m.mask[0])
	VPADDB(m.mask[1], m.mask[1], m.mask[1])
	VPADDD(one, m.shift, m.shift)
	DECQ(left)
	JNZ(LabelRef("activations"))
	VZEROUPPER()
	RET()
}

type multiply512 struct {
	dx, stride, q, scale, sum Register
	mask                      [2]VecVirtual // the bit of chunk h
	order, shift, zero        VecVirtual
}

// columns does 16 columns, of one pair of vectors.
func (m multiply512) columns(bits0 Register, pair int) {
	bits, q, left := GP64(), GP64(), GP64()
	MOVQ(bits0, bits)
	MOVQ(m.q, q)
	MOVQ(U32(rowGroupTiles), left)
	acc := make([]VecVirtual, 4*transposeTokens)
	for i := range acc {
		acc[i] = ZMM()
		VMOVDQA64(m.zero, acc[i])
	}
	tile := []string{"evenTile", "oddTile"}[pair]
	Label(tile)
	var w [4]VecVirtual
	for p := range w {
		w[p] = ZMM()
		VPANDD(mem(bits, 128*pair+64*(p/2)), m.mask[p%2], w[p])
	}
	for t := range transposeTokens {
		x := ZMM()
		VBROADCASTI32X4(mem(q, rowGroup*t), x)
		for p := range w {
			VPDPBUSD(x, w[p], acc[4*t+p])
		}
	}
	ADDQ(U32(vectorBytes), bits)
	ADDQ(U32(lanes), q)
	DECQ(left)
	JNZ(LabelRef(tile))

	out := GP64()
	MOVQ(m.dx, out)
	for t := range transposeTokens {
		m.add(acc[4*t:4*t+4], out, t)
		if t+1 < transposeTokens {
			ADDQ(m.stride, out)
		}
	}
}

// add sums the four dwords of each lane of the planes, makes I = 2·Σbq − Σq of
// each sum, and adds scale·I to 16 columns of token t.
func (m multiply512) add(plane []VecVirtual, out Register, t int) {
	ab, cd := pairs512(VPUNPCKLDQ, VPUNPCKHDQ, plane[0], plane[1]), pairs512(VPUNPCKLDQ, VPUNPCKHDQ, plane[2], plane[3])
	s := pairs512(VPUNPCKLQDQ, VPUNPCKHQDQ, ab, cd)
	VPSRAVD(m.shift, s, s)
	VPADDD(s, s, s)
	VPSUBD_BCST(mem(m.sum, 4*t), s, s)
	VPERMD(s, m.order, s)
	VCVTDQ2PS(s, s)
	VMULPS_BCST(mem(m.scale, 4*t), s, s)
	VADDPS(mem(out, 0), s, s)
	VMOVUPS(s, mem(out, 0))
}

// pairs512 interleaves the low and the high halves of the lanes of a and b and
// adds the two.
func pairs512(low, high func(...Op), a, b VecVirtual) VecVirtual {
	l := ZMM()
	low(b, a, l)
	high(b, a, a)
	VPADDD(l, a, a)
	return a
}
