package kernel

import "encoding/binary"

// Matrix is a 1-bit matrix [Rows, Cols], packed in the layout of the set that made
// it: tiles of some rows, and in a tile one group of 128 columns after the other.
// The size is that of the file, but for a last tile that is partly empty.
type Matrix struct {
	Rows, Cols int
	layout     *layout
	packed     []byte
}

// NewMatrix returns a matrix of zero scales. Cols must be a multiple of GroupSize.
func (s *Set) NewMatrix(rows, cols int) *Matrix { return newMatrix(s.layout, rows, cols) }

func newMatrix(l *layout, rows, cols int) *Matrix {
	m := &Matrix{Rows: rows, Cols: cols, layout: l}
	m.packed = make([]byte, m.Tiles()*cols/GroupSize*l.groupBytes())
	return m
}

// Clone returns a matrix of the same weights whose bits are its own.
func (m *Matrix) Clone() *Matrix {
	c := newMatrix(m.layout, m.Rows, m.Cols)
	copy(c.packed, m.packed)
	return c
}

// Tiles is the number of tiles; the last may be partly empty.
func (m *Matrix) Tiles() int { return (m.Rows + m.layout.rows - 1) / m.layout.rows }

// Bytes is the memory the packed weights take.
func (m *Matrix) Bytes() int { return len(m.packed) }

func (m *Matrix) tile(i int) []byte {
	n := m.Cols / GroupSize * m.layout.groupBytes()
	return m.packed[i*n : (i+1)*n]
}

// group returns group g of the tile that holds row r, and r's place in the tile.
func (m *Matrix) group(r, g int) (group []byte, row int) {
	n := m.layout.groupBytes()
	return m.tile(r / m.layout.rows)[g*n : (g+1)*n], r % m.layout.rows
}

// PackTiles fills the tiles [tile0, tile1) from Q1_0 rows: blocks is the whole
// tensor, Rows × Cols/128 blocks of BlockBytes.
func (m *Matrix) PackTiles(blocks []byte, tile0, tile1 int) {
	groups := m.Cols / GroupSize
	for r := tile0 * m.layout.rows; r < min(tile1*m.layout.rows, m.Rows); r++ {
		for g := range groups {
			group, row := m.group(r, g)
			m.layout.put(group, row, blocks[(r*groups+g)*BlockBytes:][:BlockBytes])
		}
	}
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
	for g := first; g < last; g++ {
		group, r := m.group(row, g)
		group[2*r+1] ^= 0x80
	}
}

// flipBits inverts the sign bits of columns [col, end).
func (m *Matrix) flipBits(row, col, end int) {
	for ; col < end; col++ {
		group, r := m.group(row, col/GroupSize)
		at, mask := m.layout.bit(r, col%GroupSize)
		group[at] ^= mask
	}
}

// Row writes the weights of row r, Cols floats, to dst.
func (m *Matrix) Row(dst []float32, r int) {
	var block [BlockBytes]byte
	for g := range m.Cols / GroupSize {
		m.block(&block, r, g)
		expandBlock(dst[g*GroupSize:][:GroupSize], &block)
	}
}

// block copies the file's block of group g of row r.
func (m *Matrix) block(block *[BlockBytes]byte, r, g int) {
	group, row := m.group(r, g)
	m.layout.get(block[:], group, row)
}

// expandBlock writes the weights of a block to out.
func expandBlock(out []float32, block *[BlockBytes]byte) {
	d := scaleOf(block)
	value := [2]float32{-d, d}
	for v, bits := range block[2:] {
		for i := range 8 {
			out[8*v+i] = value[bits>>i&1]
		}
	}
}

// scaleOf is the scale of a block.
func scaleOf(block *[BlockBytes]byte) float32 {
	return halfToFloat(binary.LittleEndian.Uint16(block[:]))
}

// Extract returns a matrix of the given rows of m, in that order, and then of zeros
// up to a whole tile, which kernels multiply best.
func (m *Matrix) Extract(rows []int) *Matrix {
	out := newMatrix(m.layout, len(rows), m.Cols)
	out.Rows = out.Tiles() * m.layout.rows
	var block [BlockBytes]byte
	for i, r := range rows {
		for g := range m.Cols / GroupSize {
			m.block(&block, r, g)
			group, row := out.group(i, g)
			m.layout.put(group, row, block[:])
		}
	}
	return out
}
