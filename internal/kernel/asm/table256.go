package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	tableRows   = 32 // of a tile of the layout tables
	tableGroup  = tableRows * 18
	tableScales = 2 * tableRows
	tableBytes  = 64 // the tables of 8 columns of a token
	tableBias   = 512
	ahead       = 2304 // bytes of a tile that are fetched before they are needed
)

// tableFast256 looks the sums of four columns up, for the 32 rows of a tile at once:
// 5 low bits and the rest, so that those of an activation group add up in bytes. Then
// they are put together in 16 bits, below 2^13, and kept until the end of the weights'
// group, where they become floats: for want of registers to keep partial sums in.
func tableFast256(n int) {
	TEXT(fmt.Sprintf("tableFast256x%d", n), 0, "func(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tableFast256x%d is tableFastFunc for %d tokens.", n, n))
	y0, stride := Load(Param("y"), GP64()), Load(Param("ystride"), GP64())
	tile, groups := Load(Param("tile"), GP64()), Load(Param("groups"), GP64())
	table, scale := Load(Param("table"), GP64()), Load(Param("scale"), GP64())
	size := actGroups * n * 64 // of the sums
	local, sums := AllocLocal(size+32), GP64()
	LEAQ(local, sums)
	ADDQ(U8(31), sums)
	ANDQ(I8(-32), sums)
	nibble := constant256(fmt.Sprintf("nibble%d", n), func(int) uint32 { return 0x0F0F0F0F })
	weigh := constant256(fmt.Sprintf("weigh%d", n), func(int) uint32 { return 0x20012001 }) // low + 32·high

	Label("group")
	bits, sum, left := GP64(), GP64(), GP64()
	LEAQ(mem(tile, tableScales), bits)
	MOVQ(sums, sum)
	MOVQ(U32(actGroups), left)
	Label("activations")
	low, high := ymms(n), ymms(n)
	for v := range 4 {
		index := indices256(mem(bits, 32*v), nibble)
		for t := range n {
			lookUp256(table, (v*n+t)*tableBytes, index, low[t], high[t], v == 0)
		}
	}
	for t := range n {
		for half, x := range combined256(low[t], high[t], weigh) {
			VMOVDQA(x, mem(sum, 64*t+32*half))
		}
	}
	ADDQ(U32(4*32), bits)
	ADDQ(U32(4*n*tableBytes), table)
	ADDQ(U32(64*n), sum)
	DECQ(left)
	JNZ(LabelRef("activations"))

	y := GP64()
	MOVQ(y0, y)
	c := floats256()
	for t := range n {
		p := ymms(4)
		for a := range actGroups {
			s := YMM()
			VBROADCASTSS(mem(scale, 4*(a*n+t)), s)
			for half := range 2 {
				u := YMM()
				VMOVDQA(mem(sums, 64*(a*n+t)+32*half), u)
				c.add(u, s, p[2*half:], a == 0)
			}
		}
		addRows256(p, tile, y)
		if t+1 < n {
			ADDQ(stride, y)
		}
	}
	ADDQ(U32(tableGroup), tile)
	ADDQ(U32(4*actGroups*n), scale)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// tableOne256 is tableFast256 for a token that may lie between others. One token
// leaves registers for its partial sums, and its weights come from memory.
func tableOne256() {
	TEXT("tableFast256x1", NOSPLIT, "func(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)")
	Pragma("noescape")
	Doc("tableFast256x1 is tableFastFunc for 1 token.")
	y, tile, groups := Load(Param("y"), GP64()), Load(Param("tile"), GP64()), Load(Param("groups"), GP64())
	table, scale := Load(Param("table"), GP64()), Load(Param("scale"), GP64())
	stride, step := Load(Param("stride"), GP64()), GP64() // from scale to scale in floats, and from tables to tables
	MOVQ(stride, step)
	SHLQ(U8(6), step)
	nibble, weigh := w256.all(0x0F0F0F0F), w256.all(0x20012001)
	c := floats256()

	Label("group")
	PREFETCHT0(mem(tile, ahead))
	p := ymms(4)
	for a := range actGroups {
		low, high, s := YMM(), YMM(), YMM()
		for v := range 4 {
			at := tableScales + tableRows*(4*a+v)
			if v%2 == 0 {
				PREFETCHT0(mem(tile, at+ahead))
			}
			lookUp256(table, 0, indices256(mem(tile, at), nibble), low, high, v == 0)
			ADDQ(step, table)
		}
		VBROADCASTSS(mem(scale, 0), s)
		LEAQ(Mem{Base: scale, Index: stride, Scale: 4}, scale)
		for half, u := range combined256(low, high, weigh) {
			c.add(u, s, p[2*half:], a == 0)
		}
	}
	addRows256(p, tile, y)
	ADDQ(U32(tableGroup), tile)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// indices256 are the low and the high halves of 32 bytes of bits.
func indices256(bits Mem, nibble VecVirtual) []VecVirtual {
	index := ymms(2)
	VMOVDQU(bits, index[1])
	VPAND(nibble, index[1], index[0])
	VPSRLW(U8(4), index[1], index[1])
	VPAND(nibble, index[1], index[1])
	return index
}

// lookUp256 adds the parts of the sums of 8 columns to low and high, or begins with
// them.
func lookUp256(table Register, at int, index []VecVirtual, low, high VecVirtual, begin bool) {
	for half, i := range index {
		for part, acc := range []VecVirtual{low, high} {
			m := mem(table, at+32*half+16*part)
			if begin && half == 0 {
				VBROADCASTI128(m, acc)
				VPSHUFB(i, acc, acc)
				continue
			}
			x := YMM()
			VBROADCASTI128(m, x)
			VPSHUFB(i, x, x)
			VPADDB(x, acc, acc)
		}
	}
}

// combined256 puts the two parts of 32 sums together in 16 bits. It spoils high.
func combined256(low, high, weigh VecVirtual) []VecVirtual {
	x := YMM()
	VPUNPCKLBW(high, low, x)
	VPUNPCKHBW(high, low, high)
	VPMADDUBSW(weigh, x, x)
	VPMADDUBSW(weigh, high, high)
	return []VecVirtual{x, high}
}

// floatConsts are what makes floats of sums in 16 bits.
type floatConsts struct{ magic, bias VecVirtual }

// floats256: the sums go into the low bits of a float of 2^23, whose upper half is
// magic; bias is 2^23 and what the sums of eight tables have too much.
func floats256() floatConsts {
	return floatConsts{w256.all(0x4B004B00), w256.all(0x4B000000 + 8*tableBias)}
}

// add adds 16 sums times s to two registers of partial sums, or begins with them. It
// spoils u.
func (c floatConsts) add(u, s VecVirtual, p []VecVirtual, begin bool) {
	f := YMM()
	VPUNPCKLWD(c.magic, u, f)
	VPUNPCKHWD(c.magic, u, u)
	for i, x := range []VecVirtual{f, u} {
		VSUBPS(c.bias, x, x)
		if begin {
			VMULPS(s, x, p[i])
			continue
		}
		VMULPS(s, x, x)
		VADDPS(x, p[i], p[i])
	}
}

// addRows256 adds the sums of a group times the scales of the rows to y.
func addRows256(p []VecVirtual, tile, y Register) {
	for i, x := range p {
		d := YMM()
		VCVTPH2PS(mem(tile, 16*i), d)
		VMULPS(d, x, x)
		VADDPS(mem(y, 32*i), x, x)
		VMOVUPS(x, mem(y, 32*i))
	}
}

// tableExact256 does 8 rows after the other: it widens a byte of each, eight
// columns, to a lane, moves the bit of a column to the top and flips the sign of x
// where it is 0.
func tableExact256(n int) {
	TEXT(fmt.Sprintf("tableExact256x%d", n), NOSPLIT, "func(y *float32, ystride uintptr, tile *byte, groups int, x *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tableExact256x%d is tableExactFunc for %d tokens.", n, n))
	y0, stride := Load(Param("y"), GP64()), Load(Param("ystride"), GP64())
	tile, groups, x0 := Load(Param("tile"), GP64()), Load(Param("groups"), GP64()), Load(Param("x"), GP64())
	sign := constant256(fmt.Sprintf("sign%d", n), func(int) uint32 { return 0x80000000 })

	Label("group")
	x := GP64()
	for quarter := range 4 {
		name := fmt.Sprintf("columns%d", quarter)
		bits, left, part := GP64(), GP64(), ymms(n)
		LEAQ(mem(tile, tableScales+4*quarter), bits)
		MOVQ(x0, x)
		MOVQ(U32(16), left)
		for _, p := range part {
			VPXOR(p, p, p)
		}
		Label(name)
		w := YMM()
		VMOVD(mem(bits, 0), w.AsX())
		VPINSRD(U8(1), mem(bits, 16), w.AsX(), w.AsX())
		VPMOVZXBD(w.AsX(), w)
		for col := range 8 {
			s := YMM()
			VPSLLD(U8(uint8(31-col)), w, s)
			VPANDN(sign, s, s)
			for t, p := range part {
				f := YMM()
				VBROADCASTSS(mem(x, 4*(col*n+t)), f)
				VPXOR(s, f, f)
				VADDPS(f, p, p)
			}
		}
		ADDQ(U32(tableRows), bits)
		ADDQ(U32(4*8*n), x)
		DECQ(left)
		JNZ(LabelRef(name))
		d, y := YMM(), GP64()
		VCVTPH2PS(mem(tile, 16*quarter), d)
		MOVQ(y0, y)
		for t, p := range part {
			VMULPS(d, p, p)
			VADDPS(mem(y, 32*quarter), p, p)
			VMOVUPS(p, mem(y, 32*quarter))
			if t+1 < n {
				ADDQ(stride, y)
			}
		}
	}
	MOVQ(x, x0)
	ADDQ(U32(tableGroup), tile)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// quantizeTables256 makes the 16 sums of four columns in 16 bits, each column with
// the sign that it has in them.
func quantizeTables256() {
	TEXT("quantizeTables256", 0, "func(table *byte, step uintptr, scale *float32, sstride uintptr, x *float32, groups int)")
	Pragma("noescape")
	Doc("quantizeTables256 quantises a token and makes its tables; step is from those of 8", "columns to the next, and sstride from scale to scale, in bytes.")
	table, step := Load(Param("table"), GP64()), Load(Param("step"), GP64())
	scale, sstride := Load(Param("scale"), GP64()), Load(Param("sstride"), GP64())
	x, groups := Load(Param("x"), GP64()), Load(Param("groups"), GP64())
	abs, c127, tiny := w256.all(0x7FFFFFFF), w256.all(0x42FE0000), w256.all(tinyMaxBits)
	bias, five := w256.all(tableBias<<16|tableBias), w256.all(31<<16|31)
	q := AllocLocal(64)
	signs := make([]Mem, 4)
	for k := range signs {
		signs[k] = GLOBL(fmt.Sprintf("columnSigns%d", k), RODATA|NOPTR)
		for i := range 16 {
			DATA(2*i, I16(int16(i>>k&1)*2-1))
		}
	}

	Label("group")
	v, most := largest256(x, abs)
	inv, s := XMM(), XMM()
	VDIVSS(most.AsX(), c127.AsX(), inv)
	VDIVSS(c127.AsX(), most.AsX(), s)
	UCOMISS(most.AsX(), tiny.AsX()) // as in quantize512
	JLS(LabelRef("keep"))
	VPXOR(inv, inv, inv)
	VPXOR(s, s, s)
	Label("keep")
	VMOVSS(s, mem(scale, 0))
	round256(v, inv)
	for i := range 2 {
		VPACKSSDW(v[2*i+1], v[2*i], v[2*i])
		VPERMQ(U8(0b11011000), v[2*i], v[2*i])
		VMOVDQU(v[2*i], q.Offset(32*i))
	}
	for nibble := range 8 {
		sum, low := YMM(), YMM()
		for k := range 4 {
			c := YMM()
			VPBROADCASTW(q.Offset(2*(4*nibble+k)), c)
			VPSIGNW(signs[k], c, c)
			if k == 0 {
				VPADDW(bias, c, sum)
			} else {
				VPADDW(c, sum, sum)
			}
		}
		VPAND(five, sum, low)
		VPSRLW(U8(5), sum, sum)
		VPACKUSWB(sum, low, low)
		VPERMQ(U8(0b11011000), low, low)
		VMOVDQU(low, mem(table, 32*(nibble%2)))
		if nibble%2 == 1 {
			ADDQ(step, table)
		}
	}
	ADDQ(sstride, scale)
	ADDQ(U32(128), x)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// expandBlock256 makes 8 columns at a time: with their bits at the top of a dword
// each, they select between −d and d.
func expandBlock256() {
	TEXT("expandBlock256", NOSPLIT, "func(row *float32, block *byte)")
	Pragma("noescape")
	Doc("expandBlock256 writes the 128 weights of a block of the file.")
	row, block := Load(Param("row"), GP64()), Load(Param("block"), GP64())
	shift := constant256("tops256", func(i int) uint32 { return uint32(31 - i) })
	sign, minus := w256.all(0x80000000), YMM()
	VPBROADCASTW(mem(block, 0), minus.AsX())
	VCVTPH2PS(minus.AsX(), minus)
	VPXOR(sign, minus, minus)
	for v := range 16 {
		x := YMM()
		VPBROADCASTB(mem(block, 2+v), x)
		VPSLLVD(shift, x, x)
		VPAND(sign, x, x)
		VPXOR(minus, x, x)
		VMOVUPS(x, mem(row, 32*v))
	}
	VZEROUPPER()
	RET()
}
