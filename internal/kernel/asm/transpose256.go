package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// interleave takes dwords from the two lanes in turn.
func interleave(i int) uint32 { return uint32(i%2*4 + i/2) }

// tables256 are shared by the functions here, each of which loads its own copy.
type tables256 struct{ bytes, interleave, signs Mem }

func newTables256() tables256 {
	table := func(name string, word func(i int) uint32) Mem {
		g := GLOBL(name, RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(word(i)))
		}
		return g
	}
	return tables256{
		bytes:      table("swapBytes256", swapBytes),
		interleave: table("interleave256", interleave),
		// What moves the bit of column 4·h+k of the last activation group to bit 31.
		signs: table("signs256", func(i int) uint32 { return uint32(28 - 8*(i%4) - 4*(i/4)) }),
	}
}

func loaded(table Mem) VecVirtual {
	y := YMM()
	VMOVDQU(table, y)
	return y
}

// expand256 makes 8 columns at a time: chunks h = 0 and 1 of a vector, in
// activation group a. With their bits at the top of a dword each, they select
// between −d and d.
func expand256(tables tables256) {
	TEXT("expand256", NOSPLIT, "func(rows *[2048]float32, w *[36]uint64)")
	Pragma("noescape")
	Doc("expand256 is expand.")
	rows, w := Load(Param("rows"), GP64()), Load(Param("w"), GP64())
	shift := loaded(tables.signs)
	sign := YMM()
	VPCMPEQD(sign, sign, sign)
	VPSLLD(U8(31), sign, sign)
	bits, left := GP64(), GP64()
	LEAQ(mem(w, scaleBytes), bits)
	MOVQ(U32(lanes), left)
	Label("row")
	minus := YMM()
	VPBROADCASTW(mem(w, 0), minus.AsX())
	VCVTPH2PS(minus.AsX(), minus)
	VPXOR(sign, minus, minus)
	v := ymms(4)
	for i := range v {
		VPBROADCASTD(mem(bits, 64*i), v[i])
		VPSLLVD(shift, v[i], v[i])
	}
	for a := actGroups - 1; a >= 0; a-- {
		for i := range v {
			x := YMM()
			VPAND(sign, v[i], x)
			VPXOR(minus, x, x)
			VMOVUPS(x, mem(rows, 4*(32*a+8*i)))
			if a > 0 {
				VPADDD(v[i], v[i], v[i])
			}
		}
	}
	ADDQ(U32(2), w)
	ADDQ(U32(4), bits)
	ADDQ(U32(4*128), rows)
	DECQ(left)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// unpackRows256 writes what unpackRows512 does.
func unpackRows256(tables tables256) {
	TEXT("unpackRows256", NOSPLIT, "func(bits *byte, d *float32, tile *uint64, stride uintptr, tiles int)")
	Pragma("noescape")
	Doc("unpackRows256 is transposeKernels.unpack.")
	bits, d, tile := Load(Param("bits"), GP64()), Load(Param("d"), GP64()), Load(Param("tile"), GP64())
	stride, tiles := Load(Param("stride"), GP64()), Load(Param("tiles"), GP64())
	bytes, order := loaded(tables.bytes), loaded(tables.interleave)
	next := GP64()
	MOVQ(stride, next)
	SHLQ(U8(3), next)
	ADDQ(tile, next)
	Label("tile")
	for half := range 2 {
		scales := YMM()
		VCVTPH2PS(mem(tile, 16*half), scales)
		VMOVUPS(scales, mem(d, 32*half))
	}
	for v := range 4 {
		lo, hi, w := YMM(), YMM(), YMM()
		VMOVDQU(mem(tile, scaleBytes+64*v), lo)
		VMOVDQU(mem(tile, scaleBytes+64*v+32), hi)
		VPSHUFB(bytes, lo, lo)
		VPSHUFB(bytes, hi, hi)
		VPUNPCKLDQ(hi, lo, w)
		VPUNPCKHDQ(hi, lo, hi)
		VPERMD(w, order, w)
		VPERMD(hi, order, hi)
		VMOVDQU(w, mem(bits, 64*v))
		VMOVDQU(hi, mem(bits, 64*v+32))
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

// lowest combines the 8 lanes of y and leaves the result in the lowest.
func lowest(y VecVirtual, op func(...Op)) Register {
	x, z := y.AsX(), XMM()
	VEXTRACTI128(U8(1), y, z)
	op(z, x, x)
	VPSHUFD(U8(0b01001110), x, z)
	op(z, x, x)
	VPSHUFD(U8(0b10110001), x, z)
	op(z, x, x)
	return x
}

// quantizeRows256 makes the values twice, for want of registers.
func quantizeRows256(tables tables256) {
	TEXT("quantizeRows256", NOSPLIT, "func(q *int8, scale *float32, sum *int32, d *float32, dy *float32, stride uintptr)")
	Pragma("noescape")
	Doc("quantizeRows256 is transposeKernels.quantize.")
	q, scale, sum := Load(Param("q"), GP64()), Load(Param("scale"), GP64()), Load(Param("sum"), GP64())
	d, dy, stride := Load(Param("d"), GP64()), Load(Param("dy"), GP64()), Load(Param("stride"), GP64())
	order, abs, bound, left := loaded(tables.interleave), YMM(), GP32(), GP64()
	VPCMPEQD(abs, abs, abs)
	VPSRLD(U8(1), abs, abs)
	c127, tiny := XMM(), XMM()
	MOVL(U32(0x42FE0000), bound)
	VMOVD(bound, c127)
	MOVL(U32(tinyMaxBits), bound)
	VMOVD(bound, tiny)
	MOVQ(U32(transposeTokens), left)

	value := func(i int, v VecVirtual) {
		VMOVUPS(mem(d, 32*i), v)
		VMULPS(mem(dy, 32*i), v, v)
	}
	Label("token")
	most := ymms(2)
	zero256(most)
	for i := range rowGroup / 8 {
		v := YMM()
		value(i, v)
		VPAND(abs, v, v)
		VMAXPS(v, most[i%2], most[i%2])
	}
	VMAXPS(most[1], most[0], most[0])
	m, inv, s := lowest(most[0], VMAXPS), XMM(), XMM()
	VDIVSS(m, c127, inv)
	VDIVSS(c127, m, s)
	UCOMISS(m, tiny) // as in quantize512
	JLS(LabelRef("keep"))
	VPXOR(inv, inv, inv)
	VPXOR(s, s, s)
	Label("keep")
	VMOVSS(s, mem(scale, 0))
	wide, total := YMM(), YMM()
	VBROADCASTSS(inv, wide)
	VPXOR(total, total, total)
	for i := range rowGroup / 32 {
		v := ymms(4)
		for j := range v {
			value(4*i+j, v[j])
			VMULPS(wide, v[j], v[j])
			VCVTPS2DQ(v[j], v[j])
			VPADDD(v[j], total, total)
		}
		VPACKSSDW(v[1], v[0], v[0])
		VPACKSSDW(v[3], v[2], v[2])
		VPACKSSWB(v[2], v[0], v[0])
		VPERMD(v[0], order, v[0])
		VMOVDQU(v[0], mem(q, 32*i))
	}
	VMOVD(lowest(total, VPADDD), mem(sum, 0))
	ADDQ(U32(rowGroup), q)
	ADDQ(U32(4), scale)
	ADDQ(U32(4), sum)
	ADDQ(stride, dy)
	DECQ(left)
	JNZ(LabelRef("token"))
	VZEROUPPER()
	RET()
}

// multiplyRows256 does 8 columns of two tokens at a time: chunks h = 0 and 1 of
// a vector, in activation group a. The weights are 2^a, so a sum of 8 tiles in
// int16 stays below 8 · 2·8·127.
func multiplyRows256(tables tables256) {
	TEXT("multiplyRows256", NOSPLIT, "func(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)")
	Pragma("noescape")
	Doc("multiplyRows256 is transposeKernels.multiply.")
	m := multiply256{
		dx: Load(Param("dx"), GP64()), stride: Load(Param("stride"), GP64()), bits: Load(Param("bits"), GP64()),
		q: Load(Param("q"), GP64()), scale: Load(Param("scale"), GP64()), sum: Load(Param("sum"), GP64()),
		a: GP32(), mask: YMM(), ones: YMM(), order: tables.interleave,
	}
	VPCMPEQW(m.ones, m.ones, m.ones)
	VPSRLW(U8(15), m.ones, m.ones)
	VPACKUSWB(m.ones, m.ones, m.mask)
	XORL(m.a, m.a)
	Label("activations")
	for v := range 4 {
		for pair := range transposeTokens / 2 {
			m.columns(v, 2*pair)
		}
		ADDQ(U32(4*8), m.dx)
	}
	VPADDB(m.mask, m.mask, m.mask)
	INCL(m.a)
	CMPL(m.a, U32(actGroups))
	JNE(LabelRef("activations"))
	VZEROUPPER()
	RET()
}

type multiply256 struct {
	dx, stride, bits, q, scale, sum, a Register
	mask, ones                         VecVirtual
	order                              Mem
}

// columns does 8 columns of tokens t and t+1.
func (m multiply256) columns(v, t int) {
	bits, q, left, acc := GP64(), GP64(), GP64(), ymms(8)
	MOVQ(m.bits, bits)
	MOVQ(m.q, q)
	MOVQ(U32(rowGroupTiles), left)
	zero256(acc)
	tile := fmt.Sprintf("tile%d_%d", v, t)
	Label(tile)
	x := ymms(2)
	for i := range x {
		VBROADCASTI128(mem(q, rowGroup*(t+i)), x[i])
	}
	for p := range 4 { // columns k = 0, 1 then 2, 3 of chunk 0, then of chunk 1
		w := YMM()
		if p < 2 {
			VPAND(mem(bits, 64*v+32*(p%2)), m.mask, w)
		} else {
			VMOVDQU(mem(bits, 64*v+32*(p%2)), w)
			VPSRLW(U8(4), w, w)
			VPAND(m.mask, w, w)
		}
		for i := range x {
			y := YMM()
			VPMADDUBSW(x[i], w, y)
			VPADDW(y, acc[4*i+p], acc[4*i+p])
		}
	}
	ADDQ(U32(vectorBytes), bits)
	ADDQ(U32(lanes), q)
	DECQ(left)
	JNZ(LabelRef(tile))
	out := GP64()
	MOVQ(m.dx, out)
	for range t {
		ADDQ(m.stride, out)
	}
	m.add(acc[:4], out, t)
	ADDQ(m.stride, out)
	m.add(acc[4:], out, t+1)
}

// add sums the words of each lane of the planes, makes I = 2·Σbq − Σq of each
// sum, and adds scale·I to 8 columns of token t.
func (m multiply256) add(plane []VecVirtual, out Register, t int) {
	for _, p := range plane {
		VPMADDWD(m.ones, p, p)
	}
	s, x := plane[0], YMM()
	VPHADDD(plane[1], plane[0], s)
	VPHADDD(plane[3], plane[2], plane[2])
	VPHADDD(plane[2], s, s)
	VMOVD(m.a, x.AsX())
	VPSRAD(x.AsX(), s, s)
	VPADDD(s, s, s)
	VPBROADCASTD(mem(m.sum, 4*t), x)
	VPSUBD(x, s, s)
	VMOVDQU(m.order, x)
	VPERMD(s, x, s)
	VCVTDQ2PS(s, s)
	VBROADCASTSS(mem(m.scale, 4*t), x)
	VMULPS(x, s, s)
	VADDPS(mem(out, 0), s, s)
	VMOVUPS(s, mem(out, 0))
}
