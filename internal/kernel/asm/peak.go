package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// peak512 only multiplies: 16 independent VPDPBUSD of 64 products a round.
func peak512() {
	TEXT("peak512", NOSPLIT, "func(rounds int)")
	Doc("peak512 multiplies 1,024 pairs of bytes a round.")
	rounds := Load(Param("rounds"), GP64())
	acc := zmms(16)
	w, x := ZMM(), ZMM()
	VPXORD(w, w, w)
	VPXORD(x, x, x)
	loop(rounds, func() {
		for _, a := range acc {
			VPDPBUSD(x, w, a)
		}
	})
}

// peak256 looks up and sums in bytes: 8 independent pairs of VPSHUFB and VPADDB a
// round. Four columns of 32 rows, 128 products, take two pairs.
func peak256() {
	TEXT("peak256", NOSPLIT, "func(rounds int)")
	Doc("peak256 looks up and adds the sums of 512 products a round.")
	rounds := Load(Param("rounds"), GP64())
	acc := ymms(8)
	zero256(acc)
	w := YMM()
	VPXOR(w, w, w)
	loop(rounds, func() {
		for _, a := range acc {
			p := YMM()
			VPSHUFB(w, w, p)
			VPADDB(p, a, a)
		}
	})
}

func loop(rounds Register, body func()) {
	Label("round")
	body()
	DECQ(rounds)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
