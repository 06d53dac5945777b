#include "textflag.h"
#include "neon_arm64.h"

// The kernels of the layout tables. They do half h of a tile at a time, its rows
// 8·f+4·h and the next three for each f < 4, with 1, 2 or 4 tokens; but 1 token in
// fast precision does both halves at once.
//   V8+4·i+f  float sums of a group: of token i (or half i) and those four rows
//
//   R0 y, R1 its stride, R2 scales of the half's rows, R3 groups left, R4 tables or
//   x, R5 scales of the activations, R6 halves left, R7 columns left (in rounds), R8
//   bits, R9 tables or x, R10 scales of the activations, R11 bits of the half, R12
//   output, R15 bytes from the bits of 8 columns to the next.

#define TABLE_ARGS \
	MOVD y+0(FP), R0; \
	MOVD ystride+8(FP), R1; \
	MOVD tile+16(FP), R2; \
	MOVD groups+24(FP), R3; \
	ADD  $64, R2, R11; \
	MOVD $32, R15

#define FAST_ARGS \
	TABLE_ARGS; \
	MOVD  table+32(FP), R4; \
	MOVD  scale+40(FP), R5; \
	VMOVI $15, V30.B16; \
	MOVD  $(0x4B000000+8*512), R8; \
	VDUP  R8, V31.S4

#define EXACT_ARGS \
	TABLE_ARGS; \
	MOVD  x+32(FP), R4; \
	VMOVQ $0x7F0000007F000000, $0x7F0000007F000000, V31

#define HALF MOVD R11, R8; MOVD R4, R9; MOVD R5, R10
#define NEXT_HALF ADD $8, R2; ADD $16, R11; ADD $16, R0; SUBS $1, R6

// NEXT_GROUP goes back to the first half, of the next 576 bytes of the tile.
#define NEXT_GROUP \
	ADD  $(576-2*8), R2; \
	ADD  $(576-2*16), R11; \
	SUB  $(2*16), R0; \
	MOVD R9, R4; \
	MOVD R10, R5; \
	SUBS $1, R3

// OUTPUTS converts the scales of a half's rows to V24…27. OUTPUT adds the float sums
// from V(p) on, times those, to a token's rows.
#define OUTPUTS \
	FMOVD (R2), F24; \
	FMOVD 16(R2), F25; \
	FMOVD 32(R2), F26; \
	FMOVD 48(R2), F27; \
	FCVTL(24, 24); \
	FCVTL(25, 25); \
	FCVTL(26, 26); \
	FCVTL(27, 27); \
	MOVD  R0, R12

#define OUTPUT_ROWS(p, f) \
	FMUL(24+f, p+f, p+f); \
	FMOVQ (32*f)(R12), F28; \
	FADD(p+f, 28, 28); \
	FMOVQ F28, (32*f)(R12)

#define OUTPUT(p) \
	OUTPUT_ROWS(p, 0); \
	OUTPUT_ROWS(p, 1); \
	OUTPUT_ROWS(p, 2); \
	OUTPUT_ROWS(p, 3); \
	ADD R1, R12

// Fast precision looks the sums of four columns up, each in two parts whose sums
// over the columns of an activation group fit into bytes.
//   V0+i, V4+i  low and high parts of token i (or half i)
//   V24…27      tables of 8 columns, then parts that were looked up
//   V28, V29    indices: the low and the high halves of bytes of bits; then scales
//               of the activation group, and UPPER
//   V30, V31    the mask of an index; 2^23 plus eight times tableBias, a float

#define INDICES \
	VLD1.P (R8)(R15), [V29.B16]; \
	VAND   V30.B16, V29.B16, V28.B16; \
	VUSHR  $4, V29.B16, V29.B16

#define TABLES VLD1.P 64(R9), [V24.B16, V25.B16, V26.B16, V27.B16]

// LOOK looks two sums up: low parts to V(x) and V(x+2), high parts to V(x+1) and
// V(x+3). FIRST begins the sums of those with them, MORE adds them.
#define LOOK(low, high, x) TBL(low, 24, x); TBL(low, 25, x+1); TBL(high, 26, x+2); TBL(high, 27, x+3)
#define FIRST(x, i) ADDB(x+2, x, i); ADDB(x+3, x+1, 4+i)
#define MORE(x, i) ADDB(x+2, x, x); ADDB(x+3, x+1, x+1); ADDB(x, i, i); ADDB(x+1, 4+i, 4+i)

#define TOKEN(i, add) TABLES; LOOK(28, 29, 24); add(24, i)
#define COLUMNS2(add) INDICES; TOKEN(0, add); TOKEN(1, add)
#define COLUMNS4(add) COLUMNS2(add); TOKEN(2, add); TOKEN(3, add)

// LOOKUPS are those of an activation group.
#define LOOKUPS(columns) columns(FIRST); columns(MORE); columns(MORE); columns(MORE)

// UPPER puts the upper half of 2^23, a float, into V29.
#define UPPER MOVIH8(0x4B, 29)

// FLOATS puts the sums, 32·high + low, together in 16 bits. Those are the lower half
// of 2^23 plus the sum: no conversion is needed, which takes longer on many CPUs.
#define FLOATS(i) \
	USHLLB(5, 4+i, 24); \
	USHLLB2(5, 4+i, 25); \
	UADDWB(i, 24, 24); \
	UADDWB2(i, 25, 25); \
	ZIP1H(29, 24, 26); \
	ZIP2H(29, 24, 27); \
	ZIP1H(29, 25, i); \
	ZIP2H(29, 25, 4+i); \
	FSUB(31, 26, 26); \
	FSUB(31, 27, 27); \
	FSUB(31, i, i); \
	FSUB(31, 4+i, 4+i)

// PRODUCTS makes the float sums of token t, ADD_PRODUCTS adds to them.
#define PRODUCTS(i, t) \
	FLOATS(i); \
	FMULE(26, 28, t, 8+4*i); \
	FMULE(27, 28, t, 9+4*i); \
	FMULE(i, 28, t, 10+4*i); \
	FMULE(4+i, 28, t, 11+4*i)

#define ADD_PRODUCT(x, t, p) FMULE(x, 28, t, x); FADD(x, p, p)
#define ADD_PRODUCTS(i, t) \
	FLOATS(i); \
	ADD_PRODUCT(26, t, 8+4*i); \
	ADD_PRODUCT(27, t, 9+4*i); \
	ADD_PRODUCT(i, t, 10+4*i); \
	ADD_PRODUCT(4+i, t, 11+4*i)

// INDICES1 and COLUMNS1 are for both halves, with the high indices in V20 and V21.
#define INDICES1 \
	VLD1.P 32(R8), [V20.B16, V21.B16]; \
	VAND   V30.B16, V20.B16, V28.B16; \
	VAND   V30.B16, V21.B16, V29.B16; \
	VUSHR  $4, V20.B16, V20.B16; \
	VUSHR  $4, V21.B16, V21.B16

// The tables of a single token may lie between those of others: R13 bytes on are
// those of the next 8 columns, and R14 bytes on the next scale.
#define COLUMNS1(add) \
	INDICES1; \
	VLD1.P (R9)(R13), [V24.B16, V25.B16, V26.B16, V27.B16]; \
	LOOK(28, 20, 16); \
	LOOK(29, 21, 24); \
	add(16, 0); \
	add(24, 1)

// OUTPUT_BOTH adds 8 rows, four of each half.
#define OUTPUT_BOTH(f) \
	FCVTL(24+f, 16); \
	FCVTL2(24+f, 17); \
	FMUL(16, 8+f, 8+f); \
	FMUL(17, 12+f, 12+f); \
	FLDPQ (32*f)(R0), (F16, F17); \
	FADD(8+f, 16, 16); \
	FADD(12+f, 17, 17); \
	FSTPQ (F16, F17), (32*f)(R0)

// func tableFastNEON1(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)
TEXT ·tableFastNEON1(SB), NOSPLIT, $0-56
	FAST_ARGS
	MOVD stride+48(FP), R14
	LSL  $6, R14, R13
	LSL  $2, R14
	MOVD R4, R9

group:
	ADD  $64, R2, R8
	MOVD $3, R7
	LOOKUPS(COLUMNS1)
	VLD1R.P (R5)(R14), [V28.S4]
	UPPER
	PRODUCTS(0, 0)
	PRODUCTS(1, 0)

columns:
	LOOKUPS(COLUMNS1)
	VLD1R.P (R5)(R14), [V28.S4]
	UPPER
	ADD_PRODUCTS(0, 0)
	ADD_PRODUCTS(1, 0)
	SUBS $1, R7
	BNE  columns
	VLD1 (R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	OUTPUT_BOTH(0)
	OUTPUT_BOTH(1)
	OUTPUT_BOTH(2)
	OUTPUT_BOTH(3)
	ADD  $576, R2
	SUBS $1, R3
	BNE  group
	RET

// func tableFastNEON2(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)
TEXT ·tableFastNEON2(SB), NOSPLIT, $0-56
	FAST_ARGS

group:
	MOVD $2, R6

half:
	HALF
	MOVD   $3, R7
	LOOKUPS(COLUMNS2)
	VLD1.P 8(R10), [V28.B8]
	UPPER
	PRODUCTS(0, 0)
	PRODUCTS(1, 1)

columns:
	LOOKUPS(COLUMNS2)
	VLD1.P 8(R10), [V28.B8]
	UPPER
	ADD_PRODUCTS(0, 0)
	ADD_PRODUCTS(1, 1)
	SUBS $1, R7
	BNE  columns
	OUTPUTS
	OUTPUT(8)
	OUTPUT(12)
	NEXT_HALF
	BNE  half
	NEXT_GROUP
	BNE  group
	RET

// func tableFastNEON4(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)
TEXT ·tableFastNEON4(SB), NOSPLIT, $0-56
	FAST_ARGS

group:
	MOVD $2, R6

half:
	HALF
	MOVD   $3, R7
	LOOKUPS(COLUMNS4)
	VLD1.P 16(R10), [V28.B16]
	UPPER
	PRODUCTS(0, 0)
	PRODUCTS(1, 1)
	PRODUCTS(2, 2)
	PRODUCTS(3, 3)

columns:
	LOOKUPS(COLUMNS4)
	VLD1.P 16(R10), [V28.B16]
	UPPER
	ADD_PRODUCTS(0, 0)
	ADD_PRODUCTS(1, 1)
	ADD_PRODUCTS(2, 2)
	ADD_PRODUCTS(3, 3)
	SUBS $1, R7
	BNE  columns
	OUTPUTS
	OUTPUT(8)
	OUTPUT(12)
	OUTPUT(16)
	OUTPUT(20)
	NEXT_HALF
	BNE  half
	NEXT_GROUP
	BNE  group
	RET

// Exact precision:
//   V0+f  −1 where the bit of a column is set, and 1 elsewhere
//   V4+f  the bits of 8 columns, a byte in a lane
//   V24   x of a column
//   V31   1.0 shifted left by one bit
// ±1·x is exact, so that the fused FMLS rounds once, where FADD of ±x does: the
// same bits.

#define BITS \
	VLD1.P (R8)(R15), [V24.B16]; \
	VUXTL  V24.B8, V5.H8; \
	VUXTL2 V24.B16, V7.H8; \
	VUXTL  V5.H4, V4.S4; \
	VUXTL2 V5.H8, V5.S4; \
	VUXTL  V7.H4, V6.S4; \
	VUXTL2 V7.H8, V7.S4

// WEIGHTS moves the bit of a column to the top and puts 1 below it.
#define WEIGHTS(f, column) SHL(31-column, 4+f, f); SRI1(31, f)

#define EXACT_TOKEN(t, p) \
	FMLSE(0, 24, t, p); \
	FMLSE(1, 24, t, p+1); \
	FMLSE(2, 24, t, p+2); \
	FMLSE(3, 24, t, p+3)

#define EXACT1 VLD1R.P 4(R9), [V24.S4]; EXACT_TOKEN(0, 8)
#define EXACT2 VLD1.P 8(R9), [V24.B8]; EXACT_TOKEN(0, 8); EXACT_TOKEN(1, 12)
#define EXACT4 \
	VLD1.P 16(R9), [V24.B16]; \
	EXACT_TOKEN(0, 8); \
	EXACT_TOKEN(1, 12); \
	EXACT_TOKEN(2, 16); \
	EXACT_TOKEN(3, 20)

#define COLUMN(column, tokens) \
	WEIGHTS(0, column); \
	WEIGHTS(1, column); \
	WEIGHTS(2, column); \
	WEIGHTS(3, column); \
	tokens

#define EXACT_COLUMNS(tokens) \
	BITS; \
	COLUMN(0, tokens); \
	COLUMN(1, tokens); \
	COLUMN(2, tokens); \
	COLUMN(3, tokens); \
	COLUMN(4, tokens); \
	COLUMN(5, tokens); \
	COLUMN(6, tokens); \
	COLUMN(7, tokens); \
	SUBS $1, R7

// func tableExactNEON1(y *float32, ystride uintptr, tile *byte, groups int, x *float32)
TEXT ·tableExactNEON1(SB), NOSPLIT, $0-40
	EXACT_ARGS

group:
	MOVD $2, R6

half:
	HALF
	MOVD $16, R7
	ZERO4(8)

columns:
	EXACT_COLUMNS(EXACT1)
	BNE columns
	OUTPUTS
	OUTPUT(8)
	NEXT_HALF
	BNE half
	NEXT_GROUP
	BNE group
	RET

// func tableExactNEON2(y *float32, ystride uintptr, tile *byte, groups int, x *float32)
TEXT ·tableExactNEON2(SB), NOSPLIT, $0-40
	EXACT_ARGS

group:
	MOVD $2, R6

half:
	HALF
	MOVD $16, R7
	ZERO8(8)

columns:
	EXACT_COLUMNS(EXACT2)
	BNE columns
	OUTPUTS
	OUTPUT(8)
	OUTPUT(12)
	NEXT_HALF
	BNE half
	NEXT_GROUP
	BNE group
	RET

// func tableExactNEON4(y *float32, ystride uintptr, tile *byte, groups int, x *float32)
TEXT ·tableExactNEON4(SB), NOSPLIT, $0-40
	EXACT_ARGS

group:
	MOVD $2, R6

half:
	HALF
	MOVD $16, R7
	ZERO8(8)
	ZERO8(16)

columns:
	EXACT_COLUMNS(EXACT4)
	BNE columns
	OUTPUTS
	OUTPUT(8)
	OUTPUT(12)
	OUTPUT(16)
	OUTPUT(20)
	NEXT_HALF
	BNE half
	NEXT_GROUP
	BNE group
	RET

// What moves the bit of a column of eight to the top of a lane.
DATA tops<>+0(SB)/8, $0x0000001E0000001F
DATA tops<>+8(SB)/8, $0x0000001C0000001D
DATA tops<>+16(SB)/8, $0x0000001A0000001B
DATA tops<>+24(SB)/8, $0x0000001800000019
GLOBL tops<>(SB), RODATA|NOPTR, $32

// SIGNED makes 4 weights: V26 = −d with the sign inverted where the bit is set.
#define SIGNED(shift, i) \
	USHL(shift, 16, i); \
	AND16(27, i, i); \
	EOR16(26, i, i)

// func expandBlockNEON(row *float32, block *byte)
TEXT ·expandBlockNEON(SB), NOSPLIT, $0-16
	MOVD row+0(FP), R0
	MOVD block+8(FP), R1
	MOVD $tops<>(SB), R2
	VLD1 (R2), [V28.S4, V29.S4]
	MOVI(1, 27)
	SHL(31, 27, 27)
	VLD1R.P 2(R1), [V26.H8]
	FCVTL(26, 26)
	FNEG(26, 26)
	MOVD $16, R3

columns:
	VLD1R.P 1(R1), [V16.B16]
	SIGNED(28, 0)
	SIGNED(29, 1)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS $1, R3
	BNE  columns
	RET
