package kernel

import "sync"

type (
	// tableFastFunc adds the product of some groups of a tile with a block of 1, 2
	// or 4 tokens to y; ystride is in bytes. A single token may be one of stride
	// that lie together.
	tableFastFunc func(y *float32, ystride uintptr, tile *byte, groups int, table *byte, scale *float32, stride uintptr)
	// tableExactFunc is the same in exact precision.
	tableExactFunc func(y *float32, ystride uintptr, tile *byte, groups int, x *float32)
)

// tableAdd adds the products of the rows of some groups of a tile with a block's same
// columns to y: y[t*ystride+r] for r < rows and t < width.
//
// The block is passed by value: by reference it would be moved to the heap. fresh says
// that y is 0 so far, whatever is in it.
type tableAdd func(y []float32, ystride int, groups []byte, rows int, b block, fresh bool)

// tableKernels are assembly for the layout tables, the i-th of each for 2^i tokens.
type tableKernels struct {
	fast  [3]tableFastFunc
	exact [3]tableExactFunc
}

const (
	// tableCache is how much of the activations of a block is used at a time: half of
	// a first cache of 32 KiB.
	tableCache = 16 << 10
	// tileCache is how much of a matrix is multiplied with one block before the
	// next: part of a second cache.
	tileCache = 128 << 10
)

// tableMatMul makes a product of kernels that add to y. The columns are taken a few
// groups at a time, so that what a kernel reads again and again stays in the caches:
// the tables of a block for all tiles, and the tiles for all blocks. A result is the
// sum over its groups in ascending order, whatever the cut.
func tableMatMul(add tableAdd) func([]float32, int, *Matrix, int, int, []block, bool, int, int) {
	return func(y []float32, ystride int, w *Matrix, group0, group1 int, blocks []block, exact bool, tile0, tile1 int) {
		if len(blocks) == 0 || tile0 >= tile1 {
			return
		}
		size := w.layout.groupBytes()
		groups := group1 - group0
		if blocks[0].width > 1 { // a single token takes the weights as they lie in the memory
			groups = max(1, tableCache*groups/blocks[0].bytes())
		}
		tiles := max(1, tileCache/(size*groups))
		for lo := group0; lo < group1; lo += groups {
			hi := min(lo+groups, group1)
			for first := tile0; first < tile1; first += tiles {
				for i := range blocks {
					b := blocks[i].groups(lo-group0, hi-group0)
					for tile := first; tile < min(first+tiles, tile1); tile++ {
						rows := min(tableRows, w.Rows-tile*tableRows)
						add(y[b.token*ystride+tile*tableRows:], ystride, w.tile(tile)[lo*size:hi*size], rows, b, lo == group0)
					}
				}
			}
		}
	}
}

// add is a tableAdd. The assembly does whole tiles.
func (k *tableKernels) add(y []float32, ystride int, groups []byte, rows int, b block, fresh bool) {
	if fresh {
		for t := range b.width {
			clear(y[t*ystride:][:rows])
		}
	}
	if rows == tableRows {
		k.run(&y[0], ystride, groups, &b)
		return
	}
	edge := edgePool.Get().(*[packedTokens * tableRows]float32)
	defer edgePool.Put(edge)
	for t := range b.width {
		copy(edge[t*tableRows:][:rows], y[t*ystride:])
	}
	k.run(&edge[0], tableRows, groups, &b)
	for t := range b.width {
		copy(y[t*ystride:][:rows], edge[t*tableRows:])
	}
}

// edgePool holds the results of a tile that is partly empty.
var edgePool = sync.Pool{New: func() any { return new([packedTokens * tableRows]float32) }}

func (k *tableKernels) run(y *float32, ystride int, groups []byte, b *block) {
	n, log := len(groups)/tableGroup, b.width/2 // 1, 2, 4 → 0, 1, 2
	if b.f != nil {
		k.exact[log](y, uintptr(4*ystride), &groups[0], n, &b.f[0])
		return
	}
	k.fast[log](y, uintptr(4*ystride), &groups[0], n, &b.table[0], &b.scale[0], uintptr(b.stride))
}

// tableExpand makes expand of a kernel for one block of the file.
func tableExpand(f func(row *float32, block *byte)) func(rows []float32, w *Matrix, tile, group int) {
	return func(rows []float32, w *Matrix, tile, g int) {
		var block [BlockBytes]byte
		lo := tile * w.layout.rows
		for r := lo; r < min(lo+w.layout.rows, w.Rows); r++ {
			w.block(&block, r, g)
			f(&rows[(r-lo)*GroupSize : (r-lo+1)*GroupSize][0], &block[0])
		}
	}
}
