package measure

import (
	"fmt"
	"slices"
	"testing"

	"bankai"
	"pgregory.net/rapid"
)

// wide says that every tensor has 100 rows of 512 weights.
func wide(string) (rows, cols uint32, ok bool) { return 100, 512, true }

func TestCells(t *testing.T) {
	const gate, up, embd = "blk.2.ffn_gate.weight", "blk.10.ffn_up.weight", "token_embd.weight"
	p := bankai.New(
		bankai.Digest{}, bankai.Meta{},
		bankai.Flip{Tensor: gate, Row: 1, N: bankai.ToEnd}, bankai.Flip{Tensor: gate, Row: 2, N: 512}, // rows, in two ways
		bankai.Flip{Tensor: gate, Row: 3, Col: 128, N: 128}, bankai.Flip{Tensor: gate, Row: 3, Col: 256, N: 128}, // merge
		bankai.Flip{Tensor: up, Row: 0, Col: 7, N: 1}, bankai.Flip{Tensor: up, Row: 0, Col: 9, N: 3},
		bankai.Flip{Tensor: up, Row: 1, Col: 64, N: 128},           // as long as a group, but none
		bankai.Flip{Tensor: up, Row: 2, Col: 128, N: bankai.ToEnd}, // three groups
		bankai.Flip{Tensor: embd, Row: 5, Col: 511, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.3.odd.weight", Row: 5, N: bankai.ToEnd},
	)
	want := []FlipCell{
		{Tensor: gate, Layer: 2, Projection: "gate_proj", Flips: 3, Rows: 2, Groups: 2, Weights: 2*512 + 256},
		{Tensor: up, Layer: 10, Projection: "up_proj", Flips: 4, Groups: 3, Bits: 1 + 3 + 128, Weights: 132 + 384},
		{Tensor: "blk.3.odd.weight", Layer: -1, Projection: "odd", Flips: 1, Rows: 1, Weights: 512},
		{Tensor: embd, Layer: -1, Projection: "token_embd", Flips: 1, Bits: 1, Weights: 1},
	}
	fitted, err := p.Fit(wide)
	if err != nil {
		t.Fatal(err)
	}
	if got := Cells(fitted); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// The same, if nobody knows how wide a row is.
	want[0].Rows, want[0].Groups, want[0].Weights = 1, 4+2, 0
	want[1].Groups, want[1].Weights = 1, 0
	want[2].Weights, want[3].Weights = 0, 0
	if got := Cells(p); !slices.Equal(got, want) {
		t.Errorf("of unknown width: got  %+v\nwant %+v", got, want)
	}
	if got := Cells(bankai.New(bankai.Digest{}, bankai.Meta{})); len(got) != 0 {
		t.Errorf("an empty patch has %v", got)
	}
}

// Whatever is flipped, the cells add up to the patch.
func TestCellsAddUp(t *testing.T) {
	tensors := []string{"blk.0.ffn_gate.weight", "blk.0.attn_q.weight", "blk.7.ffn_down.weight", "output.weight"}
	rapid.Check(t, func(t *rapid.T) {
		flips := rapid.SliceOf(rapid.Custom(func(t *rapid.T) bankai.Flip {
			f := bankai.Flip{Tensor: rapid.SampledFrom(tensors).Draw(t, "tensor"), Row: rapid.Uint32Range(0, 3).Draw(t, "row")}
			switch rapid.IntRange(0, 2).Draw(t, "granularity") {
			case 0:
				f.N = bankai.ToEnd
			case 1:
				f.Col, f.N = 128*rapid.Uint32Range(0, 3).Draw(t, "group"), 128
			default:
				f.Col, f.N = rapid.Uint32Range(0, 511).Draw(t, "bit"), 1
			}
			return f
		})).Draw(t, "flips")
		p, err := bankai.New(bankai.Digest{}, bankai.Meta{}, flips...).Fit(wide)
		if err != nil {
			t.Fatal(err)
		}
		var runs int
		var weights, parts uint64
		for _, c := range Cells(p) {
			runs, weights = runs+c.Flips, weights+c.Weights
			parts += uint64(512*c.Rows + bankai.GroupSize*c.Groups + c.Bits)
		}
		if bits, _ := p.Bits(); runs != p.Len() || weights != bits || parts != bits {
			t.Errorf("%d flips, %d weights, by granularity %d; the patch has %d and %d", runs, weights, parts, p.Len(), bits)
		}
	})
}

// A hybrid's projections are told apart like those of a dense model, and come layer by
// layer; a patch has those of delta-nets by name.
func TestCellsOfAHybrid(t *testing.T) {
	var flips []bankai.Flip
	for _, name := range []string{
		"blk.10.attn_qkv.weight", "blk.2.ssm_out.weight", "blk.2.attn_gate.weight", "blk.2.ffn_up.weight", "blk.3.attn_q.weight",
		"output.weight", "blk.9.nextn.eh_proj.weight",
	} {
		flips = append(flips, bankai.Flip{Tensor: name, N: bankai.ToEnd})
	}
	var got []string
	for _, c := range Cells(bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)) {
		got = append(got, fmt.Sprint(c.Layer, " ", c.Projection))
	}
	want := []string{"2 z_proj", "2 out_proj", "2 up_proj", "3 q_proj", "10 qkv_proj", "-1 eh_proj", "-1 output"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestProjections(t *testing.T) {
	cells := []FlipCell{{Layer: 3, Projection: "up_proj"}, {Layer: 1, Projection: "q_proj"}, {Layer: -1, Projection: "token_embd"}}
	if got, want := Projections(cells, "gate", "o_proj", "up", "other"), []string{"q_proj", "o_proj", "gate_proj", "up_proj"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Projections(nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}
