package kernel

// tableFastNEON1 is tableFastFunc for 1 token.
//
//go:noescape
func tableFastNEON1(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)

// tableFastNEON2 is tableFastFunc for 2 tokens.
//
//go:noescape
func tableFastNEON2(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)

// tableFastNEON4 is tableFastFunc for 4 tokens.
//
//go:noescape
func tableFastNEON4(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)

// tableExactNEON1 is tableExactFunc for 1 token.
//
//go:noescape
func tableExactNEON1(y *float32, ystride uintptr, tile *byte, groups int, x *float32)

// tableExactNEON2 is tableExactFunc for 2 tokens.
//
//go:noescape
func tableExactNEON2(y *float32, ystride uintptr, tile *byte, groups int, x *float32)

// tableExactNEON4 is tableExactFunc for 4 tokens.
//
//go:noescape
func tableExactNEON4(y *float32, ystride uintptr, tile *byte, groups int, x *float32)

// expandBlockNEON writes the 128 weights of a block of the file.
//
//go:noescape
func expandBlockNEON(row *float32, block *byte)

// quantizeTablesNEON quantises a token and makes its tables; step is from those of 8
// columns to the next, and sstride from scale to scale, in bytes.
//
//go:noescape
func quantizeTablesNEON(table *byte, step uintptr, scale *float32, sstride uintptr, x *float32, groups int)

// quantizeGroupNEON is quantizeGroup.
//
//go:noescape
func quantizeGroupNEON(q *int8, scale *float32, x *float32) (sum int32)

// dotsNEON is dots for n vectors of 16·blocks floats.
//
//go:noescape
func dotsNEON(out *float32, n int, q *float32, k *float32, blocks int)

// weightedSumNEON is weightedSum for out of 16·blocks floats; stride in bytes
// is out's size.
//
//go:noescape
func weightedSumNEON(out *float32, blocks int, p *float32, n int, v *float32, stride uintptr)

// scaledNEON is scaled for 16·blocks values.
//
//go:noescape
func scaledNEON(out *float32, x *float32, w *float32, r float32, blocks int)

// swigluNEON is swiglu for 16·blocks values.
//
//go:noescape
func swigluNEON(h *float32, gate *float32, up *float32, blocks int)

// swigluGradNEON is swigluGrad for 16·blocks values.
//
//go:noescape
func swigluGradNEON(dgate *float32, dup *float32, dh *float32, gate *float32, up *float32, blocks int)

// expSumNEON replaces 16·blocks values of x by e^(x−max) and writes the lanes
// of their sum, not yet folded.
//
//go:noescape
func expSumNEON(sum *[Lanes]float32, x *float32, blocks int, max float32)

// scoresDot1 is scores for 1 of count queries, with the dot product instruction;
// stride is in bytes.
//
//go:noescape
func scoresDot1(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)

// scoresDot2 is scoresDot1 for 2 queries.
//
//go:noescape
func scoresDot2(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)

// scoresNEON is scoresDot1 for every ARMv8 core.
//
//go:noescape
func scoresNEON(out *float32, stride uintptr, q *int8, scale *float32, bias *int32, count uintptr, k *int8, kscale *float32, groups int, next *int8, nextScale *float32)

// addValuesNEON1 is addValues for 1 weight a position; strides are in bytes.
//
//go:noescape
func addValuesNEON1(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)

// addValuesNEON2 is addValuesNEON1 for 2 weights a position.
//
//go:noescape
func addValuesNEON2(out *float32, outStride uintptr, w *float32, stride uintptr, v *int8, vscale *float32, groups int, next *int8, nextScale *float32)

// addNEON is add for 16·blocks values.
//
//go:noescape
func addNEON(x *float32, y *float32, blocks int)

// maxNEON is max of 16·blocks values.
//
//go:noescape
func maxNEON(x *float32, blocks int) float32

// rotateNEON is rotate for 16·blocks pairs.
//
//go:noescape
func rotateNEON(lo *float32, hi *float32, cos *float32, sin *float32, scale float32, blocks int)

// gateNEON is gate for 16·blocks values.
//
//go:noescape
func gateNEON(x *float32, logit *float32, blocks int)

// deltaRuleNEON is deltaRule for 16·blocks columns; stride in bytes is from row to row
// of s.
//
//go:noescape
func deltaRuleNEON(o *float32, s *float32, q *float32, k *float32, v *float32, rows int, blocks int, stride uintptr, alpha float32, beta float32)
