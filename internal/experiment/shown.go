package experiment

import (
	"math"

	"bankai/internal/chart"
)

// PointOf is an estimate as a chart takes it.
func PointOf(e Estimate) chart.Point { return chart.Point{Y: e.Value, Low: e.Low, High: e.High} }

// PlainEstimate is a figure without an interval, for a column that has some.
func PlainEstimate(value float64, n int) Estimate { return Estimate{value, math.NaN(), math.NaN(), n} }

// matrix is n by n figures, NaN where there is none.
func matrix(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
		for j := range m[i] {
			m[i][j] = math.NaN()
		}
	}
	return m
}
