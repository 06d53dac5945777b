package main

import (
	"fmt"
	"io"
	"slices"

	"bankai"
	"bankai/evaluate"
	"bankai/internal/text"
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
	t := text.Table{Indent: text.Gap, Right: text.RightAligned(1 + len(projs))}
	if len(projs) > 0 {
		t.Rows = append(t.Rows, append([]string{"layer"}, projs...))
	}
	for len(tensors) > 0 && tensors[0].Layer != nil {
		layer := *tensors[0].Layer
		counts := slices.Repeat([]string{"·"}, len(projs))
		for len(tensors) > 0 && tensors[0].Layer != nil && *tensors[0].Layer == layer {
			counts[slices.Index(projs, tensors[0].Proj)] = fmt.Sprint(tensors[0].Flips)
			tensors = tensors[1:]
		}
		t.Rows = append(t.Rows, append([]string{fmt.Sprint(layer)}, counts...))
	}
	io.WriteString(w, t.String())
	for _, other := range tensors {
		fmt.Fprintf(w, "  %s: %s\n", other.Tensor, text.Count(other.Flips, "flip"))
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
