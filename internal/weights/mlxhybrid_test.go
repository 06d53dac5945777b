package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// folderHybrid is a shape of which a folder can hold the model: heads are of 128.
func folderHybrid(change func(*testmodel.Hybrid)) testmodel.Shape {
	h := testmodel.Hybrid{KeyHeads: 2, ValueHeads: 6, State: 128, Rotary: 16}
	if change != nil {
		change(&h)
	}
	s := testmodel.TinyHybrid
	s.Hybrid = &h
	return s
}

// A folder of the hybrid is the model of the GGUF file: it may be 1-bit or as it was
// trained, value heads may share key heads or not, and what is not of the language model
// is left out.
func TestMLXHybridIsTheSameModel(t *testing.T) {
	for name, s := range map[string]testmodel.Shape{
		"3 value heads to a key head": folderHybrid(nil),
		"as many":                     folderHybrid(func(h *testmodel.Hybrid) { h.ValueHeads = 2 }),
		"one key head, heads of 64":   folderHybrid(func(h *testmodel.Hybrid) { h.KeyHeads, h.ValueHeads, h.State = 1, 2, 64 }),
		"blocks ahead":                folderHybrid(func(h *testmodel.Hybrid) { h.Ahead = 1 }),
		"float gates":                 folderHybrid(func(h *testmodel.Hybrid) { h.FloatGates = true }),
	} {
		t.Run(name, func(t *testing.T) {
			want := open(t, testmodel.New(s, 7))
			folder := openFolder(t, testmodel.NewMLX(s, 7))
			wantHybrid(t, folder, want)
			if !reflect.DeepEqual(folder.Tokenizer(), want.Tokenizer()) || folder.Arithmetic() != want.Arithmetic() {
				t.Error("another vocabulary or arithmetic")
			}
			if _, packed := folder.Packed(); packed || folder.Origin() != "MLX folder" {
				t.Errorf("packed %v, origin %q", packed, folder.Origin())
			}
			trained := openFolder(t, testmodel.NewUnpacked(s, 7))
			wantHybrid(t, trained, want)
			if from, packed := trained.Packed(); !packed || from != gguf.F16 {
				t.Errorf("packed from %v, %v", from, packed)
			}
			wantHybrid(t, bake(t, folder), want)
		})
	}
}

// One patch fits both, and flips the same: the value head of row r of alpha in the file is
// another row of the folder, which the row's scale tells.
func TestMLXHybridTakesThePatches(t *testing.T) {
	s := folderHybrid(nil)
	file, folder := open(t, testmodel.New(s, 7)), openFolder(t, testmodel.NewMLX(s, 7))
	p := bankai.New(file.Digest(), bankai.Meta{Arithmetic: file.Arithmetic()},
		bankai.Flip{Tensor: "blk.0.ssm_alpha.weight", Row: 1, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.1.attn_qkv.weight", Row: 700, Col: 5, N: 9},
		bankai.Flip{Tensor: "blk.2.ssm_out.weight", Row: 3, Col: 256, N: 128})
	wantHybrid(t, bake(t, folder, p), bake(t, file, p))

	// Head 1 of the file reads key head 1, of which it is the first: in the folder, that
	// is head 3.
	scales := testmodel.NewMLX(s, 7).Tensor("language_model.model.layers.0.linear_attn.in_proj_a.scales").Data
	alpha, _ := file.Tensor("blk.0.ssm_alpha.weight")
	d := fromHalf(binary.LittleEndian.Uint16(alpha.Blocks()[gguf.BlockBytes:]))
	if got := fromHalf(binary.LittleEndian.Uint16(scales[2*3:])); got != 2*d {
		t.Errorf("the scale of head 3 is %v, want %v", got, 2*d)
	}
}

// What a hybrid's folder says otherwise, and means the same.
func TestMLXHybridForms(t *testing.T) {
	s := folderHybrid(nil)
	want := open(t, testmodel.New(s, 7))
	text := func(m *testmodel.MLX) map[string]any { return m.Config["text_config"].(map[string]any) }
	rename := func(from, to string) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) {
			for i := range m.Tensors {
				m.Tensors[i].Name = strings.Replace(m.Tensors[i].Name, from, to, 1)
			}
		}
	}
	for name, change := range map[string]func(*testmodel.MLX){
		"no vision tower": func(m *testmodel.MLX) {
			m.Remove("vision_tower.patch_embed.proj.weight")
			m.Config = text(m)
			m.Config["quantization"] = map[string]any{"bits": 1, "group_size": 128}
		},
		"names without a prefix":    rename("language_model.", ""),
		"names as they are trained": rename("language_model.model.", "model.language_model."),
		"an interval alone":         func(m *testmodel.MLX) { delete(text(m), "layer_types") },
		"types alone":               func(m *testmodel.MLX) { delete(text(m), "full_attention_interval") },
		"a share of its own": func(m *testmodel.MLX) {
			delete(text(m)["rope_parameters"].(map[string]any), "partial_rotary_factor")
			text(m)["partial_rotary_factor"] = 0.25
		},
		"the usual share": func(m *testmodel.MLX) { delete(text(m)["rope_parameters"].(map[string]any), "partial_rotary_factor") },
		"gates that were not packed": func(m *testmodel.MLX) {
			floats := testmodel.NewUnpacked(s, 7)
			for l := range 3 {
				for _, gate := range []string{"a", "b"} {
					name := "model.layers." + strconv.Itoa(l) + ".linear_attn.in_proj_" + gate
					m.Remove("language_model." + name + ".scales")
					m.Remove("language_model." + name + ".biases")
					x := m.Tensor("language_model." + name + ".weight")
					*x = *floats.Tensor(strings.Replace(name, "model.", "model.language_model.", 1) + ".weight")
					x.Name = "language_model." + name + ".weight"
				}
			}
		},
		"an output gate named": func(m *testmodel.MLX) { text(m)["output_gate_type"] = "swish" },
	} {
		t.Run(name, func(t *testing.T) {
			m := testmodel.NewMLX(s, 7)
			change(m)
			wantHybrid(t, openFolder(t, m), want)
		})
	}
	// Blocks ahead are in a folder whose norms are as they were trained.
	ahead := testmodel.NewUnpacked(s, 7)
	ahead.Tensors = append(ahead.Tensors, testmodel.MLXTensor{Name: "mtp.fc.weight", DType: "F16", Shape: []int{1}, Data: make([]byte, 2)})
	for i := range ahead.Tensors {
		if x := &ahead.Tensors[i]; strings.HasSuffix(x.Name, "conv1d.weight") {
			x.Shape = []int{x.Shape[0], x.Shape[2], 1}
		}
	}
	wantHybrid(t, openFolder(t, ahead), want)
}

// What the folder of a hybrid cannot be is refused with the field or the tensor.
func TestOpenRefusesHybridFolders(t *testing.T) {
	text := func(key string, v any) func(*testmodel.MLX) {
		return func(m *testmodel.MLX) { m.Config["text_config"].(map[string]any)[key] = v }
	}
	top := func(key string, v any) func(*testmodel.MLX) { return func(m *testmodel.MLX) { m.Config[key] = v } }
	const conv = "language_model.model.layers.0.linear_attn.conv1d.weight"
	for _, test := range []struct {
		name   string
		shape  testmodel.Shape
		change func(*testmodel.MLX)
		want   string
	}{
		{"no key heads", folderHybrid(nil), text("linear_num_key_heads", nil), "config.json: linear_num_key_heads is missing"},
		{"keys wider than values", folderHybrid(nil), text("linear_key_head_dim", 256), "linear_key_head_dim is 256, want the width of a value head, 128"},
		{"too many value heads", folderHybrid(nil), text("linear_num_value_heads", 1<<20), "1048576 value heads of 128 are more than 16777216 weights wide"},
		{"another number of key heads", folderHybrid(nil), text("linear_num_key_heads", 4), "6 value heads cannot share 4 key heads evenly"},
		{"another kind of layer", folderHybrid(nil), text("layer_types", []string{"sliding_attention"}), `layer_types has "sliding_attention", want linear_attention or full_attention`},
		{"kinds of too few layers", folderHybrid(nil), text("layer_types", []string{"full_attention"}), "attention.recurrent_layers has 1 entries, but there are 4 layers"},
		{"attention without a gate", folderHybrid(nil), text("attn_output_gate", false), "attn_output_gate is false: attention without a gate is not supported"},
		{"another gate", folderHybrid(nil), text("output_gate_type", "sigmoid"), `output_gate_type is "sigmoid", want "swish"`},
		{"more than all rotates", folderHybrid(nil), text("rope_parameters", map[string]any{"rope_theta": 1e6, "partial_rotary_factor": 2}), "partial_rotary_factor is above 1"},
		{"experts", folderHybrid(nil), text("num_experts", 8), "config.json: num_experts is 8: it may change what the model computes"},
		{"a field that is not known", folderHybrid(nil), top("hadamard", 8), "config.json: hadamard is 8"},
		{"text_config a number", folderHybrid(nil), top("text_config", 8), "config.json: text_config is not an object"},
		{"a gate of more than one type", folderHybrid(nil), func(m *testmodel.MLX) {
			m.Remove("language_model.model.layers.1.linear_attn.in_proj_b.scales")
		}, `in_proj_a.weight" has dtype U32, want a float type`},
		{"no rate of the decay", folderHybrid(nil), func(m *testmodel.MLX) { m.Remove("language_model.model.layers.1.linear_attn.A_log") }, `tensor "model.layers.1.linear_attn.A_log" is missing`},
		{"a convolution that is none", folderHybrid(nil), func(m *testmodel.MLX) { m.Tensor(conv).Shape = []int{1280, 4} }, `conv1d.weight" has shape [1280 4], want [1280 4 1]`},
		{"a tensor twice", folderHybrid(nil), func(m *testmodel.MLX) {
			x := *m.Tensor(conv)
			x.Name = strings.TrimPrefix(x.Name, "language_model.")
			m.Tensors = append(m.Tensors, x)
		}, "is in two files of the folder"},
		{"a fused projection", folderHybrid(nil), func(m *testmodel.MLX) {
			m.Tensor(conv).Name = "language_model.model.layers.0.linear_attn.in_proj_qkvz.weight"
		}, `tensor "model.layers.0.linear_attn.conv1d.weight" is missing`},
		{"heads that share a group", testmodel.TinyHybrid, func(*testmodel.MLX) {}, "value heads of 64 cannot be put in the order of GGUF: a group of 128 weights has parts of several: take a GGUF file"},
		{"a decay without bounds", folderHybrid(nil), func(m *testmodel.MLX) {
			x := m.Tensor("language_model.model.layers.0.linear_attn.A_log")
			binary.LittleEndian.PutUint32(x.Data, math.Float32bits(200))
		}, `tensor "blk.0.ssm_a": weight 0 is not a finite number`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := testmodel.NewMLX(test.shape, 1)
			test.change(m)
			dir := write(t, m)
			_, err := Open(dir)
			wantError(t, err, dir+": ", test.want)
		})
	}
}

// Folders of float16 are turned in its arithmetic, as the converter does.
func TestMLXHybridInFloat16(t *testing.T) {
	m := testmodel.NewUnpacked(folderHybrid(nil), 7)
	want := testmodel.New(folderHybrid(nil), 7)
	const norm, rate = "model.language_model.layers.0.input_layernorm.weight", "model.language_model.layers.0.linear_attn.A_log"
	for _, name := range []string{norm, rate} {
		x := m.Tensor(name)
		var narrow []byte
		for i := 0; i < len(x.Data); i += 4 {
			h, _ := toHalf(nearestHalf(math.Float32frombits(binary.LittleEndian.Uint32(x.Data[i:]))))
			narrow = binary.LittleEndian.AppendUint16(narrow, h)
		}
		x.DType, x.Data = "F16", narrow
	}
	at := func(data []byte, i int) float64 { return float64(fromHalf(binary.LittleEndian.Uint16(data[2*i:]))) }
	f := openFolder(t, m)
	got, _ := f.Tensor("blk.0.attn_norm.weight")
	for i, x := range got.Floats() {
		if exact := 1 + at(m.Tensor(norm).Data, i); math.Abs(float64(x)-exact) > math.Ldexp(1, -11) || nearestHalf(x) != x {
			t.Fatalf("norm %d is %v, want the float16 nearest to %v", i, x, exact)
		}
	}
	got, _ = f.Tensor("blk.0.ssm_a")
	for i, x := range got.Floats() {
		from := i%2*3 + i/2 // 6 heads, of which 3 read one key head
		if exact := -math.Exp(at(m.Tensor(rate).Data, from)); math.Abs(float64(x)/exact-1) > math.Ldexp(1, -11) || nearestHalf(x) != x {
			t.Fatalf("rate %d is %v, want the float16 nearest to %v", i, x, exact)
		}
	}
	if f.Digest() == open(t, want).Digest() {
		t.Error("nothing was rounded")
	}
}

// Rounding to float16 agrees with the numbers that there are: each is its own neighbour,
// and what lies between two goes to the nearer, or to the even one.
func TestNearestHalf(t *testing.T) {
	for h := range uint16(0x7c00) {
		x := fromHalf(h)
		next := float32(1 << 16)
		if h < 0x7bff {
			next = fromHalf(h + 1)
		}
		for sign := range 2 {
			s := float32(1 - 2*sign)
			middle := (x + next) / 2
			even := x
			if h%2 == 1 {
				even = next
			}
			if even == 1<<16 {
				even = float32(math.Inf(1))
			}
			if got := nearestHalf(s * x); got != s*x {
				t.Fatalf("%v is rounded to %v", s*x, got)
			}
			if got := nearestHalf(s * middle); got != s*even {
				t.Fatalf("%v is rounded to %v, want %v", s*middle, got, s*even)
			}
			if got := nearestHalf(s * math.Nextafter32(middle, 0)); got != s*x {
				t.Fatalf("below %v: %v, want %v", s*middle, got, s*x)
			}
		}
	}
}

// A folder can be written as a GGUF file with a patch in it.
func TestMLXHybridBakes(t *testing.T) {
	s := folderHybrid(nil)
	file, folder := open(t, testmodel.New(s, 7)), openFolder(t, testmodel.NewMLX(s, 7))
	p := named(file, "p", bankai.Flip{Tensor: "blk.1.attn_gate.weight", Row: 130, N: bankai.ToEnd})
	baked := bake(t, folder, p)
	out := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := baked.Remove(out, p); err != nil {
		t.Fatal(err)
	}
	back, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	wantHybrid(t, back, file)
	if bytes.Equal(read(t, baked), read(t, back)) {
		t.Error("the patch changed nothing")
	}
}
