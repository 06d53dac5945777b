#include "textflag.h"
#include "neon_arm64.h"

// ABSMAX leaves in d the greater of |a| and |b|, lane by lane.
#define ABSMAX(a, b, tmp, d) FABS(a, d); FABS(b, tmp); FMAX(tmp, d, d)

// ROUND makes int32 of V(i)·inv, ties to even.
#define ROUND(i) FMULE(i, 25, 0, i); FCVTNS(i, i)

// QUANTISE makes 16-bit numbers of the next 32 values of R0, in V0, V2, V4 and V6,
// and their scale, F26: zeros if none of them is as large as F29, tinyMax.
#define QUANTISE_CONSTS \
	FMOVS $127.0, F28; \
	MOVW  $0x0DA24260, R8; \
	FMOVS R8, F29; \
	FMOVS ZR, F30

#define QUANTISE \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	ABSMAX(0, 1, 20, 16); \
	ABSMAX(2, 3, 20, 17); \
	ABSMAX(4, 5, 20, 18); \
	ABSMAX(6, 7, 20, 19); \
	FMAX(16, 17, 16); \
	FMAX(18, 19, 18); \
	FMAX(16, 18, 16); \
	FMAXV(16, 16); \
	FDIVS  F16, F28, F25; \
	FDIVS  F28, F16, F26; \
	FCMPS  F29, F16; \
	FCSELS LT, F30, F25, F25; \
	FCSELS LT, F30, F26, F26; \
	ROUND(0); \
	ROUND(1); \
	ROUND(2); \
	ROUND(3); \
	ROUND(4); \
	ROUND(5); \
	ROUND(6); \
	ROUND(7); \
	VUZP1  V1.H8, V0.H8, V0.H8; \
	VUZP1  V3.H8, V2.H8, V2.H8; \
	VUZP1  V5.H8, V4.H8, V4.H8; \
	VUZP1  V7.H8, V6.H8, V6.H8

// func quantizeGroupNEON(q *int8, scale *float32, x *float32) (sum int32)
TEXT ·quantizeGroupNEON(SB), NOSPLIT, $0-28
	MOVD  q+0(FP), R1
	MOVD  scale+8(FP), R2
	MOVD  x+16(FP), R0
	QUANTISE_CONSTS
	QUANTISE
	FMOVS F26, (R2)
	VADD  V2.H8, V0.H8, V16.H8
	VADD  V6.H8, V4.H8, V17.H8
	VADD  V17.H8, V16.H8, V16.H8
	VADDV V16.H8, V16 // |Σq| ≤ 32·127
	SMOVH(16, 3)
	MOVW  R3, sum+24(FP)
	// |q| ≤ 127: the low bytes are the values.
	VUZP1 V2.B16, V0.B16, V0.B16
	VUZP1 V6.B16, V4.B16, V1.B16
	VST1  [V0.B16, V1.B16], (R1)
	RET

// The signs of the first, second and third of four columns in eight sums of them: that
// of the k-th is positive if bit k of the sum's number is set.
DATA columnSigns<>+0(SB)/8, $0x0001FFFF0001FFFF
DATA columnSigns<>+8(SB)/8, $0x0001FFFF0001FFFF
DATA columnSigns<>+16(SB)/8, $0x00010001FFFFFFFF
DATA columnSigns<>+24(SB)/8, $0x00010001FFFFFFFF
DATA columnSigns<>+32(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA columnSigns<>+40(SB)/8, $0x0001000100010001
GLOBL columnSigns<>(SB), RODATA|NOPTR, $48

// TABLE makes the 16 sums of the columns k to k+3 of V(q), plus tableBias, and splits
// them: the low parts to V(low), the high ones to V(low+1).
#define TABLE(q, k, low) \
	VMOV V12.B16, V16.B16; \
	MLAH(8, q, k, 16); \
	MLAH(9, q, k+1, 16); \
	MLAH(10, q, k+2, 16); \
	DUPH(q, k+3, 17); \
	SUBH(17, 16, 18); \
	ADDH(17, 16, 19); \
	UZP1B(19, 18, low); \
	AND16(11, low, low); \
	SHRNH(5, 18, low+1); \
	SHRNH2(5, 19, low+1)

#define TABLES(q) \
	TABLE(q, 0, 20); \
	TABLE(q, 4, 22); \
	VST1.P [V20.B16, V21.B16, V22.B16, V23.B16], (R1)(R2)

// func quantizeTablesNEON(table *byte, step uintptr, scale *float32, sstride uintptr, x *float32, groups int)
TEXT ·quantizeTablesNEON(SB), NOSPLIT, $0-48
	MOVD table+0(FP), R1
	MOVD step+8(FP), R2
	MOVD scale+16(FP), R3
	MOVD sstride+24(FP), R4
	MOVD x+32(FP), R0
	MOVD groups+40(FP), R5
	QUANTISE_CONSTS
	MOVD  $columnSigns<>(SB), R6
	VLD1  (R6), [V8.H8, V9.H8, V10.H8]
	VMOVI $31, V11.B16
	MOVD  $512, R6 // tableBias
	VDUP  R6, V12.H8

group:
	QUANTISE
	FMOVS F26, (R3)
	TABLES(0)
	TABLES(2)
	TABLES(4)
	TABLES(6)
	ADD  R4, R3
	SUBS $1, R5
	BNE  group
	RET

// func dotsNEON(out *float32, n int, q *float32, k *float32, blocks int)
TEXT ·dotsNEON(SB), NOSPLIT, $0-40
	MOVD out+0(FP), R0
	MOVD n+8(FP), R1
	MOVD q+16(FP), R2
	MOVD k+24(FP), R3
	MOVD blocks+32(FP), R4

row:
	MOVD R2, R5
	MOVD R4, R6
	ZERO4(0)

block:
	VLD1.P 64(R5), [V16.S4, V17.S4, V18.S4, V19.S4]
	VLD1.P 64(R3), [V20.S4, V21.S4, V22.S4, V23.S4]
	FMUL(16, 20, 20)
	FMUL(17, 21, 21)
	FMUL(18, 22, 22)
	FMUL(19, 23, 23)
	FADD(20, 0, 0)
	FADD(21, 1, 1)
	FADD(22, 2, 2)
	FADD(23, 3, 3)
	SUBS $1, R6
	BNE  block
	FADD(2, 0, 0)
	FADD(3, 1, 1)
	FADD(1, 0, 0)
	VEXT $8, V0.B16, V0.B16, V1.B16
	FADD(1, 0, 0)
	FADDP2(0, 0)
	FMOVS.P F0, 4(R0)
	SUBS  $1, R1
	BNE   row
	RET

// func weightedSumNEON(out *float32, blocks int, p *float32, n int, v *float32, stride uintptr)
TEXT ·weightedSumNEON(SB), NOSPLIT, $0-48
	MOVD out+0(FP), R0
	MOVD blocks+8(FP), R1
	MOVD p+16(FP), R2
	MOVD n+24(FP), R3
	MOVD v+32(FP), R4
	MOVD stride+40(FP), R5

block:
	MOVD R2, R6
	MOVD R3, R7
	MOVD R4, R8
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]

position:
	VLD1R.P 4(R6), [V16.S4]
	VLD1.P  (R8)(R5), [V20.S4, V21.S4, V22.S4, V23.S4]
	FMUL(16, 20, 20)
	FMUL(16, 21, 21)
	FMUL(16, 22, 22)
	FMUL(16, 23, 23)
	FADD(20, 0, 0)
	FADD(21, 1, 1)
	FADD(22, 2, 2)
	FADD(23, 3, 3)
	SUBS $1, R7
	BNE  position
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	ADD  $64, R4
	SUBS $1, R1
	BNE  block
	RET

// func scaledNEON(out *float32, x *float32, w *float32, r float32, blocks int)
TEXT ·scaledNEON(SB), NOSPLIT, $0-40
	MOVD  out+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  w+16(FP), R2
	FMOVS r+24(FP), F16
	MOVD  blocks+32(FP), R3

block:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMULE(0, 16, 0, 0)
	FMULE(1, 16, 0, 1)
	FMULE(2, 16, 0, 2)
	FMULE(3, 16, 0, 3)
	FMUL(4, 0, 0)
	FMUL(5, 1, 1)
	FMUL(6, 2, 2)
	FMUL(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS $1, R3
	BNE  block
	RET

// The constants of Exp: clamps, log2 e, ln 2 in two parts, the exponent's
// bias and 1/k! for k = 6 … 1.
DATA expTable<>+0(SB)/4, $0xC2AE0000
DATA expTable<>+4(SB)/4, $0x42B00000
DATA expTable<>+8(SB)/4, $0x3FB8AA3B
DATA expTable<>+12(SB)/4, $0x3F318000
DATA expTable<>+16(SB)/4, $0xB95E8083
DATA expTable<>+20(SB)/4, $127
DATA expTable<>+24(SB)/4, $0x3AB60B61
DATA expTable<>+28(SB)/4, $0x3C088889
DATA expTable<>+32(SB)/4, $0x3D2AAAAB
DATA expTable<>+36(SB)/4, $0x3E2AAAAB
DATA expTable<>+40(SB)/4, $0x3F000000
DATA expTable<>+44(SB)/4, $0x3F800000
GLOBL expTable<>(SB), RODATA|NOPTR, $48

#define LOAD_EXP \
	MOVD    $expTable<>(SB), R10; \
	VLD1R.P 4(R10), [V20.S4]; \
	VLD1R.P 4(R10), [V21.S4]; \
	VLD1R.P 4(R10), [V22.S4]; \
	VLD1R.P 4(R10), [V23.S4]; \
	VLD1R.P 4(R10), [V24.S4]; \
	VLD1R.P 4(R10), [V25.S4]; \
	VLD1R.P 4(R10), [V26.S4]; \
	VLD1R.P 4(R10), [V27.S4]; \
	VLD1R.P 4(R10), [V28.S4]; \
	VLD1R.P 4(R10), [V29.S4]; \
	VLD1R.P 4(R10), [V30.S4]; \
	VLD1R   (R10), [V31.S4]

// HORNER is p = p·x + c, in two roundings.
#define HORNER(x, c, p) FMUL(x, p, p); FADD(c, p, p)

// EXP replaces x by Exp(x) with the operations of the Go version in its order.
#define EXP(x, n, f, p) \
	FMAX(20, x, x); \
	FMIN(21, x, x); \
	FMUL(22, x, n); \
	FCVTNS(n, n); \
	SCVTF(n, f); \
	FMUL(23, f, p); \
	FSUB(p, x, x); \
	FMUL(24, f, p); \
	FSUB(p, x, x); \
	FMUL(26, x, p); \
	FADD(27, p, p); \
	HORNER(x, 28, p); \
	HORNER(x, 29, p); \
	HORNER(x, 30, p); \
	HORNER(x, 31, p); \
	HORNER(x, 31, p); \
	ADDS4(25, n, n); \
	SHL(23, n, n); \
	FMUL(n, p, x)

// EXP4 is EXP of V0…3.
#define EXP4 EXP(0, 4, 8, 12); EXP(1, 5, 9, 13); EXP(2, 6, 10, 14); EXP(3, 7, 11, 15)

// func swigluNEON(h *float32, gate *float32, up *float32, blocks int)
TEXT ·swigluNEON(SB), NOSPLIT, $0-32
	MOVD h+0(FP), R0
	MOVD gate+8(FP), R1
	MOVD up+16(FP), R2
	MOVD blocks+24(FP), R3
	LOAD_EXP

block:
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	FNEG(16, 0)
	FNEG(17, 1)
	FNEG(18, 2)
	FNEG(19, 3)
	EXP4
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	FADD(31, 0, 0)
	FADD(31, 1, 1)
	FADD(31, 2, 2)
	FADD(31, 3, 3)
	FDIV(0, 16, 0)
	FDIV(1, 17, 1)
	FDIV(2, 18, 2)
	FDIV(3, 19, 3)
	FMUL(4, 0, 0)
	FMUL(5, 1, 1)
	FMUL(6, 2, 2)
	FMUL(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS $1, R3
	BNE  block
	RET

// SWIGLU_GRAD replaces e = Exp(−g) by dgate and g by dup; s becomes sigma.
#define SWIGLU_GRAD(e, s, g, dh, up) \
	FADD(31, e, s); \
	FDIV(s, 31, s); \
	FMUL(s, g, g); \
	FMUL(s, e, e); \
	FMUL(g, e, e); \
	FADD(s, e, e); \
	FMUL(up, dh, up); \
	FMUL(up, e, e); \
	FMUL(dh, g, g)

// func swigluGradNEON(dgate *float32, dup *float32, dh *float32, gate *float32, up *float32, blocks int)
TEXT ·swigluGradNEON(SB), NOSPLIT, $0-48
	MOVD dgate+0(FP), R0
	MOVD dup+8(FP), R1
	MOVD dh+16(FP), R2
	MOVD gate+24(FP), R3
	MOVD up+32(FP), R4
	MOVD blocks+40(FP), R5
	LOAD_EXP

block:
	VLD1.P 64(R3), [V16.S4, V17.S4, V18.S4, V19.S4]
	FNEG(16, 0)
	FNEG(17, 1)
	FNEG(18, 2)
	FNEG(19, 3)
	EXP4
	VLD1.P 64(R2), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1.P 64(R4), [V12.S4, V13.S4, V14.S4, V15.S4]
	SWIGLU_GRAD(0, 4, 16, 8, 12)
	SWIGLU_GRAD(1, 5, 17, 9, 13)
	SWIGLU_GRAD(2, 6, 18, 10, 14)
	SWIGLU_GRAD(3, 7, 19, 11, 15)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R1)
	SUBS $1, R5
	BNE  block
	RET

// func expSumNEON(sum *[Lanes]float32, x *float32, blocks int, max float32)
TEXT ·expSumNEON(SB), NOSPLIT, $0-28
	MOVD sum+0(FP), R0
	MOVD x+8(FP), R1
	MOVD blocks+16(FP), R2
	LOAD_EXP
	ZERO4(16)
	MOVD $max+24(FP), R3

block:
	VLD1R (R3), [V4.S4]
	VLD1  (R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FSUB(4, 0, 0)
	FSUB(4, 1, 1)
	FSUB(4, 2, 2)
	FSUB(4, 3, 3)
	EXP4
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R1)
	FADD(0, 16, 16)
	FADD(1, 17, 17)
	FADD(2, 18, 18)
	FADD(3, 19, 19)
	SUBS $1, R2
	BNE  block
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R0)
	RET

// func addNEON(x *float32, y *float32, blocks int)
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD y+8(FP), R1
	MOVD blocks+16(FP), R2

block:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FADD(4, 0, 0)
	FADD(5, 1, 1)
	FADD(6, 2, 2)
	FADD(7, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS $1, R2
	BNE  block
	RET

// func maxNEON(x *float32, blocks int) float32
TEXT ·maxNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD blocks+8(FP), R1
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]

block:
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMAX(4, 0, 0)
	FMAX(5, 1, 1)
	FMAX(6, 2, 2)
	FMAX(7, 3, 3)
	SUBS  $1, R1
	BNE   block
	FMAX(1, 0, 0)
	FMAX(3, 2, 2)
	FMAX(2, 0, 0)
	FMAXV(0, 0)
	FMOVS F0, ret+16(FP)
	RET

// TURN turns the pairs (V(i), V(i+4)) by the cosines V(i+8) and sines V(i+12).
#define TURN(i) \
	FMUL(i+8, i, i+16); \
	FMUL(i+12, i+4, i+20); \
	FSUB(i+20, i+16, i+16); \
	FMUL(i+8, i+4, i+4); \
	FMUL(i+12, i, i); \
	FADD(i, i+4, i+4); \
	FMULE(i+16, 28, 0, i); \
	FMULE(i+4, 28, 0, i+4)

// func rotateNEON(lo *float32, hi *float32, cos *float32, sin *float32, scale float32, blocks int)
TEXT ·rotateNEON(SB), NOSPLIT, $0-48
	MOVD  lo+0(FP), R0
	MOVD  hi+8(FP), R1
	MOVD  cos+16(FP), R2
	MOVD  sin+24(FP), R3
	FMOVS scale+32(FP), F28
	MOVD  blocks+40(FP), R4

block:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1   (R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R2), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1.P 64(R3), [V12.S4, V13.S4, V14.S4, V15.S4]
	TURN(0)
	TURN(1)
	TURN(2)
	TURN(3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R1)
	SUBS $1, R4
	BNE  block
	RET

// func gateNEON(x *float32, logit *float32, blocks int)
TEXT ·gateNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD logit+8(FP), R1
	MOVD blocks+16(FP), R2
	LOAD_EXP

block:
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	FNEG(16, 0)
	FNEG(17, 1)
	FNEG(18, 2)
	FNEG(19, 3)
	EXP4
	VLD1 (R0), [V16.S4, V17.S4, V18.S4, V19.S4]
	FADD(31, 0, 0)
	FADD(31, 1, 1)
	FADD(31, 2, 2)
	FADD(31, 3, 3)
	FDIV(0, 16, 0)
	FDIV(1, 17, 1)
	FDIV(2, 18, 2)
	FDIV(3, 19, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS $1, R2
	BNE  block
	RET

// HAD adds the row V(i) times the key V16 to V(sum).
#define HAD(i, sum) FMUL(16, i, i); FADD(i, sum, sum)

// ROW makes alpha·V(i) + key·V(r) of the row V(i), and adds V(i) times the query V17 to
// V(sum).
#define ROW(i, r, sum) \
	FMULE(i, 18, 0, i); \
	FMUL(16, r, 28); \
	FADD(28, i, i); \
	FMUL(17, i, 29); \
	FADD(29, sum, sum)

// MEND makes beta·(v − alpha·sum) of V(v).
#define MEND(v, sum) \
	FMULE(sum, 18, 0, sum); \
	FSUB(sum, v, v); \
	FMULE(v, 19, 0, v)

// func deltaRuleNEON(o *float32, s *float32, q *float32, k *float32, v *float32, rows int, blocks int, stride uintptr, alpha float32, beta float32)
TEXT ·deltaRuleNEON(SB), NOSPLIT, $0-72
	MOVD  o+0(FP), R0
	MOVD  s+8(FP), R1
	MOVD  q+16(FP), R2
	MOVD  k+24(FP), R3
	MOVD  v+32(FP), R4
	MOVD  rows+40(FP), R5
	MOVD  blocks+48(FP), R6
	MOVD  stride+56(FP), R7
	FMOVS alpha+64(FP), F18
	FMOVS beta+68(FP), F19

block:
	MOVD R1, R8
	MOVD R3, R9
	MOVD R5, R10
	ZERO4(0)

had:
	VLD1R.P 4(R9), [V16.S4]
	VLD1.P  (R8)(R7), [V20.S4, V21.S4, V22.S4, V23.S4]
	HAD(20, 0)
	HAD(21, 1)
	HAD(22, 2)
	HAD(23, 3)
	SUBS $1, R10
	BNE  had
	VLD1.P 64(R4), [V4.S4, V5.S4, V6.S4, V7.S4]
	MEND(4, 0)
	MEND(5, 1)
	MEND(6, 2)
	MEND(7, 3)
	MOVD R1, R8
	MOVD R3, R9
	MOVD R2, R11
	MOVD R5, R10
	ZERO4(0)

row:
	VLD1R.P 4(R9), [V16.S4]
	VLD1R.P 4(R11), [V17.S4]
	VLD1 (R8), [V20.S4, V21.S4, V22.S4, V23.S4]
	ROW(20, 4, 0)
	ROW(21, 5, 1)
	ROW(22, 6, 2)
	ROW(23, 7, 3)
	VST1.P [V20.S4, V21.S4, V22.S4, V23.S4], (R8)(R7)
	SUBS $1, R10
	BNE  row
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	ADD  $64, R1
	SUBS $1, R6
	BNE  block
	RET
