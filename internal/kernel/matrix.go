package kernel

// tileWords is the size of one group of a tile: 16 float16 scales (4 words),
// then 4 vectors of 64 bytes with the sign bits.
const (
	tileWords   = 36
	scaleWords  = 4
	vectorWords = 8
	maskCols    = 4
)

// BlockBytes is the size of a Q1_0 block: a float16 scale and 128 sign bits.
const BlockBytes = 18

// Matrix is a 1-bit matrix [Rows, Cols] in the layout the kernels read: tiles
// of 16 rows, and per tile and group of 128 columns the 16 scales followed by
// the bits as 4 vectors of 64 bytes.
//
// Byte 4·r+k of a vector belongs to row r: a 32-bit lane is a row, and a dot
// product of bytes within lanes needs no horizontal sum. Its bits are eight
// columns: bit 4·h+a of vector v is column 32·a + 4·(2·v+h) + k. So one shift
// and one AND turn a vector into 64 weights of 0 or 2·2^a, of four neighbouring
// columns in activation group a; and because all columns of an activation group
// have the same weight, the power of two comes out of its sum exactly.
// The size is that of the file.
type Matrix struct {
	Rows, Cols int
	words      []uint64
}

// bitOf returns where the sign bit of column j of lane r is, in a group's words.
func bitOf(r, j int) (word, bit int) {
	a, chunk, k := j/ActGroup, j%ActGroup/maskCols, j%maskCols
	v, h := chunk/2, chunk%2
	return scaleWords + v*vectorWords + r/2, 8*(4*(r%2)+k) + 4*h + a
}

// NewMatrix returns a matrix of zero scales. Cols must be a multiple of GroupSize.
func NewMatrix(rows, cols int) *Matrix {
	tiles := (rows + Lanes - 1) / Lanes
	return &Matrix{Rows: rows, Cols: cols, words: make([]uint64, tiles*(cols/GroupSize)*tileWords)}
}

// Tiles is the number of tiles of 16 rows; the last may be partly empty.
func (m *Matrix) Tiles() int { return (m.Rows + Lanes - 1) / Lanes }

// Bytes is the memory the packed weights take.
func (m *Matrix) Bytes() int { return 8 * len(m.words) }

func (m *Matrix) tile(i int) []uint64 {
	n := m.Cols / GroupSize * tileWords
	return m.words[i*n : (i+1)*n]
}

// group returns the words of group g of the tile that holds row r.
func (m *Matrix) group(r, g int) []uint64 {
	i := ((r/Lanes)*(m.Cols/GroupSize) + g) * tileWords
	return m.words[i : i+tileWords]
}

// PackTiles fills the tiles [tile0, tile1) from Q1_0 rows: blocks is the whole
// tensor, Rows × Cols/128 blocks of BlockBytes.
func (m *Matrix) PackTiles(blocks []byte, tile0, tile1 int) {
	groups := m.Cols / GroupSize
	for i := tile0; i < tile1; i++ {
		tile := m.tile(i)
		clear(tile)
		for r := range min(Lanes, m.Rows-i*Lanes) {
			row := blocks[(i*Lanes+r)*groups*BlockBytes:][:groups*BlockBytes]
			for g := range groups {
				b := row[g*BlockBytes:][:BlockBytes]
				w := tile[g*tileWords:][:tileWords]
				w[r/4] |= uint64(b[0])<<(16*(r%4)) | uint64(b[1])<<(16*(r%4)+8)
				lane := 32 * (r % 2)
				for v := range 4 {
					x := uint32(b[2+v]) | uint32(b[6+v])<<8 | uint32(b[10+v])<<16 | uint32(b[14+v])<<24
					w[scaleWords+v*vectorWords+r/2] |= uint64(transpose(x)) << lane
				}
			}
		}
	}
}

// transpose swaps a and k in the positions 8·a+4·h+k of bits: first the low bits
// of the two numbers, then the high ones.
func transpose(x uint32) uint32 {
	t := (x>>7 ^ x) & 0x00AA00AA
	x ^= t ^ t<<7
	t = (x>>14 ^ x) & 0x0000CCCC
	return x ^ t ^ t<<14
}

// Flip inverts the sign bits of columns [col, col+n) of one row. Whole groups
// change the sign of their scale instead of 128 bits: −d·p and d·(−p) are the
// same float, so this agrees bit for bit with inverting them.
func (m *Matrix) Flip(row, col, n int) {
	end := col + n
	first, last := (col+GroupSize-1)/GroupSize, end/GroupSize // whole groups
	if first > last {
		m.flipBits(row, col, end)
		return
	}
	m.flipBits(row, col, first*GroupSize)
	m.flipBits(row, last*GroupSize, end)
	r := row % Lanes
	sign := uint64(0x8000) << (16 * (r % 4))
	tile := m.tile(row / Lanes)
	for g := first; g < last; g++ {
		tile[g*tileWords+r/4] ^= sign
	}
}

// flipBits inverts the sign bits of columns [col, end).
func (m *Matrix) flipBits(row, col, end int) {
	for ; col < end; col++ {
		word, bit := bitOf(row%Lanes, col%GroupSize)
		m.group(row, col/GroupSize)[word] ^= 1 << bit
	}
}

// Row writes the weights of row r, Cols floats, to dst.
func (m *Matrix) Row(dst []float32, r int) {
	for g := range m.Cols / GroupSize {
		expandRow(dst[g*GroupSize:][:GroupSize], m.group(r, g), r%Lanes)
	}
}

// expandRow writes the weights of lane r in a group's words to out.
func expandRow(out []float32, w []uint64, r int) {
	d := scaleOf(w, r)
	value := [2]float32{-d, d}
	for i := range GroupSize / maskCols { // activation group i/8, chunk i%8
		field := w[scaleWords+i%8/2*vectorWords+r/2] >> (32*(r%2) + 4*(i%2) + i/8)
		for k := range maskCols {
			out[i*maskCols+k] = value[field>>(8*k)&1]
		}
	}
}

// scaleOf is the scale of lane r in a group's words.
func scaleOf(w []uint64, r int) float32 { return halfToFloat(uint16(w[r/4] >> (16 * (r % 4)))) }

// Extract returns a matrix of the given rows of m, in that order.
func (m *Matrix) Extract(rows []int) *Matrix {
	out := NewMatrix(len(rows), m.Cols)
	for i, r := range rows {
		from, to := r%Lanes, i%Lanes
		for g := range m.Cols / GroupSize {
			src, dst := m.group(r, g), out.group(i, g)
			dst[to/4] |= src[from/4] >> (16 * (from % 4)) & 0xFFFF << (16 * (to % 4))
			for v := scaleWords; v < tileWords; v += vectorWords {
				dst[v+to/2] |= src[v+from/2] >> (32 * (from % 2)) & 0xFFFFFFFF << (32 * (to % 2))
			}
		}
	}
	return out
}
