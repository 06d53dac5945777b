package search

import (
	"fmt"
	"math"
	"testing"

	"bankai"
	"bankai/internal/rng"

	"pgregory.net/rapid"
)

func matrix(name string, scales [][]uint64) Matrix {
	return Matrix{Name: name, Rows: len(scales), Groups: len(scales[0]), Scale: func(r, g int) uint64 { return scales[r][g] }}
}

func drawAll(t interface{ Fatal(...any) }, ms []Matrix, g Granularity, uniform bool, seed uint64) []bankai.Flip {
	s, err := newSampler(ms, g, uniform, seed)
	if err != nil {
		t.Fatal(err)
	}
	var all []bankai.Flip
	for {
		f, ok := s.next()
		if !ok {
			return all
		}
		all = append(all, f)
	}
}

// Every row or group comes exactly once, except those whose scale is zero: to
// flip them would change nothing.
func TestSamplingIsWithoutReplacement(t *testing.T) {
	ms := []Matrix{
		matrix("a", [][]uint64{{3, 0}, {1, 5}, {0, 0}}),
		matrix("b", [][]uint64{{9, 9, 1}}),
	}
	for _, c := range []struct {
		gran    Granularity
		uniform bool
		want    int
	}{
		{Row, false, 3}, {Row, true, 4}, {Group, false, 6}, {Group, true, 9},
	} {
		t.Run(fmt.Sprint(c.gran, " uniform=", c.uniform), func(t *testing.T) {
			seen := map[bankai.Flip]bool{}
			for _, f := range drawAll(t, ms, c.gran, c.uniform, 1) {
				if seen[f] {
					t.Errorf("%v was drawn twice", f)
				}
				seen[f] = true
				if c.gran == Row && (f.Col != 0 || f.N != bankai.ToEnd) || c.gran == Group && (f.Col%128 != 0 || f.N != 128) {
					t.Errorf("%v is no whole %v", f, c.gran)
				}
			}
			if len(seen) != c.want {
				t.Errorf("%d candidates, want %d: %v", len(seen), c.want, seen)
			}
		})
	}
}

// A row's share of the first draws is its mean scale's share of all, whatever
// the number of its groups; a group's is its scale's.
func TestSamplingFollowsTheScales(t *testing.T) {
	ms := []Matrix{
		matrix("a", [][]uint64{{1000, 3000}, {0, 2000}}),
		matrix("b", [][]uint64{{4000, 4000, 4000, 8000}}),
	}
	for _, c := range []struct {
		gran  Granularity
		share map[bankai.Flip]float64
	}{
		{Row, map[bankai.Flip]float64{
			{Tensor: "a", Row: 0, N: bankai.ToEnd}: 2000. / 8000,
			{Tensor: "a", Row: 1, N: bankai.ToEnd}: 1000. / 8000,
			{Tensor: "b", Row: 0, N: bankai.ToEnd}: 5000. / 8000,
		}},
		{Group, map[bankai.Flip]float64{
			{Tensor: "a", Row: 0, N: 128}:           1. / 26,
			{Tensor: "a", Row: 0, Col: 128, N: 128}: 3. / 26,
			{Tensor: "a", Row: 1, Col: 128, N: 128}: 2. / 26,
			{Tensor: "b", Row: 0, N: 128}:           4. / 26,
			{Tensor: "b", Row: 0, Col: 128, N: 128}: 4. / 26,
			{Tensor: "b", Row: 0, Col: 256, N: 128}: 4. / 26,
			{Tensor: "b", Row: 0, Col: 384, N: 128}: 8. / 26,
		}},
	} {
		const n = 4000
		count := map[bankai.Flip]int{}
		for seed := range uint64(n) {
			s, err := newSampler(ms, c.gran, false, seed)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := s.next()
			count[f]++
		}
		for f, p := range c.share {
			if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(float64(count[f])-n*p) > 4*sigma {
				t.Errorf("%v was drawn first %d times of %d, want %.0f ± %.0f", f, count[f], n, n*p, 4*sigma)
			}
		}
	}
}

// The tree is only there for speed: walking along all remaining weights with
// the same random numbers draws the same candidates.
func TestSamplerAgreesWithALinearScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gran := rapid.SampledFrom([]Granularity{Row, Group}).Draw(t, "granularity")
		uniform, seed := rapid.Bool().Draw(t, "uniform"), rapid.Uint64().Draw(t, "seed")
		var ms []Matrix
		for i := range rapid.IntRange(1, 4).Draw(t, "matrices") {
			groups := rapid.IntRange(1, 4).Draw(t, "groups")
			row := rapid.SliceOfN(rapid.Uint64Range(0, 3), groups, groups)
			ms = append(ms, matrix(fmt.Sprint(i), rapid.SliceOfN(row, 1, 20).Draw(t, "scales")))
		}
		got := drawAll(t, ms, gran, uniform, seed)
		want := scanAll(ms, gran, uniform, seed)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("drew %v\nwant %v", got, want)
		}
	})
}

func scanAll(ms []Matrix, gran Granularity, uniform bool, seed uint64) []bankai.Flip {
	type candidate struct {
		flip   bankai.Flip
		weight uint64
	}
	var left []candidate
	var total uint64
	for _, m := range ms {
		for r := range m.Rows {
			var sum uint64
			for g := range m.Groups {
				w := m.Scale(r, g)
				if uniform {
					w = 1
				}
				sum += w
				if gran == Group {
					left = append(left, candidate{bankai.Flip{Tensor: m.Name, Row: uint32(r), Col: uint32(g) * 128, N: 128}, w})
				}
			}
			if gran == Row {
				sum = uint64(math.Round(float64(sum) / float64(m.Groups)))
				left = append(left, candidate{bankai.Flip{Tensor: m.Name, Row: uint32(r), N: bankai.ToEnd}, sum})
			}
			total += sum
		}
	}
	random := rng.New(seed, "sampler")
	var drawn []bankai.Flip
	for total > 0 {
		v, i := random.Masked(total), 0
		for ; v >= left[i].weight; i++ {
			v -= left[i].weight
		}
		drawn = append(drawn, left[i].flip)
		total -= left[i].weight
		left[i].weight = 0
	}
	return drawn
}

// Seeds mean the same everywhere and for ever: these draws must not change.
func TestDrawsArePinned(t *testing.T) {
	ms := []Matrix{matrix("a", [][]uint64{{1, 2}, {3, 4}, {5, 6}, {7, 8}})}
	for _, c := range []struct {
		gran Granularity
		want string
	}{
		{Row, "3 2 1 0"},
		{Group, "2/1 1/1 1/0 2/0 3/0 0/0 0/1 3/1"},
	} {
		got := ""
		for _, f := range drawAll(t, ms, c.gran, false, 42) {
			if got += fmt.Sprint(" ", f.Row); c.gran == Group {
				got += fmt.Sprint("/", f.Col/128)
			}
		}
		if got != " "+c.want {
			t.Errorf("%v: drew%s, want %s", c.gran, got, c.want)
		}
	}
}

func TestScalesThatCannotBeDrawnBy(t *testing.T) {
	if _, err := newSampler([]Matrix{matrix("a", [][]uint64{{1}, {MaxScale + 1}})}, Row, false, 1); err == nil ||
		err.Error() != "a: row 1 has a scale that is not a finite float16" {
		t.Errorf("error %v", err)
	}
	huge := Matrix{Name: "a", Rows: 1 << 12, Groups: 1 << 11, Scale: func(int, int) uint64 { return MaxScale }}
	if _, err := newSampler([]Matrix{huge}, Group, false, 1); err == nil {
		t.Error("a sum of scales beyond 2^62 was taken")
	}
}

// An 8B model has 36 layers of 2 × 12288 gate and up rows of 32 groups.
func BenchmarkSampler8B(b *testing.B) {
	scale := func(r, g int) uint64 { return uint64(r*31+g*17)%90000 + 1 }
	var ms []Matrix
	for i := range 72 {
		ms = append(ms, Matrix{Name: fmt.Sprint(i), Rows: 12288, Groups: 32, Scale: scale})
	}
	for _, gran := range []Granularity{Row, Group} {
		b.Run("new/"+gran.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := newSampler(ms, gran, false, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("draw/"+gran.String(), func(b *testing.B) {
			s, err := newSampler(ms, gran, false, 1)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				s.next()
			}
		})
	}
}
