package repair

import (
	"bankai"
	"bankai/internal/source"
	"bankai/measure"
	"bankai/search"
)

// Claim is a result as a patch records it. Where only some categories of a file
// were measured, its name tells them: the digest is that of the whole file, which
// anybody can compute.
func Claim(name string, s source.Set, r *measure.Result) bankai.Claim {
	if s.Part != "" {
		name += "#" + s.Part
	}
	return bankai.Claim{
		Name: name, Probes: s.Digest, Total: r.Total, Before: r.Before, After: r.After,
		Fixed: len(r.Fixed), Broke: len(r.Broke), PValue: r.PValue,
	}
}

// Counts is a result in numbers.
type Counts struct {
	measure.Counts
	PValue float64 `json:"p_value"`
}

// CountsOf is a result in numbers.
func CountsOf(r *measure.Result) Counts { return Counts{r.Counts(), r.PValue} }

// Cost is what a search took.
type Cost struct {
	ForwardEquivalents float64 `json:"forward_equivalents"`
	Seconds            float64 `json:"seconds"`
}

// CostOf is what a search took.
func CostOf(r *search.Result) Cost { return Cost{r.Cost, r.Seconds} }
