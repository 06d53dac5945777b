package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func set512(bits uint32) VecVirtual {
	r, z := GP32(), ZMM()
	MOVL(U32(bits), r)
	VPBROADCASTD(r, z)
	return z
}

// fold512 folds 16 lanes into the lowest, at distance 8, 4, 2, 1.
func fold512(z VecVirtual, op func(...Op)) {
	y, x := YMM(), XMM()
	VEXTRACTF64X4(U8(1), z, y)
	op(y, z.AsY(), z.AsY())
	VEXTRACTF128(U8(1), z.AsY(), x)
	op(x, z.AsX(), z.AsX())
	VPSHUFD(U8(0b01001110), z.AsX(), x)
	op(x, z.AsX(), z.AsX())
	VPSHUFD(U8(0b10110001), z.AsX(), x)
	op(x, z.AsX(), z.AsX())
}

// quantize512 quantises groups of 32 floats. qstride is the distance in bytes
// between the 4-byte chunks of one token, sstride that between its scales.
func quantize512() {
	TEXT("quantize512", NOSPLIT, "func(q *int8, qstride uintptr, scale *float32, nsum *int32, sstride uintptr, x *float32, groups int)")
	Pragma("noescape")
	Doc("quantize512 is quantize for one token; strides are in bytes.")
	z := loadQuantizer()
	abs, c127, tiny := set512(0x7FFFFFFF), set512(0x42FE0000), set512(tinyMaxBits)

	// The group's place among the four of a weight's scale: see Acts.
	table := GLOBL("powers", RODATA|NOPTR)
	for i, bits := range []uint32{0x3F800000, 0x3F000000, 0x3E800000, 0x3E000000} { // 2^−i
		DATA(4*i, U32(bits))
	}
	z.begin(table)
	a, b := ZMM(), ZMM()
	VMOVUPS(mem(z.x, 0), a)
	VMOVUPS(mem(z.x, 64), b)
	m, mb := ZMM(), ZMM()
	VPANDD(abs, a, m)
	VPANDD(abs, b, mb)
	VMAXPS(mb, m, m)
	fold512(m, VMAXPS)
	inv := z.storeScale(m, c127, tiny)
	wide := ZMM()
	VBROADCASTSS(inv, wide)
	VMULPS(wide, a, a)
	VMULPS(wide, b, b)
	VCVTPS2DQ(a, a)
	VCVTPS2DQ(b, b)
	for _, half := range []VecVirtual{a, b} {
		bytes := XMM()
		VPMOVSDB(half, bytes)
		for i := range 4 {
			VPEXTRD(U8(uint8(i)), bytes, mem(z.q, 0))
			ADDQ(z.qstride, z.q)
		}
	}
	VPADDD(b, a, a)
	fold512(a, VPADDD)
	z.storeSum(a)
}

// quantizer is what a kernel that quantises has in general registers; the group's
// place among the four of a weight's scale (see Acts) is in ECX.
type quantizer struct{ q, qstride, scale, nsum, sstride, x, groups, powers Register }

func loadQuantizer() quantizer {
	var z quantizer
	z.q, z.qstride = Load(Param("q"), GP64()), Load(Param("qstride"), GP64())
	z.scale, z.nsum, z.sstride = Load(Param("scale"), GP64()), Load(Param("nsum"), GP64()), Load(Param("sstride"), GP64())
	z.x, z.groups = Load(Param("x"), GP64()), Load(Param("groups"), GP64())
	return z
}

// begin starts the loop over groups; table holds 2^−i.
func (z *quantizer) begin(table Mem) {
	powers := GP64()
	z.powers = powers
	LEAQ(table, powers)
	XORL(ECX, ECX)
	Label("group")
}

// storeScale stores the scale of a group whose largest magnitude is most, and
// returns what its values are multiplied by.
func (z *quantizer) storeScale(most, c127, tiny VecVirtual) VecVirtual {
	inv, s := XMM(), XMM()
	VDIVSS(most.AsX(), c127.AsX(), inv)
	VDIVSS(c127.AsX(), most.AsX(), s)
	UCOMISS(most.AsX(), tiny.AsX()) // flags of tiny − max: above means the group is stored as zeros
	JLS(LabelRef("keep"))
	VPXOR(inv, inv, inv)
	VPXOR(s, s, s)
	Label("keep")
	VMULSS(Mem{Base: z.powers, Index: ECX.As64(), Scale: 4}, s, s)
	VMOVSS(s, mem(z.scale, 0))
	return inv
}

// storeSum stores the sum of a group, which is in the lowest lane, and goes on to
// the next.
func (z *quantizer) storeSum(sum VecVirtual) {
	total := GP32()
	VMOVD(sum.AsX(), total)
	NEGL(total)
	SHLL(CL, total)
	MOVL(total, mem(z.nsum, 0))
	ADDQ(z.sstride, z.scale)
	ADDQ(z.sstride, z.nsum)
	ADDQ(U32(128), z.x)
	INCL(ECX)
	ANDL(U8(actGroups-1), ECX)
	DECQ(z.groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

const tinyMaxBits = 0x0DA24260 // 1e-30

// dots512 handles vectors whose length is a multiple of 16, four at a time and
// then one by one.
func dots512() {
	TEXT("dots512", NOSPLIT, "func(out *float32, n int, q *float32, k *float32, blocks int)")
	Pragma("noescape")
	Doc("dots512 is dots for n vectors of 16·blocks floats.")
	out, n := Load(Param("out"), GP64()), Load(Param("n"), GP64())
	q, k, blocks := Load(Param("q"), GP64()), Load(Param("k"), GP64()), Load(Param("blocks"), GP64())
	size := GP64()
	MOVQ(blocks, size)
	SHLQ(U8(6), size)
	firsts := GP32() // of each four lanes
	MOVL(U32(0x1111), firsts)
	first := K()
	KMOVW(firsts, first)
	Label("four")
	CMPQ(n, U8(4))
	JL(LabelRef("rest"))
	sum := zmms(4)
	products512("four", sum, q, k, blocks, size)
	four := foldFour512(sum)
	VCOMPRESSPS_Z(four, first, four)
	VMOVUPS(four.AsX(), mem(out, 0))
	ADDQ(U8(16), out)
	SUBQ(U8(4), n)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("one")
	sum = zmms(1)
	products512("one", sum, q, k, blocks, size)
	fold512(sum[0], VADDPS)
	VMOVSS(sum[0].AsX(), mem(out, 0))
	ADDQ(U8(4), out)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	VZEROUPPER()
	RET()
}

// products512 adds the products of q and len(sum) vectors of size bytes at k, and
// steps over those.
func products512(label string, sum []VecVirtual, q, k, blocks, size Register) {
	at, left := GP64(), GP64()
	MOVQ(q, at)
	MOVQ(blocks, left)
	row := []Register{k}
	for range sum[1:] {
		r := GP64()
		LEAQ(Mem{Base: row[len(row)-1], Index: size, Scale: 1}, r)
		row = append(row, r)
	}
	Label(label + "Block")
	x := ZMM()
	VMOVUPS(mem(at, 0), x)
	for i, s := range sum {
		v := ZMM()
		VMULPS(mem(row[i], 0), x, v)
		VADDPS(v, s, s)
	}
	advance(at)
	advance(row...)
	DECQ(left)
	JNZ(LabelRef(label + "Block"))
	MOVQ(row[len(row)-1], k)
}

// foldFour512 folds four registers as fold512 does one, each into four equal lanes
// of the result.
func foldFour512(v []VecVirtual) VecVirtual {
	pair := w512.regs(2) // halves of 8 lanes: v[0], v[1] and v[2], v[3]
	for i, p := range pair {
		high := ZMM()
		VSHUFF64X2(U8(0x44), v[2*i+1], v[2*i], p)
		VSHUFF64X2(U8(0xEE), v[2*i+1], v[2*i], high)
		VADDPS(high, p, p)
	}
	even, odd := ZMM(), ZMM()
	VSHUFF64X2(U8(0x88), pair[1], pair[0], even)
	VSHUFF64X2(U8(0xDD), pair[1], pair[0], odd)
	VADDPS(odd, even, even)
	for _, order := range []uint8{0b01001110, 0b10110001} {
		VPSHUFD(U8(order), even, odd)
		VADDPS(odd, even, even)
	}
	return even
}

// weightedSum512 keeps 64 dimensions, or 16, in registers over all positions.
func weightedSum512() {
	TEXT("weightedSum512", NOSPLIT, "func(out *float32, blocks int, p *float32, n int, v *float32, stride uintptr)")
	Pragma("noescape")
	Doc("weightedSum512 is weightedSum for out of 16·blocks floats; stride in bytes is out's size.")
	out, blocks := Load(Param("out"), GP64()), Load(Param("blocks"), GP64())
	p, n := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	v, stride := Load(Param("v"), GP64()), Load(Param("stride"), GP64())
	Label("four")
	CMPQ(blocks, U8(4))
	JL(LabelRef("rest"))
	weighted512("four", 4, out, p, n, v, stride)
	SUBQ(U8(4), blocks)
	JMP(LabelRef("four"))
	Label("rest")
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("one")
	weighted512("one", 1, out, p, n, v, stride)
	DECQ(blocks)
	JNZ(LabelRef("one"))
	Label("done")
	VZEROUPPER()
	RET()
}

// weighted512 sums count blocks of 16 dimensions and steps over them.
func weighted512(label string, count int, out, p0, n, v0, stride Register) {
	p, v, left, sum := GP64(), GP64(), GP64(), w512.regs(count)
	MOVQ(p0, p)
	MOVQ(v0, v)
	MOVQ(n, left)
	for i, s := range sum {
		VMOVUPS(mem(out, 64*i), s)
	}
	Label(label + "Position")
	w := ZMM()
	VBROADCASTSS(mem(p, 0), w)
	for i, s := range sum {
		x := ZMM()
		VMULPS(mem(v, 64*i), w, x)
		VADDPS(x, s, s)
	}
	ADDQ(U8(4), p)
	ADDQ(stride, v)
	DECQ(left)
	JNZ(LabelRef(label + "Position"))
	for i, s := range sum {
		VMOVUPS(s, mem(out, 64*i))
	}
	ADDQ(U32(uint32(64*count)), out)
	ADDQ(U32(uint32(64*count)), v0)
}

func expSum512() {
	TEXT("expSum512", NOSPLIT, "func(x *float32, n int, max float32) float32")
	Pragma("noescape")
	Doc("expSum512 is expSum; n may be any length.")
	x, n := Load(Param("x"), GP64()), GP64()
	Load(Param("n"), n)
	m := ZMM()
	Load(Param("max"), m.AsX())
	VBROADCASTSS(m.AsX(), m)
	e := loadExp(w512, set512)
	sum := ZMM()
	VPXORD(sum, sum, sum)
	v := ZMM()
	Label("block")
	CMPQ(n, U8(16))
	JL(LabelRef("tail"))
	VMOVUPS(mem(x, 0), v)
	VSUBPS(m, v, v)
	e.exp(v)
	VMOVUPS(v, mem(x, 0))
	VADDPS(v, sum, sum)
	ADDQ(U32(64), x)
	SUBQ(U8(16), n)
	JMP(LabelRef("block"))
	Label("tail")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	ones, k := GP32(), K()
	MOVL(U32(0xFFFFFFFF), ones)
	BZHIL(n.As32(), ones, ones)
	KMOVW(ones, k)
	VMOVUPS_Z(mem(x, 0), k, v)
	VSUBPS(m, v, v)
	e.exp(v)
	VMOVUPS(v, k, mem(x, 0))
	VADDPS(v, sum, k, sum)
	Label("done")
	fold512(sum, VADDPS)
	Store(sum.AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}
