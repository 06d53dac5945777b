package bankai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func encoded(t testing.TB, p *Patch) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := p.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func rawMembers(object string) (members map[string]json.RawMessage) {
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		panic(err)
	}
	return members
}

// place is one sign bit of the toy model.
type place struct {
	tensor   string
	row, col uint32
}

// bitmap is the oracle: a patch is the set of bits that it inverts.
func bitmap(flips []Flip) map[place]bool {
	bits := map[place]bool{}
	for _, f := range flips {
		end := uint32(512)
		if f.N != ToEnd {
			end = f.Col + f.N
		}
		for col := f.Col; col < end; col++ {
			p := place{f.Tensor, f.Row, col}
			if bits[p] {
				delete(bits, p)
			} else {
				bits[p] = true
			}
		}
	}
	return bits
}

// drawFlip draws a flip of the toy model, often of ends that meet or coincide
// with those of others.
func drawFlip(t *rapid.T, bits bool) Flip {
	f := Flip{
		Tensor: rapid.SampledFrom([]string{gate2, up10}).Draw(t, "tensor"),
		Row:    rapid.Uint32Range(0, 7).Draw(t, "row"),
	}
	if bits {
		f.Tensor = rapid.SampledFrom([]string{f.Tensor, embd}).Draw(t, "tensor")
	}
	step := uint32(GroupSize)
	if bits {
		step = rapid.SampledFrom([]uint32{1, 1, 64, GroupSize}).Draw(t, "step")
	}
	f.Col = step * rapid.Uint32Range(0, 512/step-1).Draw(t, "col")
	f.N = step * rapid.Uint32Range(0, (512-f.Col)/step).Draw(t, "n")
	if rapid.IntRange(0, 2).Draw(t, "end") == 0 {
		f.N = ToEnd
	}
	return f
}

func drawFlips(t *rapid.T, bits bool, label string) []Flip {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Flip { return drawFlip(t, bits) }), 0, 12).Draw(t, label)
}

// drawPatch draws a patch that knows its widths, or not.
func drawPatch(t *rapid.T, fit bool, label string) *Patch {
	p := New(Digest{}, Meta{}, drawFlips(t, true, label)...)
	if fit {
		p, _ = p.Fit(toy)
	}
	return p
}

// disguise says the same in another way: in another order, with flips cut in
// two and with pairs that cancel.
func disguise(t *rapid.T, flips []Flip) []Flip {
	out := drawFlips(t, true, "pairs")
	out = append(out, out...)
	for _, f := range flips {
		length := 512 - f.Col
		if f.N != ToEnd {
			length = f.N
		}
		at := rapid.Uint32Range(0, length).Draw(t, "cut")
		rest := uint32(ToEnd)
		if f.N != ToEnd {
			rest = f.N - at
		}
		out = append(out, Flip{f.Tensor, f.Row, f.Col, at}, Flip{f.Tensor, f.Row, f.Col + at, rest})
	}
	return rapid.Permutation(out).Draw(t, "order")
}

func TestEqualContentIsEqualBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flips := drawFlips(t, true, "flips")
		p, q := New(Digest{}, Meta{}, flips...), New(Digest{}, Meta{}, disguise(t, flips)...)
		if !bytes.Equal(encode(t, fit(t, p)), encode(t, fit(t, q))) {
			t.Fatalf("%v and %v say the same", p.Flips(), q.Flips())
		}
	})
}

func TestPatchIsItsBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flips := drawFlips(t, true, "flips")
		p := New(Digest{}, Meta{}, flips...)
		want := bitmap(flips)
		resolved, err := p.Resolve(toy)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(bitmap(resolved), want) || !maps.Equal(bitmap(p.Flips()), want) {
			t.Fatalf("%v became %v", flips, resolved)
		}
		if n, known := fit(t, p).Bits(); n != uint64(len(want)) || !known {
			t.Fatalf("Bits() = %d, %v, want %d", n, known, len(want))
		}
		checkCanonical(t, resolved)

		other := drawFlips(t, true, "other")
		same := fit(t, New(Digest{}, Meta{}, other...)).ContentDigest() == fit(t, p).ContentDigest()
		if same != maps.Equal(bitmap(other), want) {
			t.Fatalf("%v and %v: equal digests %v", flips, other, same)
		}
	})
}

// checkCanonical checks that flips are in order and none overlap or touch.
func checkCanonical(t *rapid.T, flips []Flip) {
	for i, f := range flips {
		if f.N == 0 || i == 0 {
			continue
		}
		last := flips[i-1]
		order := cmp.Or(compareTensors(last.Tensor, f.Tensor), cmp.Compare(last.Row, f.Row))
		if order > 0 || order == 0 && last.Col+last.N >= f.Col {
			t.Fatalf("%v comes before %v", last, f)
		}
	}
}

func TestXorIsAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := rapid.Bool().Draw(t, "known")
		p, q, r := drawPatch(t, known, "p"), drawPatch(t, known, "q"), drawPatch(t, known, "r")
		pq := xor(t, p, q)
		if !bytes.Equal(encode(t, pq), encode(t, xor(t, q, p))) {
			t.Fatal("p xor q is not q xor p")
		}
		if !bytes.Equal(encode(t, xor(t, pq, r)), encode(t, xor(t, p, xor(t, q, r)))) {
			t.Fatal("(p xor q) xor r is not p xor (q xor r)")
		}
		if !bytes.Equal(encode(t, xor(t, pq, q)), encode(t, p)) {
			t.Fatal("(p xor q) xor q is not p")
		}
		if !bytes.Equal(encode(t, pq), encode(t, newLike(t, known, slices.Concat(p.Flips(), q.Flips())))) {
			t.Fatal("p xor q is not the patch of both flips")
		}
	})
}

// The bits of both patches are those that a bit for bit comparison finds, and with those of
// exactly one of them they are all: |A| + |B| = 2·|A and B| + |A xor B|.
func TestAndIsTheBitsOfBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := rapid.Bool().Draw(t, "known")
		p, q := drawPatch(t, known, "p"), drawPatch(t, rapid.Bool().Draw(t, "known, too"), "q")
		both, err := p.And(q)
		if err != nil {
			t.Fatal(err)
		}
		want := bitmap(p.Flips())
		other := bitmap(q.Flips())
		maps.DeleteFunc(want, func(at place, _ bool) bool { return !other[at] })
		if !maps.Equal(bitmap(both.Flips()), want) {
			t.Fatalf("%v and %v: %v", p.Flips(), q.Flips(), both.Flips())
		}
		checkCanonical(t, fit(t, both).Flips())
		bits := func(p *Patch) uint64 { n, _ := fit(t, p).Bits(); return n }
		if bits(p)+bits(q) != 2*bits(both)+bits(xor(t, p, q)) {
			t.Fatalf("%v and %v have %d bits of both", p.Flips(), q.Flips(), bits(both))
		}
		back, err := q.And(p)
		if err != nil || !bytes.Equal(encode(t, fit(t, back)), encode(t, fit(t, both))) {
			t.Fatalf("q and p is %v, %v", back.Flips(), err)
		}
		if all, err := p.And(p); err != nil || !bytes.Equal(encode(t, all), encode(t, p)) {
			t.Fatalf("p and p is %v, %v", all.Flips(), err)
		}
	})
}

func newLike(t *rapid.T, known bool, flips []Flip) *Patch {
	p := New(Digest{}, Meta{}, flips...)
	if known {
		p = fit(t, p)
	}
	return p
}

// Knowing the width early or late makes no difference to what is flipped.
func TestXorOfKnownAndUnknownWidths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawPatch(t, false, "p"), drawPatch(t, false, "q")
		want := encode(t, fit(t, xor(t, p, q)))
		for _, sum := range []*Patch{xor(t, fit(t, p), q), xor(t, p, fit(t, q)), xor(t, fit(t, p), fit(t, q))} {
			if !bytes.Equal(encode(t, fit(t, sum)), want) {
				t.Fatalf("%v xor %v: %v", p.Flips(), q.Flips(), sum.Flips())
			}
		}
	})
}

func TestBinaryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPatch(t, rapid.Bool().Draw(t, "known"), "p").WithMeta(drawMeta(t)).WithBase(drawDigest(t))
		data := encode(t, p)
		q, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, q), data) || !slices.Equal(q.Flips(), p.Flips()) || q.Base() != p.Base() {
			t.Fatalf("%v came back as %v", p.Flips(), q.Flips())
		}
	})
}

// What the JSON form can hold goes to .bankai and back, and the other way,
// without a difference.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New(drawDigest(t), drawMeta(t), drawFlips(t, false, "flips")...)
		if rapid.Bool().Draw(t, "known") {
			p = fit(t, p)
		}
		q, err := Read(bytes.NewReader(writeJSON(t, p)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, q), encode(t, p)) {
			t.Fatalf("%v came back as %v\n%s", p.Flips(), q.Flips(), writeJSON(t, p))
		}
		if !bytes.Equal(writeJSON(t, q), writeJSON(t, p)) {
			t.Fatalf("the JSON has changed to\n%s", writeJSON(t, q))
		}
	})
}

func drawDigest(t *rapid.T) (d Digest) {
	d[0] = rapid.Byte().Draw(t, "base")
	return d
}

func fit(t *rapid.T, p *Patch) *Patch {
	fitted, err := p.Fit(toy)
	if err != nil {
		t.Fatal(err)
	}
	return fitted
}

func xor(t *rapid.T, p, q *Patch) *Patch {
	sum, err := p.Xor(q)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func encode(t *rapid.T, p *Patch) []byte {
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeJSON(t *rapid.T, p *Patch) []byte {
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
