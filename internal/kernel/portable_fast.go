package kernel

import (
	"math"
	"unsafe"
)

// The fast product looks the sums of neighbouring columns up by their signs. A sum is
// a lane of 16 bits, four of which are a number: one addition adds four. Each term of
// a sum is 127 + q or 127 − q, so that no lane is ever negative or borrows from the
// next, and the sum of an activation group is sumBias too much.
//
// In a block of several tokens a lane is a token. Tables of four columns, 16 numbers
// each, are made for every product: that takes less time than one tile. A token alone
// has tables of eight columns, 256 sums each, made with the token: half the lookups.
// For four tokens such tables would fill a first cache with one group, and take longer
// to make than a product with few rows.
const (
	packedTokens = 4
	laneBits     = 16
	oneEach      = 1<<(3*laneBits) | 1<<(2*laneBits) | 1<<laneBits | 1 // in every lane
	sumBias      = 127 * ActGroup
)

// byteTables hold the sums of a group's columns, eight by eight.
type byteTables [GroupSize / tableCols][256]uint16

// nibbleTables hold the sums of a group's columns, four by four, in lanes.
type nibbleTables [GroupSize / maskCols][16]uint64

func addFastOne(y []float32, ystride int, w *Matrix, g int, b block, tile0, tile1 int) {
	tables := (*byteTables)(unsafe.Pointer((*[len(byteTables{}) * byteSums]uint64)(b.sums)))
	scale := (*[actGroups]float32)(b.scale)
	var t tileGroup
	for tile := tile0; tile < tile1; tile++ {
		t.read(w, tile, g)
		t.addToken(rowsOf(y, ystride, w, tile, &b, 0), tables, scale)
	}
}

// addToken adds the product with a token's columns to y.
func (t *tileGroup) addToken(y []float32, tables *byteTables, scale *[actGroups]float32) {
	const quarter = len(tileBits{}) / actGroups
	t0, t1, t2, t3 := (*[4][256]uint16)(tables[0:]), (*[4][256]uint16)(tables[4:]), (*[4][256]uint16)(tables[8:]), (*[4][256]uint16)(tables[12:])
	b0, b1, b2, b3 := (*[quarter]byte)(t.bits[0:]), (*[quarter]byte)(t.bits[quarter:]), (*[quarter]byte)(t.bits[2*quarter:]), (*[quarter]byte)(t.bits[3*quarter:])
	s0, s1, s2, s3 := scale[0], scale[1], scale[2], scale[3]
	for r := range y {
		i := tableLane(r) % tableRows
		p := float32(byteSum(t0, b0, i) * s0)
		p += float32(byteSum(t1, b1, i) * s1)
		p += float32(byteSum(t2, b2, i) * s2)
		p += float32(byteSum(t3, b3, i) * s3)
		y[r] += float32(p * t.d[r%tableRows])
	}
}

// byteSum is the sum Σ±q of an activation group for the row at place i of a tile.
func byteSum(t *[4][256]uint16, bits *[4 * tableRows]byte, i int) float32 {
	return laneSum(uint64(t[0][bits[i]] + t[1][bits[tableRows+i]] + t[2][bits[2*tableRows+i]] + t[3][bits[3*tableRows+i]]))
}

// laneSum is the sum Σ±q in the lowest lane.
func laneSum(x uint64) float32 { return float32(int32(x&(1<<laneBits-1)) - sumBias) }

func addFast(y []float32, ystride int, w *Matrix, g int, b block, tile0, tile1 int) {
	var tables nibbleTables
	tables.set(&b)
	var t tileGroup
	var sums tileSums
	for tile := tile0; tile < tile1; tile++ {
		t.read(w, tile, g)
		sums.set(t.bits, &tables)
		for i := range b.width {
			scale := [actGroups]float32{b.scale[i], b.scale[b.width+i], b.scale[2*b.width+i], b.scale[3*b.width+i]}
			sums.addTo(rowsOf(y, ystride, w, tile, &b, i), i, &scale, &t.d)
		}
	}
}

// set makes the tables of a block of one group and at most four tokens.
func (n *nibbleTables) set(b *block) {
	for i := range n {
		var x [maskCols]uint64
		for t := range b.width {
			q, shift := (*[maskCols]int8)(b.q[(i*b.width+t)*maskCols:]), t*laneBits&63
			for j := range x {
				x[j] |= uint64(127+int(q[j])) << shift
			}
		}
		setSums(&n[i], &x)
	}
}

// setSums makes the table of four columns, whose lanes are 127 + q.
func setSums(sums *[16]uint64, x *[maskCols]uint64) {
	const both = 2 * 127 * oneEach // 127 + q and 127 − q
	none := maskCols*both - x[0] - x[1] - x[2] - x[3]
	d0, d1, d2, d3 := 2*x[0]-both, 2*x[1]-both, 2*x[2]-both, 2*x[3]-both // what a positive sign adds
	spread((*[4]uint64)(sums[0:]), none, d0, d1)
	spread((*[4]uint64)(sums[4:]), none+d2, d0, d1)
	spread((*[4]uint64)(sums[8:]), none+d3, d0, d1)
	spread((*[4]uint64)(sums[12:]), none+d2+d3, d0, d1)
}

// spread writes the four sums of x and either of two numbers, both or none.
func spread(sums *[4]uint64, x, d0, d1 uint64) {
	sums[0], sums[1], sums[2], sums[3] = x, x+d0, x+d1, x+d0+d1
}

// tileSums are the sums of the activation groups of a tile's rows, in lanes.
type tileSums [tableRows][actGroups]uint64

// set looks the sums of rows up by their bits.
func (s *tileSums) set(bits *tileBits, tables *nibbleTables) {
	const quarter = len(tileBits{}) / actGroups
	for a := range actGroups {
		t, b := (*[8][16]uint64)(tables[8*a:]), (*[quarter]byte)(bits[quarter*a:])
		for r := range s {
			i := tableLane(r) % tableRows
			b0, b1, b2, b3 := b[i], b[tableRows+i], b[2*tableRows+i], b[3*tableRows+i]
			s[r][a] = t[0][b0&15] + t[1][b0>>4] + t[2][b1&15] + t[3][b1>>4] +
				t[4][b2&15] + t[5][b2>>4] + t[6][b3&15] + t[7][b3>>4]
		}
	}
}

// addTo adds to y the product of the token in lane t, whose activation groups have
// the given scales, with rows of the scales d.
func (s *tileSums) addTo(y []float32, t int, scale *[actGroups]float32, d *[tableRows]float32) {
	s0, s1, s2, s3 := scale[0], scale[1], scale[2], scale[3]
	shift := t * laneBits & 63
	for r := range y {
		sum := &s[r%tableRows]
		p := float32(laneSum(sum[0]>>shift) * s0)
		p += float32(laneSum(sum[1]>>shift) * s1)
		p += float32(laneSum(sum[2]>>shift) * s2)
		p += float32(laneSum(sum[3]>>shift) * s3)
		y[r] += float32(p * d[r%tableRows])
	}
}

func portableQuantize(b *block, t int, x []float32) {
	for a := range len(x) / ActGroup {
		q, scale, _ := portableQuantizeGroup(x[a*ActGroup : (a+1)*ActGroup])
		for j := 0; j < ActGroup; j += maskCols {
			copy(b.q[b.at(a*ActGroup+j, t):][:maskCols], q[j:])
		}
		b.scale[a*b.width+t] = scale
		if b.width == 1 {
			setByteTables(b.sums[a*ActGroup/tableCols*byteSums:], &q)
		}
	}
}

// setByteTables makes the tables of an activation group: a sum of eight columns is
// that of the first four and that of the last, which is in all lanes alike.
func setByteTables(sums []uint64, q *[ActGroup]int8) {
	for v := range ActGroup / tableCols {
		table := (*[byteSums]uint64)(sums[v*byteSums:])
		var x, z [maskCols]uint64
		for j := range x {
			x[j], z[j] = uint64(127+int(q[v*tableCols+j]))*oneEach, uint64(127+int(q[v*tableCols+maskCols+j]))*oneEach
		}
		var low, high [16]uint64
		setSums(&low, &x)
		setSums(&high, &z)
		first := (*[16]uint16)(unsafe.Pointer(table)) // in whatever order the processor keeps bytes
		for i, s := range low {
			first[i] = uint16(s)
		}
		t0, t1, t2, t3 := table[0], table[1], table[2], table[3]
		for i, s := range high {
			row := (*[4]uint64)(table[4*i:])
			row[0], row[1], row[2], row[3] = t0+s, t1+s, t2+s, t3+s
		}
	}
}

func portableQuantizeGroup(x []float32) (q [ActGroup]int8, scale float32, sum int32) {
	g := (*[ActGroup]float32)(x)
	var most uint32 // of the bits of |x|, which are in the order of the numbers
	for _, f := range g {
		most = max(most, math.Float32bits(f)&^(1<<31))
	}
	var inv float32
	if most := math.Float32frombits(most); most >= tinyMax {
		inv, scale = 127/most, most/127
	}
	for j, f := range g {
		n := nearest(float32(f * inv))
		q[j] = int8(n)
		sum += n
	}
	return q, scale, sum
}

// nearest rounds |x| < 2^22 to an integer, ties to even: where a unit of the last
// place is 1, an addition rounds so.
func nearest(x float32) int32 {
	const big = 3 << 22
	return int32(math.Float32bits(x+big)&(1<<23-1)) - 1<<22
}
