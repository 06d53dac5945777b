package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	actGroup = 32
	kvLen    = lanes
)

// keysArgs are the arguments of the kernels of Scores.
type keysArgs struct {
	out, stride, q, scale, bias Register // of the first of n queries
	qstep, step                 Register // bytes from a group to the next
	k, kscale, next, nextScale  Register
	groups                      Register
}

func scoresHeader(name string, n int) keysArgs {
	TEXT(fmt.Sprintf("%sx%d", name, n), NOSPLIT, "func(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%sx%d is scores for %d of count queries; stride is in bytes.", name, n, n))
	a := keysArgs{
		out: Load(Param("out"), GP64()), stride: Load(Param("stride"), GP64()),
		q: Load(Param("q"), GP64()), scale: Load(Param("scale"), GP64()), bias: Load(Param("bias"), GP64()),
		qstep: GP64(), step: Load(Param("count"), GP64()),
		k: Load(Param("k"), GP64()), kscale: Load(Param("kscale"), GP64()), groups: Load(Param("groups"), GP64()),
		next: Load(Param("next"), GP64()), nextScale: Load(Param("nextScale"), GP64()),
	}
	MOVQ(a.step, a.qstep)
	SHLQ(U8(5), a.qstep)
	SHLQ(U8(2), a.step)
	return a
}

// advance steps to the next group and loops.
func (a keysArgs) advance() {
	ADDQ(a.qstep, a.q)
	ADDQ(a.step, a.scale)
	ADDQ(a.step, a.bias)
	ADDQ(U32(actGroup*kvLen), a.k)
	ADDQ(U32(actGroup*kvLen), a.next)
	ADDQ(U8(4*kvLen), a.kscale)
	ADDQ(U8(4*kvLen), a.nextScale)
	DECQ(a.groups)
	JNZ(LabelRef("group"))
}

// scores512 multiplies the keys of 16 positions with n queries. VPDPBUSD takes
// its first factors as unsigned: it gets k + 128, and the sums start at −128·Σq.
func scores512(n int) {
	a := scoresHeader("scores512", n)
	flip := set512(0x80808080)
	sum := zmms(n)
	Label("group")
	acc := make([]VecVirtual, n)
	for i := range acc {
		acc[i] = ZMM()
		VPBROADCASTD(mem(a.bias, 4*i), acc[i])
	}
	PREFETCHT0(mem(a.nextScale, 0))
	for j := range actGroup / 4 {
		k := ZMM()
		PREFETCHT0(mem(a.next, 64*j))
		VPXORD(mem(a.k, 64*j), flip, k)
		for i := range acc {
			VPDPBUSD_BCST(mem(a.q, actGroup*i+4*j), k, acc[i])
		}
	}
	scale := ZMM()
	VMOVUPS(mem(a.kscale, 0), scale)
	for i := range acc {
		VCVTDQ2PS(acc[i], acc[i])
		VMULPS(scale, acc[i], acc[i])
		VMULPS_BCST(mem(a.scale, 4*i), acc[i], acc[i])
		VADDPS(acc[i], sum[i], sum[i])
	}
	a.advance()
	storeRows512(a.out, a.stride, sum)
}

// scores256 multiplies |k| with q·sign(k): VPMADDUBSW takes its first factors as
// unsigned, and sums of two products of at most 127² fit into int16.
func scores256(n int) {
	a := scoresHeader("scores256", n)
	ones := YMM()
	VPCMPEQW(ones, ones, ones)
	VPSRLW(U8(15), ones, ones)
	acc, sum := ymms(2*n), ymms(2*n)
	zero256(sum)
	Label("group")
	zero256(acc)
	PREFETCHT0(mem(a.nextScale, 0))
	for j := range actGroup / 4 {
		PREFETCHT0(mem(a.next, 64*j))
		for h := range 2 {
			k, abs := YMM(), YMM()
			VMOVDQU(mem(a.k, 64*j+32*h), k)
			VPABSB(k, abs)
			for i := range n {
				x := YMM()
				VPBROADCASTD(mem(a.q, actGroup*i+4*j), x)
				VPSIGNB(k, x, x)
				VPMADDUBSW(x, abs, x)
				VPMADDWD(ones, x, x)
				VPADDD(x, acc[2*i+h], acc[2*i+h])
			}
		}
	}
	for i := range acc {
		scale := YMM()
		VCVTDQ2PS(acc[i], acc[i])
		VMULPS(mem(a.kscale, 32*(i%2)), acc[i], acc[i])
		VBROADCASTSS(mem(a.scale, 4*(i/2)), scale)
		VMULPS(scale, acc[i], acc[i])
		VADDPS(acc[i], sum[i], sum[i])
	}
	a.advance()
	for i := range sum {
		VMOVUPS(sum[i], mem(a.out, 32*(i%2)))
		if i%2 == 1 {
			ADDQ(a.stride, a.out)
		}
	}
	VZEROUPPER()
	RET()
}

// addValues converts the values of one group of dimensions after the other and
// multiplies them with n weights. The products are exact, so fusing is as well.
func addValues(w width, n int) {
	name := fmt.Sprintf("addValues%sx%d", w.name, n)
	TEXT(name, NOSPLIT, "func(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is addValues for %d weights a position; strides are in bytes.", name, n))
	out, outStride := Load(Param("out"), GP64()), Load(Param("outStride"), GP64())
	wp, stride := Load(Param("w"), GP64()), Load(Param("stride"), GP64())
	v, vscale, groups := Load(Param("v"), GP64()), Load(Param("vscale"), GP64()), Load(Param("groups"), GP64())
	next, nextScale := Load(Param("next"), GP64()), Load(Param("nextScale"), GP64())
	half, mask := w.all(1<<7), w.all(1<<32-1<<8)
	weights := AllocLocal(4 * kvLen * n)
	acc := w.regs(2 * w.perLanes() * n)
	each := len(acc) / n

	Label("group")
	PREFETCHT0(mem(nextScale, 0))
	row, outRow := GP64(), GP64()
	MOVQ(wp, row)
	MOVQ(out, outRow)
	for i := range n {
		for part := range w.perLanes() {
			x := w.reg()
			VMOVUPS(mem(vscale, w.bytes*part), x)
			VMULPS(mem(row, w.bytes*part), x, x)
			coarse(w, x, half, mask)
			VMOVUPS(x, weights.Offset(4*kvLen*i+w.bytes*part))
		}
		for j := range each {
			VMOVUPS(mem(outRow, w.bytes*j), acc[i*each+j])
		}
		if i+1 < n {
			ADDQ(stride, row)
			ADDQ(outStride, outRow)
		}
	}
	for p := range kvLen {
		addPosition(w, n, p, v, weights, acc)
		if p%2 == 0 {
			PREFETCHT0(mem(next, actGroup*p))
		}
	}
	MOVQ(out, outRow)
	for i := range n {
		for j := range each {
			VMOVUPS(acc[i*each+j], mem(outRow, w.bytes*j))
		}
		if i+1 < n {
			ADDQ(outStride, outRow)
		}
	}
	ADDQ(U32(4*actGroup), out)
	ADDQ(U32(actGroup*kvLen), v)
	ADDQ(U32(actGroup*kvLen), next)
	advance(vscale, nextScale)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// coarse rounds the lanes of x to 16 significant bits.
func coarse(w width, x, half, mask VecVirtual) {
	VPADDD(half, x, x)
	VANDPS(mask, x, x)
}

// addPosition adds the values of position p times its weights.
func addPosition(w width, n, p int, v Register, weights Mem, acc []VecVirtual) {
	weight := w.regs(n)
	for i := range n {
		VBROADCASTSS(weights.Offset(4*(kvLen*i+p)), weight[i])
	}
	each := len(acc) / n
	for j := range each {
		x := w.reg()
		VPMOVSXBD(mem(v, actGroup*p+w.bytes/4*j), x)
		VCVTDQ2PS(x, x)
		for i := range n {
			VFMADD231PS(x, weight[i], acc[i*each+j])
		}
	}
}
