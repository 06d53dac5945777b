#include "textflag.h"
#include "neon_arm64.h"

// The kernels of AddValues: R0 out, R1 its stride, R2 w, R3 its stride, R4 v, R5
// vscale, R6 groups, R7 and R8 the values and scales to be read next; V0, V1 the
// int16 weights of the first row and V2, V3 of the second, V4 and V5 their steps,
// F12…14 tinyMax, weightMax and weightStep, V16…23 and V24…31 the int32 sums.
#define VALUES_ARGS \
	MOVD  out+0(FP), R0; \
	MOVD  outStride+8(FP), R1; \
	MOVD  w+16(FP), R2; \
	MOVD  stride+24(FP), R3; \
	MOVD  v+32(FP), R4; \
	MOVD  vscale+40(FP), R5; \
	MOVD  groups+48(FP), R6; \
	MOVD  next+56(FP), R7; \
	MOVD  nextScale+64(FP), R8; \
	MOVW  $0x0DA24260, R9; \
	FMOVS R9, F12; \
	MOVW  $0x46FFFE00, R9; \
	FMOVS R9, F13; \
	MOVW  $0x38000100, R9; \
	FMOVS R9, F14; \
	ADD   R2, R3

// WEIGHTS quantises V16…19, 16 weights, times the scales V20…23 to V(lo), V(hi).
#define WEIGHTS(step, lo, hi) \
	FMUL(20, 16, 16); \
	FMUL(21, 17, 17); \
	FMUL(22, 18, 18); \
	FMUL(23, 19, 19); \
	FABS(16, 24); \
	FABS(17, 25); \
	FABS(18, 26); \
	FABS(19, 27); \
	FMAX(24, 25, 25); \
	FMAX(26, 27, 27); \
	FMAX(25, 27, 27); \
	FMAXV(27, 27); \
	FMAXS F12, F27, F27; \
	FDIVS F27, F13, F28; \
	FMULS F14, F27, step; \
	FMULE(16, 28, 0, 16); \
	FMULE(17, 28, 0, 17); \
	FMULE(18, 28, 0, 18); \
	FMULE(19, 28, 0, 19); \
	FCVTNS(16, 16); \
	FCVTNS(17, 17); \
	FCVTNS(18, 18); \
	FCVTNS(19, 19); \
	VUZP1 V17.H8, V16.H8, lo.H8; \
	VUZP1 V19.H8, V18.H8, hi.H8

// TAKE8 adds 8 values, widened by sxtl, times the weight in lane lane of V(w) to
// the sums i and i+1; TAKE8x2 for both rows.
#define TAKE8(bytes, sxtl, w, lane, i) \
	sxtl(bytes, 8); \
	SMLALE(8, w, lane, i); \
	SMLALE2(8, w, lane, i+1)

#define TAKE8x2(bytes, sxtl, w, lane, i) \
	TAKE8(bytes, sxtl, w, lane, i); \
	SMLALE(8, w+2, lane, i+8); \
	SMLALE2(8, w+2, lane, i+9)

// HALF takes 16 dimensions of the positions lane and lane+1 of V(w).
#define HALF(take, w, lane, i) \
	VLD2.P 32(R4), [V6.B16, V7.B16]; \
	take(6, SXTLB, w, lane, i); \
	take(6, SXTLB2, w, lane, i+2); \
	take(7, SXTLB, w, lane+1, i); \
	take(7, SXTLB2, w, lane+1, i+2)

#define PAIR(take, w, lane) \
	PRFM (R7), PLDL1KEEP; \
	ADD  $64, R7; \
	HALF(take, w, lane, 16); \
	HALF(take, w, lane, 20)

#define POSITIONS8(take, w) PAIR(take, w, 0); PAIR(take, w, 2); PAIR(take, w, 4); PAIR(take, w, 6)

// ADD16 adds 4 sums times their step to 16 results.
#define ADD16(out, a, step) \
	VLD1   (out), [V8.S4, V9.S4, V10.S4, V11.S4]; \
	SCVTF(a, a); \
	SCVTF(a+1, a+1); \
	SCVTF(a+2, a+2); \
	SCVTF(a+3, a+3); \
	FMULE(a, step, 0, a); \
	FMULE(a+1, step, 0, a+1); \
	FMULE(a+2, step, 0, a+2); \
	FMULE(a+3, step, 0, a+3); \
	FADD(a, 8, 8); \
	FADD(a+1, 9, 9); \
	FADD(a+2, 10, 10); \
	FADD(a+3, 11, 11); \
	VST1.P [V8.S4, V9.S4, V10.S4, V11.S4], 64(out)

// func addValuesNEON1(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·addValuesNEON1(SB), NOSPLIT, $0-72
	VALUES_ARGS

group:
	VLD1.P 64(R5), [V20.S4, V21.S4, V22.S4, V23.S4]
	VLD1   (R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	WEIGHTS(F4, V0, V1)
	PRFM   (R8), PLDL1KEEP
	ADD    $64, R8
	ZERO8(16)
	POSITIONS8(TAKE8, 0)
	POSITIONS8(TAKE8, 1)
	ADD16(R0, 16, 4)
	ADD16(R0, 20, 4)
	SUBS   $1, R6
	BNE    group
	RET

// func addValuesNEON2(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·addValuesNEON2(SB), NOSPLIT, $0-72
	VALUES_ARGS
	ADD R0, R1

group:
	VLD1.P 64(R5), [V20.S4, V21.S4, V22.S4, V23.S4]
	VLD1   (R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	WEIGHTS(F4, V0, V1)
	VLD1   (R3), [V16.S4, V17.S4, V18.S4, V19.S4]
	WEIGHTS(F5, V2, V3)
	PRFM   (R8), PLDL1KEEP
	ADD    $64, R8
	ZERO8(16)
	ZERO8(24)
	POSITIONS8(TAKE8x2, 0)
	POSITIONS8(TAKE8x2, 1)
	ADD16(R0, 16, 4)
	ADD16(R0, 20, 4)
	ADD16(R1, 24, 5)
	ADD16(R1, 28, 5)
	SUBS   $1, R6
	BNE    group
	RET
