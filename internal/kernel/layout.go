package kernel

import "encoding/binary"

// BlockBytes is the size of a Q1_0 block: a float16 scale and 128 sign bits.
const BlockBytes = 18

// layout is how the groups of a tile's rows lie together in memory. A tile is as
// many rows as a kernel does at once; for every GroupSize columns it holds the
// float16 scales of its rows, then their sign bits: BlockBytes for each row, as in
// the file.
type layout struct {
	name string
	rows int // of a tile
	// put copies the file's block of a row into a group, get copies it back.
	put func(group []byte, row int, block []byte)
	get func(block []byte, group []byte, row int)
	// bit is where the sign bit of a column is.
	bit func(row, col int) (at int, mask byte)
}

// groupBytes is the size of a group of a tile.
func (l *layout) groupBytes() int { return l.rows * BlockBytes }

// tables is the layout for kernels that look sums up: byte v of every row's bits,
// side by side. So a nibble of a byte is four neighbouring columns, whose 16 sums
// are a table that fits in a register, and a register holds those of 32 rows.
//
// Within 16 bytes the order is that in which bytes widen to 32-bit numbers: the
// interleaving of two registers works within their halves.
var tables = &layout{name: "tables", rows: tableRows, put: putTables, get: getTables, bit: bitTables}

const (
	tableRows   = 32
	tableScales = 2 * tableRows          // bytes of a group, before its bits
	tableGroup  = tableRows * BlockBytes // bytes
)

// tableLane is the place of a row among the 32 of a tile.
func tableLane(row int) int { return row&^7/2 + row/4%2*16 + row%4 }

func putTables(group []byte, row int, block []byte) {
	copy(group[2*row:2*row+2], block)
	bits := group[tableScales+tableLane(row):]
	for v, b := range block[2:BlockBytes] {
		bits[tableRows*v] = b
	}
}

func getTables(block, group []byte, row int) {
	copy(block[:2], group[2*row:])
	bits := group[tableScales+tableLane(row):]
	for v := range block[2:BlockBytes] {
		block[2+v] = bits[tableRows*v]
	}
}

func bitTables(row, col int) (at int, mask byte) {
	return tableScales + col/8*tableRows + tableLane(row), 1 << (col % 8)
}

// dots is the layout for an instruction that multiplies bytes and adds the products
// of four neighbours (VPDPBUSD): the bits are 4 vectors of 64 bytes.
//
// Byte 4·r+k of a vector belongs to row r: a 32-bit lane is a row, and a dot
// product of bytes within lanes needs no horizontal sum. Its bits are eight
// columns: bit 4·h+a of vector v is column 32·a + 4·(2·v+h) + k. So one shift
// and one AND turn a vector into 64 weights of 0 or 2·2^a, of four neighbouring
// columns in activation group a; and because all columns of an activation group
// have the same weight, the power of two comes out of its sum exactly.
var dots = &layout{name: "dots", rows: Lanes, put: putDots, get: getDots, bit: bitDots}

const (
	dotVector = 64 // bytes
	// maskCols is the number of columns whose products are added in a lane.
	maskCols = 4
)

func putDots(group []byte, row int, block []byte) {
	copy(group[2*row:2*row+2], block)
	for v := range 4 {
		x := uint32(block[2+v]) | uint32(block[6+v])<<8 | uint32(block[10+v])<<16 | uint32(block[14+v])<<24
		binary.LittleEndian.PutUint32(group[2*Lanes+dotVector*v+4*row:], transpose(x))
	}
}

func getDots(block, group []byte, row int) {
	copy(block[:2], group[2*row:])
	for v := range 4 {
		x := transpose(binary.LittleEndian.Uint32(group[2*Lanes+dotVector*v+4*row:]))
		block[2+v], block[6+v], block[10+v], block[14+v] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
	}
}

func bitDots(row, col int) (at int, mask byte) {
	a, chunk, k := col/ActGroup, col%ActGroup/maskCols, col%maskCols
	v, h := chunk/2, chunk%2
	return 2*Lanes + dotVector*v + 4*row + k, 1 << (4*h + a)
}

// transpose swaps a and k in the positions 8·a+4·h+k of bits: first the low bits
// of the two numbers, then the high ones.
func transpose(x uint32) uint32 {
	t := (x>>7 ^ x) & 0x00AA00AA
	x ^= t ^ t<<7
	t = (x>>14 ^ x) & 0x0000CCCC
	return x ^ t ^ t<<14
}
