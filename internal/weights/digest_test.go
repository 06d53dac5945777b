package weights

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// The digest of the tiny model. It must never change: patches in circulation are
// bound to digests.
const tinyDigest = "c83fccf9f694ccbdf6614b9a778b1b93475097e4ea39a57dc33d82e7eb655e4a"

func TestDigestIsPinned(t *testing.T) {
	if got := open(t, tiny()).Digest().String(); got != tinyDigest {
		t.Errorf("digest %s, want %s", got, tinyDigest)
	}
}

// plainDigest follows the definition word for word, weight by weight.
func plainDigest(f *File) bankai.Digest {
	all := sha256.New()
	all.Write([]byte("bankai model v1\n"))
	for _, t := range f.Tensors() {
		content := sha256.New()
		for _, x := range t.Floats() {
			binary.Write(content, binary.LittleEndian, math.Float32bits(x))
		}
		if t.Kind == OneBit {
			bits := make([]byte, t.Rows*t.Cols/8)
			scales := make([]uint16, t.Rows*t.Cols/128)
			for i := range t.Rows * t.Cols {
				block := t.Blocks()[i/128*18:]
				bits[i/8] |= (block[2+i%128/8] >> (i % 8) & 1) << (i % 8)
				if scales[i/128] = binary.LittleEndian.Uint16(block); scales[i/128] == 0x8000 {
					scales[i/128] = 0 // zero has one digest
				}
			}
			content.Write(bits)
			binary.Write(content, binary.LittleEndian, scales)
		}
		binary.Write(all, binary.LittleEndian, uint32(len(t.Name)))
		all.Write([]byte(t.Name))
		all.Write([]byte{map[Kind]byte{Float: 0, OneBit: 1}[t.Kind]})
		binary.Write(all, binary.LittleEndian, []uint32{uint32(t.Rows), uint32(t.Cols)})
		all.Write(content.Sum(nil))
	}
	return bankai.Digest(all.Sum(nil))
}

func TestDigestFollowsItsDefinition(t *testing.T) {
	untied := testmodel.Shape{Layers: 3, Hidden: 256, FFN: 384, Heads: 6, KVHeads: 2, HeadDim: 64, Vocab: 4100}
	for seed := range uint64(3) {
		m := testmodel.New(untied, seed)
		binary.LittleEndian.PutUint16(m.Tensor("blk.1.attn_k.weight").Data[36:], 0x8000)
		f := open(t, m)
		if got, want := f.Digest(), plainDigest(f); got != want {
			t.Errorf("seed %d: digest %v, want %v", seed, got, want)
		}
	}
}

// What is not the model's logical content does not change the digest.
func TestDigestIgnoresTheContainer(t *testing.T) {
	want := open(t, tiny()).Digest()
	tests := map[string]func(m *testmodel.Model) []byte{
		"other metadata": func(m *testmodel.Model) []byte {
			m.Set("general.name", gguf.String("another name"))
			m.Set("general.tags", gguf.Strings([]string{"a", "b"}))
			m.Unset("general.file_type")
			return m.Bytes()
		},
		"tensors in another order": func(m *testmodel.Model) []byte { slices.Reverse(m.Tensors); return m.Bytes() },
		"another alignment": func(m *testmodel.Model) []byte {
			m.Set("general.alignment", gguf.Uint32(4096))
			return m.Bytes()
		},
		"GGUF version 2":      func(m *testmodel.Model) []byte { b := m.Bytes(); b[4] = 2; return b },
		"bytes after the end": func(m *testmodel.Model) []byte { return append(m.Bytes(), "trailing"...) },
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := FromBytes(name, file(tiny()))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Digest(); got != want {
				t.Errorf("digest %v, want %v", got, want)
			}
		})
	}
}

// A vector of the same numbers has the same digest in every float type.
func TestDigestIgnoresTheFloatType(t *testing.T) {
	model := func(typ gguf.Type, one []byte) bankai.Digest {
		m := tiny()
		w := m.Tensor("output_norm.weight")
		w.Type, w.Data = typ, slices.Repeat(one, int(w.Dims[0]))
		return open(t, m).Digest()
	}
	want := model(gguf.F32, []byte{0, 0, 0x80, 0x3f})
	if got := model(gguf.F16, []byte{0, 0x3c}); got != want {
		t.Errorf("F16: %v, want %v", got, want)
	}
	if got := model(gguf.BF16, []byte{0x80, 0x3f}); got != want {
		t.Errorf("BF16: %v, want %v", got, want)
	}
}

// Every bit of the weights and every name counts.
func TestDigestSeesTheContent(t *testing.T) {
	seen := map[bankai.Digest]string{open(t, tiny()).Digest(): "the model itself"}
	const gate = "blk.0.ffn_gate.weight"
	changes := map[string]func(m *testmodel.Model){
		"one sign bit":      func(m *testmodel.Model) { m.Tensor(gate).Data[2] ^= 1 },
		"the next sign bit": func(m *testmodel.Model) { m.Tensor(gate).Data[2] ^= 2 },
		"the last sign bit": func(m *testmodel.Model) { d := m.Tensor(gate).Data; d[len(d)-1] ^= 0x80 },
		"a scale":           func(m *testmodel.Model) { m.Tensor(gate).Data[0] ^= 1 },
		"a float":           func(m *testmodel.Model) { m.Tensor("output_norm.weight").Data[0] ^= 1 },
		"two tensors swapped": func(m *testmodel.Model) {
			a, b := m.Tensor(gate), m.Tensor("blk.0.ffn_up.weight")
			a.Name, b.Name = b.Name, a.Name
		},
		"a head of its own": func(m *testmodel.Model) {
			head := *m.Tensor("token_embd.weight")
			head.Name = "output.weight"
			m.Tensors = append(m.Tensors, head)
		},
	}
	for name, change := range changes {
		m := tiny()
		change(m)
		d := open(t, m).Digest()
		if other, dup := seen[d]; dup {
			t.Errorf("%s: the digest is that of %s", name, other)
		}
		seen[d] = name
	}
}

func BenchmarkDigest(b *testing.B) {
	wide := testmodel.Shape{Layers: 4, Hidden: 1024, FFN: 3072, Heads: 8, KVHeads: 4, HeadDim: 128, Vocab: 4096, Tied: true}
	f := open(b, testmodel.New(wide, 1))
	b.SetBytes(f.Size())
	for b.Loop() {
		f.digestOf(f.computeSums())
	}
}
