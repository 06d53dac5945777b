package main

import (
	"fmt"

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

// half is the common part of the AVX2 tile kernels, which do the 8 rows of one
// half of a tile for n tokens of a block that is wider than n or equal.
type half struct{ y, stride, scales, bits, groups Register }

func loadHalf() half {
	return half{
		Load(Param("y"), GP64()), Load(Param("ystride"), GP64()),
		Load(Param("scales"), GP64()), Load(Param("bits"), GP64()), Load(Param("groups"), GP64()),
	}
}

// clear zeroes the results: they are the accumulators, for want of registers.
func (h half) clear(n int) {
	z, y := YMM(), GP64()
	VPXOR(z, z, z)
	MOVQ(h.y, y)
	for range n {
		VMOVUPS(z, mem(y, 0))
		ADDQ(h.stride, y)
	}
}

// next adds part·d to the results, steps to the next group and loops.
func (h half) next(part []VecVirtual) {
	d, y := YMM(), GP64()
	VCVTPH2PS(mem(h.scales, 0), d)
	MOVQ(h.y, y)
	for _, p := range part {
		VMULPS(d, p, p)
		VADDPS(mem(y, 0), p, p)
		VMOVUPS(p, mem(y, 0))
		ADDQ(h.stride, y)
	}
	ADDQ(U32(tileBytes), h.scales)
	ADDQ(U32(tileBytes), h.bits)
	DECQ(h.groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// tileFast256 makes the weights as tileFast512 does. VPMADDUBSW and VPADDW sum
// the 32 columns of an activation group in int16, which cannot overflow: 16
// products of at most 16 · 127.
func tileFast256(n int) {
	TEXT(fmt.Sprintf("tileFast256x%d", n), NOSPLIT, "func(y *float32, ystride uintptr, scales *uint64, bits *uint64, groups int, q *int8, scale *float32, nsum *int32, width uintptr)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileFast256x%d is tileFast for half a tile and %d tokens of a block of width tokens; ystride is in bytes.", n, n))
	h := loadHalf()
	q, scale, nsum := Load(Param("q"), GP64()), Load(Param("scale"), GP64()), Load(Param("nsum"), GP64())
	step := Load(Param("width"), GP64())
	SHLQ(U8(2), step) // 4 bytes per token in all three arrays
	h.clear(n)
	twos := constant256(fmt.Sprintf("two%d", n), func(int) uint32 { return 0x02020202 })
	ones := YMM()
	VPCMPEQW(ones, ones, ones)
	VPSRLW(U8(15), ones, ones)
	mask, acc, part := YMM(), ymms(n), ymms(n)

	Label("group")
	zero256(part)
	VMOVDQA(twos, mask)
	left := GP64()
	MOVQ(U32(actGroups), left)
	Label("activations")
	zero256(acc)
	for v := range 4 {
		for side := range 2 {
			w := YMM()
			VMOVDQU(mem(h.bits, 64*v), w)
			if side == 0 {
				VPADDB(w, w, w)
			} else {
				VPSRLW(U8(3), w, w)
			}
			VPAND(mask, w, w)
			for t := range acc {
				x := YMM()
				VPBROADCASTD(mem(q, 4*t), x)
				VPMADDUBSW(x, w, x)
				VPADDW(x, acc[t], acc[t])
			}
			ADDQ(step, q)
		}
	}
	for t := range acc {
		x := YMM()
		VPMADDWD(ones, acc[t], acc[t])
		VPBROADCASTD(mem(nsum, 4*t), x)
		VPADDD(x, acc[t], acc[t])
		VCVTDQ2PS(acc[t], acc[t])
		VBROADCASTSS(mem(scale, 4*t), x)
		VMULPS(x, acc[t], acc[t])
		VADDPS(acc[t], part[t], part[t])
	}
	ADDQ(step, scale)
	ADDQ(step, nsum)
	VPADDB(mask, mask, mask)
	DECQ(left)
	JNZ(LabelRef("activations"))
	h.next(part)
}

// tileExact256 moves the sign bits of four columns to bit 7 of their bytes, then
// each to bit 31 of its row's lane, and flips the sign of x where it is 0.
func tileExact256(n int) {
	TEXT(fmt.Sprintf("tileExact256x%d", n), NOSPLIT, "func(y *float32, ystride uintptr, scales *uint64, bits *uint64, groups int, x *float32, width uintptr)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileExact256x%d is tileExact for half a tile and %d tokens of a block of width tokens; ystride is in bytes.", n, n))
	h := loadHalf()
	x, step := Load(Param("x"), GP64()), Load(Param("width"), GP64())
	SHLQ(U8(2), step)
	h.clear(n)
	sign := constant256(fmt.Sprintf("sign%d", n), func(int) uint32 { return 0x80000000 })
	part := ymms(n)

	Label("group")
	zero256(part)
	for a := range actGroups {
		for v := range 4 {
			for side := range 2 {
				signs := YMM()
				VMOVDQU(mem(h.bits, 64*v), signs)
				VPSLLD(U8(uint8(7-4*side-a)), signs, signs)
				for col := range 4 {
					s := YMM()
					if col < 3 {
						VPSLLD(U8(uint8(24-8*col)), signs, s)
						VPANDN(sign, s, s)
					} else {
						VPANDN(sign, signs, s)
					}
					for t := range part {
						f := YMM()
						VBROADCASTSS(mem(x, 4*t), f)
						VPXOR(s, f, f)
						VADDPS(f, part[t], part[t])
					}
					ADDQ(step, x)
				}
			}
		}
	}
	h.next(part)
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
