package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"

	"pgregory.net/rapid"
)

// tinyHybrid is a model of 4 layers, of which the last has attention; change may be nil.
func tinyHybrid(change func(h *testmodel.Hybrid)) *testmodel.Model {
	s, h := testmodel.TinyHybrid, *testmodel.TinyHybrid.Hybrid
	s.Hybrid = &h
	if change != nil {
		change(&h)
	}
	return testmodel.New(s, 1)
}

// A hybrid has a delta-net in three layers of four and attention in the fourth.
func TestHybrid(t *testing.T) {
	c := open(t, tinyHybrid(nil)).Config()
	want := Config{
		Architecture: "qwen35", Name: "test-1bit", Layers: 4, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64,
		Vocab: 320, Context: 512, RMSEps: 1e-6, RopeTheta: 1e6, Rotary: 16, Gated: true,
		Delta: &Delta{Layers: []bool{true, true, true, false}, KeyHeads: 2, ValueHeads: 4, HeadDim: 64, Taps: 4},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v with %+v\nwant %+v with %+v", c, c.Delta, want, want.Delta)
	}
	for l, recurrent := range want.Delta.Layers {
		if c.Has(DeltaNet, l) != recurrent || c.Has(Attention, l) == recurrent || !c.Has(MLP, l) {
			t.Errorf("layer %d: delta-net %v, attention %v", l, c.Has(DeltaNet, l), c.Has(Attention, l))
		}
	}
}

// The metadata of the published Bonsai 27B gives the tensors of its file: their number,
// types, and bytes.
func TestPublishedHybrid(t *testing.T) {
	m := tinyHybrid(nil)
	for key, n := range map[string]uint32{
		"block_count": 64, "context_length": 262144, "embedding_length": 5120, "feed_forward_length": 17408,
		"attention.head_count": 24, "attention.head_count_kv": 4, "attention.key_length": 256, "attention.value_length": 256,
		"rope.dimension_count": 64, "ssm.state_size": 128, "ssm.group_count": 16, "ssm.time_step_rank": 48,
		"ssm.inner_size": 6144, "ssm.conv_kernel": 4, "full_attention_interval": 4,
	} {
		m.Set("qwen35."+key, gguf.Uint32(n))
	}
	m.Set("qwen35.rope.dimension_sections", gguf.Int32s([]int32{11, 11, 10, 0}))
	head, err := gguf.Parse((&testmodel.Model{KVs: m.KVs}).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(head)
	if err != nil {
		t.Fatal(err)
	}
	c.Vocab = 248320
	count, size := map[Kind]int{}, int64(0)
	for s := range c.shapes() {
		count[s.kind]++
		bytes := 4 * int64(s.rows) * int64(s.cols)
		if s.kind == OneBit {
			bytes = int64(s.rows) * int64(s.cols) / gguf.BlockWeights * gguf.BlockBytes
		}
		size += (bytes + 31) / 32 * 32
	}
	if count[OneBit] != 498 || count[Float] != 353 || size != 3_792_459_776 {
		t.Errorf("%d 1-bit tensors, %d of floats, %d bytes; the file has 498, 353, 3792459776", count[OneBit], count[Float], size)
	}
}

// Which layers have a delta-net is listed, or follows from the interval, which is 4 where
// the file does not say.
func TestRecurrentLayers(t *testing.T) {
	const list, interval = "qwen35.attention.recurrent_layers", "qwen35.full_attention_interval"
	for _, test := range []struct {
		name   string
		change func(m *testmodel.Model)
		want   []bool
		err    string
	}{
		{"no interval", func(m *testmodel.Model) { m.Unset(interval) }, []bool{true, true, true, false}, ""},
		{"another interval", func(m *testmodel.Model) { m.Set(interval, gguf.Uint32(2)) }, []bool{true, false, true, false}, ""},
		{"attention alone", func(m *testmodel.Model) { m.Set(interval, gguf.Uint32(1)) }, []bool{false, false, false, false}, ""},
		{"a list, which wins", func(m *testmodel.Model) { m.Set(list, gguf.Bools([]bool{false, true, true, false})) }, []bool{false, true, true, false}, ""},
		{"a list that goes on", func(m *testmodel.Model) {
			m.Set("qwen35.block_count", gguf.Uint32(5))
			m.Set("qwen35.nextn_predict_layers", gguf.Uint32(1))
			m.Set(list, gguf.Bools([]bool{true, false, false, true, false}))
		}, []bool{true, false, false, true}, ""},
		{"a short list", func(m *testmodel.Model) { m.Set(list, gguf.Bools([]bool{true})) }, nil, "qwen35.attention.recurrent_layers has 1 entries, but there are 4 layers"},
		{"numbers", func(m *testmodel.Model) { m.Set(list, gguf.Int32s([]int32{1, 1, 1, 0})) }, nil, "qwen35.attention.recurrent_layers is not a list of booleans"},
		{"an interval of 0", func(m *testmodel.Model) { m.Set(interval, gguf.Uint32(0)) }, nil, "full_attention_interval is not a number from 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := tinyHybrid(nil)
			test.change(m)
			part, err := gguf.Parse(m.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			c, err := readConfig(part)
			if test.err != "" {
				wantError(t, err, "metadata key ", test.err)
			} else if err != nil || !slices.Equal(c.Delta.Layers, test.want) {
				t.Errorf("layers %v, %v", c.Delta.Layers, err)
			}
		})
	}
}

// Keys that say nothing about texts, or what holds anyway, change nothing; those that
// change the positions of all tokens do.
func TestHybridMetadata(t *testing.T) {
	plain := open(t, tinyHybrid(nil))
	for _, test := range []struct {
		name   string
		change func(m *testmodel.Model)
		same   bool
	}{
		{"sections", func(m *testmodel.Model) {
			m.Set("qwen35.rope.dimension_sections", gguf.Int32s([]int32{8, 0, 0, 0}))
		}, true},
		{"no sections", func(m *testmodel.Model) { m.Unset("qwen35.rope.dimension_sections") }, true},
		{"no blocks ahead, not said", func(m *testmodel.Model) { m.Unset("qwen35.nextn_predict_layers") }, true},
		{"no experts", func(m *testmodel.Model) { m.Set("qwen35.expert_count", gguf.Uint32(0)) }, true},
		{"another part of a head", func(m *testmodel.Model) { m.Set("qwen35.rope.dimension_count", gguf.Uint32(32)) }, false},
		{"all of a head", func(m *testmodel.Model) { m.Unset("qwen35.rope.dimension_count") }, false},
		{"longer positions", func(m *testmodel.Model) { m.Set("qwen35.rope.scaling.factor", gguf.Float32(4)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := tinyHybrid(nil)
			test.change(m)
			f := open(t, m)
			if f.Digest() != plain.Digest() {
				t.Error("another digest")
			}
			if same := f.Arithmetic() == plain.Arithmetic() && reflect.DeepEqual(f.Config(), plain.Config()); same != test.same {
				t.Errorf("the same model: %v, want %v: %+v", same, test.same, f.Config())
			}
		})
	}
}

// Blocks that only guess further tokens are no part of the model, whether or not the
// metadata counts them: it is the same one with and without, whatever type they have. They
// stay in a copy, and no patch reaches them.
func TestBlocksAhead(t *testing.T) {
	plain := open(t, tinyHybrid(nil))
	counted := tinyHybrid(func(h *testmodel.Hybrid) { h.Ahead = 1 })
	silent := tinyHybrid(func(h *testmodel.Hybrid) { h.Ahead = 1 })
	silent.Set("qwen35.block_count", gguf.Uint32(4))
	silent.Unset("qwen35.nextn_predict_layers")
	for name, m := range map[string]*testmodel.Model{"counted": counted, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			f := fileOf(t, m.Bytes())
			if f.Digest() != plain.Digest() || !reflect.DeepEqual(f.Config(), plain.Config()) {
				t.Errorf("another model: %+v", f.Config())
			}
			if _, ok := f.Tensor("blk.4.attn_q.weight"); ok || len(f.Tensors()) != len(plain.Tensors()) {
				t.Error("the block behind the layers is among the tensors")
			}
			ahead := bankai.New(f.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.4.nextn.eh_proj.weight", N: bankai.ToEnd})
			_, err := f.Fit(ahead)
			wantError(t, err, "", `blk.4.nextn.eh_proj.weight`)

			p := named(f, "p", bankai.Flip{Tensor: "blk.0.ssm_beta.weight", Row: 1, N: bankai.ToEnd})
			baked := bake(t, f, p)
			if !bytes.Contains(read(t, baked), []byte("blk.4.nextn.eh_proj.weight")) {
				t.Error("the copy has lost the block")
			}
			if !bytes.Equal(removed(t, baked, p), m.Bytes()) {
				t.Error("taken out, the file is not what it was")
			}
		})
	}
	_, err := FromBytes("test", withType(t, counted.Bytes(), "blk.4.ffn_up.weight", 8)) // Q8_0
	if err != nil {
		t.Errorf("a block ahead of another type: %v", err)
	}
	floats := tinyHybrid(func(h *testmodel.Hybrid) { h.Ahead = 1 })
	floats.Unpack(gguf.F32)
	wantHybrid(t, open(t, floats), plain)
}

// read returns the bytes of a model's file.
func read(t *testing.T, f *File) []byte {
	t.Helper()
	data, err := os.ReadFile(f.name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantHybrid checks that two files hold one model.
func wantHybrid(t *testing.T, got, want *File) {
	t.Helper()
	if !reflect.DeepEqual(got.Config(), want.Config()) {
		t.Errorf("configuration\n got  %+v with %+v\n want %+v with %+v", got.Config(), got.Config().Delta, want.Config(), want.Config().Delta)
	}
	for i, a := range want.Tensors() {
		if b := got.Tensors()[i]; a.Name != b.Name || a.Rows != b.Rows || a.Cols != b.Cols || a.digest() != b.digest() {
			t.Errorf("tensor %q, %d × %d, differs from %q, %d × %d", b.Name, b.Rows, b.Cols, a.Name, a.Rows, a.Cols)
		}
	}
	if got.Digest() != want.Digest() {
		t.Errorf("digest %v, want %v", got.Digest(), want.Digest())
	}
}

// The projections alpha and beta may be floats; then they have no bits to flip. Where
// their floats are +d and -d alone, they are packed like every other matrix.
func TestFloatGates(t *testing.T) {
	const alpha = "blk.1.ssm_alpha.weight"
	f := open(t, tinyHybrid(func(h *testmodel.Hybrid) { h.FloatGates = true }))
	if x, ok := f.Tensor(alpha); !f.Config().Delta.FloatGates || !ok || x.Kind != Float || x.Rows != 4 || x.Cols != 128 {
		t.Errorf("FloatGates %v, alpha %v %d × %d", f.Config().Delta.FloatGates, x.Kind, x.Rows, x.Cols)
	}
	if _, packed := f.Packed(); packed || f.Origin() != "" {
		t.Errorf("packed, from %q", f.Origin())
	}
	_, err := f.Fit(bankai.New(f.Digest(), bankai.Meta{}, bankai.Flip{Tensor: alpha, N: bankai.ToEnd}))
	wantError(t, err, "", alpha)

	packed := tinyHybrid(nil)
	for _, name := range []string{"ssm_alpha", "ssm_beta"} {
		for l := range 3 {
			packed.UnpackTensor("blk."+string(rune('0'+l))+"."+name+".weight", gguf.F32)
		}
	}
	wantHybrid(t, open(t, packed), open(t, tinyHybrid(nil)))

	packed.Tensor(alpha).Data[5] ^= 1 // one weight is not as large as the others
	_, err = FromBytes("test", packed.Bytes())
	if err != nil {
		t.Errorf("gates that are not 1-bit: %v", err)
	}
	mixed := tinyHybrid(nil)
	mixed.UnpackTensor(alpha, gguf.F32)
	mixed.Tensor(alpha).Data[5] ^= 1
	_, err = FromBytes("test", mixed.Bytes())
	wantError(t, err, "test: ", `tensor "blk.0.ssm_alpha.weight" has type Q1_0, want a float type`)
}

// Unpacked to floats, or in parts, the hybrid is the same model.
func TestHybridInOtherFiles(t *testing.T) {
	want := open(t, tinyHybrid(nil))
	for _, typ := range []gguf.Type{gguf.F16, gguf.F32} {
		m := tinyHybrid(nil)
		m.Unpack(typ)
		got := open(t, m)
		wantHybrid(t, got, want)
		wantHybrid(t, bake(t, got), want)
	}
	short, wide := tinyHybrid(nil), tinyHybrid(nil) // a bfloat16 has room for short scales
	for _, x := range short.Tensors {
		for i := 0; x.Type == gguf.Q1_0 && i < len(x.Data); i += gguf.BlockBytes {
			x.Data[i] &= 0xf8
		}
	}
	wide.Unpack(gguf.BF16)
	wantHybrid(t, open(t, wide), open(t, short))

	gates := tinyHybrid(func(h *testmodel.Hybrid) { h.FloatGates = true })
	want = open(t, gates)
	gates.Unpack(gguf.F16)
	wantHybrid(t, open(t, gates), want)

	paths, err := tinyHybrid(nil).WriteSplit(filepath.Join(t.TempDir(), "hybrid"), 3)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantHybrid(t, f, open(t, tinyHybrid(nil)))
}

// Patches reach all kinds of matrices: what is baked is the model with those bits
// inverted, and what is taken out again the file that it was, to the byte. The difference
// of the two is the patch.
func TestBakeHybrid(t *testing.T) {
	f := fileOf(t, tinyHybrid(func(h *testmodel.Hybrid) { h.Ahead = 1 }).Bytes())
	original := read(t, f)
	rapid.Check(t, func(t *rapid.T) {
		p, err := f.Fit(drawPatch(t, f))
		if err != nil {
			t.Fatal(err)
		}
		flips, err := f.Check(p)
		if err != nil {
			t.Fatal(err)
		}
		baked := bakeInMemory(t, f, p)
		if got, want := baked.Digest(), f.digestWith(flips); got != want {
			t.Fatalf("digest %v, want %v", got, want)
		}
		got, err := Diff(f, baked)
		if err != nil || got.ContentDigest() != p.ContentDigest() {
			t.Fatalf("the difference is %v, want %v (%v)", got.Flips(), p.Flips(), err)
		}
		if len(flips) == 0 {
			return
		}
		out, err := baked.PlanRemove(p)
		if err != nil {
			t.Fatal(err)
		}
		var file memory
		if err := out.Write(&file); err != nil || !bytes.Equal(file.Bytes(), original) {
			t.Fatalf("taken out, the file is not what it was: %v", err)
		}
	})
}

// The JSON form has names for what a hybrid's layers with attention and its MLPs have in
// common with the first tool's models; a .bankai file has them for all.
func TestHybridInThePatchFormats(t *testing.T) {
	f := open(t, tinyHybrid(nil))
	for _, x := range f.Tensors() {
		if x.Kind != OneBit {
			continue
		}
		p, err := f.Fit(bankai.New(f.Digest(), bankai.Meta{}, bankai.Flip{Tensor: x.Name, Row: uint32(x.Rows) - 1, N: bankai.ToEnd}))
		if err != nil {
			t.Fatal(err)
		}
		var file, text bytes.Buffer
		if _, err := p.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		if back, err := bankai.Read(&file); err != nil || back.ContentDigest() != p.ContentDigest() {
			t.Errorf("%s: read as %v, %v", x.Name, back, err)
		}
		err = p.WriteJSON(&text)
		if s, _ := f.Config().spec(x.Name); s.Part == Attention || s.Part == MLP {
			if err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), "has no name for tensor \""+x.Name) {
			t.Errorf("%s in JSON: %v", x.Name, err)
		}
	}
}

// What a hybrid cannot be is refused with the key or the tensor.
func TestOpenRefusesHybrids(t *testing.T) {
	set := func(key string, n uint32) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Set("qwen35."+key, gguf.Uint32(n)) }
	}
	unset := func(key string) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Unset("qwen35." + key) }
	}
	both := func(changes ...func(*testmodel.Model)) func(*testmodel.Model) {
		return func(m *testmodel.Model) {
			for _, change := range changes {
				change(m)
			}
		}
	}
	key := func(key string, v gguf.Value) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Set(key, v) }
	}
	remove := func(name string) func(*testmodel.Model) { return func(m *testmodel.Model) { m.Remove(name) } }
	put := func(name string, at int, x float32) func(*testmodel.Model) {
		return func(m *testmodel.Model) {
			binary.LittleEndian.PutUint32(m.Tensor(name).Data[4*at:], math.Float32bits(x))
		}
	}
	rename := func(from, to string) func(*testmodel.Model) {
		return func(m *testmodel.Model) { m.Tensor(from).Name = to }
	}
	for _, test := range []struct {
		name   string
		change func(*testmodel.Model)
		want   string
	}{
		{"no state size", unset("ssm.state_size"), "metadata key qwen35.ssm.state_size is missing"},
		{"no key heads", set("ssm.group_count", 0), "ssm.group_count is not a number from 1"},
		{"huge value heads", set("ssm.time_step_rank", math.MaxUint32), "ssm.time_step_rank is not a number from 1"},
		{"another inner size", set("ssm.inner_size", 128), "ssm.inner_size is 128, want that of all value heads, 256"},
		{"3 value heads on 2", both(set("ssm.time_step_rank", 3), set("ssm.inner_size", 192)), "3 value heads cannot share 2 key heads evenly"},
		{"4 value heads of 16", both(set("ssm.state_size", 16), set("ssm.inner_size", 64)), "4 value heads of 16 are not a multiple of 128"},
		{"key heads too wide", both(set("ssm.state_size", 1<<22), set("ssm.group_count", 4), set("ssm.inner_size", 1<<24), set("embedding_length", 100)), "hidden size 100"},
		{"more than a matrix can have", both(set("ssm.state_size", 1<<23), set("ssm.inner_size", 1<<24)), "ssm.inner_size is 16777216, want that of all value heads, 33554432"},
		{"no taps", set("ssm.conv_kernel", 0), "ssm.conv_kernel is not a number from 1"},
		{"3 taps", set("ssm.conv_kernel", 3), `tensor "blk.0.ssm_conv1d.weight" is 512 × 4, want 512 × 3`},
		{"more rotated than there is", set("rope.dimension_count", 66), "66 weights of a head rotate, but it has 64"},
		{"an odd number rotated", set("rope.dimension_count", 15), "15 of a head's 64 weights cannot be rotated in pairs"},
		{"a layer that the metadata leaves out", set("block_count", 3), "is of block 3, which is a layer like others"},
		{"layers that are no blocks ahead", set("nextn_predict_layers", 1), "is of block 3, which is a layer like others"},
		{"nothing but blocks ahead", set("nextn_predict_layers", 4), "nextn_predict_layers is 4, but there are 4 blocks"},
		{"blocks ahead a text", key("qwen35.nextn_predict_layers", gguf.String("1")), "nextn_predict_layers is not a number from 0"},

		{"stored rotated", key("prism.hadamard.block_size", gguf.Uint32(1024)), "metadata key prism.hadamard.block_size is 1024: it changes what the model computes"},
		{"experts", set("expert_count", 8), "metadata key qwen35.expert_count is 8"},
		{"a key that is not known", set("ssm.something", 1), "metadata key qwen35.ssm.something is 1: it changes what the model computes"},
		{"a vision tower", key("clip.has_vision_encoder", gguf.Bool(true)), "metadata key clip.has_vision_encoder is true"},
		{"text split otherwise", key("tokenizer.ggml.pre", gguf.String("llama-bpe")), `rules of splitting (tokenizer.ggml.pre) are "llama-bpe"`},

		{"no convolution", remove("blk.0.ssm_conv1d.weight"), `tensor "blk.0.ssm_conv1d.weight" is missing`},
		{"no decay", remove("blk.2.ssm_a"), `tensor "blk.2.ssm_a" is missing`},
		{"attention in a layer of a delta-net", rename("blk.0.attn_qkv.weight", "blk.0.attn_q.weight"), `tensor "blk.0.attn_q.weight" is not part of a hybrid Qwen3.5 model of 4 layers`},
		{"a fused matrix in a layer of attention", rename("blk.3.attn_q.weight", "blk.3.attn_qkv.weight"), `tensor "blk.3.attn_qkv.weight" is not part of a hybrid Qwen3.5 model of 4 layers: in a layer with attention, queries, keys and values have a matrix each`},
		{"the norm of dense Qwen3", rename("blk.0.post_attention_norm.weight", "blk.0.ffn_norm.weight"), `tensor "blk.0.ffn_norm.weight" is not part of a hybrid`},
		{"a layer that is no number", rename("blk.0.ssm_a", "blk.00.ssm_a"), `tensor "blk.00.ssm_a" is not part of`},
		{"a placeholder for the layer", rename("blk.0.ssm_a", "blk.%d.ssm_a"), `tensor "blk.%d.ssm_a" is not part of`},
		{"a bias of the convolution", func(m *testmodel.Model) {
			m.Tensors = append(m.Tensors, gguf.Tensor{Name: "blk.0.ssm_conv1d.bias", Dims: []uint64{1}, Type: gguf.F32, Data: make([]byte, 4)})
		}, `tensor "blk.0.ssm_conv1d.bias" is not part of`},
		{"a matrix of floats that are not 1-bit", func(m *testmodel.Model) {
			m.UnpackTensor("blk.0.ssm_out.weight", gguf.F32)
			m.Tensor("blk.0.ssm_out.weight").Data[0] ^= 1
		}, `tensor "blk.0.ssm_out.weight": row 0, group 0: weight 0 is`},
		{"a tap that is not a number", put("blk.0.ssm_conv1d.weight", 9, float32(math.NaN())), `tensor "blk.0.ssm_conv1d.weight": weight 9 is not a finite number`},
		{"an infinite bias", put("blk.1.ssm_dt.bias", 2, float32(math.Inf(1))), `tensor "blk.1.ssm_dt.bias": weight 2 is not a finite number`},
		{"a memory that grows", put("blk.2.ssm_a", 3, 0.5), `tensor "blk.2.ssm_a": weight 3 is 0.5, but the decay of a memory, of which this is the logarithm, is at most 1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := tinyHybrid(nil)
			test.change(m)
			_, err := FromBytes("test.gguf", m.Bytes())
			wantError(t, err, "test.gguf: ", test.want)
		})
	}
	_, err := FromBytes("test.gguf", withType(t, tinyHybrid(nil).Bytes(), "blk.0.ssm_beta.weight", gguf.TQ2_0))
	wantError(t, err, `test.gguf: tensor "blk.0.ssm_beta.weight" has `, "type TQ2_0: ternary")
}

// A file that ends early is refused wherever it ends.
func TestHybridCutShort(t *testing.T) {
	whole := tinyHybrid(func(h *testmodel.Hybrid) { h.Ahead, h.FloatGates = 1, true }).Bytes()
	for n := 0; n < len(whole)-31; n += 1 + n/61 {
		if _, err := FromBytes("test", whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are a model", n, len(whole))
		}
	}
}
