package weights

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bankai"

	"pgregory.net/rapid"
)

// drawPatch makes a patch for a model out of row, group and bit flips.
func drawPatch(t *rapid.T, f *File) *bankai.Patch {
	var names []string
	for _, tensor := range f.Tensors() {
		if tensor.Kind == OneBit {
			names = append(names, tensor.Name)
		}
	}
	flip := rapid.Custom(func(t *rapid.T) bankai.Flip {
		name := rapid.SampledFrom(names).Draw(t, "tensor")
		rows, cols, _ := f.Shape(name)
		x := bankai.Flip{Tensor: name, Row: rapid.Uint32Range(0, rows-1).Draw(t, "row"), N: bankai.ToEnd}
		switch rapid.IntRange(0, 2).Draw(t, "granularity") {
		case 0:
			x.Col, x.N = rapid.Uint32Range(0, cols/128-1).Draw(t, "group")*128, 128
		case 1:
			x.Col = rapid.Uint32Range(0, cols-1).Draw(t, "col")
			x.N = rapid.Uint32Range(1, cols-x.Col).Draw(t, "n")
		}
		return x
	})
	return bankai.New(f.Digest(), bankai.Meta{}, rapid.SliceOf(flip).Draw(t, "flips")...)
}

// bake bakes patches into a file and opens it.
func bake(t testing.TB, f *File, patches ...*bankai.Patch) *File {
	t.Helper()
	out := filepath.Join(t.TempDir(), "baked.gguf")
	if err := f.Bake(out, patches...); err != nil {
		t.Fatal(err)
	}
	baked, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { baked.Close() })
	return baked
}

// memory is a file in memory.
type memory struct{ bytes.Buffer }

func (m *memory) WriteAt(p []byte, at int64) (int, error) { return copy(m.Bytes()[at:], p), nil }

// bakeInMemory does what bake does where a property asks for it a hundred times.
func bakeInMemory(t *rapid.T, f *File, patches ...*bankai.Patch) *File {
	c, err := f.PlanBake(patches...)
	if err != nil {
		t.Fatal(err)
	}
	var file memory
	if err := c.Write(&file); err != nil {
		t.Fatal(err)
	}
	baked, err := FromBytes("baked", file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return baked
}

func TestBakeInvertsTheBitsAndNothingElse(t *testing.T) {
	f := open(t, tiny())
	const gate, down = "blk.0.ffn_gate.weight", "blk.1.ffn_down.weight"
	baked := bake(t, f, bankai.New(f.Digest(), bankai.Meta{},
		bankai.Flip{Tensor: gate, Row: 5, N: bankai.ToEnd},
		bankai.Flip{Tensor: down, Row: 0, Col: 128, N: 128},
		bankai.Flip{Tensor: down, Row: 0, Col: 3, N: 2},
	))
	for _, want := range f.Tensors() {
		got, _ := baked.Tensor(want.Name)
		for i := range want.Rows * want.Cols {
			flipped := want.Name == gate && i/128 == 5 || want.Name == down && (i >= 128 && i < 256 || i == 3 || i == 4)
			if want.Kind == OneBit && (bit(got, i) != bit(want, i)) != flipped {
				t.Fatalf("%s, weight %d: inverted is %v, want %v", want.Name, i, !flipped, flipped)
			}
		}
	}
	for i, tensor := range baked.parts[0].Tensors {
		if tensor.Name != f.parts[0].Tensors[i].Name {
			t.Errorf("tensor %d is %q, want %q", i, tensor.Name, f.parts[0].Tensors[i].Name)
		}
	}
}

// bit is the sign bit of weight i of a 1-bit tensor.
func bit(t Tensor, i int) byte {
	return t.Blocks()[i/128*18+2+i%128/8] >> (i % 8) & 1
}

// Baking is XOR: two patches bake as their composition, in either order, and a
// patch baked twice is gone.
func TestBakeComposes(t *testing.T) {
	f := open(t, tiny())
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawPatch(t, f), drawPatch(t, f)
		both, err := p.Xor(q)
		if err != nil {
			t.Fatal(err)
		}
		want := bakeInMemory(t, f, both).Digest()
		if got := bakeInMemory(t, f, p, q).Digest(); got != want {
			t.Errorf("p and q: digest %v, want %v", got, want)
		}
		if got := bakeInMemory(t, f, q, p).Digest(); got != want {
			t.Errorf("q and p: digest %v, want %v", got, want)
		}
		baked := bakeInMemory(t, f, p)
		if got := bakeInMemory(t, baked, p.Invert(baked.Digest())).Digest(); got != f.Digest() {
			t.Errorf("twice: digest %v, want the base's", got)
		}
	})
}

// A split model is baked into one file, without the keys of the split.
func TestBakeJoinsASplitModel(t *testing.T) {
	f, err := Open(split(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	baked := bake(t, f)
	if len(baked.parts) != 1 || baked.Digest() != f.Digest() {
		t.Errorf("%d parts, digest %v, want one with %v", len(baked.parts), baked.Digest(), f.Digest())
	}
	for _, kv := range baked.parts[0].KVs {
		if strings.HasPrefix(kv.Key, "split.") {
			t.Errorf("key %s is still there", kv.Key)
		}
	}
}

// A patch that does not fit is refused before anything is written, and whatever
// goes wrong, the folder is left as it was.
func TestBakeRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.gguf")
	if err := tiny().Write(path); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.gguf")
	if err := os.Link(path, link); err != nil {
		t.Skip("no hard links here:", err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flip := func(tensor string, row, col, n uint32) *bankai.Patch {
		return bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: tensor, Row: row, Col: col, N: n})
	}
	good := flip("blk.0.ffn_gate.weight", 0, 0, bankai.ToEnd)
	out := filepath.Join(dir, "out.gguf")
	tests := []struct {
		name  string
		out   string
		patch *bankai.Patch
		want  string
	}{
		{"another base", out, good.WithBase(bankai.Digest{1}), "made for model 010000000000…, but this one is"},
		{"no such tensor", out, flip("blk.7.ffn_gate.weight", 0, 0, 1), "blk.7.ffn_gate.weight"},
		{"not a 1-bit tensor", out, flip("output_norm.weight", 0, 0, 1), "output_norm.weight"},
		{"row out of range", out, flip("blk.0.ffn_gate.weight", 256, 0, 1), "row 256"},
		{"column out of range", out, flip("blk.0.ffn_gate.weight", 0, 100, 29), "column 128"},
		{"onto itself", path, good, "is the model itself"},
		{"onto itself by another name", link, good, "is the model itself"},
		{"no such folder", filepath.Join(dir, "none", "out.gguf"), good, "none"},
		{"onto a folder", dir, good, dir},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := f.Bake(test.out, good, test.patch)
			wantError(t, err, "", test.want)
			if entries, _ := os.ReadDir(dir); len(entries) != 2 {
				t.Errorf("%d files in the folder, want the model and its link only", len(entries))
			}
		})
	}
	if err := f.Bake(out, good.WithBase(bankai.Digest{1})); !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("another base: error %v is not ErrBaseMismatch", err)
	}
	var outOfRange *bankai.RangeError
	if err := f.Bake(out, flip("blk.0.ffn_gate.weight", 256, 0, 1)); !errors.As(err, &outOfRange) {
		t.Errorf("row out of range: error %v is not a RangeError", err)
	}
}

// Check returns what applying needs: true lengths, rows together.
func TestCheckResolves(t *testing.T) {
	f := open(t, tiny())
	p := bankai.New(f.Digest(), bankai.Meta{},
		bankai.Flip{Tensor: "blk.1.ffn_down.weight", Row: 2, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.0.attn_q.weight", Row: 1, Col: 100, N: bankai.ToEnd})
	got, err := f.Check(p)
	want := []bankai.Flip{
		{Tensor: "blk.0.attn_q.weight", Row: 1, Col: 100, N: 28},
		{Tensor: "blk.1.ffn_down.weight", Row: 2, N: 256},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	if _, err := f.Check(p.WithBase(bankai.Digest{})); err != nil {
		t.Errorf("unbound: %v", err)
	}
}
