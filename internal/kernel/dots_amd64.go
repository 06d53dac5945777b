package kernel

// dotMatMul makes a product of kernels for the layout dots, which multiply one tile
// with one block: y[t*ystride+r] for every row r of the tile and t < width.
func dotMatMul(fast, exact func(y []float32, ystride int, tile []byte, b *block)) func([]float32, int, *Matrix, int, int, []block, bool, int, int) {
	return func(y []float32, ystride int, w *Matrix, group0, group1 int, blocks []block, isExact bool, tile0, tile1 int) {
		run, size := fast, w.layout.groupBytes()
		if isExact {
			run = exact
		}
		for i := tile0; i < tile1; i++ {
			tile := w.tile(i)[group0*size : group1*size]
			rows := min(Lanes, w.Rows-i*Lanes)
			for n := range blocks {
				b := &blocks[n]
				if rows == Lanes {
					run(y[b.token*ystride+i*Lanes:], ystride, tile, b)
					continue
				}
				var edge [MaxBlock * Lanes]float32
				run(edge[:], Lanes, tile, b)
				for t := range b.width {
					copy(y[(b.token+t)*ystride+i*Lanes:][:rows], edge[t*Lanes:])
				}
			}
		}
	}
}

// dotExpand makes expand of a kernel for one group of a tile.
func dotExpand(f func(rows *[Lanes * GroupSize]float32, group *byte)) func(rows []float32, w *Matrix, tile, group int) {
	return func(rows []float32, w *Matrix, tile, g int) {
		group, _ := w.group(tile*Lanes, g)
		f((*[Lanes * GroupSize]float32)(rows), &group[0])
	}
}
