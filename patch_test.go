package bankai

import (
	"errors"
	"slices"
	"testing"
	"time"
)

const (
	gate2 = "blk.2.ffn_gate.weight"
	up10  = "blk.10.ffn_up.weight"
	embd  = "token_embd.weight"
)

// toy is a model with the tensors above: 8 rows of 512 weights each.
func toy(tensor string) (rows, cols uint32, ok bool) {
	if slices.Contains([]string{gate2, up10, embd}, tensor) {
		return 8, 512, true
	}
	return 0, 0, false
}

func row(tensor string, row uint32) Flip { return Flip{tensor, row, 0, ToEnd} }

func group(tensor string, row, group uint32) Flip {
	return Flip{tensor, row, group * GroupSize, GroupSize}
}

func bit(tensor string, row, col uint32) Flip { return Flip{tensor, row, col, 1} }

func mustFit(t testing.TB, p *Patch) *Patch {
	t.Helper()
	fitted, err := p.Fit(toy)
	if err != nil {
		t.Fatal(err)
	}
	return fitted
}

func mustXor(t testing.TB, p, q *Patch) *Patch {
	t.Helper()
	sum, err := p.Xor(q)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestCanonicalForm(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, want []Flip
	}{
		{"nothing", nil, nil},
		{"an empty flip", []Flip{{gate2, 1, 5, 0}}, nil},
		{"the same twice cancels", []Flip{row(gate2, 1), row(gate2, 1)}, nil},
		{"three times is once", []Flip{row(gate2, 1), row(gate2, 1), row(gate2, 1)}, []Flip{row(gate2, 1)}},
		{
			"tensors by layer, then rows, then columns",
			[]Flip{row(embd, 0), row(up10, 0), row(gate2, 3), bit(gate2, 1, 9), bit(gate2, 1, 4)},
			[]Flip{bit(gate2, 1, 4), bit(gate2, 1, 9), row(gate2, 3), row(up10, 0), row(embd, 0)},
		},
		{"neighbours merge", []Flip{group(gate2, 1, 1), group(gate2, 1, 0)}, []Flip{{gate2, 1, 0, 256}}},
		{"neighbours in other rows do not", []Flip{{gate2, 1, 511, 1}, {gate2, 2, 0, 1}}, []Flip{{gate2, 1, 511, 1}, {gate2, 2, 0, 1}}},
		{"an overlap is left out", []Flip{{gate2, 1, 0, 10}, {gate2, 1, 5, 10}}, []Flip{{gate2, 1, 0, 5}, {gate2, 1, 10, 5}}},
		{"a row without one of its groups", []Flip{row(gate2, 1), group(gate2, 1, 1)}, []Flip{{gate2, 1, 0, 128}, {gate2, 1, 256, ToEnd}}},
		{"to the end, from two places", []Flip{{gate2, 1, 8, ToEnd}, {gate2, 1, 20, ToEnd}}, []Flip{{gate2, 1, 8, 12}}},
		{"a start and a rest are a row", []Flip{{gate2, 1, 8, ToEnd}, {gate2, 1, 0, 8}}, []Flip{row(gate2, 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New(Digest{}, Meta{}, c.in...)
			if got := p.Flips(); !slices.Equal(got, c.want) || p.Len() != len(c.want) {
				t.Errorf("got %v (%d), want %v", got, p.Len(), c.want)
			}
		})
	}
}

func TestFitMakesTheWidthAnEnd(t *testing.T) {
	whole := New(Digest{}, Meta{}, row(gate2, 1))
	counted := New(Digest{}, Meta{}, Flip{gate2, 1, 0, 512})
	if whole.ContentDigest() == counted.ContentDigest() {
		t.Error("columns 0 to 511 are the row before the width is known")
	}
	if mustFit(t, whole).ContentDigest() != mustFit(t, counted).ContentDigest() {
		t.Error("columns 0 to 511 are not the row of 512 weights")
	}
	both := mustFit(t, mustXor(t, whole, counted))
	if both.Len() != 0 {
		t.Errorf("a row and its columns leave %v", both.Flips())
	}
	if _, ok := whole.Width(gate2); ok {
		t.Error("a width is known before Fit")
	}
	if w, ok := mustFit(t, whole).Width(gate2); w != 512 || !ok {
		t.Errorf("width is %d, %v", w, ok)
	}
}

func TestResolve(t *testing.T) {
	p := New(Digest{}, Meta{}, row(gate2, 7), group(gate2, 0, 3), row(embd, 0), bit(embd, 0, 0))
	got, err := p.Resolve(toy)
	want := []Flip{{gate2, 0, 384, 128}, {gate2, 7, 0, 512}, {embd, 0, 1, 511}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		patch *Patch
		what  string
		msg   string
	}{
		{
			"a tensor the model lacks", New(Digest{}, Meta{}, row("blk.11.ffn_up.weight", 0)), "tensor",
			"blk.11.ffn_up.weight: the model has no 1-bit tensor of this name: the patch belongs to another model",
		},
		{
			"a row", New(Digest{}, Meta{}, row(gate2, 8)), "row",
			"blk.2.ffn_gate.weight: row 8 is out of range: the tensor has 8 rows",
		},
		{
			"a group", New(Digest{}, Meta{}, group(gate2, 3, 4)), "column",
			"blk.2.ffn_gate.weight, row 3: column 639 (group 4) is out of range: a row has 512 weights",
		},
		{
			"the end of a flip", New(Digest{}, Meta{}, Flip{gate2, 3, 500, 100}), "column",
			"blk.2.ffn_gate.weight, row 3: column 599 (group 4) is out of range: a row has 512 weights",
		},
		{
			"a start beyond the row", New(Digest{}, Meta{}, Flip{gate2, 3, 513, ToEnd}), "column",
			"blk.2.ffn_gate.weight, row 3: column 513 (group 4) is out of range: a row has 512 weights",
		},
		{
			"the largest numbers there are", New(Digest{}, Meta{}, Flip{gate2, 3, ToEnd, ToEnd - 1}), "column",
			"blk.2.ffn_gate.weight, row 3: column 2147483647 (group 16777215) is out of range: a row has 512 weights",
		},
		{
			"a model of another width", fitTo(t, 1024, row(gate2, 3)), "width",
			"blk.2.ffn_gate.weight: the patch is for rows of 1024 weights, not 512: it belongs to a model of another shape",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			flips, err := c.patch.Resolve(toy)
			var out *RangeError
			if !errors.As(err, &out) || out.What != c.what || err.Error() != c.msg || flips != nil {
				t.Errorf("got %v, %v, want %q", flips, err, c.msg)
			}
		})
	}
}

// fitTo makes a patch that knows a width.
func fitTo(t testing.TB, width uint32, flips ...Flip) *Patch {
	t.Helper()
	p, err := New(Digest{}, Meta{}, flips...).Fit(func(string) (uint32, uint32, bool) { return 8, width, true })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestXor(t *testing.T) {
	p := New(Digest{}, Meta{Name: "p"}, row(gate2, 1), row(up10, 1), group(embd, 0, 0))
	q := New(Digest{}, Meta{Name: "q"}, row(up10, 1), group(embd, 0, 1))
	sum := mustXor(t, p, q)
	if want := []Flip{row(gate2, 1), {embd, 0, 0, 256}}; !slices.Equal(sum.Flips(), want) {
		t.Errorf("p xor q = %v, want %v", sum.Flips(), want)
	}
	if name := sum.Meta().Name; name != "" {
		t.Errorf("the sum is called %q, as if it were one of the two", name)
	}
	if again := mustXor(t, sum, q); !slices.Equal(again.Flips(), p.Flips()) {
		t.Errorf("taking q out again leaves %v", again.Flips())
	}
	if rest := mustXor(t, p, p); rest.Len() != 0 {
		t.Errorf("p xor p = %v", rest.Flips())
	}
}

func TestXorOfBases(t *testing.T) {
	a, b := Digest{1}, Digest{2}
	for _, c := range []struct {
		p, q, want Digest
		err        error
	}{
		{Digest{}, Digest{}, Digest{}, nil},
		{a, Digest{}, a, nil},
		{Digest{}, b, b, nil},
		{a, a, a, nil},
		{a, b, Digest{}, ErrBaseMismatch},
	} {
		for name, combine := range map[string]func(p, q *Patch) (*Patch, error){"xor": (*Patch).Xor, "and": (*Patch).And} {
			both, err := combine(New(c.p, Meta{}), New(c.q, Meta{}))
			if !errors.Is(err, c.err) || err == nil && both.Base() != c.want {
				t.Errorf("%.4s %s %.4s: %v, %v", c.p, name, c.q, both, err)
			}
		}
	}
}

func TestXorOfWidths(t *testing.T) {
	known, unknown := fitTo(t, 512, row(gate2, 1)), New(Digest{}, Meta{}, Flip{gate2, 1, 0, 512})
	for _, sum := range []*Patch{mustXor(t, known, unknown), mustXor(t, unknown, known)} {
		if sum.Len() != 0 {
			t.Errorf("the row and its 512 columns leave %v", sum.Flips())
		}
	}
	for _, other := range []*Patch{fitTo(t, 1024, row(gate2, 1)), New(Digest{}, Meta{}, group(gate2, 1, 4))} {
		var out *RangeError
		if _, err := known.Xor(other); !errors.As(err, &out) {
			t.Errorf("rows of 512 weights xor %v: %v", other.Flips(), err)
		}
		if _, err := other.Xor(known); !errors.As(err, &out) {
			t.Errorf("%v xor rows of 512 weights: %v", other.Flips(), err)
		}
	}
}

func TestBits(t *testing.T) {
	p := New(Digest{}, Meta{}, row(gate2, 0), group(gate2, 1, 2), bit(up10, 7, 511))
	if n, known := p.Bits(); known {
		t.Errorf("%d bits are known without a width", n)
	}
	if n, known := mustFit(t, p).Bits(); n != 512+128+1 || !known {
		t.Errorf("Bits() = %d, %v", n, known)
	}
	if n, known := New(Digest{}, Meta{}, bit(up10, 7, 511)).Bits(); n != 1 || !known {
		t.Errorf("Bits() = %d, %v: a single bit needs no width", n, known)
	}
}

func TestContentDigest(t *testing.T) {
	p := New(Digest{1}, Meta{Name: "p"}, row(gate2, 1), bit(embd, 0, 3))
	for name, q := range map[string]*Patch{
		"another order and name": New(Digest{1}, Meta{Name: "q"}, bit(embd, 0, 3), row(gate2, 1)),
		"known widths":           mustFit(t, p),
	} {
		if q.ContentDigest() != p.ContentDigest() {
			t.Errorf("%s: the content digest changes", name)
		}
	}
	for name, q := range map[string]*Patch{
		"base":   p.WithBase(Digest{2}),
		"row":    New(Digest{1}, Meta{}, row(gate2, 2), bit(embd, 0, 3)),
		"column": New(Digest{1}, Meta{}, row(gate2, 1), bit(embd, 0, 4)),
		"tensor": New(Digest{1}, Meta{}, row(up10, 1), bit(embd, 0, 3)),
		"length": New(Digest{1}, Meta{}, row(gate2, 1), Flip{embd, 0, 3, 2}),
	} {
		if q.ContentDigest() == p.ContentDigest() {
			t.Errorf("another %s has the same content digest", name)
		}
	}
}

func TestPatchIsImmutable(t *testing.T) {
	m := Meta{
		Name: "n", Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
		Claims: []Claim{{Name: "held-out"}}, Metadata: rawMembers(`{"a":1}`),
	}
	flips := []Flip{row(gate2, 1)}
	p := New(Digest{1}, m, flips...)
	before := encoded(t, p)

	flips[0].Row, m.Claims[0].Name, m.Metadata["a"][0] = 2, "x", '2'
	p.Flips()[0].Row = 3
	got := p.Meta()
	got.Claims[0].Name, got.Metadata["a"][0] = "y", '3'
	p.WithMeta(Meta{Name: "other"})
	p.WithBase(Digest{2})
	p.Invert(Digest{3})
	mustXor(t, p, p)
	mustFit(t, p)

	if after := encoded(t, p); !slices.Equal(after, before) {
		t.Errorf("the patch has changed:\n%x\n%x", before, after)
	}
	if inv := p.Invert(Digest{3}); inv.Base() != (Digest{3}) || !slices.Equal(inv.Flips(), p.Flips()) {
		t.Errorf("Invert: %v, %v", inv.Base(), inv.Flips())
	}
}
