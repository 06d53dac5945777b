package anatomy

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"bankai"
	"bankai/engine"
	"bankai/internal/weights"
	"bankai/models/demo"
)

// demoFile is the built-in model.
func demoFile(t testing.TB) *weights.File {
	t.Helper()
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func demoTokenizer(t testing.TB) *engine.Tokenizer { return demoFile(t).BPE() }

func fitted(t testing.TB, f *weights.File, flips ...bankai.Flip) *bankai.Patch {
	t.Helper()
	p, err := f.Fit(bankai.New(bankai.Digest{}, bankai.Meta{}, flips...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The map has a place for every matrix of the model, the counts of `bankai info` in it, and
// says where most is.
func TestFlipMap(t *testing.T) {
	f := demoFile(t)
	p := fitted(
		t, f,
		bankai.Flip{Tensor: "blk.2.ffn_gate.weight", Row: 7, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.2.ffn_gate.weight", Row: 9, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.4.attn_q.weight", Row: 3, Col: 128, N: 128}, bankai.Flip{Tensor: "token_embd.weight", Row: 1, Col: 5, N: 1},
	)
	m := NewFlipMap(f.Config(), []string{"p"}, p)
	if got, want := fmt.Sprint(m.Columns, len(m.Layers), m.Flips, m.Rows, *m.Bits), "[q k v o gate up down] 6 4 2 641"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	places := 0
	for _, row := range m.Layers {
		for _, c := range row.Cells {
			if _, there := f.Tensor(c.Tensor); !there || *c.Layer != row.Layer {
				t.Errorf("layer %d has %+v", row.Layer, c)
			}
			places++
		}
	}
	gate, query := m.Layers[2].Cells[4], m.Layers[4].Cells[0]
	if gate.Rows != 2 || *gate.Bits != 512 || gate.Heat != 5 || query.Flips != 1 || query.Heat != 3 || places != 42 || m.Others[0].Tensor != "token_embd.weight" {
		t.Errorf("%+v, %+v, %d places, %+v", gate, query, places, m.Others)
	}
	if want := "2 rows, 1 group, 1 bit in 3 matrices of 2 layers of 6. Most is in the gate projection of layer 2: 2 rows."; m.Verdict != want {
		t.Errorf("%q, want %q", m.Verdict, want)
	}
	if none := NewFlipMap(f.Config(), nil, fitted(t, f)); none.Verdict != "Nothing is inverted." || none.Layers[0].Cells[0].Heat != 0 {
		t.Errorf("%+v", none)
	}
}

// The stretches of a strip cover all rows once, have all bits, and the pages of the list
// together have every flip.
func TestTensorRows(t *testing.T) {
	const tensor, rows, cols = "blk.0.ffn_gate.weight", 1024, 256
	f := demoFile(t)
	rapid.Check(t, func(rt *rapid.T) {
		flip := rapid.Custom(func(rt *rapid.T) bankai.Flip {
			return bankai.Flip{Tensor: tensor, Row: rapid.Uint32Range(0, rows-1).Draw(rt, "row"), Col: 64 * rapid.Uint32Range(0, 3).Draw(rt, "col"), N: rapid.Uint32Range(1, 64).Draw(rt, "n")}
		})
		p := fitted(t, f, append(rapid.SliceOfN(flip, 0, 30).Draw(rt, "flips"), bankai.Flip{Tensor: "token_embd.weight", Row: 1, N: bankai.ToEnd})...)
		size := rapid.IntRange(1, 9).Draw(rt, "page")
		doc, listed := NewTensorRows(p, tensor, rows, cols, 0, 0), 0
		for at := 0; at < doc.Flips; at += size {
			page := NewTensorRows(p, tensor, rows, cols, at, size)
			for i, r := range page.Listed {
				want := p.Flips()[at+i]
				if r.Row != int(want.Row) || r.Col != int(want.Col) || r.N != min(int(want.N), cols-r.Col) || r.Whole != (r.N == cols) {
					rt.Fatalf("run %d is %+v, want %+v", at+i, r, want)
				}
			}
			listed += len(page.Listed)
		}
		var bits uint64
		end, touched := 0, 0
		for _, s := range doc.Strip {
			if s.First != end || s.End <= s.First || (s.Heat == 0) != (s.Bits == 0) {
				rt.Fatalf("%+v begins elsewhere than %d", s, end)
			}
			end, bits, touched = s.End, bits+s.Bits, touched+s.Touched
		}
		if end != rows || bits != *doc.Bits || touched != doc.Touched || listed != doc.Flips || doc.Flips != p.Len()-1 {
			rt.Fatalf("to row %d, %d of %d bits, %d of %d rows, %d of %d flips", end, bits, *doc.Bits, touched, doc.Touched, listed, doc.Flips)
		}
	})
}

// Every row is in the stretch whose bounds it is within, whatever the number of rows.
func TestStretches(t *testing.T) {
	for _, rows := range []int{1, 5, 127, 128, 129, 1000, 151_936} {
		all := stretches(rows)
		for r := range rows {
			if s := all[r*len(all)/rows]; r < s.First || r >= s.End {
				t.Fatalf("of %d: row %d is not in [%d, %d)", rows, r, s.First, s.End)
			}
		}
	}
}
