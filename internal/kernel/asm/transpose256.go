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
type tables256 struct{ interleave, signs Mem }

func newTables256() tables256 {
	table := func(name string, word func(i int) uint32) Mem {
		g := GLOBL(name, RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(word(i)))
		}
		return g
	}
	return tables256{
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

// expandDots256 makes 8 columns at a time: chunks h = 0 and 1 of a vector, in
// activation group a. With their bits at the top of a dword each, they select
// between −d and d.
func expandDots256(tables tables256) {
	TEXT("expandDots256", NOSPLIT, "func(rows *[2048]float32, group *byte)")
	Pragma("noescape")
	Doc("expandDots256 writes the weights of a group of a tile of the layout dots.")
	rows, w := Load(Param("rows"), GP64()), Load(Param("group"), GP64())
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

// unpackRows256 writes what unpackRows512 does. For the bytes v, 4+v, 8+v and 12+v of
// all rows, one of each activation group a, it swaps a with the column k of a bit
// 4·h+k; then it puts the columns of four rows together.
func unpackRows256() {
	TEXT("unpackRows256", NOSPLIT, "func(bits *byte, d *float32, tile *byte, stride uintptr, tiles int)")
	Pragma("noescape")
	Doc("unpackRows256 is transposeKernels.unpack.")
	bits, d, tile := Load(Param("bits"), GP64()), Load(Param("d"), GP64()), Load(Param("tile"), GP64())
	stride, tiles := Load(Param("stride"), GP64()), Load(Param("tiles"), GP64())
	odd, pairs := w256.all(0x55555555), w256.all(0x33333333)
	next := nextRows(tile, stride, rowGroup/tableRows)
	Label("tile")
	for i := range 4 {
		scales := YMM()
		VCVTPH2PS(mem(tile, 16*i), scales)
		VMOVUPS(scales, mem(d, 32*i))
	}
	for v := range 4 {
		x := ymms(4)
		for a := range x {
			VMOVDQU(mem(tile, tableScales+tableRows*(4*a+v)), x[a])
		}
		swapBits256(x[0], x[1], odd, 1)
		swapBits256(x[2], x[3], odd, 1)
		swapBits256(x[0], x[2], pairs, 2)
		swapBits256(x[1], x[3], pairs, 2)
		// x[k] has columns k of 8 times 4 rows; those of the same rows go together.
		for i, rows := range swapped256(x) {
			VMOVDQU(rows.AsX(), mem(bits, 64*(2*i)+16*v))
			VEXTRACTI128(U8(1), rows, mem(bits, 64*(2*i+1)+16*v))
		}
	}
	prefetch(next, stride, tableGroup)
	ADDQ(U32(4*tableRows), d)
	ADDQ(U32(2*vectorBytes), bits)
	ADDQ(stride, tile)
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}

// swapBits256 swaps the bits of lo that lie a shift above those of mask with the
// bits of hi that mask has.
func swapBits256(lo, hi, mask VecVirtual, shift uint8) {
	t := YMM()
	VPSRLW(U8(shift), lo, t)
	VPXOR(hi, t, t)
	VPAND(mask, t, t)
	VPXOR(t, hi, hi)
	VPSLLW(U8(shift), t, t)
	VPXOR(t, lo, lo)
}

// swapped256 transposes the 4×4 dwords of the halves of four registers.
func swapped256(x []VecVirtual) []VecVirtual {
	a, b, c, d := YMM(), YMM(), YMM(), YMM()
	VPUNPCKLDQ(x[1], x[0], a)
	VPUNPCKHDQ(x[1], x[0], b)
	VPUNPCKLDQ(x[3], x[2], c)
	VPUNPCKHDQ(x[3], x[2], d)
	out := ymms(4)
	VPUNPCKLQDQ(c, a, out[0])
	VPUNPCKHQDQ(c, a, out[1])
	VPUNPCKLQDQ(d, b, out[2])
	VPUNPCKHQDQ(d, b, out[3])
	return out
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
	next := nextRows(dy, stride, transposeTokens)

	Label("token")
	prefetch(next, stride, 4*rowGroup)
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

// multiplyRows256 does 16 columns at a time, in 2 planes of 8: the bits of the
// chunks h = 0 and 1 of two vectors, in activation group a. The weights are 2^a
// or 4, so a sum of 32 quarters in int16 stays below 32 · 4·2·127.
func multiplyRows256() {
	TEXT("multiplyRows256", NOSPLIT, "func(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)")
	Pragma("noescape")
	Doc("multiplyRows256 is transposeKernels.multiply.")
	m := multiply256{
		dx: Load(Param("dx"), GP64()), stride: Load(Param("stride"), GP64()), bits: Load(Param("bits"), GP64()),
		q: Load(Param("q"), GP64()), scale: Load(Param("scale"), GP64()), sum: Load(Param("sum"), GP64()),
		mask: YMM(), ones: YMM(),
	}
	VPCMPEQW(m.ones, m.ones, m.ones)
	VPSRLW(U8(15), m.ones, m.ones)
	VPACKUSWB(m.ones, m.ones, m.mask)
	for a := range actGroups {
		m.log = min(a, 2)
		m.shift = a - m.log
		left := GP64()
		MOVQ(U32(2), left)
		half := fmt.Sprintf("half%d", a)
		Label(half)
		m.columns(half)
		ADDQ(U32(32), m.bits)
		ADDQ(U32(4*16), m.dx)
		DECQ(left)
		JNZ(LabelRef(half))
		SUBQ(U32(64), m.bits)
		if a < 2 {
			VPADDB(m.mask, m.mask, m.mask)
		}
	}
	VZEROUPPER()
	RET()
}

type multiply256 struct {
	dx, stride, bits, q, scale, sum Register
	mask, ones                      VecVirtual
	log, shift                      int // the weights are 2^log, after this shift of chunk 0
}

// columns does 16 columns, of half a quarter.
func (m multiply256) columns(name string) {
	bits, q, left, acc := GP64(), GP64(), GP64(), ymms(2*transposeTokens)
	MOVQ(m.bits, bits)
	MOVQ(m.q, q)
	MOVQ(U32(rowGroupTiles), left)
	zero256(acc)
	Label(name + "tile")
	for quarter := range 4 {
		w := ymms(2)
		for h := range w {
			VMOVDQU(mem(bits, 64*quarter), w[h])
			if shift := 4*h + m.shift; shift > 0 {
				VPSRLW(U8(uint8(shift)), w[h], w[h])
			}
			VPAND(m.mask, w[h], w[h])
		}
		for t := range transposeTokens {
			x, y := YMM(), YMM()
			VPBROADCASTD(mem(q, rowGroup*t+4*quarter), x)
			VPMADDUBSW(x, w[0], y)
			VPMADDUBSW(x, w[1], x)
			VPADDW(y, acc[2*t], acc[2*t])
			VPADDW(x, acc[2*t+1], acc[2*t+1])
		}
	}
	ADDQ(U32(vectorBytes), bits)
	ADDQ(U32(lanes), q)
	DECQ(left)
	JNZ(LabelRef(name + "tile"))
	out := GP64()
	MOVQ(m.dx, out)
	for t := range transposeTokens {
		m.add(acc[2*t:2*t+2], out, t)
		if t+1 < transposeTokens {
			ADDQ(m.stride, out)
		}
	}
}

// add makes I = 2·Σbq − Σq of the sums of two planes and adds scale·I to 16
// columns of token t.
func (m multiply256) add(plane []VecVirtual, out Register, t int) {
	total, scale, low := YMM(), YMM(), YMM()
	VPBROADCASTD(mem(m.sum, 4*t), total)
	for _, s := range plane {
		VPMADDWD(m.ones, s, s)
		switch m.log {
		case 0:
			VPADDD(s, s, s)
		case 2:
			VPSRAD(U8(1), s, s)
		}
		VPSUBD(total, s, s)
	}
	VPERM2I128(U8(0x20), plane[1], plane[0], low)
	VPERM2I128(U8(0x31), plane[1], plane[0], plane[1])
	VBROADCASTSS(mem(m.scale, 4*t), scale)
	for i, s := range []VecVirtual{low, plane[1]} {
		VCVTDQ2PS(s, s)
		VMULPS(scale, s, s)
		VADDPS(mem(out, 32*i), s, s)
		VMOVUPS(s, mem(out, 32*i))
	}
}
