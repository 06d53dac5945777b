package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// The cache that BenchmarkKV reads: more than any CPU keeps.
const benchLayers, benchHeads, benchPositions, benchDim = 8, 8, 2048, 128

// benchKV lays the cache out as [layer][head][run][2], runs of 16 blocks. It
// returns the runs as [layer·head][run].
func benchKV() (runs [][]KVRun, raw []int8) {
	const blocks = 16
	const perHead = benchPositions / KVLen / blocks
	bytes, floats := KVRunSizes(benchDim, blocks)
	raw = make([]int8, 2*perHead*benchLayers*benchHeads*bytes)
	for i := range raw {
		raw[i] = int8(i%255 - 127) // memory never written to is no memory
	}
	scale := make([]float32, 2*perHead*benchLayers*benchHeads*floats)
	for i := range scale {
		scale[i] = 1.0 / 127
	}
	for i := range benchLayers * benchHeads {
		row := make([]KVRun, perHead)
		for j := range row {
			k := 2 * (i*perHead + j)
			row[j] = KVRun{
				K: raw[k*bytes:][:bytes], KScale: scale[k*floats:][:floats],
				V: raw[(k+1)*bytes:][:bytes], VScale: scale[(k+1)*floats:][:floats],
			}
		}
		runs = append(runs, row)
	}
	return runs, raw
}

// BenchmarkKV reads the cache as a step of generation does. The metric counts the
// bytes of keys or values and their scales; "read" adds one byte of every line
// of both, in the order of memory.
func BenchmarkKV(b *testing.B) {
	rng := rand.New(rand.NewPCG(26, 1))
	runs, raw := benchKV()
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
	// f reads one run, of positions from at on.
	run := func(name string, f func(at int, r *KVRun)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, row := range runs {
					for j := range row {
						f(j*16*KVLen, &row[j])
					}
				}
			}
			report(b, len(raw)/2+len(raw)/2/ActGroup*4)
		})
	}
	for _, s := range sets() {
		for _, n := range []int{1, 2, 4} {
			q := testQueries(s, testVector(rng, n*benchDim), n)
			w, out := testWeights(rng, n*benchPositions), make([]float32, n*benchDim)
			scores := make([]float32, n*benchPositions)
			run(fmt.Sprintf("%s/scores/queries=%d", s.Name, n), func(at int, r *KVRun) {
				s.Scores(scores[at:], benchPositions, q, r, 16, nil)
			})
			run(fmt.Sprintf("%s/values/queries=%d", s.Name, n), func(at int, r *KVRun) {
				s.AddValues(out, w[at:], benchPositions, n, r, 16, nil)
			})
		}
	}
}
