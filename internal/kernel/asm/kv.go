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
