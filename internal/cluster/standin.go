package cluster

import "bankai/search"

// Block is some of the questions that are measured on a sample.
type Block struct {
	Sample search.Sample
	Index  int
}

// Part is some of the questions of a block.
type Part struct {
	Block
	Questions []int
	Weight    float64 // tokens
}

// Effects are what flips of a tensor change of a block's share.
type Effects struct {
	Tensor  string
	Size    search.Granularity
	Columns int
	Data    []float32 // [Columns][flips]
}
