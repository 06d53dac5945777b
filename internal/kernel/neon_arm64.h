// Vector instructions that Go's assembler lacks, for the kernels of arm64. The
// operands are register numbers in the order of Go's assembler: the result last.
// In FSUB the second source is the minuend and in FDIV the dividend, as there.

#define MM(m) ((m)<<16)
#define NN(n) ((n)<<5)
// The lane i of an operand "by element", for 32-bit lanes of V0 to V31.
#define LANE(i) (((i)&1)<<21 | ((i)>>1)<<11)

// SDOT adds to each 32-bit lane of d the dot of its 4 bytes of n with the 4
// bytes of lane i of m. It needs the extension FEAT_DotProd.
#define SDOT(n, m, i, d) WORD $(0x4F80E000 | LANE(i) | MM(m) | NN(n) | (d))
// SADALP adds pairs of neighbouring bytes of n to the 16-bit lanes of d, and
// SADDLP writes sums of pairs of 16-bit lanes to the 32-bit lanes of d.
#define SADALP(n, d) WORD $(0x4E206800 | NN(n) | (d))
#define SADDLP(n, d) WORD $(0x4E602800 | NN(n) | (d))

// Of signed bytes: SXTLB and SXTLB2 widen the low and the high 8 to 16 bits.
// SMULL and SMULL2 multiply the low and the high 8 to 16 bits; SMLAL and SMLAL2
// add the products. SADALPH adds pairs of 16-bit lanes of n to the 32-bit lanes of
// d. SMLALE and SMLALE2 add the low and the high 4 lanes of 16 bits of n times the
// lane i of m, one of V0 to V15, to 32-bit lanes.
#define SXTLB(n, d) WORD $(0x0F08A400 | NN(n) | (d))
#define SXTLB2(n, d) WORD $(0x4F08A400 | NN(n) | (d))
#define SMULL(m, n, d) WORD $(0x0E20C000 | MM(m) | NN(n) | (d))
#define SMULL2(m, n, d) WORD $(0x4E20C000 | MM(m) | NN(n) | (d))
#define SMLAL(m, n, d) WORD $(0x0E208000 | MM(m) | NN(n) | (d))
#define SMLAL2(m, n, d) WORD $(0x4E208000 | MM(m) | NN(n) | (d))
#define SADALPH(n, d) WORD $(0x4E606800 | NN(n) | (d))
#define LANEH(i) (((i)&1)<<20 | ((i)>>1&1)<<21 | ((i)>>2)<<11)
#define SMLALE(n, m, i, d) WORD $(0x0F402000 | LANEH(i) | MM(m) | NN(n) | (d))
#define SMLALE2(n, m, i, d) WORD $(0x4F402000 | LANEH(i) | MM(m) | NN(n) | (d))

// On sixteen bytes. TBL looks the bytes of index up in table.
#define TBL(index, table, d) WORD $(0x4E000000 | MM(index) | NN(table) | (d))
#define ADDB(m, n, d) WORD $(0x4E208400 | MM(m) | NN(n) | (d))
#define USHRB(s, n, d) WORD $(0x6F000400 | (16-(s))<<16 | NN(n) | (d))
#define SHLB(s, n, d) WORD $(0x4F005400 | (8+(s))<<16 | NN(n) | (d))
#define UZP1B(m, n, d) WORD $(0x4E001800 | MM(m) | NN(n) | (d)) // even bytes of n, then of m

// Of bytes without a sign: USHLLB and USHLLB2 widen the low and the high 8 and shift
// them left; UADDWB and UADDWB2 add those of m to 16-bit lanes; SHRNH and SHRNH2
// shift 16-bit lanes right and narrow them to the low and the high 8.
#define USHLLB(s, n, d) WORD $(0x2F00A400 | (8+(s))<<16 | NN(n) | (d))
#define USHLLB2(s, n, d) WORD $(0x6F00A400 | (8+(s))<<16 | NN(n) | (d))
#define UADDWB(m, n, d) WORD $(0x2E201000 | MM(m) | NN(n) | (d))
#define UADDWB2(m, n, d) WORD $(0x6E201000 | MM(m) | NN(n) | (d))
#define SHRNH(s, n, d) WORD $(0x0F008400 | (16-(s))<<16 | NN(n) | (d))
#define SHRNH2(s, n, d) WORD $(0x4F008400 | (16-(s))<<16 | NN(n) | (d))

// On eight 16-bit lanes. MLAH adds n times the lane i of m, one of V0 to V15. ZIP1H
// and ZIP2H interleave the low and the high halves, n's first. MOVIH8 sets the upper
// bytes.
#define MLAH(n, m, i, d) WORD $(0x6F400000 | LANEH(i) | MM(m) | NN(n) | (d))
#define DUPH(n, i, d) WORD $(0x4E020400 | (i)<<18 | NN(n) | (d))
#define ADDH(m, n, d) WORD $(0x4E608400 | MM(m) | NN(n) | (d))
#define SUBH(m, n, d) WORD $(0x6E608400 | MM(m) | NN(n) | (d)) // n − m
#define ZIP1H(m, n, d) WORD $(0x4E403800 | MM(m) | NN(n) | (d))
#define ZIP2H(m, n, d) WORD $(0x4E407800 | MM(m) | NN(n) | (d))
#define MOVIH8(imm, d) WORD $(0x4F00A400 | ((imm)>>5)<<16 | ((imm)&31)<<5 | (d))

// BIT and BIF insert the bits of n into d where mask has ones, or zeros.
#define BIT(mask, n, d) WORD $(0x6EA01C00 | MM(mask) | NN(n) | (d))
#define BIF(mask, n, d) WORD $(0x6EE01C00 | MM(mask) | NN(n) | (d))

#define CMTST(m, n, d) WORD $(0x4E208C00 | MM(m) | NN(n) | (d))
#define AND16(m, n, d) WORD $(0x4E201C00 | MM(m) | NN(n) | (d))
#define EOR16(m, n, d) WORD $(0x6E201C00 | MM(m) | NN(n) | (d))
// SMOVH moves the lowest 16-bit lane of n, a signed number, to register r.
#define SMOVH(n, r) WORD $(0x0E022C00 | NN(n) | (r))

// On four 32-bit lanes.
#define MOVI(imm, d) WORD $(0x4F000400 | (imm)<<5 | (d)) // imm < 32
#define DUPS(n, i, d) WORD $(0x4E040400 | (i)<<19 | NN(n) | (d))
#define MLA(m, n, d) WORD $(0x4EA09400 | MM(m) | NN(n) | (d)) // d += n·m
#define MLS(m, n, d) WORD $(0x6EA09400 | MM(m) | NN(n) | (d)) // d -= n·m
#define ADDS4(m, n, d) WORD $(0x4EA08400 | MM(m) | NN(n) | (d))
#define ADDP4(m, n, d) WORD $(0x4EA0BC00 | MM(m) | NN(n) | (d)) // pairs of n, then of m
#define USHL(shift, n, d) WORD $(0x6EA04400 | MM(shift) | NN(n) | (d)) // by −shift to the right
#define SHL(s, n, d) WORD $(0x4F205400 | (s)<<16 | NN(n) | (d))
#define SRI1(n, d) WORD $(0x6F3F4400 | NN(n) | (d)) // n, shifted by 1, below the top bit of d
#define SCVTF(n, d) WORD $(0x4E21D800 | NN(n) | (d))
#define FCVTNS(n, d) WORD $(0x4E21A800 | NN(n) | (d)) // to nearest, ties to even
#define FCVTL(n, d) WORD $(0x0E217800 | NN(n) | (d)) // from the low 4 float16
#define FCVTL2(n, d) WORD $(0x4E217800 | NN(n) | (d)) // from the high 4 float16
#define FADD(m, n, d) WORD $(0x4E20D400 | MM(m) | NN(n) | (d))
#define FSUB(m, n, d) WORD $(0x4EA0D400 | MM(m) | NN(n) | (d)) // n − m
#define FMUL(m, n, d) WORD $(0x6E20DC00 | MM(m) | NN(n) | (d))
#define FDIV(m, n, d) WORD $(0x6E20FC00 | MM(m) | NN(n) | (d)) // n / m
#define FMAX(m, n, d) WORD $(0x4E20F400 | MM(m) | NN(n) | (d))
#define FMIN(m, n, d) WORD $(0x4EA0F400 | MM(m) | NN(n) | (d))
#define FABS(n, d) WORD $(0x4EA0F800 | NN(n) | (d))
#define FNEG(n, d) WORD $(0x6EA0F800 | NN(n) | (d))
#define FMAXV(n, d) WORD $(0x6E30F800 | NN(n) | (d)) // the largest lane
#define FADDP2(n, d) WORD $(0x7E30D800 | NN(n) | (d)) // lane 0 + lane 1
#define FMULE(n, m, i, d) WORD $(0x4F809000 | LANE(i) | MM(m) | NN(n) | (d))
#define FMLSE(n, m, i, d) WORD $(0x4F805000 | LANE(i) | MM(m) | NN(n) | (d)) // d − n·m, fused

#define ZERO4(r) MOVI(0, r); MOVI(0, r+1); MOVI(0, r+2); MOVI(0, r+3)
#define ZERO8(r) ZERO4(r); ZERO4(r+4)
