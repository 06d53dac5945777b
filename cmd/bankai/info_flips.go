package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bankai"
	"bankai/evaluate"
)

// tensorFlips is what a patch does to one tensor.
type tensorFlips struct {
	Tensor string  `json:"tensor"`
	Layer  *int    `json:"layer"` // null for the embedding and the head
	Proj   string  `json:"proj"`
	Flips  int     `json:"flips"`
	Rows   int     `json:"rows"` // flips of a whole row
	Bits   *uint64 `json:"bits"` // null if the patch does not know how wide a row is
}

// flipsByTensor counts a patch's flips, in the order of the tensors.
func flipsByTensor(p *bankai.Patch) []tensorFlips {
	list := []tensorFlips{}
	for _, c := range evaluate.Cells(p) {
		t := tensorFlips{Tensor: c.Tensor, Proj: c.Projection, Flips: c.Flips, Rows: c.Rows}
		if c.Layer >= 0 {
			t.Layer = &c.Layer
		}
		if c.Weights > 0 {
			t.Bits = &c.Weights
		}
		list = append(list, t)
	}
	return list
}

// writeFlipTable lists the flips by layer and projection; those of tensors
// outside the layers follow.
func writeFlipTable(w io.Writer, tensors []tensorFlips) {
	if len(tensors) == 0 {
		return
	}
	fmt.Fprintln(w)
	projs := usedProjections(tensors)
	t := table(w, true)
	if len(projs) > 0 {
		fmt.Fprintf(t, "layer\t%s\t\n", strings.Join(projs, "\t"))
	}
	for len(tensors) > 0 && tensors[0].Layer != nil {
		layer := *tensors[0].Layer
		counts := make([]string, len(projs))
		for i := range counts {
			counts[i] = "·"
		}
		for len(tensors) > 0 && tensors[0].Layer != nil && *tensors[0].Layer == layer {
			counts[slices.Index(projs, tensors[0].Proj)] = fmt.Sprint(tensors[0].Flips)
			tensors = tensors[1:]
		}
		fmt.Fprintf(t, "%d\t%s\t\n", layer, strings.Join(counts, "\t"))
	}
	t.Flush()
	for _, other := range tensors {
		fmt.Fprintf(w, "  %s: %s\n", other.Tensor, many(other.Flips, "flip"))
	}
}

// usedProjections are the projections that occur, in the order of the forward
// pass.
func usedProjections(tensors []tensorFlips) []string {
	var names []string
	for _, t := range tensors {
		if t.Layer != nil {
			names = append(names, t.Proj)
		}
	}
	return evaluate.Projections(nil, names...)
}
