package weights

import "math"

// fromHalf widens an IEEE 754 binary16 number.
func fromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)/(1<<24)))
	case 0x1f: // infinity or not a number
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// nearestHalf rounds a number to the nearest binary16, and to the even one of two that are
// equally near; beyond their range it is infinite.
func nearestHalf(x float32) float32 {
	_, exp := math.Frexp(float64(x))
	unit := math.Ldexp(1, max(exp-11, -24))
	y := float64(math.RoundToEven(float64(x)/unit) * unit)
	if math.Abs(y) >= 1<<16 {
		y = math.Inf(int(math.Copysign(1, y)))
	}
	return float32(y)
}

// toHalf narrows a finite number to binary16; exact is false where the number is
// not one.
func toHalf(x float32) (h uint16, exact bool) {
	b := math.Float32bits(x)
	exp := int(b>>23&0xff) - 127 + 15
	if exp > 0 { // normal, unless it is too large
		h = uint16(exp)<<10 | uint16(b>>13&0x3ff)
	} else { // a multiple of 2^-24, below 2^-14
		h = uint16(math.Abs(float64(x)) * (1 << 24))
	}
	h |= uint16(b >> 16 & 0x8000)
	return h, exp < 0x1f && math.Float32bits(fromHalf(h)) == b
}
