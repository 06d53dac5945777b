package score

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/weights"
	"bankai/search"
)

// projections are the names a projection goes by, the shortest first: ours, the
// original tool's, GGUF's.
var projections = [...][3]string{
	{"gate", "gate_proj", "ffn_gate"},
	{"up", "up_proj", "ffn_up"},
	{"down", "down_proj", "ffn_down"},
	{"q", "q_proj", "attn_q"},
	{"k", "k_proj", "attn_k"},
	{"v", "v_proj", "attn_v"},
	{"o", "o_proj", "attn_output"},
}

// Projections lists the short names that Matrices takes, in its order.
func Projections() []string {
	names := make([]string, len(projections))
	for i, p := range projections {
		names[i] = p[0]
	}
	return names
}

// Matrices picks the matrices of the given layers (none: all of them) and
// projections (none: gate and up, as published) from a model. Every projection
// may be named in three ways, for instance gate, gate_proj or ffn_gate. The
// order of the result does not depend on that of the arguments.
func Matrices(f *weights.File, layers []int, projs []string) ([]search.Matrix, error) {
	layers, err := pickLayers(f.Config().Layers, layers)
	if err != nil {
		return nil, err
	}
	projs, err = pickProjections(projs)
	if err != nil {
		return nil, err
	}
	var ms []search.Matrix
	for _, l := range layers {
		for _, p := range projs {
			name, err := bankai.TensorName(l, p)
			if err != nil {
				return nil, err
			}
			t, ok := f.Tensor(name)
			if !ok || t.Kind != weights.OneBit {
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

// pickProjections returns the original tool's names, in the order of projections.
func pickProjections(chosen []string) ([]string, error) {
	if len(chosen) == 0 {
		chosen = []string{"gate", "up"}
	}
	var wanted [len(projections)]bool
	for _, c := range chosen {
		i := slices.IndexFunc(projections[:], func(p [3]string) bool { return slices.Contains(p[:], c) })
		if i < 0 {
			return nil, fmt.Errorf("unknown projection %q: use %s", c, strings.Join(Projections(), ", "))
		}
		wanted[i] = true
	}
	var names []string
	for i, p := range projections {
		if wanted[i] {
			names = append(names, p[1])
		}
	}
	return names, nil
}

const blockSize = 18 // bytes of a Q1_0 block: a float16 scale, then 128 sign bits

// MatrixOf is a 1-bit tensor as a matrix to search.
func MatrixOf(t weights.Tensor) search.Matrix {
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
