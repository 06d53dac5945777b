package repair

import (
	"testing"

	"bankai"
	"bankai/internal/source"
	"bankai/measure"
)

// Claims, counts and tables all say the same of a result.
func TestClaim(t *testing.T) {
	r := &measure.Result{Total: 9, Before: 4, After: 6, Fixed: []string{"a", "b", "c"}, Broke: []string{"d"}, PValue: 0.625}
	s := source.Set{Digest: bankai.Digest{1}}
	want := bankai.Claim{Name: "held out", Probes: s.Digest, Total: 9, Before: 4, After: 6, Fixed: 3, Broke: 1, PValue: 0.625}
	if got := Claim("held out", s, r); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if c := CountsOf(r); c.Fixed != 3 || c.Broke != 1 || c.PValue != 0.625 {
		t.Errorf("got %+v", c)
	}
}
