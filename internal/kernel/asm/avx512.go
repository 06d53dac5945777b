package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func zmms(n int) []VecVirtual {
	v := make([]VecVirtual, n)
	for i := range v {
		v[i] = ZMM()
		VPXORD(v[i], v[i], v[i])
	}
	return v
}

// tileFast512 multiplies a tile with n tokens. A shift and an AND turn a vector
// of the tile into 64 weights of 0 or 2·2^a; VPDPBUSD adds four columns for 16
// rows and one token. The sums start at −2^a·Σq, so they end as 2^a times the
// exact signed dot 2·Σbq − Σq.
func tileFast512(n int) {
	TEXT(fmt.Sprintf("tileFast512x%d", n), NOSPLIT, "func(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileFast512x%d is tileFast for %d tokens; ystride is in bytes.", n, n))
	y, stride := Load(Param("y"), GP64()), Load(Param("ystride"), GP64())
	tile, groups := Load(Param("tile"), GP64()), Load(Param("groups"), GP64())
	q, scale, nsum := Load(Param("q"), GP64()), Load(Param("scale"), GP64()), Load(Param("nsum"), GP64())

	twos := set512(0x02020202)
	sum := zmms(n)
	f := fast512{n: n, tile: tile, q: q, scale: scale, nsum: nsum}
	Label("group")
	var part []VecVirtual
	if n < 8 {
		part = f.together(twos)
	} else {
		part = f.inTurn(twos)
	}
	addScaled512(tile, part, sum)
	ADDQ(U32(tileBytes), tile)
	ADDQ(U32(128*n), q)
	ADDQ(U32(4*actGroups*n), scale)
	ADDQ(U32(4*actGroups*n), nsum)
	DECQ(groups)
	JNZ(LabelRef("group"))
	storeRows512(y, stride, sum)
}

// fast512 is what tileFast512 knows of a group.
type fast512 struct {
	n                    int
	tile, q, scale, nsum Register
}

// together sums the four activation groups side by side: every vector is loaded
// once, and with few tokens there are still enough independent sums.
func (f fast512) together(twos VecVirtual) (part []VecVirtual) {
	var mask [actGroups]VecVirtual
	mask[0] = twos
	for a := 1; a < actGroups; a++ {
		mask[a] = ZMM()
		VPADDB(mask[a-1], mask[a-1], mask[a])
	}
	var acc [actGroups][]VecVirtual
	for a := range acc {
		acc[a] = f.start(a)
	}
	for v := range 4 {
		for h := range 2 {
			bits := f.vector(v, h)
			for a := range acc {
				w := ZMM()
				VPANDD(mask[a], bits, w)
				f.add(acc[a], w, a, v, h)
			}
		}
	}
	for a := range acc {
		part = f.scaled(acc[a], part, a)
	}
	return part
}

// inTurn sums one activation group after the other, for want of registers.
func (f fast512) inTurn(twos VecVirtual) (part []VecVirtual) {
	mask := ZMM()
	VMOVDQA64(twos, mask)
	for a := range actGroups {
		acc := f.start(a)
		for v := range 4 {
			for h := range 2 {
				w := f.vector(v, h)
				VPANDD(mask, w, w)
				f.add(acc, w, a, v, h)
			}
		}
		part = f.scaled(acc, part, a)
		VPADDB(mask, mask, mask)
	}
	return part
}

// start loads −2^a·Σq.
func (f fast512) start(a int) []VecVirtual {
	acc := make([]VecVirtual, f.n)
	for t := range acc {
		acc[t] = ZMM()
		VPBROADCASTD(mem(f.nsum, 4*(a*f.n+t)), acc[t])
	}
	return acc
}

// vector loads a vector, with the bit of activation group a of half h moved to
// 2·2^a. Bits that a 16-bit shift carries into the next byte end above those.
func (f fast512) vector(v, h int) VecVirtual {
	w := ZMM()
	VMOVDQU64(mem(f.tile, scaleBytes+64*v), w)
	if h == 0 {
		VPADDB(w, w, w)
	} else {
		VPSRLW(U8(3), w, w)
	}
	return w
}

func (f fast512) add(acc []VecVirtual, w VecVirtual, a, v, h int) {
	for t := range acc {
		VPDPBUSD_BCST(mem(f.q, 4*((8*a+2*v+h)*f.n+t)), w, acc[t])
	}
}

// scaled turns integer sums into floats times their scales and adds them to part.
func (f fast512) scaled(acc, part []VecVirtual, a int) []VecVirtual {
	for t := range acc {
		VCVTDQ2PS(acc[t], acc[t])
		VMULPS_BCST(mem(f.scale, 4*(a*f.n+t)), acc[t], acc[t])
		if a > 0 {
			VADDPS(acc[t], part[t], part[t])
		}
	}
	if a == 0 {
		return acc
	}
	return part
}

// addScaled512 adds part·d to sum, d being the tile's 16 float16 scales.
func addScaled512(tile Register, part, sum []VecVirtual) {
	d := ZMM()
	VCVTPH2PS(mem(tile, 0), d)
	for t := range part {
		VMULPS(d, part[t], part[t])
		VADDPS(part[t], sum[t], sum[t])
	}
}

func storeRows512(y, stride Register, sum []VecVirtual) {
	for t := range sum {
		VMOVUPS(sum[t], mem(y, 0))
		if t+1 < len(sum) {
			ADDQ(stride, y)
		}
	}
	VZEROUPPER()
	RET()
}

// tileExact512 multiplies one column of n tokens at a time with ±1, an exact
// product that may be fused with the sum: PEXTQ takes the 16 sign bits of a column
// out of the 64 of four neighbouring columns.
func tileExact512(n int) {
	TEXT(fmt.Sprintf("tileExact512x%d", n), NOSPLIT, "func(y *float32, ystride uintptr, tile *byte, groups int, x *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileExact512x%d is tileExact for %d tokens; ystride is in bytes.", n, n))
	y, stride := Load(Param("y"), GP64()), Load(Param("ystride"), GP64())
	tile, groups := Load(Param("tile"), GP64()), Load(Param("groups"), GP64())
	x := Load(Param("x"), GP64())
	column := GP64()
	MOVQ(U64(0x1111111111111111), column)
	ones := set512(0x01010101)
	plus, minus := set512(0x3F800000), set512(0xBF800000)
	w := ZMM() // once, because avo takes VBLENDMPS to read its result
	sum := zmms(n)

	Label("group")
	part := zmms(n)
	low, left := ZMM(), GP64()
	VMOVDQA64(ones, low)
	MOVQ(U32(actGroups), left)
	Label("activations")
	high := ZMM()
	VPSLLW(U8(4), low, high)
	for v := range 4 {
		for _, bit := range []VecVirtual{low, high} {
			signs, k := GP64(), K()
			VPTESTMB(mem(tile, scaleBytes+64*v), bit, k)
			KMOVQ(k, signs)
			columns512(signs, column, x, plus, minus, w, part)
			ADDQ(U32(4*4*n), x)
		}
	}
	VPADDB(low, low, low)
	DECQ(left)
	JNZ(LabelRef("activations"))

	addScaled512(tile, part, sum)
	ADDQ(U32(tileBytes), tile)
	DECQ(groups)
	JNZ(LabelRef("group"))
	storeRows512(y, stride, sum)
}

// columns512 adds four columns of len(part) tokens.
func columns512(signs, column, x Register, plus, minus, w VecVirtual, part []VecVirtual) {
	n := len(part)
	for col := range 4 {
		b, k := GP64(), K()
		PEXTQ(column, signs, b)
		KMOVW(b.As32(), k)
		VBLENDMPS(plus, minus, k, w)
		for t := range part {
			VFMADD231PS_BCST(mem(x, 4*(col*n+t)), w, part[t])
		}
		if col < 3 {
			SHRQ(U8(1), signs)
		}
	}
}
