package bankai

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// bonsai8B is the arithmetic of the published 8B.
var bonsai8B = Arithmetic{
	Heads: 32, KVHeads: 8, HeadDim: 128, RMSEps: 1e-6, RopeTheta: 1e6,
	Scaling: RopeScaling{Factor: 4, AttnFactor: 1, ExtFactor: 1, Original: 16384, BetaFast: 32, BetaSlow: 1},
}

// drawArithmetic draws one that a model can have, with settings that are without
// effect.
func drawArithmetic(t *rapid.T) Arithmetic {
	count := rapid.IntRange(1, maxSetting)
	number := rapid.SampledFrom([]float64{0.5, 1, 4, 1e6, 1e-300})
	a := Arithmetic{
		Heads: count.Draw(t, "heads"), KVHeads: count.Draw(t, "kv heads"), HeadDim: count.Draw(t, "head dim"),
		RMSEps: rapid.SampledFrom([]float32{1e-6, 1e-5, 0.1}).Draw(t, "epsilon"), RopeTheta: number.Draw(t, "theta"),
	}
	if rapid.Bool().Draw(t, "partly") {
		a.Rotary = rapid.IntRange(1, a.HeadDim).Draw(t, "rotary")
	}
	if rapid.Bool().Draw(t, "scaled") {
		a.Scaling = RopeScaling{
			Factor: number.Draw(t, "factor"), AttnFactor: number.Draw(t, "attention"),
			ExtFactor: rapid.SampledFrom([]float64{0, 1, 0.5}).Draw(t, "extrapolation"),
			Original:  count.Draw(t, "original"), BetaFast: number.Draw(t, "fast"), BetaSlow: number.Draw(t, "slow"),
		}
	}
	return a
}

// The fingerprints must never change: FORMAT.md names them.
func TestFingerprintsArePinned(t *testing.T) {
	plain := bonsai8B
	plain.Scaling = RopeScaling{}
	bonsai27B := Arithmetic{Heads: 24, KVHeads: 4, HeadDim: 256, Rotary: 64, RMSEps: 1e-6, RopeTheta: 1e7}
	for name, c := range map[string]struct {
		a    Arithmetic
		want string
	}{
		"Bonsai 27B":   {bonsai27B, "3ea032fca6efb56792bdf4cc1d6d60b75ce6590087bd884f269b8016b04593c5"},
		"Bonsai 8B":    {bonsai8B, "993e761851af11f76b072869a2841192a46de5872122181c4b97edffda695690"},
		"without YaRN": {plain, "0fdfb88625b03675dafafa943f739de55d09b383bfa41b53941a1967357c34fd"},
	} {
		if got := c.a.Fingerprint().String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := (Arithmetic{}).Fingerprint(); !got.IsZero() {
		t.Errorf("the unknown arithmetic has fingerprint %v", got)
	}
}

// What computes the same has one fingerprint, and nothing changes from one to the
// other; any other setting is named, with both values.
func TestArithmeticChanges(t *testing.T) {
	with := func(change func(*Arithmetic)) Arithmetic { a := bonsai8B; change(&a); return a }
	linear := with(func(a *Arithmetic) { a.Scaling = RopeScaling{Factor: 4, AttnFactor: 1} })
	none := with(func(a *Arithmetic) { a.Scaling = RopeScaling{} })
	for _, c := range []struct {
		name    string
		is, was Arithmetic
		want    string // "" for the same
	}{
		{"the same", bonsai8B, bonsai8B, ""},
		{"betas of a linear scaling", with(func(a *Arithmetic) { a.Scaling.ExtFactor = 0 }), linear, ""},
		{"a scaling by 1", with(func(a *Arithmetic) { a.Scaling.Factor = 1 }), none, ""},
		{"query heads", with(func(a *Arithmetic) { a.Heads = 16 }), bonsai8B, "the number of query heads is 16, was 32"},
		{"key and value heads", with(func(a *Arithmetic) { a.KVHeads = 4 }), bonsai8B, "the number of key and value heads is 4, was 8"},
		{"width", with(func(a *Arithmetic) { a.HeadDim = 64 }), bonsai8B, "the width of a head is 64, was 128"},
		{"all of a head turns, said in full", with(func(a *Arithmetic) { a.Rotary = 128 }), bonsai8B, ""},
		{"a part of a head turns", with(func(a *Arithmetic) { a.Rotary = 32 }), bonsai8B, "the part of a head that turns is 32 of it, was all of it"},
		{"epsilon", with(func(a *Arithmetic) { a.RMSEps = 1e-5 }), bonsai8B, "RMS epsilon is 1e-05, was 1e-06"},
		{"theta", with(func(a *Arithmetic) { a.RopeTheta = 1e4 }), bonsai8B, "rope theta is 10000, was 1e+06"},
		{"YaRN taken out", none, bonsai8B, "rope scaling is none, was YaRN by 4 over 16384"},
		{"linear instead of YaRN", linear, bonsai8B, "rope scaling is linear by 4, was YaRN by 4 over 16384"},
		{
			"two settings", with(func(a *Arithmetic) { a.Scaling.BetaSlow = 2; a.RopeTheta = 1e4 }), bonsai8B,
			"rope theta is 10000, was 1e+06; rope scaling is YaRN by 4 over 16384, beta slow 2, was YaRN by 4 over 16384",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.is.Changes(c.was); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if same := c.is.Fingerprint() == c.was.Fingerprint(); same != (c.want == "") {
				t.Errorf("equal fingerprints: %v", same)
			}
		})
	}
}

// Both forms of a patch keep the arithmetic, without the settings that have no
// effect.
func TestPatchesKeepTheArithmetic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := drawArithmetic(rt)
		p := New(Digest{1}, Meta{Arithmetic: a}, row(gate2, 1))
		var text bytes.Buffer
		if err := p.WriteJSON(&text); err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{encoded(t, p), text.Bytes()} {
			back, err := Read(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got := back.Meta().Arithmetic; got != a.canonical() || !reflect.DeepEqual(back.Meta(), p.Meta()) {
				t.Fatalf("got %+v, want %+v", got, a.canonical())
			}
		}
	})
}
