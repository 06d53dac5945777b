package engine

import (
	"time"

	"bankai/internal/kernel"
)

// Limits is what this machine could do at best, and what a token asks of it.
type Limits struct {
	MACs      float64 // products a second of all threads, 0 if unknown: see kernel.Set.Peak
	Bandwidth float64 // bytes a second that all threads read from memory

	TokenMACs  int64 // products of a weight and an activation in the layers, a token
	HeadMACs   int64 // and in the head, a row of logits
	TokenBytes int64 // packed weights that a generated token reads
}

// Prompt is the most prompt tokens a second, 0 if unknown; the head is not counted.
func (l Limits) Prompt() float64 { return l.MACs / float64(l.TokenMACs) }

// Generation is the most tokens a second one after another: every weight is read
// for each.
func (l Limits) Generation() float64 { return l.Bandwidth / float64(l.TokenBytes) }

// Limits measures the machine, for about a tenth of a second.
func (m *Model) Limits() Limits {
	l := Limits{HeadMACs: weightsOf(m.head), TokenBytes: int64(m.head.Bytes())}
	for _, b := range m.blocks {
		for _, w := range b.projections() {
			l.TokenMACs += weightsOf(w.Matrix)
			l.TokenBytes += int64(w.Bytes())
		}
	}
	peaks := make([]float64, m.workers)
	m.workers.run(len(peaks), 1, func(_, lo, _ int) { peaks[lo] = m.kernel.Peak() })
	for _, p := range peaks {
		l.MACs += p
	}
	l.Bandwidth = m.workers.readBandwidth()
	return l
}

// weightsOf is the number of weights of a matrix, which may be more than an int of
// 32 bits holds.
func weightsOf(w *kernel.Matrix) int64 { return int64(w.Rows) * int64(w.Cols) }

// readBandwidth reads 256 MB, far more than a cache holds, a few times and
// returns the best rate in bytes a second.
func (w workers) readBandwidth() float64 {
	words := make([]uint64, 32<<20)
	for i := 0; i < len(words); i += 512 {
		words[i] = 1 // a page that was never written is not read from memory
	}
	sums := make([]uint64, w)
	var best float64
	for range 4 {
		began := time.Now()
		w.run(len(words), len(words)/int(w)/8, func(worker, lo, hi int) { sums[worker] += sum(words[lo:hi]) })
		best = max(best, float64(8*len(words))/time.Since(began).Seconds())
	}
	return best
}

// sum keeps eight sums, so that the loads do not wait for one another.
func sum(x []uint64) (total uint64) {
	var s [8]uint64
	for ; len(x) >= 8; x = x[8:] {
		s[0] += x[0]
		s[1] += x[1]
		s[2] += x[2]
		s[3] += x[3]
		s[4] += x[4]
		s[5] += x[5]
		s[6] += x[6]
		s[7] += x[7]
	}
	for _, v := range s {
		total += v
	}
	return total
}
