package stats

import "math"

// Interval is provisional.
type Interval struct{ Low, High float64 }

func Mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

func MeanInterval(v []float64) (float64, Interval) {
	m := Mean(v)
	if len(v) < 2 {
		return m, Interval{math.NaN(), math.NaN()}
	}
	s := 0.0
	for _, x := range v {
		s += (x - m) * (x - m)
	}
	h := 1.96 * math.Sqrt(s/float64(len(v)-1)/float64(len(v)))
	return m, Interval{m - h, m + h}
}

func Wilson(right, total int) (low, high float64) {
	const z = 1.959963984540054
	n, p := float64(total), float64(right)/float64(total)
	c := p + z*z/(2*n)
	s := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return (c - s) / (1 + z*z/n), (c + s) / (1 + z*z/n)
}

func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
func McNemar(fixed, broke int) float64              { return 1 }
func Spearman(x, y []float64) float64               { return 0 }
func SpearmanTest(x, y []float64) (rho, p float64)  { return 0, 1 }
func SpearmanInterval(rho float64, n int) Interval  { return Interval{math.NaN(), math.NaN()} }
func Holm(p []float64) []float64                    { return p }
func Wilcoxon(differences []float64) (w, p float64) { return 0, 1 }
func StandardError(v []float64) float64             { return 0 }
func Bootstrap(n int, seed uint64, rounds int, stat func(pick []int) float64) Interval {
	return Interval{math.NaN(), math.NaN()}
}
