package report

import (
	"encoding/json"
	"math"

	"bankai/internal/chart"
	"bankai/internal/stats"
)

// Estimate is a figure with its 95 % interval. A bound that is not defined, as
// with a single value, is NaN, in JSON null.
type Estimate struct {
	Value, Low, High float64
	N                int // values it is made of
}

// estimateJSON is an Estimate as it is written: NaN and infinities as null.
type estimateJSON struct {
	Value *float64 `json:"value"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	N     int      `json:"n"`
}

// MarshalJSON implements json.Marshaler.
func (e Estimate) MarshalJSON() ([]byte, error) {
	return json.Marshal(estimateJSON{orNull(e.Value), orNull(e.Low), orNull(e.High), e.N})
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var j estimateJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*e = Estimate{orNaN(j.Value), orNaN(j.Low), orNaN(j.High), j.N}
	return nil
}

// NullFloat is a figure that may be undefined: NaN and infinities are null in JSON.
type NullFloat float64

// MarshalJSON implements json.Marshaler.
func (n NullFloat) MarshalJSON() ([]byte, error) { return json.Marshal(orNull(float64(n))) }

// UnmarshalJSON implements json.Unmarshaler.
func (n *NullFloat) UnmarshalJSON(data []byte) error {
	var p *float64
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*n = NullFloat(orNaN(p))
	return nil
}

func orNull(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

// MeanOf is the mean of values with its Student interval.
func MeanOf(values []float64) Estimate {
	mean, iv := stats.MeanInterval(values)
	return EstimateOf(mean, iv, len(values))
}

// EstimateOf is a figure made of n values, with its interval if it is defined.
func EstimateOf(value float64, iv *stats.Interval, n int) Estimate {
	if iv == nil {
		return Estimate{value, math.NaN(), math.NaN(), n}
	}
	return Estimate{value, iv.Low, iv.High, n}
}

// ShareOf is the share yes / total, with Wilson's interval.
func ShareOf(yes, total int) Estimate {
	low, high := stats.Wilson(yes, total)
	return Estimate{float64(yes) / float64(total), low, high, total}
}

// PlainEstimate is a figure without an interval, for a column that has some.
func PlainEstimate(value float64, n int) Estimate { return Estimate{value, math.NaN(), math.NaN(), n} }

// Times is the estimate in another unit.
func (e Estimate) Times(by float64) Estimate {
	return e.Map(func(x float64) float64 { return float64(x * by) })
}

// Map is a rising function of the figure, and of the ends of its interval.
func (e Estimate) Map(f func(float64) float64) Estimate {
	return Estimate{f(e.Value), f(e.Low), f(e.High), e.N}
}

// At is the estimate as a point of a chart; bars take no x.
func (e Estimate) At(x float64) chart.Point {
	return chart.Point{X: x, Y: e.Value, Low: e.Low, High: e.High}
}
