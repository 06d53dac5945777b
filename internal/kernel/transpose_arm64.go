package kernel

// unpackRowsNEON is transposeKernels.unpack.
//
//go:noescape
func unpackRowsNEON(bits *byte, d *float32, tile *byte, stride uintptr, tiles int)

// quantizeRowsNEON is transposeKernels.quantize.
//
//go:noescape
func quantizeRowsNEON(q *int8, scale *float32, sum *int32, d *float32, dy *float32, stride uintptr)

// multiplyRowsDot is transposeKernels.multiply, with the dot product instruction.
//
//go:noescape
func multiplyRowsDot(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)

// multiplyRowsNEON is multiplyRowsDot for every ARMv8 core.
//
//go:noescape
func multiplyRowsNEON(dx *float32, stride uintptr, bits *byte, q *int8, scale *float32, sum *int32)
