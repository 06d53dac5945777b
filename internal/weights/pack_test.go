package weights

import (
	"encoding/binary"
	"path/filepath"
	"testing"

	"bankai/internal/gguf"
	"bankai/internal/testmodel"

	"pgregory.net/rapid"
)

// A 1-bit model that was unpacked to floats is the model again, whatever it is in.
func TestUnpackedIsTheSameModel(t *testing.T) {
	s := testmodel.Shape{Layers: 1, Hidden: 256, FFN: 384, Heads: 2, KVHeads: 1, HeadDim: 128, Vocab: 331}
	want := open(t, testmodel.New(s, 3))
	if typ, ok := want.Packed(); ok || want.Origin() != "" {
		t.Errorf("a 1-bit file was packed from %v, %q", typ, want.Origin())
	}
	for _, typ := range []gguf.Type{gguf.F16, gguf.F32} {
		m := testmodel.New(s, 3)
		m.Unpack(typ)
		got := open(t, m)
		wantSame(t, got, want)
		if from, ok := got.Packed(); !ok || from != typ || got.Arithmetic() != want.Arithmetic() {
			t.Errorf("packed from %v, %v, want %v", from, ok, typ)
		}
		// What is written is a 1-bit file, and says so.
		copied := bake(t, got)
		wantSame(t, copied, want)
		if v, _ := copied.parts[0].Value("general.file_type"); v.String() != "40" || copied.Origin() != "" {
			t.Errorf("the copy has file type %v, and was packed: %q", v, copied.Origin())
		}
	}

	dir := filepath.Join(t.TempDir(), "test-1bit")
	if err := testmodel.NewUnpacked(s, 3).Write(dir); err != nil {
		t.Fatal(err)
	}
	folder, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, folder, want)
	if from, ok := folder.Packed(); !ok || from != gguf.F16 {
		t.Errorf("packed from %v, %v", from, ok)
	}
}

// bfloat16 has fewer digits than a scale: the same model as one whose scales are so
// short.
func TestUnpackedToBfloat16(t *testing.T) {
	short, wide := tiny(), tiny()
	for _, x := range short.Tensors {
		if x.Type == gguf.Q1_0 {
			for i := 0; i < len(x.Data); i += gguf.BlockBytes {
				x.Data[i] &= 0xf8
			}
		}
	}
	wide.Unpack(gguf.BF16)
	wantSame(t, open(t, wide), open(t, short))
}

// Every sign and every scale survives, and every weight that is neither +d nor -d is
// found.
func TestPackGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Uint16Range(0, 0x7bff).Draw(t, "scale")
		signs := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "signs")
		typ := rapid.SampledFrom([]gguf.Type{gguf.F16, gguf.F32}).Draw(t, "type")
		var data []byte
		for i := range gguf.BlockWeights {
			h := d | uint16(^signs[i/8]>>(i%8)&1)<<15
			if typ == gguf.F16 {
				data = binary.LittleEndian.AppendUint16(data, h)
			} else {
				data, _ = binary.Append(data, binary.LittleEndian, fromHalf(h))
			}
		}
		pack := func() (gguf.Tensor, error) {
			list := []gguf.Tensor{{Name: "w", Dims: []uint64{128, 1}, Type: typ, Data: append([]byte(nil), data...)}}
			_, _, err := packMatrices(list, func(string) bool { return true }, itself, func() {})
			return list[0], err
		}
		got, err := pack()
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != gguf.Q1_0 || binary.LittleEndian.Uint16(got.Data) != d || string(got.Data[2:]) != string(signs) {
			t.Fatalf("packed to %x", got.Data)
		}
		at := rapid.IntRange(0, len(data)*8-1).Draw(t, "bit")
		width := 8 * floatWidth(typ)
		if at%width == width-1 {
			return // a sign
		}
		data[at/8] ^= 1 << (at % 8)
		if _, err := pack(); err == nil {
			t.Fatalf("bit %d of weight %d is wrong and was not found", at%width, at/width)
		}
	})
}

// The refusal names the tensor, the row, the group, and the weight that is wrong.
func TestPackRefuses(t *testing.T) {
	const down, embedding = "blk.1.ffn_down.weight", "token_embd.weight" // rows of 256 and 128 weights
	put := func(name string, at int, h uint16) func(*testmodel.Model) {
		return func(m *testmodel.Model) { binary.LittleEndian.PutUint16(m.Tensor(name).Data[2*at:], h) }
	}
	for _, test := range []struct {
		name   string
		change func(*testmodel.Model)
		want   string
	}{
		{"one weight", put(down, 3*256+128+5, 0x3c00), `tensor "blk.1.ffn_down.weight": row 3, group 1: weight 5 is 1 and others are ±0.0`},
		{"the first weight", put(down, 3*256+128, 0xbc00), `tensor "blk.1.ffn_down.weight": row 3, group 1: weight 0 is -1 and others are ±0.0`},
		{"the last weight", put(embedding, 320*128-1, 0), `tensor "token_embd.weight": row 319, group 0: weight 127 is 0 and others are ±0.0`},
		{"a ternary model", func(m *testmodel.Model) {
			for i := range 128 {
				put(down, 7*128+3*i, 0)(m)
			}
		}, `row 3, group 1: weight 0 is 0 and others are`},
		{"not a number", put(embedding, 5, 0x7e00), `row 0, group 0: weight 5 is NaN`},
		{"all infinite", func(m *testmodel.Model) {
			for i := range 128 {
				put(embedding, 128+i, 0x7c00)(m)
			}
		}, `tensor "token_embd.weight": the scale of row 1, group 0 is not a finite number`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := tiny()
			m.Unpack(gguf.F16)
			test.change(m)
			_, err := FromBytes("test", m.Bytes())
			wantError(t, err, "test: ", test.want)
		})
	}
	m := tiny()
	m.Unpack(gguf.F32)
	data := m.Tensor(down).Data[:4*gguf.BlockWeights]
	for i := range gguf.BlockWeights {
		data[4*i] |= 1 // the last digit of a float32, which no float16 has
	}
	_, err := FromBytes("test", m.Bytes())
	wantError(t, err, "test: ", `tensor "blk.1.ffn_down.weight": row 0, group 0: all weights are ±0.0`)
}

// A model of floats is packed at the speed of memory.
func BenchmarkPack(b *testing.B) {
	m := testmodel.New(testmodel.Shape{Layers: 2, Hidden: 1024, FFN: 3072, Heads: 8, KVHeads: 4, HeadDim: 128, Vocab: 4096, Tied: true}, 1)
	m.Unpack(gguf.F16)
	bytes := 0
	for _, t := range m.Tensors {
		bytes += len(t.Data)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		list := append([]gguf.Tensor(nil), m.Tensors...)
		if _, _, err := packMatrices(list, func(string) bool { return true }, itself, func() {}); err != nil {
			b.Fatal(err)
		}
	}
}
