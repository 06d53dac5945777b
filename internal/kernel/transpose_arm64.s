#include "textflag.h"
#include "neon_arm64.h"

// The kernels of the transposed product keep the bits of 16 rows in the order [4
// bytes v of an activation group][4 quarters of the rows][4 columns k][4 rows]; bit
// 4·h+a of a byte is the column 32·a + 8·v + 4·h + k. The multiplying kernels do 8
// columns at a time, those of a vector v in an activation group, for all rows of the
// group and 4 tokens:
//   V0+t, V4+t  sums of the columns with h = 0 and with h = 1
//   V16+t       q of 16 rows
//   V20…23      temporaries, V24…27 bits of 4 rows each, V28, V29 the bits of both h
//
//   R0 dx, R1 its stride, R2 bits, R3 q, R4 scale, R5 sum; R8 the vector in the
//   first 16 rows, R9 bits, R10 16 rows left, R11 q, R12 output, R13 scale, R14
//   vectors left, R15 sum, R20…22 strides, R23 and R24 the chunks' bits.

#define MULTIPLY_ARGS \
	MOVD dx+0(FP), R0; \
	MOVD stride+8(FP), R1; \
	MOVD bits+16(FP), R2; \
	MOVD q+24(FP), R3; \
	MOVD scale+32(FP), R4; \
	MOVD sum+40(FP), R5; \
	MOVD $-368, R20; \
	MOVD $128, R21; \
	MOVD $256, R22; \
	MOVD $1, R23

// GROUP begins an activation group, VECTOR 8 of its columns, TILE 16 rows.
#define GROUP \
	LSL  $4, R23, R24; \
	VDUP R23, V28.B16; \
	VDUP R24, V29.B16; \
	MOVD R2, R8; \
	MOVD $4, R14

#define VECTOR MOVD R8, R9; MOVD R3, R11; MOVD $8, R10; ZERO8(0)

#define TILE \
	VLD1.P (R9)(R22), [V24.B16, V25.B16, V26.B16, V27.B16]; \
	VLD1.P (R11)(R21), [V16.B16]; \
	VLD1.P (R11)(R21), [V17.B16]; \
	VLD1.P (R11)(R21), [V18.B16]; \
	VLD1.P (R11)(R20), [V19.B16]

// TEST makes weights of −1 where the bit is set and 0 elsewhere.
#define TEST(bits) CMTST(28, bits, 20); CMTST(29, bits, 21)

// RESULT leaves in V24 −Σq and in V25 the scale of the next token. OUTPUT adds
// scale·I to 8 columns of it, I being in V22 and V23.
#define RESULT \
	VLD1R.P 4(R15), [V24.S4]; \
	VLD1R.P 4(R13), [V25.S4]; \
	VSUB    V24.S4, V31.S4, V24.S4; \
	VMOV    V24.B16, V22.B16; \
	VMOV    V24.B16, V23.B16

#define OUTPUT \
	SCVTF(22, 22); \
	SCVTF(23, 23); \
	FMUL(25, 22, 22); \
	FMUL(25, 23, 23); \
	VLD1 (R12), [V20.S4, V21.S4]; \
	FADD(22, 20, 20); \
	FADD(23, 21, 21); \
	VST1 [V20.S4, V21.S4], (R12); \
	ADD  R1, R12

#define RESULTS(token) \
	MOVD R0, R12; \
	MOVD R4, R13; \
	MOVD R5, R15; \
	MOVI(2, 30); \
	MOVI(0, 31); \
	token(0); \
	token(1); \
	token(2); \
	token(3); \
	ADD  $32, R0; \
	ADD  $64, R8; \
	SUBS $1, R14

#define NEXT_GROUP LSL $1, R23; CMP $16, R23

#define DOT_ROWS(bits, r) \
	TEST(bits); \
	SDOT(20, 16, r, 0); \
	SDOT(20, 17, r, 1); \
	SDOT(20, 18, r, 2); \
	SDOT(20, 19, r, 3); \
	SDOT(21, 16, r, 4); \
	SDOT(21, 17, r, 5); \
	SDOT(21, 18, r, 6); \
	SDOT(21, 19, r, 7)

// The sums are −Σbq.
#define DOT_RESULT(t) RESULT; MLS(30, t, 22); MLS(30, 4+t, 23); OUTPUT

// func multiplyRowsDot(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)
TEXT ·multiplyRowsDot(SB), NOSPLIT, $0-48
	MULTIPLY_ARGS

group:
	GROUP

vector:
	VECTOR

tile:
	TILE
	DOT_ROWS(24, 0)
	DOT_ROWS(25, 1)
	DOT_ROWS(26, 2)
	DOT_ROWS(27, 3)
	SUBS $1, R10
	BNE  tile
	RESULTS(DOT_RESULT)
	BNE  vector
	NEXT_GROUP
	BNE  group
	RET

// MASKED adds pairs of the bytes of x where w is −1 to 16-bit sums, of 32 pairs
// at most: 8 tiles with 4 times 4 rows.
#define MASKED(w, x, i) AND16(w, x, 23); SADALP(23, i)
#define NEON_TOKEN(t, r) DUPS(16+t, r, 22); MASKED(20, 22, t); MASKED(21, 22, 4+t)
#define NEON_ROWS(bits, r) \
	TEST(bits); \
	NEON_TOKEN(0, r); \
	NEON_TOKEN(1, r); \
	NEON_TOKEN(2, r); \
	NEON_TOKEN(3, r)

#define NEON_RESULT(t) \
	RESULT; \
	SADDLP(t, t); \
	SADDLP(4+t, 4+t); \
	MLA(30, t, 22); \
	MLA(30, 4+t, 23); \
	OUTPUT

// func multiplyRowsNEON(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)
TEXT ·multiplyRowsNEON(SB), NOSPLIT, $0-48
	MULTIPLY_ARGS

group:
	GROUP

vector:
	VECTOR

tile:
	TILE
	NEON_ROWS(24, 0)
	NEON_ROWS(25, 1)
	NEON_ROWS(26, 2)
	NEON_ROWS(27, 3)
	SUBS $1, R10
	BNE  tile
	RESULTS(NEON_RESULT)
	BNE  vector
	NEXT_GROUP
	BNE  group
	RET

// SWAP_BITS swaps the bits of V(lo) that lie s above those of mask with the bits of
// V(hi) that mask has; the mask of those in V(lo) is its complement.
#define SWAP_BITS(s, mask, lo, hi) \
	USHRB(s, lo, 16); \
	SHLB(s, hi, 17); \
	BIT(mask, 16, hi); \
	BIF(mask, 17, lo)

// UNPACK does the bytes v, 4+v, 8+v and 12+v of half h of a tile's rows, one of each
// activation group a. It swaps a with the column k of a bit 4·h+k; then it puts the
// columns of four rows together.
#define UNPACK(h, v) \
	FMOVQ (64+16*h+32*v)(R2), F0; \
	FMOVQ (64+16*h+32*(v+4))(R2), F1; \
	FMOVQ (64+16*h+32*(v+8))(R2), F2; \
	FMOVQ (64+16*h+32*(v+12))(R2), F3; \
	SWAP_BITS(1, 30, 0, 1); \
	SWAP_BITS(1, 30, 2, 3); \
	SWAP_BITS(2, 31, 0, 2); \
	SWAP_BITS(2, 31, 1, 3); \
	VTRN1 V1.S4, V0.S4, V4.S4; \
	VTRN2 V1.S4, V0.S4, V5.S4; \
	VTRN1 V3.S4, V2.S4, V6.S4; \
	VTRN2 V3.S4, V2.S4, V7.S4; \
	VTRN1 V6.D2, V4.D2, V0.D2; \
	VTRN1 V7.D2, V5.D2, V1.D2; \
	VTRN2 V6.D2, V4.D2, V2.D2; \
	VTRN2 V7.D2, V5.D2, V3.D2; \
	FMOVQ F0, (16*h+64*v)(R0); \
	FMOVQ F1, (16*h+64*v+32)(R0); \
	FMOVQ F2, (16*h+64*v+256)(R0); \
	FMOVQ F3, (16*h+64*v+288)(R0)

#define SCALES16 \
	VLD1.P 32(R6), [V4.B16, V5.B16]; \
	FCVTL(4, 0); \
	FCVTL2(4, 1); \
	FCVTL(5, 2); \
	FCVTL2(5, 3); \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R1)

// func unpackRowsNEON(bits *byte, d *float32, tile *byte, stride uintptr, tiles int)
TEXT ·unpackRowsNEON(SB), NOSPLIT, $0-40
	MOVD  bits+0(FP), R0
	MOVD  d+8(FP), R1
	MOVD  tile+16(FP), R2
	MOVD  stride+24(FP), R3
	MOVD  tiles+32(FP), R4
	VMOVI $0x55, V30.B16
	VMOVI $0x33, V31.B16

tile:
	MOVD R2, R6
	SCALES16
	SCALES16
	UNPACK(0, 0)
	UNPACK(0, 1)
	UNPACK(0, 2)
	UNPACK(0, 3)
	UNPACK(1, 0)
	UNPACK(1, 1)
	UNPACK(1, 2)
	UNPACK(1, 3)
	ADD  $512, R0
	ADD  R3, R2
	SUBS $1, R4
	BNE  tile
	RET

// VALUES makes 16 values v = dy·d.
#define VALUES \
	VLD1.P 64(R6), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R7), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	FMUL(4, 0, 0); \
	FMUL(5, 1, 1); \
	FMUL(6, 2, 2); \
	FMUL(7, 3, 3)

// MOST keeps the greatest |v|, QUANTISE makes int32 of v·inv and sums them.
#define MOST(i) FABS(i, i); FMAX(i, 16+i, 16+i)
#define QUANTISE(i) FMULE(i, 25, 0, i); FCVTNS(i, i); ADDS4(i, 16+i, 16+i)

#define ROWS MOVD R3, R6; MOVD R4, R7; MOVD $8, R8; ZERO4(16)

// func quantizeRowsNEON(q *int8, scale *float32, sum *int32, d *float32, dy *float32, stride uintptr)
TEXT ·quantizeRowsNEON(SB), NOSPLIT, $0-48
	MOVD  q+0(FP), R0
	MOVD  scale+8(FP), R1
	MOVD  sum+16(FP), R2
	MOVD  d+24(FP), R3
	MOVD  dy+32(FP), R4
	MOVD  stride+40(FP), R5
	MOVD  $4, R9
	FMOVS $127.0, F28
	MOVW  $0x0DA24260, R10 // tinyMax
	FMOVS R10, F29

token:
	ROWS

most:
	VALUES
	MOST(0)
	MOST(1)
	MOST(2)
	MOST(3)
	SUBS $1, R8
	BNE  most
	FMAX(16, 17, 16)
	FMAX(18, 19, 18)
	FMAX(16, 18, 16)
	FMAXV(16, 16)
	VEOR V25.B16, V25.B16, V25.B16
	VEOR V26.B16, V26.B16, V26.B16
	FCMPS F29, F16
	BLT   tiny
	FDIVS F16, F28, F25
	FDIVS F28, F16, F26

tiny:
	FMOVS.P F26, 4(R1)
	ROWS

round:
	VALUES
	QUANTISE(0)
	QUANTISE(1)
	QUANTISE(2)
	QUANTISE(3)
	// |q| ≤ 127: the low bytes are the values.
	VUZP1  V1.H8, V0.H8, V0.H8
	VUZP1  V3.H8, V2.H8, V2.H8
	VUZP1  V2.B16, V0.B16, V0.B16
	VST1.P [V0.B16], 16(R0)
	SUBS   $1, R8
	BNE    round
	ADDS4(16, 17, 16)
	ADDS4(18, 19, 18)
	ADDS4(16, 18, 16)
	VADDV   V16.S4, V16
	FMOVS.P F16, 4(R2)
	ADD     R5, R4
	SUBS    $1, R9
	BNE     token
	RET
