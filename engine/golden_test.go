package engine

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
)

// golden holds what an independent float64 implementation in NumPy computed for the
// test models, patched and not: the first 64 logits of the last token, the log-sum-exp of
// all, and, for the hybrids, the norm of the last token's residual stream after each layer.
type golden struct {
	Model string
	Cases []struct {
		IDs   []int32
		Flips []struct {
			Tensor string
			Row    uint32
			Group  *uint32
		}
		Logits []float64
		LSE    float64
		Norms  []float64
	}
}

// goldens are the files of golden results and the models that they are of.
var goldens = map[string]map[string]testmodel.Shape{"golden.json": shapes, "golden_hybrid.json": hybrids}

func fileName(shape string) string {
	return strings.NewReplacer(" ", "_", ",", "").Replace(shape)
}

// TestGolden: exact precision agrees with the independent program to 1e-3 in
// every logit. BANKAI_WRITE_GOLDEN_MODELS=DIR writes the models it runs on.
func TestGolden(t *testing.T) {
	for file, models := range goldens {
		if dir := os.Getenv("BANKAI_WRITE_GOLDEN_MODELS"); dir != "" {
			for name, s := range models {
				if err := testModel(t, s, Options{}).Weights().Bake(filepath.Join(dir, fileName(name)+".gguf")); err != nil {
					t.Fatal(err)
				}
			}
		}
		raw, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var all []golden
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		if len(all) != len(models) {
			t.Fatalf("%d golden models, want %d", len(all), len(models))
		}
		for name, shape := range models {
			for _, g := range all {
				if g.Model == fileName(name) {
					g.check(t, name, testModel(t, shape, Options{Precision: Exact}))
				}
			}
		}
	}
}

func (g golden) check(t *testing.T, name string, m *Model) {
	for i, c := range g.Cases {
		var flips []bankai.Flip
		for _, f := range c.Flips {
			flip := bankai.Flip{Tensor: f.Tensor, Row: f.Row, N: bankai.ToEnd}
			if f.Group != nil {
				flip.Col, flip.N = *f.Group*bankai.GroupSize, bankai.GroupSize
			}
			flips = append(flips, flip)
		}
		o, err := m.Overlay(bankai.New(bankai.Digest{}, bankai.Meta{}, flips...))
		if err != nil {
			t.Fatal(err)
		}
		got, norms := lastToken(t, m, o, c.IDs)
		for j, want := range c.Logits {
			if math.Abs(float64(got[j])-want) > 1e-3 {
				t.Errorf("%s case %d: logit %d is %v, want %v", name, i, j, got[j], want)
			}
		}
		if lse := m.LogSumExp(got); math.Abs(lse-c.LSE) > 1e-3 {
			t.Errorf("%s case %d: log-sum-exp %v, want %v", name, i, lse, c.LSE)
		}
		for j, want := range c.Norms {
			if math.Abs(norms[j]-want) > 1e-3 {
				t.Errorf("%s case %d: the residual stream after layer %d has norm %v, want %v", name, i, j, norms[j], want)
			}
		}
	}
}

// lastToken returns the logits of the last token, and the norms of its residual stream
// after each layer.
func lastToken(t *testing.T, m *Model, o *Overlay, ids []int32) (logits []float32, norms []float64) {
	t.Helper()
	keep := map[Cut][]float32{}
	for c := Cut(3); c <= m.lastCut(); c += 2 {
		keep[c] = make([]float32, len(ids)*m.config.Hidden)
	}
	b := m.NewBatch(0)
	emit := func(_ []logitRow, l []float32) { logits = append(logits, l...) }
	s := span{seq: b.NewSeq(o), tokens: ids, want: len(ids) - 1}
	if err := b.feed(context.Background(), job{sink: sink{keep: keep, emit: emit}}, []span{s}); err != nil {
		t.Fatal(err)
	}
	for c := Cut(3); c <= m.lastCut(); c += 2 {
		var sum float64
		for _, x := range head(keep[c], len(ids)-1, m.config.Hidden) {
			sum += float64(x) * float64(x)
		}
		norms = append(norms, math.Sqrt(sum))
	}
	return logits, norms
}

// Fast precision stays as close to exact as llama.cpp's int8 activations do. Random
// hybrids amplify the rounding: each key and query of a delta-net is made of length 1.
func TestFastIsCloseToExact(t *testing.T) {
	checkFast(t, shapes, 5e-4)
	checkFast(t, hybrids, 2.5e-3)
}

func checkFast(t *testing.T, shapes map[string]testmodel.Shape, most float64) {
	var sum float64
	var n int
	for _, shape := range shapes {
		exact, fast := testModel(t, shape, Options{Precision: Exact}), testModel(t, shape, Options{})
		ids := make([]int32, 60)
		for i := range ids {
			ids[i] = int32(i * 37 % shape.Vocab)
		}
		p, q := logitsOf(t, exact, nil, ids), logitsOf(t, fast, nil, ids)
		for ; len(p) > 0; p, q = p[shape.Vocab:], q[shape.Vocab:] {
			sum += divergence(exact, p[:shape.Vocab], q[:shape.Vocab])
			n++
		}
	}
	if kl := sum / float64(n); kl > most {
		t.Errorf("mean KL(exact ‖ fast) = %.2e nats over %d positions, want at most %v", kl, n, most)
	} else {
		t.Logf("mean KL(exact ‖ fast) = %.2e nats over %d positions", kl, n)
	}
}

// divergence is KL(p ‖ q) in nats of two rows of logits.
func divergence(m *Model, p, q []float32) (kl float64) {
	lp, lq := m.LogSumExp(p), m.LogSumExp(q)
	for i := range p {
		a, b := float64(p[i])-lp, float64(q[i])-lq
		kl += math.Exp(a) * (a - b)
	}
	return kl
}

// YaRN's frequencies against the formulas of the paper, worked out by hand for
// head_dim 128, θ = 1e6, factor 4 over 8,192 tokens, β = 32 and 1: pairs up to
// floor(17.15) = 17 keep their angle, from ceil(33.22) = 34 on turn 4 times
// slower, and pair 25 is 8/17 of the way.
func TestYarn(t *testing.T) {
	c := weights.Config{HeadDim: 128, Rotary: 128, RopeTheta: 1e6}
	plain := newRope(c)
	c.Yarn = &weights.Yarn{Factor: 4, Original: 8192, ExtFactor: 1, AttnFactor: 1, BetaFast: 32, BetaSlow: 1}
	yarn := newRope(c)
	for pair, want := range map[int]float64{0: 1, 17: 1, 34: 0.25, 63: 0.25, 25: 1 - 8.0/17*0.75} {
		if got := yarn.freq[pair] / plain.freq[pair]; math.Abs(got-want) > 1e-12 {
			t.Errorf("pair %d turns at %v of its speed, want %v", pair, got, want)
		}
	}
	if want := 1 + 0.1*math.Log(4); math.Abs(yarn.scale-want) > 1e-12 {
		t.Errorf("attention factor %v, want %v", yarn.scale, want)
	}
	cos, sin := yarn.upTo(300)
	angle := 299 * yarn.freq[30]
	if math.Abs(float64(cos[299*64+30])-yarn.scale*math.Cos(angle)) > 1e-6 || math.Abs(float64(sin[299*64+30])-yarn.scale*math.Sin(angle)) > 1e-6 {
		t.Error("the table does not hold cos and sin of position·frequency")
	}
	if f := plain.freq[7]; math.Abs(f-math.Pow(1e6, -14.0/128)) > 1e-15 {
		t.Errorf("plain frequency 7 is %v", f)
	}
}
