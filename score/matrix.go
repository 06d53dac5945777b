package score

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/weights"
	"bankai/search"
)

// projections are what a search may flip: the matrices of an MLP, with which searches
// began, before all others.
func projections() []weights.TensorSpec {
	all := weights.Projections()
	later := func(s weights.TensorSpec) int {
		if s.Part == weights.MLP {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b weights.TensorSpec) int { return later(a) - later(b) })
	return all
}

// namesOf are the names that a projection goes by, the shortest first: ours, the
// original tool's, GGUF's.
func namesOf(s weights.TensorSpec) []string { return []string{s.Short, s.Short + "_proj", s.Base()} }

// Projections lists the short names that Matrices takes, in its order: those of all
// architectures.
func Projections() (names []string) {
	for _, p := range projections() {
		names = append(names, p.Short)
	}
	return names
}

// ProjectionsOf lists those that a model has bits of, in some of the layers (none: all).
func ProjectionsOf(f *engine.File, layers []int) (names []string) {
	for _, p := range projections() {
		for l := range f.Config().Layers {
			t, ok := f.Tensor(p.In(l))
			if ok && t.Kind == weights.OneBit && (len(layers) == 0 || slices.Contains(layers, l)) {
				names = append(names, p.Short)
				break
			}
		}
	}
	return names
}

// Matrices picks the matrices of the given layers (none: all of them) and
// projections (none: gate and up, as published) from a model. Every projection
// may be named in three ways, for instance gate, gate_proj or ffn_gate. A layer that
// has no such projection is passed over, if another one has it. The order of the result
// does not depend on that of the arguments.
func Matrices(f *engine.File, layers []int, names []string) ([]search.Matrix, error) {
	c := f.Config()
	layers, err := pickLayers(c.Layers, layers)
	if err != nil {
		return nil, err
	}
	projs, err := pickProjections(names)
	if err != nil {
		return nil, err
	}
	for _, p := range projs {
		if !slices.ContainsFunc(layers, func(l int) bool { return c.Has(p.Part, l) }) {
			return nil, fmt.Errorf("projection %s: is of a layer's %v, which none of these layers has", p.Short, p.Part)
		}
	}
	var ms []search.Matrix
	for _, l := range layers {
		for _, p := range projs {
			if !c.Has(p.Part, l) {
				continue
			}
			name := p.In(l)
			t, ok := f.Tensor(name)
			if ok && t.Kind == weights.Float {
				return nil, fmt.Errorf("projection %s: is of floats in this model, which have no bits to flip: leave it out", p.Short)
			}
			if !ok {
				return nil, fmt.Errorf("%s: the model has no 1-bit tensor of this name to search", name)
			}
			ms = append(ms, MatrixOf(t))
		}
	}
	return ms, nil
}

func pickLayers(n int, chosen []int) ([]int, error) {
	if len(chosen) == 0 {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	for _, l := range chosen {
		if l < 0 || l >= n {
			return nil, fmt.Errorf("layer %d: the model has layers 0 to %d", l, n-1)
		}
	}
	sorted := slices.Clone(chosen)
	slices.Sort(sorted)
	return slices.Compact(sorted), nil
}

// pickProjections returns the projections of the given names in their own order.
func pickProjections(chosen []string) ([]weights.TensorSpec, error) {
	if len(chosen) == 0 {
		chosen = []string{"gate", "up"}
	}
	all := projections()
	wanted := make([]bool, len(all))
	for _, c := range chosen {
		i := slices.IndexFunc(all, func(p weights.TensorSpec) bool { return slices.Contains(namesOf(p), c) })
		if i < 0 {
			return nil, fmt.Errorf("unknown projection %q: use %s", c, strings.Join(Projections(), ", "))
		}
		wanted[i] = true
	}
	var picked []weights.TensorSpec
	for i, p := range all {
		if wanted[i] {
			picked = append(picked, p)
		}
	}
	return picked, nil
}

const blockSize = 18 // bytes of a Q1_0 block: a float16 scale, then 128 sign bits

// MatrixOf is a 1-bit tensor as a matrix to search.
func MatrixOf(t engine.Tensor) search.Matrix {
	blocks, groups := t.Blocks(), t.Cols/bankai.GroupSize
	return search.Matrix{
		Name: t.Name, Rows: t.Rows, Groups: groups,
		Scale: func(row, group int) uint64 {
			return halfUnits(binary.LittleEndian.Uint16(blocks[(row*groups+group)*blockSize:]))
		},
	}
}

// halfUnits is the magnitude of a float16 in units of 2^-24; of an infinity or a
// NaN, it is above search.MaxScale.
func halfUnits(h uint16) uint64 {
	exp, frac := h>>10&31, uint64(h&1023)
	switch exp {
	case 0:
		return frac
	case 31:
		return search.MaxScale + 1
	}
	return (1024 | frac) << (exp - 1)
}
