package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// portable is plain Go for CPUs without kernels of their own: like them it looks the
// sums of four columns up, for up to four tokens with one addition.
var portable = &Set{
	Name:     "portable",
	layout:   tables,
	acts:     packedActs,
	matMul:   tableMatMul(portableAdd),
	quantize: portableQuantize,

	dots:        genericDots,
	dot:         genericDot,
	weightedSum: genericWeightedSum,
	scaled:      genericScaled,
	swiglu:      genericSwiGLU,
	swigluGrad:  genericSwiGLUGrad,
	expSum:      genericExpSum,
	expand:      genericExpand,

	quantizeGroup: genericQuantizeGroup,
	scores:        genericScores,
	addValues:     genericAddValues,

	add:    genericAdd,
	max:    genericMax,
	rotate: genericRotate,
}

// packedSums are the 16 sums of four columns plus tableBias, each with 16 bits for
// every token of a block.
type packedSums [16]uint64

// packedTokens is the number of tokens in a packed number.
const packedTokens = 4

// unpacked are the numbers of the tokens. Which bits of the packed one are a token's
// depends on the CPU's byte order, and does not matter: sums never carry over, since
// those of eight look-ups stay below 2^13.
func unpacked(packed *[tableRows]uint64) *[tableRows][packedTokens]uint16 {
	return (*[tableRows][packedTokens]uint16)(unsafe.Pointer(packed))
}

func portableQuantize(b *block, t int, x []float32) {
	for a := range len(x) / ActGroup {
		q, scale, _ := genericQuantizeGroup(x[a*ActGroup:][:ActGroup])
		b.scale[a*b.width+t] = scale
		for n := range ActGroup / 4 {
			// Tokens of a block may be set at the same time: each has its own words.
			sums := (*[16][packedTokens]uint16)(unsafe.Pointer(&b.packed[a*ActGroup/4+n]))
			c := (*[4]int8)(q[4*n:])
			sums[0][t] = uint16(tableBias - int(c[0]) - int(c[1]) - int(c[2]) - int(c[3]))
			for k, v := range c {
				for i := range 1 << k {
					sums[i+1<<k][t] = sums[i][t] + uint16(2*int(v))
				}
			}
		}
	}
}

// portableAdd is tableKernels.add.
func portableAdd(y []float32, ystride int, groups []byte, rows int, b block, fresh bool) {
	if fresh {
		for t := range b.width {
			clear(y[t*ystride:][:rows])
		}
	}
	add := portableFast
	if b.f != nil {
		add = portableExact
	}
	for g := range len(groups) / tables.groupBytes() {
		group := (*[tableGroup]byte)(groups[g*tableGroup:])
		part := b.groups(g, g+1)
		var p [packedTokens][tableRows]float32
		add(&p, group, &part)
		for r := range rows {
			d := halfToFloat(binary.LittleEndian.Uint16(group[2*r:]))
			for t := range b.width {
				y[t*ystride+r] += float32(p[t][r] * d)
			}
		}
	}
}

// portableFast adds to p the products of the rows of a group with the tokens of b,
// but for the rows' scales.
func portableFast(p *[packedTokens][tableRows]float32, group *[tableGroup]byte, b *block) {
	for a := range actGroups {
		bits := (*[4][tableRows]byte)(unsafe.Pointer(&group[tableScales+4*tableRows*a]))
		table := (*[8]packedSums)(b.packed[8*a:])
		var sums [tableRows]uint64
		for r := range sums {
			l := tableLanes[r] % tableRows
			w, x, y, z := bits[0][l], bits[1][l], bits[2][l], bits[3][l]
			sums[r] = table[0][w%16] + table[1][w/16] + table[2][x%16] + table[3][x/16] +
				table[4][y%16] + table[5][y/16] + table[6][z%16] + table[7][z/16]
		}
		of := unpacked(&sums)
		for t, scale := range b.scale[a*b.width:][:b.width] {
			out := &p[t%packedTokens]
			for r := range out {
				out[r] += float32(float32(int32(of[r][t%packedTokens])-8*tableBias) * scale)
			}
		}
	}
}

// portableExact is portableFast in exact precision. It does four rows at once, since
// an addition has to wait for the one before.
func portableExact(p *[packedTokens][tableRows]float32, group *[tableGroup]byte, b *block) {
	for r := 0; r < tableRows; r += 4 {
		lane := tableLane(r)
		for t := range b.width {
			var p0, p1, p2, p3 float32
			for v := range GroupSize / tableCols {
				bits := (*[4]byte)(group[tableScales+tableRows*v+lane:])
				w, x, y, z := ^uint32(bits[0]), ^uint32(bits[1]), ^uint32(bits[2]), ^uint32(bits[3])
				for j := range tableCols {
					f := math.Float32bits(b.f[(v*tableCols+j)*b.width+t])
					p0 += math.Float32frombits(f ^ w>>j<<31)
					p1 += math.Float32frombits(f ^ x>>j<<31)
					p2 += math.Float32frombits(f ^ y>>j<<31)
					p3 += math.Float32frombits(f ^ z>>j<<31)
				}
			}
			p[t%packedTokens][r], p[t%packedTokens][r+1], p[t%packedTokens][r+2], p[t%packedTokens][r+3] = p0, p1, p2, p3
		}
	}
}
