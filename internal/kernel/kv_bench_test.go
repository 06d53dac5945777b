package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// The cache that BenchmarkKV reads: more than any CPU keeps.
const benchLayers, benchHeads, benchPositions, benchDim = 8, 8, 2048, 128

// benchKV lays the cache out by 16 positions, then layers, then keys and values,
// then heads: [position/16][layer][2][head]. It returns the blocks as
// [layer·head][position/16].
func benchKV() (blocks [][]KVBlock, raw []int8) {
	const chunks = benchPositions / KVLen
	bytes, floats := KVBlockSizes(benchDim)
	raw = make([]int8, 2*chunks*benchLayers*benchHeads*bytes)
	for i := range raw {
		raw[i] = int8(i%255 - 127) // memory never written to is no memory
	}
	scale := make([]float32, 2*chunks*benchLayers*benchHeads*floats)
	for i := range scale {
		scale[i] = 1.0 / 127
	}
	for i := range benchLayers * benchHeads {
		row := make([]KVBlock, chunks)
		for j := range row {
			k := (j*benchLayers+i/benchHeads)*2*benchHeads + i%benchHeads
			v := k + benchHeads
			row[j] = KVBlock{
				K: raw[k*bytes:][:bytes], KScale: scale[k*floats:][:floats],
				V: raw[v*bytes:][:bytes], VScale: scale[v*floats:][:floats],
			}
		}
		blocks = append(blocks, row)
	}
	return blocks, raw
}

// BenchmarkKV reads the cache as a step of generation does. The metric counts the
// bytes of keys or values and their scales; "read" adds one byte of every line
// of both, in the order of memory.
func BenchmarkKV(b *testing.B) {
	rng := rand.New(rand.NewPCG(26, 1))
	blocks, raw := benchKV()
	report := func(b *testing.B, bytes int) {
		b.ReportMetric(float64(bytes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
	}
	b.Run("read", func(b *testing.B) {
		var sum int8
		for b.Loop() {
			for i := 0; i < len(raw); i += 64 {
				sum += raw[i]
			}
		}
		runtime.KeepAlive(sum)
		report(b, len(raw))
	})
	// f reads one block, of positions from at on; next is the block after it.
	run := func(name string, f func(at int, block, next *KVBlock)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, row := range blocks {
					for j := range row {
						f(j*KVLen, &row[j], &row[min(j+1, len(row)-1)])
					}
				}
			}
			report(b, len(raw)/2+len(raw)/2/ActGroup*4)
		})
	}
	for _, s := range sets(b) {
		for _, n := range []int{1, 2, 4} {
			q := testQueries(s, testVector(rng, n*benchDim), n)
			w, out := testWeights(rng, n*benchPositions), make([]float32, n*benchDim)
			scores := make([]float32, n*benchPositions)
			run(fmt.Sprintf("%s/scores/queries=%d", s.Name, n), func(at int, b, next *KVBlock) {
				s.Scores(scores[at:], benchPositions, q, b, next)
			})
			run(fmt.Sprintf("%s/values/queries=%d", s.Name, n), func(at int, b, next *KVBlock) {
				s.AddValues(out, w[at:], benchPositions, n, b, next)
			})
		}
	}
}
