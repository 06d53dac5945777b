package rng

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The numbers of a stream are part of every result that has a seed: they never change.
func TestNumbersAreForEver(t *testing.T) {
	for _, c := range []struct {
		what string
		draw func(s *Stream) any
		want string
	}{
		{"bits", func(s *Stream) any { return s.Uint64() }, "3118368335352081509 11003363884535314197 15671670938353405603"},
		{"below 10", func(s *Stream) any { return s.Below(10) }, "1 5 8"},
		{"below 64", func(s *Stream) any { return s.Below(64) }, "37 21 35"},
		{"below 2^63 + 1", func(s *Stream) any { return s.Below(1<<63 + 1) }, "1559184167676040754 6506547935829167424 8861048453760200905"},
		{"masked below 10", func(s *Stream) any { return s.Masked(10) }, "5 5 3"},
		{"masked below 1", func(s *Stream) any { return s.Masked(1) }, "0 0 0"},
		{"whole", func(s *Stream) any { return s.Int(1000) }, "169 596 849"},
		{"float", func(s *Stream) any { return s.Float64() }, "0.2084325169902398 0.6187932940008262 0.9049910108883136"},
		{"order", func(s *Stream) any { return s.Perm(5) }, "[4 3 2 1 0] [2 4 1 0 3] [3 0 1 2 4]"},
	} {
		s := New(1, "sampler")
		var got []any
		for range 3 {
			got = append(got, c.draw(s))
		}
		if text := fmt.Sprint(got...); text != c.want {
			t.Errorf("%s: %s, want %s", c.what, text, c.want)
		}
	}
}

// A stream's name is its number, written in ASCII.
func TestNames(t *testing.T) {
	for name, number := range map[string]uint64{"": 0, "draw": 0x64726177, "sampler": 0x73616d706c6572, "bootstra": 0x626f6f7473747261} {
		if a, b := New(7, name).Uint64(), Numbered(7, number).Uint64(); a != b {
			t.Errorf("%q begins with %x, %x with %x", name, a, number, b)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a name of nine bytes was taken")
		}
	}()
	New(1, "bootstrap")
}

// All numbers below a bound come up, equally often but for chance: of 1,000 draws for
// each, five standard deviations from that.
func TestUniform(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 5, 8, 100} {
		s := New(1, "test")
		for what, draw := range map[string]func(uint64) uint64{"Below": s.Below, "Masked": s.Masked} {
			counts := make([]int, n)
			for range 1000 * n {
				counts[draw(n)]++
			}
			for v, count := range counts {
				if math.Abs(float64(count)-1000) > 5*math.Sqrt(1000) {
					t.Errorf("%s(%d): %d came up %d times of 1000", what, n, v, count)
				}
			}
		}
	}
}

func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Numbered(rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "number"))
		n := rapid.Uint64Range(1, math.MaxUint64).Draw(t, "n")
		if v := s.Below(n); v >= n {
			t.Fatalf("%d is not below %d", v, n)
		}
		if v := s.Masked(n); v >= n {
			t.Fatalf("%d is not below %d", v, n)
		}
		if x := s.Float64(); x < 0 || x >= 1 {
			t.Fatalf("%v is not in [0, 1)", x)
		}
		order := s.Perm(int(n % 50))
		sorted := slices.Sorted(slices.Values(order))
		for i, v := range sorted {
			if i != v {
				t.Fatalf("%v is no order", order)
			}
		}
	})
}
