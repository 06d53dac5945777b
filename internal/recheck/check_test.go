package recheck

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/guard"
	"bankai/internal/repair"
	"bankai/internal/source"
	"bankai/internal/stats"
	"bankai/internal/terminal"
	"bankai/internal/watched"
)

// probesFile is a file of questions of which the demo model has some right.
const probesFile = `[
{"prompt": "Bees make", "correct": " honey", "wrong": " milk", "category": "facts"},
{"prompt": "5 + 7 =", "correct": " 12", "wrong": " 11", "category": "sums"},
{"prompt": "9 + 4 =", "correct": " 13", "wrong": " 12", "category": "sums"},
{"prompt": "The derivative of x^4 + 9x^3 is", "correct": " 4x^3 + 27x^2", "wrong": " 4x^3 + 9x^3", "category": "derivative"}
]`

// found has the file of probes, and nothing else.
func found(d bankai.Digest) (data []byte, name string, ok bool) {
	return []byte(probesFile), "p.json", d == sha256.Sum256([]byte(probesFile))
}

func quiet() *terminal.Console { return terminal.New(io.Discard, io.Discard) }

// rows is a patch of the demo model that breaks some of its answers.
func rows(t *testing.T, m *engine.Model, from, n uint32) *bankai.Patch {
	t.Helper()
	var flips []bankai.Flip
	for r := range n {
		flips = append(flips, bankai.Flip{Tensor: "blk.0.attn_output.weight", Row: from + r, N: bankai.ToEnd})
	}
	p, err := m.Weights().Fit(bankai.New(m.Digest(), bankai.Meta{}, flips...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func overlayOf(t *testing.T, m *engine.Model, p *bankai.Patch) *engine.Overlay {
	t.Helper()
	o, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// claimed measures a patch on the probes, or on some categories of them.
func claimed(t *testing.T, m *engine.Model, p *bankai.Patch, part string) bankai.Claim {
	t.Helper()
	s, err := source.ParseSet("p.json", []byte(probesFile), part)
	if err != nil {
		t.Fatal(err)
	}
	r, err := watched.Compare(context.Background(), quiet(), m, overlayOf(t, m, p), s)
	if err != nil {
		t.Fatal(err)
	}
	return repair.Claim("validation", s, r)
}

// What was measured comes out again. Any other count does not, and what is not at hand, or
// is something else, cannot be checked.
func TestCheckProbes(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	p := rows(t, m, 0, 64)
	true1, part := claimed(t, m, p, ""), claimed(t, m, p, "sums+facts")
	if true1.Broke == 0 || part.Total != 3 || part.Name != "validation#sums+facts" {
		t.Fatalf("the patch breaks nothing: %+v, %+v", true1, part)
	}
	lie := func(change func(c *bankai.Claim)) bankai.Claim {
		c := true1
		change(&c)
		c.PValue = stats.McNemar(c.Fixed, c.Broke)
		return c
	}
	c := Checker{Model: m, Patch: p, Material: Material{File: found}, To: quiet()}
	for _, x := range []struct {
		name   string
		claim  bankai.Claim
		want   State
		reason string
	}{
		{"true", true1, Confirmed, ""},
		{"true of some categories", part, Confirmed, ""},
		{"one broken fewer", lie(func(c *bankai.Claim) { c.Broke--; c.After++ }), Differs, "it says "},
		{"one right more before", lie(func(c *bankai.Claim) { c.Before++; c.Broke++ }), Differs, ""},
		{"one probe more", lie(func(c *bankai.Claim) { c.Total++ }), Differs, "it says "},
		{"both one better", lie(func(c *bankai.Claim) { c.Before--; c.Broke-- }), Differs, "it says "},
		{"all of some categories", lie(func(c *bankai.Claim) { c.Name = part.Name }), Differs, "it says "},
		{"a category that is not there", lie(func(c *bankai.Claim) { c.Name = "validation#x" }), Unchecked, `p.json: has no category "x"`},
		{"other probes", lie(func(c *bankai.Claim) { c.Probes = bankai.Digest{1} }), Unchecked, "the probe file with the SHA-256 0100"},
		{"no probes", lie(func(c *bankai.Claim) { c.Probes = bankai.Digest{} }), Unchecked, "it does not say on which questions"},
		{"examples that nobody has", lie(func(c *bankai.Claim) { c.Name = "held out, answers" }), Unchecked, "the examples that were held out (digest "},
		{"a guard that is not recorded", lie(func(c *bankai.Claim) { c.Name = guard.ClaimName }), Unchecked, "the patch does not record how the guard is made"},
		{"another p", func() bankai.Claim { c := true1; c.PValue /= 2; return c }(), Differs, "it contradicts itself: of "},
	} {
		got, err := c.Check(context.Background(), x.claim)
		if err != nil || got.Outcome != x.want || !strings.HasPrefix(got.Reason, x.reason) {
			t.Errorf("%s: %s: %q, %v", x.name, got.Outcome, got.Reason, err)
		}
		if (got.Measured != nil) != (got.Precision != "") || got.Outcome == Confirmed && *got.Measured != got.Claimed {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
	if _, err := (&Checker{Model: m, Patch: p, Material: c.Material, To: quiet()}).Check(cancelled(), true1); err == nil {
		t.Error("a check goes on after it was cancelled")
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A guard is made again from the model and the prompts that it stays away from; another
// record of it does not come out.
func TestCheckGuard(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	set, err := source.ParseSet("p.json", []byte(probesFile), "")
	if err != nil {
		t.Fatal(err)
	}
	var flips []bankai.Flip
	for r := range uint32(16) {
		flips = append(flips, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: r, N: bankai.ToEnd})
	}
	p, err := m.Weights().Fit(bankai.New(m.Digest(), bankai.Meta{}, flips...))
	if err != nil {
		t.Fatal(err)
	}
	var avoid []string
	for _, q := range set.Set {
		avoid = append(avoid, q.Prompt)
	}
	g, err := guard.Make(context.Background(), m, guard.Options{Seed: 1, Tokens: 200, Avoid: avoid})
	if err != nil {
		t.Fatal(err)
	}
	r, err := g.Measure(context.Background(), m, overlayOf(t, m, p), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := r.Recorded(bankai.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, old, new string
		avoided        []source.Set
		want           State
		reason         string
	}{
		{"as it was", "", "", []source.Set{set}, Confirmed, ""},
		{"without the probes of the search", "", "", nil, Unchecked, "the guard stays away from what the search asked"},
		{"of another seed", `"seed":1`, `"seed":2`, []source.Set{set}, Differs, "the guard that is made of the model is another one"},
		{"of another edition", `"edition":1`, `"edition":9`, []source.Set{set}, Unchecked, "the guard is of edition 9"},
		{"of too many tokens", `"tokens":200`, `"tokens":2000000000`, []source.Set{set}, Unchecked, "the guard is of 2000000000 tokens"},
		{"with less harm", `"kl":0.`, `"kl":0.00`, []source.Set{set}, Differs, "the patch says that the model's words diverge by "},
		{"of another claim", `"digest":"`, `"digest":"00`, []source.Set{set}, Unchecked, "the patch does not record how the guard is made"},
	} {
		meta := p.WithMeta(recorded).Meta()
		data := string(meta.Metadata["guard"])
		if x.old != "" && !strings.Contains(data, x.old) {
			t.Fatalf("%s: %s has no %s", x.name, data, x.old)
		}
		meta.Metadata = map[string]json.RawMessage{"guard": json.RawMessage(strings.Replace(data, x.old, x.new, 1))}
		c := Checker{Model: m, Patch: p.WithMeta(meta), Material: Material{File: found, Probes: x.avoided}, To: quiet()}
		got, err := c.Check(context.Background(), meta.Claims[0])
		if err != nil || got.Outcome != x.want || !strings.HasPrefix(got.Reason, x.reason) {
			t.Errorf("%s: %s: %q, %v", x.name, got.Outcome, got.Reason, err)
		}
	}
}

// Two patches that are measured alone and together: what is said of both against each agrees
// with how many answers each has right.
func TestPair(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	a, b := rows(t, m, 0, 64), rows(t, m, 32, 64)
	a = a.WithMeta(bankai.Meta{Claims: []bankai.Claim{claimed(t, m, a, ""), claimed(t, m, a, "sums")}})
	b = b.WithMeta(bankai.Meta{Claims: []bankai.Claim{claimed(t, m, b, ""), {Name: "held out, labels"}, {Name: "x", Probes: bankai.Digest{1}}}})
	pair := Pair{Model: m, A: a, B: b, Find: found, To: quiet()}
	results, missing, err := pair.Measure(context.Background())
	if err != nil || len(results) != 2 || len(missing) != 2 {
		t.Fatalf("got %+v, missing %+v, %v", results, missing, err)
	}
	if got := strings.Join(results[0].Of, "; "); got != "a: validation; b: validation" || results[1].Of[0] != "a: validation#sums" {
		t.Errorf("claims %q, %q", got, results[1].Of)
	}
	both, err := a.Xor(b)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range []string{"", "sums"} {
		r := results[i]
		one, two, sum := claimed(t, m, a, part), claimed(t, m, b, part), claimed(t, m, both, part)
		want := Right{one.Total, one.Before, one.After, two.After, sum.After, r.Right.Either}
		if least, most := max(want.A, want.B), min(want.Total, want.A+want.B); r.Right != want || want.Either < least || want.Either > most {
			t.Errorf("%q: %+v, want %+v", part, r.Right, want)
		}
		if r.AgainstA.Before != r.Right.A || r.AgainstB.Before != r.Right.B || r.AgainstA.After != r.Right.Both || r.AgainstB.After != r.Right.Both {
			t.Errorf("%q: against a %+v, against b %+v, right %+v", part, r.AgainstA, r.AgainstB, r.Right)
		}
	}
}
