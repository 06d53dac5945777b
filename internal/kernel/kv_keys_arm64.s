#include "textflag.h"
#include "neon_arm64.h"

// The kernels of Scores: R0 out, R1 its stride, R2 q, R3 scale, R5 and R6 bytes
// from a group of those to the next, R7 k, R8 kscale, R9 groups, R10 and R11 the
// keys and scales to be read next.
#define SCORES_ARGS \
	MOVD out+0(FP), R0; \
	MOVD stride+8(FP), R1; \
	MOVD q+16(FP), R2; \
	MOVD scale+24(FP), R3; \
	MOVD count+40(FP), R6; \
	LSL  $5, R6, R5; \
	LSL  $2, R6; \
	MOVD k+48(FP), R7; \
	MOVD kscale+56(FP), R8; \
	MOVD groups+64(FP), R9; \
	MOVD next+72(FP), R10; \
	MOVD nextScale+80(FP), R11

// KEYS loads 4 dimensions of 16 positions.
#define KEYS(a, b, c, d) \
	PRFM   (R10), PLDL1KEEP; \
	ADD    $64, R10; \
	VLD1.P 64(R7), [a.B16, b.B16, c.B16, d.B16]

// SCALED adds V(i), an integer sum, times the scales of the key and the query.
#define SCALED(i, kscale, qscale, sum) \
	SCVTF(i, i); \
	FMUL(kscale, i, i); \
	FMUL(qscale, i, i); \
	FADD(i, sum, sum); \
	MOVI(0, i)

#define SCALED4(qscale, i, sum) \
	SCALED(i, 20, qscale, sum); \
	SCALED(i+1, 21, qscale, sum+1); \
	SCALED(i+2, 22, qscale, sum+2); \
	SCALED(i+3, 23, qscale, sum+3)

// NEXT_KEYS steps to the next group.
#define NEXT_KEYS \
	ADD  R5, R2; \
	ADD  R6, R3; \
	ADD  $64, R11; \
	SUBS $1, R9

#define DOT16(q, lane, i) \
	SDOT(20, q, lane, i); \
	SDOT(21, q, lane, i+1); \
	SDOT(22, q, lane, i+2); \
	SDOT(23, q, lane, i+3)

#define DOT_KEYS1(half, lane) \
	KEYS(V20, V21, V22, V23); \
	DOT16(16+half, lane, 0)

// func scoresDot1(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·scoresDot1(SB), NOSPLIT, $0-88
	SCORES_ARGS
	ZERO4(0)
	ZERO4(8)

group:
	VLD1   (R2), [V16.B16, V17.B16]
	VLD1R  (R3), [V18.S4]
	PRFM   (R11), PLDL1KEEP
	DOT_KEYS1(0, 0)
	DOT_KEYS1(0, 1)
	DOT_KEYS1(0, 2)
	DOT_KEYS1(0, 3)
	DOT_KEYS1(1, 0)
	DOT_KEYS1(1, 1)
	DOT_KEYS1(1, 2)
	DOT_KEYS1(1, 3)
	VLD1.P 64(R8), [V20.S4, V21.S4, V22.S4, V23.S4]
	SCALED4(18, 0, 8)
	NEXT_KEYS
	BNE    group
	VST1   [V8.S4, V9.S4, V10.S4, V11.S4], (R0)
	RET

#define DOT_KEYS2(half, lane) \
	KEYS(V20, V21, V22, V23); \
	DOT16(16+half, lane, 0); \
	DOT16(18+half, lane, 4)

// func scoresDot2(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·scoresDot2(SB), NOSPLIT, $0-88
	SCORES_ARGS
	ZERO8(0)
	ZERO8(8)

group:
	VLD1   (R2), [V16.B16, V17.B16, V18.B16, V19.B16]
	MOVD   R3, R12
	VLD1R.P 4(R12), [V24.S4]
	VLD1R  (R12), [V25.S4]
	PRFM   (R11), PLDL1KEEP
	DOT_KEYS2(0, 0)
	DOT_KEYS2(0, 1)
	DOT_KEYS2(0, 2)
	DOT_KEYS2(0, 3)
	DOT_KEYS2(1, 0)
	DOT_KEYS2(1, 1)
	DOT_KEYS2(1, 2)
	DOT_KEYS2(1, 3)
	VLD1.P 64(R8), [V20.S4, V21.S4, V22.S4, V23.S4]
	SCALED4(24, 0, 8)
	SCALED4(25, 4, 12)
	NEXT_KEYS
	BNE    group
	VST1   [V8.S4, V9.S4, V10.S4, V11.S4], (R0)
	ADD    R1, R0
	VST1   [V12.S4, V13.S4, V14.S4, V15.S4], (R0)
	RET

// DOT4 adds to V(acc) and V(acc+1), in two halves a position, the dots of 8
// dimensions of 4 positions. Two products of at most 127² fit into 16 bits.
#define DOT4(k, acc) \
	SMULL(28, k, 30); \
	SMULL2(28, k, 31); \
	SMLAL(29, k+4, 30); \
	SMLAL2(29, k+4, 31); \
	SADALPH(30, acc); \
	SADALPH(31, acc+1)

#define NEON_KEYS(q, lane) \
	KEYS(V20, V21, V22, V23); \
	KEYS(V24, V25, V26, V27); \
	DUPS(q, lane, 28); \
	DUPS(q, lane+1, 29); \
	DOT4(20, 0); \
	DOT4(21, 2); \
	DOT4(22, 4); \
	DOT4(23, 6)

// func scoresNEON(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·scoresNEON(SB), NOSPLIT, $0-88
	SCORES_ARGS
	ZERO4(8)

group:
	ZERO8(0)
	VLD1   (R2), [V16.B16, V17.B16]
	VLD1R  (R3), [V18.S4]
	PRFM   (R11), PLDL1KEEP
	NEON_KEYS(16, 0)
	NEON_KEYS(16, 2)
	NEON_KEYS(17, 0)
	NEON_KEYS(17, 2)
	ADDP4(1, 0, 0)
	ADDP4(3, 2, 1)
	ADDP4(5, 4, 2)
	ADDP4(7, 6, 3)
	VLD1.P 64(R8), [V20.S4, V21.S4, V22.S4, V23.S4]
	SCALED4(18, 0, 8)
	NEXT_KEYS
	BNE    group
	VST1   [V8.S4, V9.S4, V10.S4, V11.S4], (R0)
	RET
