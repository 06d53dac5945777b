package weights

import (
	"fmt"
	"slices"
	"testing"

	"bankai"
)

// The projections of a dense Qwen3 are those that a patch's file numbers: under the
// same names and in the same order.
func TestProjectionsAreNumbered(t *testing.T) {
	const layer = 7
	var flips []bankai.Flip
	var want []string
	for _, s := range (Config{Architecture: "qwen3"}).Tensors() {
		if !s.Layered() || s.Kind != OneBit {
			continue
		}
		name := s.In(layer)
		if got, err := bankai.TensorName(layer, s.Short+"_proj"); err != nil || got != name {
			t.Errorf("%s of the %v is %s, but a patch's is %q (%v)", s.Short, s.Part, name, got, err)
		}
		want = append(want, name)
		flips = append(flips, bankai.Flip{Tensor: name, N: bankai.ToEnd})
	}
	if len(want) != 7 {
		t.Errorf("%d projections, but a patch numbers 7", len(want))
	}
	slices.Reverse(flips)
	var got []string
	for _, f := range bankai.New(bankai.Digest{}, bankai.Meta{}, flips...).Flips() {
		got = append(got, f.Tensor)
	}
	if !slices.Equal(got, want) {
		t.Errorf("a patch has the order %v, the forward pass %v", got, want)
	}
}

// The projections of all architectures, each one once; a delta-net's come after those of
// the attention whose place it takes.
func TestProjections(t *testing.T) {
	var got []string
	for _, s := range Projections() {
		got = append(got, s.Part.String()+" "+s.Short)
	}
	want := []string{
		"attention q", "attention k", "attention v", "attention o",
		"delta-net qkv", "delta-net z", "delta-net alpha", "delta-net beta", "delta-net out",
		"mlp gate", "mlp up", "mlp down",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A projection is known by its name, and by its whole name only.
func TestProjectionOf(t *testing.T) {
	for _, s := range Projections() {
		if layer, got, ok := ProjectionOf(s.In(12)); !ok || layer != 12 || got != s {
			t.Errorf("%s is %v of layer %d, %v", s.In(12), got, layer, ok)
		}
	}
	for _, name := range []string{"", "token_embd.weight", "blk.0.attn_norm.weight", "blk.0.attn_q", "blk.00.attn_q.weight", "blk.-1.attn_q.weight", "blk.%d.attn_q.weight"} {
		if layer, s, ok := ProjectionOf(name); ok {
			t.Errorf("%q is %v of layer %d", name, s, layer)
		}
	}
}

// What a table says can be told apart: by part and short name, and by either name within
// a layer, which has either attention or a delta-net.
func TestTensorsAreDistinct(t *testing.T) {
	for name := range architectures {
		seen := map[string]bool{}
		for _, s := range (Config{Architecture: name}).Tensors() {
			ids := []string{s.Part.String() + " " + s.Short}
			for _, mixer := range []Part{Attention, DeltaNet} {
				if s.Part != Attention && s.Part != DeltaNet || s.Part == mixer {
					ids = append(ids, fmt.Sprintf("GGUF %s beside %v", s.In(0), mixer), fmt.Sprintf("MLX %s beside %v", inLayer(s.MLX, 0), mixer))
				}
			}
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%s: two tensors are %s", name, id)
				}
				seen[id] = true
			}
			if layered := s.Part != Embedding && s.Part != Head; s.Layered() != layered || (inLayer(s.MLX, 0) != s.MLX) != layered {
				t.Errorf("%s: %s and %s of the %v: of every layer?", name, s.Name, s.MLX, s.Part)
			}
		}
	}
}
