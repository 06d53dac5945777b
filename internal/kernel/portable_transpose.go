package kernel

import (
	"encoding/binary"
	"math"
)

// portableTranspose turns the bits of RowGroup rows so that rows become columns: then
// the fast product's tables give the sums, of four tokens at a time.
func portableTranspose(dx []float32, w *Matrix, dy []float32, tokens, g int) {
	var turned turnedBits
	var d [RowGroup]float32
	for r := 0; r < w.Rows; r += RowGroup {
		turned.read(&d, w, r, g)
		n := min(RowGroup, w.Rows-r)
		for t := 0; t < tokens; t += transposeTokens {
			var q [transposeTokens * RowGroup]int8
			var scale [transposeTokens]float32
			width := min(transposeTokens, tokens-t)
			b := block{width: width, stride: width, q: q[:], scale: scale[:]}
			for i := range b.width {
				quantizeTurned(&b, i, dy[(t+i)*w.Rows+r:][:n], &d)
			}
			turned.multiply(dx[t*w.Cols+g*GroupSize:], w.Cols, &b)
		}
	}
}

// turnedBits are the bits of a group's columns for RowGroup rows, as those of a tile
// are for its columns. The rows are in the order of their tiles and places in them.
type turnedBits [GroupSize / tableRows]tileBits

// read turns the bits of the rows from r on, and converts their scales. Of rows that
// are not there the gradients are 0, whatever the bits are.
func (to *turnedBits) read(d *[RowGroup]float32, w *Matrix, r, g int) {
	var t tileGroup
	for k := range min(RowGroup/tableRows, w.Tiles()-r/tableRows) {
		t.read(w, r/tableRows+k, g)
		copy(d[k*tableRows:], t.d[:])
		for v := range GroupSize / 8 {
			for m := range tableRows / 8 {
				x := turn(binary.LittleEndian.Uint64(t.bits[v*tableRows+8*m:]))
				at := to[v/4][(k*tableRows/8+m)*tableRows:]
				binary.LittleEndian.PutUint32(at[tableLane(v%4*8):], uint32(x))
				binary.LittleEndian.PutUint32(at[tableLane(v%4*8+4):], uint32(x>>32))
			}
		}
	}
}

// turn swaps rows and columns of eight bytes' bits: those of blocks of 1, 2 and 4.
func turn(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00AA00AA00AA00AA
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000CCCC0000CCCC
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000F0F0F0F0
	return x ^ t ^ t<<28
}

// quantizeTurned quantises the gradients of rows, each times its scale, as token t.
func quantizeTurned(b *block, t int, dy []float32, d *[RowGroup]float32) {
	var v [RowGroup]float32
	var most, inv float32
	for i, f := range dy {
		v[i] = f * d[i]
		most = max(most, math.Float32frombits(math.Float32bits(v[i])&^(1<<31)))
	}
	if most >= tinyMax {
		inv, b.scale[t] = 127/most, most/127
	}
	for i, f := range v {
		b.q[b.at(i&^(tableRows-1)+tableLane(i%tableRows), t)] = int8(nearest(float32(f * inv)))
	}
}

// multiply adds the products with the rows of a block, whose tokens are stride floats
// apart.
func (to *turnedBits) multiply(dx []float32, stride int, b *block) {
	var tables nibbleTables
	tables.set(b)
	var sums tileSums
	for k := range to {
		sums.set(&to[k], &tables)
		for t := range b.width {
			out := dx[t*stride+k*tableRows:][:tableRows]
			for c := range out {
				s := sums[c][0] + sums[c][1] + sums[c][2] + sums[c][3]
				dot := int32(s>>(t*laneBits)&(1<<laneBits-1)) - actGroups*sumBias
				out[c] += float32(b.scale[t] * float32(dot))
			}
		}
	}
}
