package score_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"bankai/internal/testmodel"
	"bankai/internal/weights"
	"bankai/score"
	"bankai/search"
)

func open(t testing.TB, m *testmodel.Model) *weights.File {
	t.Helper()
	f, err := weights.FromBytes("test.gguf", m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMatrices(t *testing.T) {
	f := open(t, testmodel.New(testmodel.Tiny, 1))
	for _, c := range []struct {
		name   string
		layers []int
		projs  []string
		want   string
	}{
		{"gate and up of all layers, as published", nil, nil, "blk.0.ffn_gate blk.0.ffn_up blk.1.ffn_gate blk.1.ffn_up"},
		{"order and repetition do not matter", []int{1, 0, 1}, []string{"up", "gate", "up"}, "blk.0.ffn_gate blk.0.ffn_up blk.1.ffn_gate blk.1.ffn_up"},
		{"names of all kinds", []int{1}, []string{"attn_q", "k_proj", "v", "o", "ffn_down"}, "blk.1.ffn_down blk.1.attn_q blk.1.attn_k blk.1.attn_v blk.1.attn_output"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms, err := score.Matrices(f, c.layers, c.projs)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, m := range ms {
				names = append(names, strings.TrimSuffix(m.Name, ".weight"))
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A hybrid's layers have different projections: each layer gives its own.
func TestMatricesOfAHybrid(t *testing.T) {
	f := open(t, testmodel.New(testmodel.TinyHybrid, 1))
	ms, err := score.Matrices(f, []int{2, 3}, []string{"v", "attn_qkv", "beta", "down"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range ms {
		names = append(names, strings.TrimSuffix(m.Name, ".weight"))
	}
	if got, want := strings.Join(names, " "), "blk.2.ffn_down blk.2.attn_qkv blk.2.ssm_beta blk.3.ffn_down blk.3.attn_v"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	_, err = score.Matrices(f, []int{3}, []string{"out"})
	if want := "projection out: is of a layer's delta-net, which none of these layers has"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}

	floats := testmodel.TinyHybrid
	floats.Hybrid = &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 4, State: 64, Rotary: 16, FloatGates: true}
	for _, c := range []struct {
		name   string
		f      *weights.File
		layers []int
		want   string
	}{
		{"all", f, nil, "gate up down q k v o qkv z alpha beta out"},
		{"a layer with attention", f, []int{3}, "gate up down q k v o"},
		{"gates of floats", open(t, testmodel.New(floats, 1)), []int{0}, "gate up down qkv z out"},
		{"dense", open(t, testmodel.New(testmodel.Tiny, 1)), nil, "gate up down q k v o"},
	} {
		if got := strings.Join(score.ProjectionsOf(c.f, c.layers), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestMatricesRefuse(t *testing.T) {
	f := open(t, testmodel.New(testmodel.Tiny, 1))
	for _, c := range []struct {
		layers []int
		projs  []string
		want   string
	}{
		{[]int{0, 2}, nil, "layer 2: the model has layers 0 to 1"},
		{[]int{-1}, nil, "layer -1: the model has layers 0 to 1"},
		{nil, []string{"gate", "gates"}, `unknown projection "gates": use gate, up, down, q, k, v, o, qkv, z, alpha, beta, out`},
		{nil, []string{"gate", "beta"}, "projection beta: is of a layer's delta-net, which none of these layers has"},
	} {
		if _, err := score.Matrices(f, c.layers, c.projs); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// Scales are those of the file, as whole multiples of the smallest float16.
func TestScalesOfAModel(t *testing.T) {
	m := testmodel.New(testmodel.Tiny, 1)
	up := m.Tensor("blk.1.ffn_up.weight").Data
	for row, half := range []uint16{
		0x0000, // 0
		0x8001, // -2^-24
		0x03ff, // the largest subnormal
		0x0400, // the smallest normal, 2^-14
		0x3c00, // 1
		0xc000, // -2
		0x7bff, // 65504, the largest
	} {
		binary.LittleEndian.PutUint16(up[row*18:], half)
	}
	ms, err := score.Matrices(open(t, m), []int{1}, []string{"up"})
	if err != nil {
		t.Fatal(err)
	}
	if ms[0].Rows != 256 || ms[0].Groups != 1 {
		t.Errorf("%d rows of %d groups", ms[0].Rows, ms[0].Groups)
	}
	for row, want := range []uint64{0, 1, 1023, 1024, 1 << 24, 2 << 24, 65504 << 24} {
		if got := ms[0].Scale(row, 0); got != want || got > search.MaxScale {
			t.Errorf("row %d: scale %d, want %d", row, got, want)
		}
	}
}
