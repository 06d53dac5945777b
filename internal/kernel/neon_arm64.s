#include "textflag.h"
#include "neon_arm64.h"

// The tile kernels do n = 1, 2 or 4 tokens of a block of width tokens; 4 tokens
// in two passes of 8 rows, so that everything fits into 32 registers:
//   V0+i   int32 sums of 32 columns (16-bit sums without SDOT)
//   V8+i   part: the float sum of a group
//   V16+i  sum: the result
//   V24…31 temporaries and constants
// i counts vectors of 4 rows ("quarters" of a tile), then tokens.
//
//   R0 y, R1 its stride, R2 scales of the first group, R3 groups, R4 q or x,
//   R5 scale, R6 nsum, R7 bytes from a chunk (or group) of q, x, scale or nsum
//   to the next; R8 bits, R9 scales, R10 groups left, R11 q or x, R12 scale,
//   R13 nsum, R14 vectors of bits left, R15 passes left, R19 from scales to
//   bits, R20 output, R21 and R22 strides, R23 and R24 the bits of this
//   activation group.

#define TILE_ARGS \
	MOVD y+0(FP), R0; \
	MOVD ystride+8(FP), R1; \
	MOVD tile+16(FP), R2; \
	MOVD groups+24(FP), R3; \
	MOVD $32, R19

#define FAST_ARGS \
	TILE_ARGS; \
	MOVD q+32(FP), R4; \
	MOVD scale+40(FP), R5; \
	MOVD nsum+48(FP), R6; \
	MOVD width+56(FP), R7; \
	LSL  $2, R7; \
	ZERO8(0)

#define EXACT_ARGS \
	TILE_ARGS; \
	MOVD x+32(FP), R4; \
	MOVD width+40(FP), R7; \
	LSL  $2, R7

// START begins a pass over all groups.
#define START \
	MOVD R2, R9; \
	MOVD R3, R10; \
	MOVD R4, R11; \
	ZERO8(8); \
	ZERO8(16)

#define FAST_START START; MOVD R5, R12; MOVD R6, R13

// FAST_SUB begins activation group a, where R23 = 2^a: V28 and V29 select the
// bits of the even and the odd chunks.
#define FAST_SUB \
	ADD  R19, R9, R8; \
	LSL  $4, R23, R24; \
	VDUP R23, V28.B16; \
	VDUP R24, V29.B16

// NEXT_SUB doubles R23 and compares it with the end of the group.
#define NEXT_SUB LSL $1, R23; CMP $16, R23

// TEST makes weights of −1 where the bit is set and 0 elsewhere. So sums are
// −S on the way, and nsum = −2^a·Σq asks for 2^a·2·S: FACTOR puts 2·2^a in V27.
#define TEST(bits, select, w) CMTST(select, bits, w)
#define FACTOR LSL $1, R23, R24; VDUP R24, V27.S4

// PART adds tmp·scale to part: tmp is 2^a·I, I the exact signed dot, and the
// scale has the factor 2^−a. It clears V0+i.
#define PART(i, t, scale, tmp) \
	SCVTF(tmp, tmp); \
	FMULE(tmp, scale, t, tmp); \
	FADD(tmp, 8+i, 8+i); \
	MOVI(0, i)

// V24 = nsum, V25 = scale. Without SDOT, 16-bit lanes hold +S in two halves.
#define PART_DOT(i, t) DUPS(24, t, 26); MLS(27, i, 26); PART(i, t, 25, 26)
#define PART_NEON(i, t) DUPS(24, t, 26); SADDLP(i, i); MLA(27, i, 26); PART(i, t, 25, 26)

#define PARTS1(part) part(0, 0); part(1, 0); part(2, 0); part(3, 0)
#define PARTS2(part) PARTS1(part); part(4, 1); part(5, 1); part(6, 1); part(7, 1)
#define PARTS4(part) \
	part(0, 0); \
	part(1, 0); \
	part(2, 1); \
	part(3, 1); \
	part(4, 2); \
	part(5, 2); \
	part(6, 3); \
	part(7, 3)

// SUM adds part·d to the result and clears part.
#define SUM(i, d) FMUL(d, 8+i, 8+i); FADD(8+i, 16+i, 16+i); MOVI(0, 8+i)

// SCALES2 and SCALES4 convert the scales of 8 rows to V25, V26, of 16 rows to
// V26, V27, V24, V25.
#define SCALES2 VLD1 (R9), [V24.B16]; FCVTL(24, 25); FCVTL2(24, 26)
#define SCALES4 \
	VLD1 (R9), [V24.B16, V25.B16]; \
	FCVTL(24, 26); \
	FCVTL2(24, 27); \
	FCVTL(25, 24); \
	FCVTL2(25, 25)

#define SUM1 SCALES4; SUM(0, 26); SUM(1, 27); SUM(2, 24); SUM(3, 25)
#define SUM2 SUM1; SUM(4, 26); SUM(5, 27); SUM(6, 24); SUM(7, 25)
#define SUM4 \
	SCALES2; \
	SUM(0, 25); \
	SUM(1, 26); \
	SUM(2, 25); \
	SUM(3, 26); \
	SUM(4, 25); \
	SUM(5, 26); \
	SUM(6, 25); \
	SUM(7, 26)

#define STORE1 VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R0)
#define STORE2 STORE1; ADD R1, R0; VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (R0)
#define STORE4 \
	MOVD R0, R20; \
	VST1 [V16.S4, V17.S4], (R20); \
	ADD  R1, R20; \
	VST1 [V18.S4, V19.S4], (R20); \
	ADD  R1, R20; \
	VST1 [V20.S4, V21.S4], (R20); \
	ADD  R1, R20; \
	VST1 [V22.S4, V23.S4], (R20)

// NEXT_GROUP steps over a group of a tile.
#define NEXT_GROUP ADD $288, R9; SUBS $1, R10
// NEXT_PASS goes to the other 8 rows.
#define NEXT_PASS ADD $32, R0; ADD $16, R2; ADD $16, R19; SUBS $1, R15

#define REPEAT4(body) body; body; body; body

// A vector of bits serves two chunks of 4 columns of this activation group.
#define DOT_CHUNK1(select) \
	VLD1R.P (R11)(R7), [V20.S4]; \
	TEST(24, select, 4); \
	TEST(25, select, 5); \
	TEST(26, select, 6); \
	TEST(27, select, 7); \
	SDOT(4, 20, 0, 0); \
	SDOT(5, 20, 0, 1); \
	SDOT(6, 20, 0, 2); \
	SDOT(7, 20, 0, 3)

#define DOT_VECTOR1 \
	VLD1.P 64(R8), [V24.B16, V25.B16, V26.B16, V27.B16]; \
	DOT_CHUNK1(28); \
	DOT_CHUNK1(29)

// func tileFastDot1(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastDot1(SB), NOSPLIT, $0-64
	FAST_ARGS
	FAST_START

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(DOT_VECTOR1)
	FACTOR
	VLD1R.P (R13)(R7), [V24.S4]
	VLD1R.P (R12)(R7), [V25.S4]
	PARTS1(PART_DOT)
	NEXT_SUB
	BNE sub
	SUM1
	NEXT_GROUP
	BNE group
	STORE1
	RET

#define DOT_TOKENS2(w, x, i) SDOT(w, x, 0, i); SDOT(w, x, 1, i+4)

#define DOT_HALF2(i) \
	VLD1.P 32(R8), [V24.B16, V25.B16]; \
	TEST(24, 28, 26); \
	DOT_TOKENS2(26, 30, i); \
	TEST(25, 28, 27); \
	DOT_TOKENS2(27, 30, i+1); \
	TEST(24, 29, 26); \
	DOT_TOKENS2(26, 31, i); \
	TEST(25, 29, 27); \
	DOT_TOKENS2(27, 31, i+1)

#define DOT_VECTOR2 \
	VLD1.P (R11)(R7), [V30.B8]; \
	VLD1.P (R11)(R7), [V31.B8]; \
	DOT_HALF2(0); \
	DOT_HALF2(2)

// func tileFastDot2(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastDot2(SB), NOSPLIT, $0-64
	FAST_ARGS
	FAST_START

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(DOT_VECTOR2)
	FACTOR
	VLD1.P (R13)(R7), [V24.B8]
	VLD1.P (R12)(R7), [V25.B8]
	PARTS2(PART_DOT)
	NEXT_SUB
	BNE sub
	SUM2
	NEXT_GROUP
	BNE group
	STORE2
	RET

#define DOT_CHUNK4(select) \
	VLD1.P (R11)(R7), [V27.B16]; \
	TEST(24, select, 26); \
	SDOT(26, 27, 0, 0); \
	SDOT(26, 27, 1, 2); \
	SDOT(26, 27, 2, 4); \
	SDOT(26, 27, 3, 6); \
	TEST(25, select, 30); \
	SDOT(30, 27, 0, 1); \
	SDOT(30, 27, 1, 3); \
	SDOT(30, 27, 2, 5); \
	SDOT(30, 27, 3, 7)

#define DOT_VECTOR4 \
	VLD1.P (R8)(R22), [V24.B16, V25.B16]; \
	DOT_CHUNK4(28); \
	DOT_CHUNK4(29)

// func tileFastDot4(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastDot4(SB), NOSPLIT, $0-64
	FAST_ARGS
	MOVD $2, R15
	MOVD $64, R22

pass:
	FAST_START

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(DOT_VECTOR4)
	FACTOR
	VLD1.P (R13)(R7), [V24.B16]
	VLD1.P (R12)(R7), [V25.B16]
	PARTS4(PART_DOT)
	NEXT_SUB
	BNE sub
	SUM4
	NEXT_GROUP
	BNE group
	STORE4
	NEXT_PASS
	BNE pass
	RET

// MASKED adds the bytes of x where w is −1 to the 16-bit sums V0+i. Those
// cannot overflow: 32 columns are 8 chunks of 2 · 127 per lane.
#define MASKED(w, x, tmp, i) AND16(w, x, tmp); SADALP(tmp, i)

#define NEON_CHUNK1(select) \
	VLD1R.P (R11)(R7), [V20.S4]; \
	TEST(24, select, 4); \
	TEST(25, select, 5); \
	TEST(26, select, 6); \
	TEST(27, select, 7); \
	MASKED(4, 20, 4, 0); \
	MASKED(5, 20, 5, 1); \
	MASKED(6, 20, 6, 2); \
	MASKED(7, 20, 7, 3)

#define NEON_VECTOR1 \
	VLD1.P 64(R8), [V24.B16, V25.B16, V26.B16, V27.B16]; \
	NEON_CHUNK1(28); \
	NEON_CHUNK1(29)

// func tileFastNEON1(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastNEON1(SB), NOSPLIT, $0-64
	FAST_ARGS
	FAST_START

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(NEON_VECTOR1)
	FACTOR
	VLD1R.P (R13)(R7), [V24.S4]
	VLD1R.P (R12)(R7), [V25.S4]
	PARTS1(PART_NEON)
	NEXT_SUB
	BNE sub
	SUM1
	NEXT_GROUP
	BNE group
	STORE1
	RET

#define NEON_TOKENS2(bits, select, i) \
	TEST(bits, select, 26); \
	MASKED(26, 30, 27, i); \
	MASKED(26, 31, 26, i+4)

// The bits are loaded again for each chunk, for want of registers.
#define NEON_CHUNK2(select) \
	VLD1R.P 4(R11), [V30.S4]; \
	VLD1R.P (R11)(R21), [V31.S4]; \
	VLD1.P  32(R8), [V24.B16, V25.B16]; \
	NEON_TOKENS2(24, select, 0); \
	NEON_TOKENS2(25, select, 1); \
	VLD1.P  32(R8), [V24.B16, V25.B16]; \
	NEON_TOKENS2(24, select, 2); \
	NEON_TOKENS2(25, select, 3)

#define NEON_VECTOR2 NEON_CHUNK2(28); SUB $64, R8; NEON_CHUNK2(29)

// func tileFastNEON2(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastNEON2(SB), NOSPLIT, $0-64
	FAST_ARGS
	FAST_START
	SUB $4, R7, R21

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(NEON_VECTOR2)
	FACTOR
	VLD1.P (R13)(R7), [V24.B8]
	VLD1.P (R12)(R7), [V25.B8]
	PARTS2(PART_NEON)
	NEXT_SUB
	BNE sub
	SUM2
	NEXT_GROUP
	BNE group
	STORE2
	RET

#define NEON_TOKEN4(i) MASKED(26, 27, 31, i); MASKED(30, 27, 27, i+1)

#define NEON_CHUNK4(select) \
	TEST(24, select, 26); \
	TEST(25, select, 30); \
	VLD1R.P 4(R11), [V27.S4]; \
	NEON_TOKEN4(0); \
	VLD1R.P 4(R11), [V27.S4]; \
	NEON_TOKEN4(2); \
	VLD1R.P 4(R11), [V27.S4]; \
	NEON_TOKEN4(4); \
	VLD1R.P (R11)(R21), [V27.S4]; \
	NEON_TOKEN4(6)

#define NEON_VECTOR4 \
	VLD1.P (R8)(R22), [V24.B16, V25.B16]; \
	NEON_CHUNK4(28); \
	NEON_CHUNK4(29)

// func tileFastNEON4(y *float32, ystride uintptr, tile *byte, groups int, q *int8, scale *float32, nsum *int32, width uintptr)
TEXT ·tileFastNEON4(SB), NOSPLIT, $0-64
	FAST_ARGS
	SUB  $12, R7, R21
	MOVD $2, R15
	MOVD $64, R22

pass:
	FAST_START

group:
	MOVD $1, R23

sub:
	FAST_SUB
	REPEAT4(NEON_VECTOR4)
	FACTOR
	VLD1.P (R13)(R7), [V24.B16]
	VLD1.P (R12)(R7), [V25.B16]
	PARTS4(PART_NEON)
	NEXT_SUB
	BNE sub
	SUM4
	NEXT_GROUP
	BNE group
	STORE4
	NEXT_PASS
	BNE pass
	RET

// tileExact: V0…3 hold the weights ±1 of a column for 4 quarters, V4…7 the
// bits of 4 columns, inverted, the present column's in bit 0 of a lane and the
// next ones' 8 bits apart. ±1·x is exact, so that the fused FMLA rounds once,
// where FADD of ±x does: the same bits.
#define EXACT_CONSTS \
	VMOVQ $0x3F8000003F800000, $0x3F8000003F800000, V0; \
	VMOV  V0.B16, V1.B16; \
	VMOV  V0.B16, V2.B16; \
	VMOV  V0.B16, V3.B16

// EXACT_SUB begins activation group a, where R23 = −a: V28 and V29 shift the
// bits of the even and the odd chunks to the lowest.
#define EXACT_SUB \
	MOVD $4, R14; \
	ADD  R19, R9, R8; \
	SUB  $4, R23, R24; \
	VDUP R23, V28.S4; \
	VDUP R24, V29.S4

#define NEXT_EXACT_SUB SUB $1, R23; CMN $4, R23

#define INVERTED2 VLD1.P (R8)(R22), [V24.S4, V25.S4]; NOT16(24, 24); NOT16(25, 25)
#define INVERTED4 INVERTED2; VLD1.P (R8)(R22), [V30.S4, V31.S4]; NOT16(30, 30); NOT16(31, 31)
#define ALIGN2(shift) USHL(shift, 24, 4); USHL(shift, 25, 5)
#define ALIGN4(shift) ALIGN2(shift); USHL(shift, 30, 6); USHL(shift, 31, 7)
#define SHIFT2 USHR(8, 4, 4); USHR(8, 5, 5)
#define SHIFT4 SHIFT2; USHR(8, 6, 6); USHR(8, 7, 7)
#define WEIGHTS2 SLI31(4, 0); SLI31(5, 1)
#define WEIGHTS4 WEIGHTS2; SLI31(6, 2); SLI31(7, 3)

#define COLUMNS(column, shift) column; shift; column; shift; column; shift; column

#define EXACT_TOKEN2(t, i) FMLAE(0, 26, t, 8+i); FMLAE(1, 26, t, 9+i)
#define EXACT_TOKEN4(t, i) EXACT_TOKEN2(t, i); FMLAE(2, 26, t, 10+i); FMLAE(3, 26, t, 11+i)

#define EXACT_COLUMN1 VLD1R.P (R11)(R7), [V26.S4]; WEIGHTS4; EXACT_TOKEN4(0, 0)

// func tileExactNEON1(y *float32, ystride uintptr, tile *byte, groups int, x *float32, width uintptr)
TEXT ·tileExactNEON1(SB), NOSPLIT, $0-48
	EXACT_ARGS
	EXACT_CONSTS
	MOVD $32, R22
	START

group:
	MOVD $0, R23

sub:
	EXACT_SUB

vector:
	INVERTED4
	ALIGN4(28)
	COLUMNS(EXACT_COLUMN1, SHIFT4)
	ALIGN4(29)
	COLUMNS(EXACT_COLUMN1, SHIFT4)
	SUBS $1, R14
	BNE  vector
	NEXT_EXACT_SUB
	BNE  sub
	SUM1
	NEXT_GROUP
	BNE  group
	STORE1
	RET

#define EXACT_COLUMN2 \
	VLD1.P (R11)(R7), [V26.B8]; \
	WEIGHTS4; \
	EXACT_TOKEN4(0, 0); \
	EXACT_TOKEN4(1, 4)

// func tileExactNEON2(y *float32, ystride uintptr, tile *byte, groups int, x *float32, width uintptr)
TEXT ·tileExactNEON2(SB), NOSPLIT, $0-48
	EXACT_ARGS
	EXACT_CONSTS
	MOVD $32, R22
	START

group:
	MOVD $0, R23

sub:
	EXACT_SUB

vector:
	INVERTED4
	ALIGN4(28)
	COLUMNS(EXACT_COLUMN2, SHIFT4)
	ALIGN4(29)
	COLUMNS(EXACT_COLUMN2, SHIFT4)
	SUBS $1, R14
	BNE  vector
	NEXT_EXACT_SUB
	BNE  sub
	SUM2
	NEXT_GROUP
	BNE  group
	STORE2
	RET

#define EXACT_COLUMN4 \
	VLD1.P (R11)(R7), [V26.B16]; \
	WEIGHTS2; \
	EXACT_TOKEN2(0, 0); \
	EXACT_TOKEN2(1, 2); \
	EXACT_TOKEN2(2, 4); \
	EXACT_TOKEN2(3, 6)

// func tileExactNEON4(y *float32, ystride uintptr, tile *byte, groups int, x *float32, width uintptr)
TEXT ·tileExactNEON4(SB), NOSPLIT, $0-48
	EXACT_ARGS
	EXACT_CONSTS
	MOVD $64, R22
	MOVD $2, R15

pass:
	START

group:
	MOVD $0, R23

sub:
	EXACT_SUB

vector:
	INVERTED2
	ALIGN2(28)
	COLUMNS(EXACT_COLUMN4, SHIFT2)
	ALIGN2(29)
	COLUMNS(EXACT_COLUMN4, SHIFT2)
	SUBS $1, R14
	BNE  vector
	NEXT_EXACT_SUB
	BNE  sub
	SUM4
	NEXT_GROUP
	BNE  group
	STORE4
	NEXT_PASS
	BNE  pass
	RET
