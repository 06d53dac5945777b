#include "textflag.h"
#include "neon_arm64.h"

// The kernels of AddValues: R0 out, R1 its stride, R2 w, R3 its stride, R4 v, R5
// vscale, R6 groups, R7 and R8 the values and scales to be read next; V0…7 the
// sums of the first row of weights and V8…15 of the second, V16…19 and V20…23
// their weights, V29 and V30 what rounds them.
#define VALUES_ARGS \
	MOVD out+0(FP), R0; \
	MOVD outStride+8(FP), R1; \
	MOVD w+16(FP), R2; \
	MOVD stride+24(FP), R3; \
	MOVD v+32(FP), R4; \
	MOVD vscale+40(FP), R5; \
	MOVD groups+48(FP), R6; \
	MOVD next+56(FP), R7; \
	MOVD nextScale+64(FP), R8; \
	MOVD $128, R9; \
	VDUP R9, V29.S4; \
	MOVD $0xFFFFFF00, R9; \
	VDUP R9, V30.S4; \
	ADD  R2, R3

// WEIGHT rounds weight times scale to 16 bits of precision.
#define WEIGHT(scale, i) FMUL(scale, i, i); ADDS4(29, i, i); AND16(30, i, i)
#define WEIGHTS(i) WEIGHT(24, i); WEIGHT(25, i+1); WEIGHT(26, i+2); WEIGHT(27, i+3)

// TAKE8 makes floats of 8 values, widened by sxtl, and adds them times the
// weights of position 4·j+lane to the sums i and i+1; TAKE8x2 for both rows.
#define FLOATS8(bytes, sxtl) \
	sxtl(bytes, 26); \
	SXTLH(26, 27); \
	SXTLH2(26, 28); \
	SCVTF(27, 27); \
	SCVTF(28, 28)

#define TAKE8(bytes, sxtl, j, lane, i) \
	FLOATS8(bytes, sxtl); \
	FMLAE(27, 16+j, lane, i); \
	FMLAE(28, 16+j, lane, i+1)

#define TAKE8x2(bytes, sxtl, j, lane, i) \
	TAKE8(bytes, sxtl, j, lane, i); \
	FMLAE(27, 20+j, lane, i+8); \
	FMLAE(28, 20+j, lane, i+9)

#define POSITION(take, j, lane) \
	VLD1.P 32(R4), [V24.B16, V25.B16]; \
	take(24, SXTLB, j, lane, 0); \
	take(24, SXTLB2, j, lane, 2); \
	take(25, SXTLB, j, lane, 4); \
	take(25, SXTLB2, j, lane, 6)

#define POSITIONS4(take, j) \
	PRFM (R7), PLDL1KEEP; \
	POSITION(take, j, 0); \
	POSITION(take, j, 1); \
	PRFM 64(R7), PLDL1KEEP; \
	ADD  $128, R7; \
	POSITION(take, j, 2); \
	POSITION(take, j, 3)

#define POSITIONS16(take) \
	PRFM (R8), PLDL1KEEP; \
	ADD  $64, R8; \
	POSITIONS4(take, 0); \
	POSITIONS4(take, 1); \
	POSITIONS4(take, 2); \
	POSITIONS4(take, 3)

// func addValuesNEON1(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·addValuesNEON1(SB), NOSPLIT, $0-72
	VALUES_ARGS

group:
	VLD1.P 64(R5), [V24.S4, V25.S4, V26.S4, V27.S4]
	VLD1   (R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	WEIGHTS(16)
	MOVD   R0, R10
	VLD1.P 64(R10), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1   (R10), [V4.S4, V5.S4, V6.S4, V7.S4]
	POSITIONS16(TAKE8)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R0)
	SUBS   $1, R6
	BNE    group
	RET

// func addValuesNEON2(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)
TEXT ·addValuesNEON2(SB), NOSPLIT, $0-72
	VALUES_ARGS
	ADD R0, R1

group:
	VLD1.P 64(R5), [V24.S4, V25.S4, V26.S4, V27.S4]
	VLD1   (R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	VLD1   (R3), [V20.S4, V21.S4, V22.S4, V23.S4]
	WEIGHTS(16)
	WEIGHTS(20)
	MOVD   R0, R10
	VLD1.P 64(R10), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1   (R10), [V4.S4, V5.S4, V6.S4, V7.S4]
	MOVD   R1, R10
	VLD1.P 64(R10), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1   (R10), [V12.S4, V13.S4, V14.S4, V15.S4]
	POSITIONS16(TAKE8x2)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R0)
	VST1.P [V8.S4, V9.S4, V10.S4, V11.S4], 64(R1)
	VST1.P [V12.S4, V13.S4, V14.S4, V15.S4], 64(R1)
	SUBS   $1, R6
	BNE    group
	RET
