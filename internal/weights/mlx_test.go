package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// write writes an MLX folder that is called test-1bit, as the GGUF models are.
func write(t testing.TB, m *testmodel.MLX) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "test-1bit")
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openFolder writes and opens an MLX folder.
func openFolder(t testing.TB, m *testmodel.MLX) *File {
	t.Helper()
	f, err := Open(write(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func tinyMLX() *testmodel.MLX { return testmodel.NewMLX(testmodel.Tiny, 1) }

// wantSame checks that two files hold one model.
func wantSame(t *testing.T, got, want *File) {
	t.Helper()
	if got.Config() != want.Config() {
		t.Errorf("configuration\n got  %+v\n want %+v", got.Config(), want.Config())
	}
	if !reflect.DeepEqual(got.Tokenizer(), want.Tokenizer()) {
		t.Errorf("vocabulary\n got  %.300v\n want %.300v", got.Tokenizer(), want.Tokenizer())
	}
	for i, a := range want.Tensors() {
		if b := got.Tensors()[i]; a.Name != b.Name || !bytes.Equal(a.raw, b.raw) {
			t.Errorf("tensor %q differs from %q", b.Name, a.Name)
		}
	}
	if got.Digest() != want.Digest() {
		t.Errorf("digest %v, want %v", got.Digest(), want.Digest())
	}
}

// An MLX folder and a GGUF file of one model cannot be told apart.
func TestMLXIsTheSameModel(t *testing.T) {
	shapes := map[string]testmodel.Shape{
		"tiny":        testmodel.Tiny,
		"untied head": {Layers: 1, Hidden: 256, FFN: 128, Heads: 2, KVHeads: 2, HeadDim: 64, Vocab: 330},
		"wide heads":  {Layers: 3, Hidden: 128, FFN: 384, Heads: 3, KVHeads: 1, HeadDim: 128, Vocab: 320, Tied: true},
	}
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			wantSame(t, openFolder(t, testmodel.NewMLX(s, 7)), open(t, testmodel.New(s, 7)))
		})
	}
}

func TestMLXInSeveralFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "test-1bit")
	if err := tinyMLX().WriteSplit(dir, 3); err != nil {
		t.Fatal(err)
	}
	// What the index does not name is no part of the model.
	if err := os.WriteFile(filepath.Join(dir, "other.safetensors"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, f, open(t, tiny()))
	os.Remove(filepath.Join(dir, "other.safetensors"))
	os.Remove(filepath.Join(dir, "model.safetensors.index.json"))
	if f, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	wantSame(t, f, open(t, tiny())) // all files are
	var size int64
	paths, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if f.Size() != size {
		t.Errorf("size %d, want the sum of the files, %d", f.Size(), size)
	}
}

// Scales, biases and norms may be wider than float16, and the same model comes
// out where the numbers are.
func TestMLXInOtherFloatTypes(t *testing.T) {
	types := map[string]func(b []byte, x float32) []byte{
		"F32": func(b []byte, x float32) []byte { return binary.LittleEndian.AppendUint32(b, math.Float32bits(x)) },
		"BF16": func(b []byte, x float32) []byte {
			return binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(x)>>16))
		},
	}
	for dtype, add := range types {
		t.Run(dtype, func(t *testing.T) {
			folder, file := tinyMLX(), tiny()
			for i := range folder.Tensors {
				x := &folder.Tensors[i]
				if x.DType != "F16" {
					continue
				}
				var wide []byte
				for h := range slices.Chunk(x.Data, 2) {
					h[0] &= 0xf8 // keeps what a bfloat16 has room for
					wide = add(wide, fromHalf(binary.LittleEndian.Uint16(h)))
				}
				x.DType, x.Data = dtype, wide
			}
			for _, x := range file.Tensors {
				if x.Type == gguf.Q1_0 {
					for i := 0; i < len(x.Data); i += gguf.BlockBytes {
						x.Data[i] &= 0xf8
					}
				}
			}
			wantSame(t, openFolder(t, folder), open(t, file))
		})
	}
}

// A negative or zero scale is one that GGUF can hold too.
func TestMLXKeepsEveryScale(t *testing.T) {
	for _, d := range []uint16{0x0000, 0x8000, 0x0001, 0x83ff, 0xbc00, 0x77ff} {
		folder, file := tinyMLX(), tiny()
		const name = "model.layers.0.mlp.up_proj."
		binary.LittleEndian.PutUint16(file.Tensor("blk.0.ffn_up.weight").Data, d)
		double, _ := toHalf(2 * fromHalf(d))
		binary.LittleEndian.PutUint16(folder.Tensor(name+"scales").Data, double)
		binary.LittleEndian.PutUint16(folder.Tensor(name+"biases").Data, d^0x8000)
		if d&^minusZero == 0 { // zero is zero, however its bias is written
			if got, want := openFolder(t, folder).Digest(), open(t, file).Digest(); got != want {
				t.Errorf("scale %#04x: digest %v, want %v", d, got, want)
			}
			continue
		}
		wantSame(t, openFolder(t, folder), open(t, file))
	}
}

func TestMLXRopeScaling(t *testing.T) {
	type fields = map[string]any
	base := Yarn{Factor: 4, Original: 128, ExtFactor: 1, AttnFactor: 1, BetaFast: 32, BetaSlow: 1}
	with := func(change func(*Yarn)) *Yarn { y := base; change(&y); return &y }
	tests := []struct {
		name    string
		scaling fields
		want    *Yarn
	}{
		{"none", nil, nil},
		{"default", fields{"rope_type": "default"}, nil},
		{"yarn", fields{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}, &base},
		{"yarn of old", fields{"type": "yarn", "factor": 4, "original_max_position_embeddings": 128}, &base},
		{"yarn without the original", fields{"type": "yarn", "factor": 4}, with(func(y *Yarn) { y.Original = 512 })},
		{"betas", fields{"type": "yarn", "factor": 4, "original_max_position_embeddings": 128, "beta_fast": 16, "beta_slow": 2}, with(func(y *Yarn) { y.BetaFast, y.BetaSlow = 16, 2 })},
		{"attention factor", fields{"type": "yarn", "factor": 4, "original_max_position_embeddings": 128, "attention_factor": 1}, with(func(y *Yarn) { y.AttnFactor = float64(float32(1 / (1 + 0.1*math.Log(4)))) })},
		{"linear", fields{"type": "linear", "factor": 4}, with(func(y *Yarn) { y.ExtFactor, y.Original = 0, 512 })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := tinyMLX()
			m.Config["rope_scaling"] = test.scaling
			if got := openFolder(t, m).Config().Yarn; !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			// Newer configurations keep all of it in one object.
			together := fields{"rope_theta": 1e6}
			for key, v := range test.scaling {
				together[key] = v
			}
			delete(m.Config, "rope_scaling")
			delete(m.Config, "rope_theta")
			m.Config["rope_parameters"] = together
			if c := openFolder(t, m).Config(); !reflect.DeepEqual(c.Yarn, test.want) || c.RopeTheta != 1e6 {
				t.Errorf("rope_parameters: got theta %g, %+v, want %+v", c.RopeTheta, c.Yarn, test.want)
			}
		})
	}
}

// Baking writes a GGUF file, so it also converts.
func TestMLXBakes(t *testing.T) {
	folder, file := openFolder(t, tinyMLX()), open(t, tiny())
	p := bankai.New(file.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: 3, N: bankai.ToEnd})
	for name, patches := range map[string][]*bankai.Patch{"converted": nil, "patched": {p}} {
		t.Run(name, func(t *testing.T) {
			var got, want *File
			for from, to := range map[*File]**File{folder: &got, file: &want} {
				out := filepath.Join(t.TempDir(), "out.gguf")
				if err := from.Bake(out, patches...); err != nil {
					t.Fatal(err)
				}
				f, err := Open(out)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				*to = f
			}
			wantSame(t, got, want)
		})
	}
	if err := folder.Bake(folder.paths[0], p); err == nil {
		t.Error("Bake replaced the model's own weights")
	}
}
