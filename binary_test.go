package bankai

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// seal makes a file of a version, flags, and the bytes that follow them, with
// the right checksum, so that the parser behind the checksum is reached.
func seal(version, flags byte, rest ...byte) []byte {
	data := append([]byte(magic), version, flags)
	data = append(data, rest...)
	sum := sha256.Sum256(data)
	return append(data, sum[:checksumSize]...)
}

// The encoding by example: what follows the header, and the flips it means.
func TestBinaryFlips(t *testing.T) {
	for _, c := range []struct {
		name  string
		rest  []byte
		flips []Flip
		width uint32
	}{
		{"no flips", []byte{0, 0}, nil, 0},
		{"row 3 of blk.0.attn_q: number 0, 1 row", []byte{1, 0<<3 | 1, 4, 0}, []Flip{row("blk.0.attn_q.weight", 3)}, 0},
		{"rows 3 and 5", []byte{1, 0<<3 | 2, 4, 2, 0}, []Flip{row("blk.0.attn_q.weight", 3), row("blk.0.attn_q.weight", 5)}, 0},
		{"rows 3 to 5: two more", []byte{1, 0<<3 | 1, 0, 2, 4, 0}, []Flip{row("blk.0.attn_q.weight", 3), row("blk.0.attn_q.weight", 4), row("blk.0.attn_q.weight", 5)}, 0},
		{
			"gate is number 20, the next tensor up is 0 further",
			[]byte{2, 0xa1, 1, 1, 0<<3 | 1, 1, 0},
			[]Flip{row(gate2, 0), row("blk.2.ffn_up.weight", 0)},
			0,
		},
		{
			"a head with a width",
			[]byte{1, 0xa0, 1, 1<<3 | headWidth, 0x80, 4, 8, 0},
			[]Flip{row(gate2, 7)},
			512,
		},
		{
			"group 2 of row 1: unit 1*3+2 in rows of 3 groups",
			[]byte{1, 0xa0, 1, headGroups, 3, 1, 6, 0},
			[]Flip{group(gate2, 1, 2)},
			0,
		},
		{
			"columns 100 to 299: 28 bits, a group, 44 bits",
			[]byte{1, 0xa0, 1, headGroups | headBits, 3, 1, 2, 2, 0, 27, 101, 0, 43, 0x81, 1, 0},
			[]Flip{{gate2, 0, 100, 200}},
			0,
		},
		{
			"a named tensor", append(append([]byte{0, 1, 17}, embd...), 1<<3, 1),
			[]Flip{row(embd, 0)},
			0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := seal(1, 0, c.rest...)
			p, err := decode(data)
			if err != nil || !slices.Equal(p.Flips(), c.flips) {
				t.Fatalf("decodes to %v, %v, want %v", p, err, c.flips)
			}
			if c.width > 0 {
				if w, _ := p.Width(gate2); w != c.width {
					t.Errorf("width is %d, want %d", w, c.width)
				}
			}
			if again := encoded(t, p); !bytes.Equal(again, data) {
				t.Errorf("encodes to %x, want %x", again, data)
			}
		})
	}
}

func TestBinaryRefusesDamage(t *testing.T) {
	p := mustFit(t, New(Digest{1}, Meta{Name: "n"}, row(gate2, 1), group(up10, 2, 1), bit(embd, 3, 300)))
	data := encoded(t, p)
	for n := range data {
		if _, err := decode(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(data))
		}
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		if _, err := Read(bytes.NewReader(damaged)); err == nil {
			t.Errorf("a flipped bit of byte %d is accepted", i)
		}
	}
	if _, err := decode(append(bytes.Clone(data), 0)); err == nil || !strings.Contains(err.Error(), "or has bytes after its end") {
		t.Errorf("a byte after the end: %v", err)
	}
}

func TestBinaryRefuses(t *testing.T) {
	const q = "tensor \"blk.0.attn_q.weight\": "
	tooLong := append([]byte{0, 1, 0x80, 2}, bytes.Repeat([]byte("x"), 256)...)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"another version", seal(2, 0, 0, 0), "the file has .bankai version 2, this program reads version 1: use a newer bankai"},
		{"an unknown flag", seal(1, 4, 0, 0), "unknown flags 0x4"},
		{"no lists", seal(1, 0), "runs past the end"},
		{"a base cut off", seal(1, flagBase, 1, 2, 3), "a value of 32 bytes runs past the end"},
		{"bytes after the lists", seal(1, 0, 0, 0, 0), "1 bytes too many before the checksum"},

		{"a count without tensors", seal(1, 0, 0xff, 0xff, 0xff, 0x7f), "runs past the end"},
		{"a number of 11 bytes", seal(1, 0, bytes.Repeat([]byte{0x80}, 11)...), "runs past the end"},
		{"the free number of a layer", seal(1, 0, 1, 7<<3|1, 1, 0), "unknown tensor number 7"},
		{"a layer too high", seal(1, 0, 1, 0x81, 0x80, 0x80, 2, 1, 0), "tensor key 4194305 is out of range"},
		{"a layer too high", seal(1, 0, 2, 0xf1, 0xff, 0xff, 1, 1, 1<<3|1, 1, 0), "unknown tensor number 524288"},
		{"a tensor without flips", seal(1, 0, 1, 0, 0, 0), q + "no flips"},
		{"names out of order", seal(1, 0, 0, 2, 1, 'b', 8, 1, 1, 'a', 8, 1), `tensor "a" is out of order`},
		{"a name twice", seal(1, 0, 0, 2, 1, 'b', 8, 1, 1, 'b', 8, 1), `tensor "b" is out of order`},
		{"an empty name", seal(1, 0, 0, 1, 0, 8, 1), `tensor "" is out of order`},
		{"a name of 256 bytes", seal(1, 0, append(tooLong, 8, 1)...), "a name is 1 to 255 bytes"},
		{"a width beyond all models", seal(1, 0, 1, 0, 1<<3|headWidth, 0xff, 0xff, 0xff, 0xff, 0xf, 1, 0), q + "width 4294967295 is out of range, at most 2147483648"},

		{"a run at distance 0", seal(1, 0, 1, 1, 0, 1, 0, 0), q + "a run of 2 units, 0 after the last, leaves the tensor"},
		{"rows beyond 32 bits", seal(1, 0, 1, 1, 0x81, 0x80, 0x80, 0x80, 0x10, 0), "leaves the tensor"},
		{"a run beyond 32 bits", seal(1, 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xf, 2, 0), "leaves the tensor"},
		{"every row there can be", seal(1, 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xf, 1, 0), q + "the patch has more than 4194304 flips"},
		{"every bit of them", seal(1, 0, 1, 0, headBits, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x3f, 1, 0), q + "the patch has more than 4194304 flips"},
		{"bits of a row without", seal(1, 0, 1, 0, headBits, 0, 1, 1, 0), q + "units of 1 weights in a row of 0"},
		{"groups of a row too short", seal(1, 0, 1, 0, headGroups|headWidth, 100, 1, 1, 0), q + "units of 128 weights in a row of 100"},
	} {
		t.Run(c.name, func(t *testing.T) { checkRefused(t, string(c.data), c.want) })
	}
}

// Everything below says something that a patch can say, but not in the one way
// it is to be said.
func TestBinaryRefusesOtherEncodings(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"a number longer than needed", seal(1, 0, 0x80, 0, 0)},
		{"an unbound base spelt out", seal(1, flagBase, make([]byte, 34)...)},
		{"empty metadata", seal(1, flagMeta, 0, 0, 0)},
		{"a head where the key suffices", seal(1, 0, 1, 0, 1<<3, 4, 0)},
		{"two rows as two runs", seal(1, 0, 1, 2, 1, 1, 0)},
		{"a run of one", seal(1, 0, 1, 1, 0, 0, 4, 0)},
		{"a width that is known already", seal(1, 0, 2, 0, 1<<3|headWidth, 0x80, 4, 1, 7<<3, 1<<3|headWidth, 0x80, 4, 1, 0)},
		{"a row as its groups", seal(1, 0, 1, 0, headWidth|headGroups, 0x80, 2, 1, 0, 1, 1, 0)},
		{"a group as its bits", seal(1, 0, 1, 0, headBits, 1, 1, 0, 127, 1, 0)},
		{"a wider span than needed", seal(1, 0, 1, 0, headGroups, 2, 1, 1, 0)},
		{"a row that cancels its group", seal(1, 0, 1, 0, 1<<3|headWidth|headGroups, 0x80, 2, 1, 1, 1, 0)},
		{"a projection by name", seal(1, 0, append(append([]byte{0, 1, 19}, "blk.0.attn_q.weight"...), 8, 1)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRefused(t, string(c.data), "the encoding is not the canonical one of its patch")
		})
	}
}

// oneHead is an arithmetic of one head of one weight, with epsilon 1 and theta 1.
const oneHead = "\x01\x01\x01\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f"

func TestBinaryRefusesMetadata(t *testing.T) {
	for _, c := range []struct {
		name, fields, want string
	}{
		{"unknown", "\x0c\x00", "metadata field 12: unknown tag"},
		{"arithmetic without heads", "\x0b\x00", "metadata field 11: a number runs past the end"},
		{"half a rope scaling", "\x0b\x10" + oneHead + "\x00", "metadata field 11: a value of 8 bytes runs past the end"},
		{"a negative theta", "\x0b\x0f" + oneHead[:14] + "\xbf", "metadata field 11: arithmetic: -1 is not a number above 0"},
		{"a rope scaling by 1", "\x0b\x27" + oneHead + strings.Repeat("\x00\x00\x00\x00\x00\x00\xf0\x3f", 2) + "\x00\x00\x00\x00\x00\x00\x00\x00", "not the canonical one"},
		{"cut off", "\x01\x05x", "metadata field 1: a value of 5 bytes runs past the end"},
		{"no length", "\x01", "metadata field 1: a number runs past the end"},
		{"not UTF-8", "\x01\x01\xff", "metadata field 1: the text is not UTF-8"},
		{"a year beyond 9999", "\x04\x06\x80\xa8\xb0\x91\xb0\x3a", "metadata field 4: time 2005786170368 is out of range"},
		{"more than a time", "\x04\x02\x01\x01", "metadata field 4: 1 bytes too many"},
		{"a digest of 33 bytes", "\x08\x23\x00\x21" + strings.Repeat("x", 33), "metadata field 8: the probe file's digest has 33 bytes"},
		{"half a claim", "\x08\x03\x00\x00\x01", "metadata field 8: a number runs past the end"},
		{"a p-value of 2", "\x08\x0f\x00\x00\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x40", `claim 0 (""): the p-value 2 is not from 0 to 1`},
		{"broken JSON", "\x09\x01{", "metadata field 9: not a JSON object"},
		{"a list", "\x0a\x02[]", "metadata field 10: not a JSON object"},

		{"an empty text", "\x01\x00", "not the canonical one"},
		{"out of order", "\x02\x01x\x01\x01x", "not the canonical one"},
		{"twice", "\x01\x01x\x01\x01x", "not the canonical one"},
		{"JSON with space", "\x0a\x08{\"a\": 1}", "not the canonical one"},
		{"JSON out of order", "\x0a\x0d{\"b\":1,\"a\":1}", "not the canonical one"},
		{"a member with a field of its own", "\x0a\x0e{\"metric\":\"x\"}", "not the canonical one"},
		{"a short digest", "\x08\x10\x00\x01x\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00", "not the canonical one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rest := append([]byte{0, 0, byte(len(c.fields))}, c.fields...)
			checkRefused(t, string(seal(1, flagMeta, rest...)), c.want)
		})
	}
	long := append([]byte{0, 0, 0x81, 0x80, 0x40}, make([]byte, maxMeta+1)...)
	checkRefused(t, string(seal(1, flagMeta, long...)), "1048577 bytes of metadata are over the limit of 1048576")
}

func TestWriteRefusesNames(t *testing.T) {
	for _, name := range []string{"", "\xff", strings.Repeat("x", 256)} {
		var b bytes.Buffer
		_, err := New(Digest{}, Meta{}, row(name, 0)).WriteTo(&b)
		if err == nil || !strings.Contains(err.Error(), "a name is 1 to 255 bytes of UTF-8") || b.Len() > 0 {
			t.Errorf("%.20q: %d bytes, %v", name, b.Len(), err)
		}
	}
}

// shape8B is an 8B model: hidden 4096, FFN 12288, 8 KV heads of 128.
func shape8B(tensor string) (rows, cols uint32, ok bool) {
	_, proj, ok := SplitTensor(tensor)
	switch proj {
	case "gate_proj", "up_proj":
		return 12288, 4096, ok
	case "down_proj":
		return 4096, 12288, ok
	case "k_proj", "v_proj":
		return 1024, 4096, ok
	}
	return 4096, 4096, ok
}

// randomRows draws rows of the projections, uniformly over a model's layers.
func randomRows(t testing.TB, n, layers int, projs []string, shape Shape) *Patch {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	flips := make([]Flip, n)
	for i := range flips {
		tensor, err := TensorName(r.IntN(layers), projs[r.IntN(len(projs))])
		if err != nil {
			t.Fatal(err)
		}
		rows, _, _ := shape(tensor)
		flips[i] = row(tensor, r.Uint32N(rows))
	}
	p, err := New(Digest{1}, Meta{}, flips...).Fit(shape)
	if err != nil || p.Len() != n {
		t.Fatalf("%v, %v", p, err)
	}
	return p
}

var (
	mlp  = []string{"gate_proj", "up_proj"}
	all7 = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
)

// A 100-row patch on an 8B model takes at most 4 bytes a row, with the base's
// digest, the checksum and everything else but the metadata.
func TestRowPatchSize(t *testing.T) {
	for _, projs := range [][]string{mlp, all7} {
		if n := len(encoded(t, randomRows(t, 100, 36, projs, shape8B))); n > 400 {
			t.Errorf("100 rows of %v take %d bytes", projs, n)
		}
	}
	p := randomRows(t, 100, 36, mlp, shape8B).WithMeta(Meta{
		Name: "calculus", BaseModel: "Bonsai 8B", Created: time.Unix(1.8e9, 0), Tool: "bankai 0.1.0", Metric: "answer_logprob",
		Claims: []Claim{{"held-out", Digest{3}, 298, 184, 223, 43, 4, 2.7e-9}},
	})
	if n := len(encoded(t, p)); n > 500 {
		t.Errorf("with provenance and a claim they take %d bytes", n)
	}
}

// A few thousand bits of a small model take about 2 bytes each.
func TestBitPatchSize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	shape := func(string) (rows, cols uint32, ok bool) { return 768, 256, true }
	flips := make([]Flip, 2766)
	for i := range flips {
		tensor, _ := TensorName(r.IntN(6), mlp[r.IntN(2)])
		flips[i] = bit(tensor, r.Uint32N(768), r.Uint32N(256))
	}
	p, err := New(Digest{1}, Meta{}, flips...).Fit(shape)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(encoded(t, p)); n > 2*len(flips) {
		t.Errorf("%d bits take %d bytes", len(flips), n)
	}
}

func BenchmarkRead100Rows(b *testing.B) {
	data := encoded(b, randomRows(b, 100, 36, mlp, shape8B))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve100Rows(b *testing.B) {
	p := randomRows(b, 100, 36, mlp, shape8B)
	for b.Loop() {
		if _, err := p.Resolve(shape8B); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkXor100Rows(b *testing.B) {
	p := randomRows(b, 100, 36, mlp, shape8B)
	q := New(Digest{1}, Meta{}, row("blk.7.ffn_up.weight", 5))
	for b.Loop() {
		if _, err := p.Xor(q); err != nil {
			b.Fatal(err)
		}
	}
}
