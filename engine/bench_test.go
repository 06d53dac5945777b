package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
	"bankai/models/demo"
)

// demoShape is the shape of the embedded demo model.
var demoShape = testmodel.Shape{Layers: 6, Hidden: 256, FFN: 768, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 512, Tied: true}

// fewLayers is four layers of the 8B's shape: more weights than a cache holds.
var fewLayers = testmodel.Shape{Layers: 4, Hidden: 4096, FFN: 12288, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 4096}

// benchModel has a context for the longest of the benchmarks.
func benchModel(b *testing.B, precision Precision) *Model {
	m := testmodel.New(fewLayers, 1)
	m.Set("qwen3.context_length", gguf.Uint32(4096))
	return load(b, m.Bytes(), Options{Precision: precision})
}

// BenchmarkPrompt reads prompts of several lengths.
func BenchmarkPrompt(b *testing.B) {
	m := benchModel(b, Fast)
	for _, n := range []int{16, 128, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ids := randomIDs(rand.New(rand.NewPCG(1, 1)), n, fewLayers.Vocab)
			batch := m.NewBatch(0)
			for b.Loop() {
				s := batch.NewSeq(nil)
				if _, err := batch.Step(context.Background(), []Input{{s, ids, 1}}); err != nil {
					b.Fatal(err)
				}
				s.Release()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkGenerate continues prompts of the demo model, alone and together.
func BenchmarkGenerate(b *testing.B) {
	m := load(b, demo.Model(), Options{})
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			reqs := make([]Request, n)
			for i := range reqs {
				reqs[i] = Request{Prompt: randomIDs(rng, 30, 256), Max: 40}
			}
			for b.Loop() {
				if _, err := m.Generate(context.Background(), reqs, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChunk reads a prompt in chunks of several lengths.
func BenchmarkChunk(b *testing.B) {
	m := benchModel(b, Fast)
	prompt := randomIDs(rand.New(rand.NewPCG(1, 1)), 256, fewLayers.Vocab)
	for _, chunk := range []int{8, 16, 32, 64, 128, 256} {
		b.Run(fmt.Sprint(chunk), func(b *testing.B) {
			l := m.Loop(LoopOptions{Chunk: chunk})
			defer l.Close()
			for b.Loop() {
				s, err := l.Submit(context.Background(), Request{Prompt: prompt, Max: 1})
				if err != nil {
					b.Fatal(err)
				}
				s.Result()
			}
			b.ReportMetric(float64(len(prompt)*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkSecondTurn answers the second turn of a conversation: what it takes to keep
// the first turn, and what that spares.
func BenchmarkSecondTurn(b *testing.B) {
	m := benchModel(b, Fast)
	prompt := randomIDs(rand.New(rand.NewPCG(1, 1)), 512, fewLayers.Vocab)
	for _, c := range []struct {
		name  string
		cache *Caching
	}{{"kept", &Caching{At: []int{480}}}, {"read again", nil}} {
		b.Run(c.name, func(b *testing.B) {
			l := m.Loop(LoopOptions{MaxBytes: 1 << 30})
			defer l.Close()
			for b.Loop() {
				s, err := l.Submit(context.Background(), Request{Prompt: prompt, Max: 1, Cache: c.cache})
				if err != nil {
					b.Fatal(err)
				}
				s.Result()
			}
		})
	}
	b.Run("keeping alone", func(b *testing.B) {
		batch := m.NewBatch(0)
		s := batch.NewSeq(nil)
		s.FillRandom(489) // the last block is partly filled
		for b.Loop() {
			s.Fork().Release()
		}
	})
}

// BenchmarkGeneration generates behind contexts of several lengths.
func BenchmarkGeneration(b *testing.B) {
	m := benchModel(b, Fast)
	for _, n := range []int{128, 2048} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := m.NewBatch(0)
			prompt := batch.NewSeq(nil)
			if _, err := batch.Step(context.Background(), []Input{{prompt, randomIDs(rand.New(rand.NewPCG(1, 1)), n, fewLayers.Vocab), 0}}); err != nil {
				b.Fatal(err)
			}
			s := prompt.Fork()
			for b.Loop() {
				if s.Len() == n+32 {
					s.Release()
					s = prompt.Fork()
				}
				if _, err := batch.Step(context.Background(), []Input{{s, []int32{1}, 1}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// fewHybridLayers is four layers of Bonsai 27B's shape, one of them with attention.
var fewHybridLayers = testmodel.Shape{
	Layers: 4, Hidden: 5120, FFN: 17408, Heads: 24, KVHeads: 4, HeadDim: 256, Vocab: 4096,
	Hybrid: &testmodel.Hybrid{KeyHeads: 16, ValueHeads: 48, State: 128, Rotary: 64},
}

// BenchmarkHybrid reads a prompt and generates, and reports how much of the time the
// delta-nets take beside their matrices: the convolutions and the rule.
func BenchmarkHybrid(b *testing.B) {
	m := testModel(b, fewHybridLayers, Options{})
	for _, c := range []struct {
		name   string
		tokens int
	}{{"prompt", 128}, {"generation", 1}} {
		b.Run(c.name, func(b *testing.B) {
			batch := m.NewBatch(0)
			s := batch.NewSeq(nil)
			ids := randomIDs(rand.New(rand.NewPCG(1, 1)), c.tokens, fewHybridLayers.Vocab)
			var whole, nets time.Duration
			for b.Loop() {
				if s.Len()+c.tokens > 400 {
					s.Release()
				}
				began := time.Now()
				if _, err := batch.Step(context.Background(), []Input{{s, ids, 1}}); err != nil {
					b.Fatal(err)
				}
				whole += time.Since(began)
				nets += netsAlone(m, batch, s, ids)
			}
			b.ReportMetric(float64(c.tokens*b.N)/whole.Seconds(), "tokens/s")
			b.ReportMetric(100*nets.Seconds()/whole.Seconds(), "%-nets")
		})
	}
}

// netsAlone is how long the delta-nets take for tokens behind s, less their matrices. The
// sequence is of no use after that.
func netsAlone(m *Model, b *Batch, s *Seq, ids []int32) time.Duration {
	b.team = m.workers.start()
	defer b.team.stop()
	p := b.newPass(job{}, []span{{seq: s, tokens: ids}}, len(ids))
	for _, x := range [][]float32{b.m, b.alphas, b.betas} {
		for i := range x {
			x[i] = float32(i%7) / 16
		}
	}
	began := time.Now()
	for _, block := range m.blocks {
		if d, ok := block.(*deltaNet); ok {
			d.mix(b, p)
		}
	}
	return time.Since(began)
}

// BenchmarkHybridGradient is a pass over some probes of four layers of Bonsai 27B's shape,
// and a gradient of them, which is that pass and the way back, with the share of the
// time that goes back through the delta-nets beside their matrices.
func BenchmarkHybridGradient(b *testing.B) {
	m := testModel(b, fewHybridLayers, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	var qs []WeightedQuestion
	var plain []Question
	tokens := 0
	for range 4 {
		q := Question{Prompt: randomIDs(rng, 24, 512), Answers: [][]int32{randomIDs(rng, 5, 512), randomIDs(rng, 5, 512)}}
		qs, plain = append(qs, WeightedQuestion{q, Weighting{LogProbs: []float64{1, -1}}}), append(plain, q)
		tokens += q.Tokens()
	}
	b.Run("forward", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Score(context.Background(), plain); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(tokens*b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
	b.Run("gradient", func(b *testing.B) {
		var whole, nets time.Duration
		for b.Loop() {
			began := time.Now()
			if _, err := m.Gradient(context.Background(), qs, func(*LayerGradient) error { return nil }); err != nil {
				b.Fatal(err)
			}
			whole += time.Since(began)
			nets += netsBackAlone(m)
		}
		b.ReportMetric(float64(tokens*b.N)/whole.Seconds(), "tokens/s")
		b.ReportMetric(100*nets.Seconds()/whole.Seconds(), "%-nets")
	})
}

// netsBackAlone is how long the way back through the delta-nets took, less their matrices,
// for the gradient that was the last.
func netsBackAlone(m *Model) time.Duration {
	g := m.gradients.Get().(*gradient)
	defer m.gradients.Put(g)
	g.b.team = m.workers.start()
	defer g.b.team.stop()
	began := time.Now()
	for _, block := range m.blocks {
		if d, ok := block.(*deltaNet); ok {
			d.mixBack(g)
		}
	}
	return time.Since(began)
}

// BenchmarkSampler chooses a token of a vocabulary of Qwen3's size, from logits as a
// model's are (a few tokens far above the others) and from random ones, where tens
// of thousands are likely.
func BenchmarkSampler(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	flat := randomLogits(rng, 151_936, 2)
	peaked := slices.Clone(flat)
	for range 100 {
		peaked[rng.IntN(len(peaked))] = float32(14 + 3*rng.ExpFloat64())
	}
	for _, c := range []struct {
		name string
		s    Sampling
	}{
		{"greedy", Sampling{}},
		{"temperature 0.7, top-k 20, top-p 0.95", Sampling{Temperature: 0.7, TopK: 20, TopP: 0.95}},
		{"temperature 0.8, min-p 0.05", Sampling{Temperature: 0.8, MinP: 0.05}},
		{"temperature 0.8, top-p 0.95", Sampling{Temperature: 0.8, TopP: 0.95}},
		{"temperature 0.8", Sampling{Temperature: 0.8}},
	} {
		for name, logits := range map[string][]float32{"peaked": peaked, "flat": flat} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				sampler := c.s.Sampler()
				sampler.Next(logits)
				for b.Loop() {
					sampler.Next(logits)
				}
			})
		}
	}
}

// BenchmarkAttention is what a token generated behind a context asks of the cache,
// on one thread: the attention of 16 layers of the 8B's shape, 38 KB a position.
func BenchmarkAttention(b *testing.B) {
	shape := testmodel.Shape{Layers: 16, Hidden: 128, FFN: 128, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 320, Tied: true}
	m := testModel(b, shape, Options{Threads: 1})
	for _, n := range []int{128, 2048, 8192} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := m.NewBatch(0)
			s := batch.NewSeq(nil)
			s.FillRandom(n)
			p := batch.newPass(job{}, []span{{seq: s, tokens: []int32{1}}}, 1)
			batch.attentionMemory.resize(m.blocks[0].(*attention), 1)
			batch.team = m.workers.start()
			defer batch.team.stop()
			for b.Loop() {
				for layer := range shape.Layers {
					for i := range batch.q {
						batch.q[i] = float32(i%7) / 16
					}
					m.blocks[2*layer].(*attention).attend(batch, p)
				}
			}
			b.ReportMetric(float64(batch.Memory().Used)/float64(n), "bytes/token")
		})
	}
}

// BenchmarkFork parts from a sequence in the middle of a block, the cache being that of 4
// layers of the 8B's shape.
func BenchmarkFork(b *testing.B) {
	m := testModel(b, testmodel.Shape{Layers: 4, Hidden: 128, FFN: 128, Heads: 8, KVHeads: 8, HeadDim: 128, Vocab: 320, Tied: true}, Options{})
	batch := m.NewBatch(0)
	s := batch.NewSeq(nil)
	s.FillRandom(200)
	for b.Loop() {
		s.Fork().Release()
	}
}

// BenchmarkScore is one evaluation of a search: 80 probes, right and wrong
// answer, under an overlay of one row.
func BenchmarkScore(b *testing.B) {
	for _, precision := range []Precision{Fast, Exact} {
		b.Run(precision.String(), func(b *testing.B) {
			m := testModel(b, demoShape, Options{Precision: precision})
			rng := rand.New(rand.NewPCG(1, 1))
			o, err := m.Overlay(testPatches(m)["one row"])
			if err != nil {
				b.Fatal(err)
			}
			var qs []Question
			tokens := 0
			for range 80 {
				q := Question{Prompt: randomIDs(rng, 12, 512), Answers: [][]int32{randomIDs(rng, 7, 512), randomIDs(rng, 7, 512)}, Overlay: o}
				qs = append(qs, q)
				tokens += 12 + 6 + 6
			}
			for b.Loop() {
				if _, err := m.Score(context.Background(), qs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(tokens*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkApply flips 100 rows of an MLP of the 8B's shape, in place.
func BenchmarkApply(b *testing.B) {
	s := testmodel.Shape{Layers: 1, Hidden: 4096, FFN: 12288, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 320, Tied: true}
	w, m := testBench(b, s, Options{})
	for what, patch := range map[string]func(i uint32) bankai.Flip{
		"100 rows": func(i uint32) bankai.Flip {
			return bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 117 * i, N: bankai.ToEnd}
		},
		"100 groups": func(i uint32) bankai.Flip {
			return bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 117 * i, Col: 128, N: 128}
		},
		"3000 bits": func(i uint32) bankai.Flip { return bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: i, Col: i, N: 1} },
	} {
		var n int
		fmt.Sscan(what, &n)
		var flips []bankai.Flip
		for i := range n {
			flips = append(flips, patch(uint32(i)))
		}
		p := bankai.New(m.Digest(), bankai.Meta{}, flips...)
		b.Run(what, func(b *testing.B) {
			apply(b, w, p) // which copies the matrix
			for b.Loop() {
				if err := w.Apply(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGradient is a forward and a backward pass over the same kind of
// probes as BenchmarkScore's.
func BenchmarkGradient(b *testing.B) {
	for _, precision := range []Precision{Fast, Exact} {
		b.Run(precision.String(), func(b *testing.B) {
			m := testModel(b, demoShape, Options{Precision: precision})
			rng := rand.New(rand.NewPCG(1, 1))
			var qs []WeightedQuestion
			tokens := 0
			for range 80 {
				q := Question{Prompt: randomIDs(rng, 12, 512), Answers: [][]int32{randomIDs(rng, 7, 512), randomIDs(rng, 7, 512)}}
				qs = append(qs, WeightedQuestion{q, Weighting{LogProbs: []float64{1, -1}}})
				tokens += q.Tokens()
			}
			for b.Loop() {
				if _, err := m.Gradient(context.Background(), qs, func(*LayerGradient) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(tokens*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkLayerGradient is what a prediction asks of the gradient of about 500 tokens, for the
// gate of an MLP: the derivatives by all its weights, and the parts of its outputs
// that one group of columns makes.
func BenchmarkLayerGradient(b *testing.B) {
	stop := errors.New("stop")
	for _, shape := range []testmodel.Shape{
		{Layers: 1, Hidden: 256, FFN: 1024, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 512, Tied: true},
		{Layers: 1, Hidden: 2048, FFN: 6144, Heads: 16, KVHeads: 8, HeadDim: 128, Vocab: 512, Tied: true},
	} {
		m := testModel(b, shape, Options{})
		rng := rand.New(rand.NewPCG(1, 1))
		var qs []WeightedQuestion
		for range 21 {
			qs = append(qs, WeightedQuestion{
				Question{Prompt: randomIDs(rng, 12, shape.Vocab), Answers: [][]int32{randomIDs(rng, 7, shape.Vocab), randomIDs(rng, 7, shape.Vocab)}},
				Weighting{LogProbs: []float64{1, -1}},
			})
		}
		acc := make([]float32, shape.FFN*shape.Hidden)
		for name, columns := range map[string]int{"AddOuter": shape.Hidden, "Partial": kernel.GroupSize} {
			b.Run(fmt.Sprintf("%s/%d×%d", name, shape.FFN, shape.Hidden), func(b *testing.B) {
				tokens := 0
				_, err := m.Gradient(context.Background(), qs, func(s *LayerGradient) error {
					tokens = len(s.Questions)
					weight, part := make([]float32, tokens), make([]float32, tokens*shape.FFN)
					for t := range weight {
						weight[t] = rng.Float32() + 1
					}
					s.AddOuter(0, 0, shape.FFN, weight, acc) // memory that was never written is slow
					for b.Loop() {
						if name == "Partial" {
							s.Partial(0, 1, part)
						} else {
							s.AddOuter(0, 0, shape.FFN, weight, acc)
						}
					}
					return stop
				})
				if !errors.Is(err, stop) {
					b.Fatal(err)
				}
				b.ReportMetric(float64(tokens*columns*shape.FFN*b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

// someFlips flips random rows, or bits one by one, of all projections.
func someFlips(m *Model, rng *rand.Rand, rows, bits int) *bankai.Patch {
	var names []string
	for name := range m.matrices {
		if name != "token_embd.weight" && name != "output.weight" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var flips []bankai.Flip
	for range rows {
		name := names[rng.IntN(len(names))]
		w := m.matrices[name]
		flips = append(flips, bankai.Flip{Tensor: name, Row: uint32(rng.IntN(w.Rows)), N: uint32(w.Cols)})
	}
	for range bits {
		name := names[rng.IntN(len(names))]
		w := m.matrices[name]
		flips = append(flips, bankai.Flip{Tensor: name, Row: uint32(rng.IntN(w.Rows)), Col: uint32(rng.IntN(w.Cols)), N: 1})
	}
	return bankai.New(m.Digest(), bankai.Meta{}, flips...)
}

// BenchmarkOverlays takes a step of 16 sequences without overlays and one with them in
// turn, and reports the share of the speed that is left.
func BenchmarkOverlays(b *testing.B) {
	const sequences = 16
	for _, shape := range []struct {
		name string
		testmodel.Shape
	}{{"demo", demoShape}, {"1.7B", testmodel.Shape{Layers: 28, Hidden: 2048, FFN: 6144, Heads: 16, KVHeads: 8, HeadDim: 128, Vocab: 4096, Tied: true}}} {
		m := testModel(b, shape.Shape, Options{})
		for _, set := range []struct {
			name             string
			rows, bits, sets int
		}{
			{"100 rows", 100, 0, 1},
			{"16 times 100 rows", 100, 0, sequences},
			{"300 bits", 0, 300, 1},
			{"16 times 300 bits", 0, 300, sequences},
			{"2766 bits", 0, 2766, 1},
			{"16 times 2766 bits", 0, 2766, sequences},
		} {
			b.Run(shape.name+"/"+set.name, func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 1))
				batch := m.NewBatch(0)
				var overlays []*Overlay
				for range set.sets {
					o, err := m.Overlay(someFlips(m, rng, set.rows, set.bits))
					if err != nil {
						b.Fatal(err)
					}
					overlays = append(overlays, o)
				}
				least := [2]time.Duration{time.Hour, time.Hour}
				for b.Loop() {
					for i := range least {
						var in []Input
						for n := range sequences {
							var o *Overlay
							if i == 1 {
								o = overlays[n%len(overlays)]
							}
							in = append(in, Input{batch.NewSeq(o), []int32{int32(n)}, 1})
						}
						began := time.Now()
						if _, err := batch.Step(context.Background(), in); err != nil {
							b.Fatal(err)
						}
						least[i] = min(least[i], time.Since(began))
						for _, input := range in {
							input.Seq.Release()
						}
					}
				}
				b.ReportMetric(1e6*least[0].Seconds(), "µs-plain")
				b.ReportMetric(least[0].Seconds()/least[1].Seconds(), "of-the-speed")
			})
		}
	}
}
