package experiment

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"bankai/evaluate"
	"bankai/score"
	"bankai/search"
)

// madeUp is a result of runs that were made up: two settings with another number
// of probes, and one with another strategy.
func madeUp(fixed, broke [4][3]int) *Ablate {
	x := &Ablate{
		About: About{Experiment: "ablate"}, Pool: "pool.json", PoolSize: 600, HeldOut: "new.json", Held: 100, HeldBase: 50,
		Controls: "hold.json", Watched: 5, Seeds: 3, Steps: 1000, MaxCost: 40,
		Factors: []AblatedFactor{{"probes", []int{2, 1, 0}}, {"strategy", []int{0, 3}}},
	}
	for i, name := range []string{"base", "15 probes", "6 probes", "greedy"} {
		s := Ablated{Name: name, Setting: aSetting()}
		s.Probes = []int{60, 15, 6, 60}[i]
		if i == 3 {
			s.Strategy = score.MethodGreedy
		}
		for k := range 3 {
			f, b := fixed[i][k], broke[i][k]
			s.Runs = append(s.Runs, AblateRun{
				Seed: uint64(k + 1), Flips: 10 * k, Bytes: 100 + k, Cost: 40.5, Took: float64(k), Stopped: search.StopCost,
				Own:     evaluate.Counts{Total: s.Probes, Before: 2, After: 3 + k, Fixed: 1 + k},
				HeldOut: evaluate.Counts{Total: 100, Before: 50, After: 50 + f - b, Fixed: f, Broke: b},
			})
		}
		x.Settings = append(x.Settings, s)
	}
	x.sumUp()
	return x
}

// learns is searches that do better the more probes they have.
func learns() *Ablate {
	return madeUp([4][3]int{{20, 22, 24}, {7, 12, 9}, {1, 2, 3}, {12, 15, 15}}, [4][3]int{{4, 5, 3}, {8, 8, 8}, {11, 14, 12}, {4, 6, 5}})
}

// The figures, worked out by hand.
func TestAblateSums(t *testing.T) {
	x := learns()
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	base, greedy := x.Settings[0], x.Settings[3]
	near("fixed", base.Fixed.Value, 22)
	near("broken", base.Broke.Value, 4)
	near("net", base.Net.Value, 18) // of 16, 17 and 21
	near("share right", base.HeldRight.Value, 0.68)
	near("own gain", base.OwnGain.Value, (1.0+2+3)/3/60)
	near("held-out gain", base.HeldGain.Value, 0.18)
	near("memorised", base.Memorised.Value, 2.0/60-0.18)
	near("flips", base.Flips.Value, 10)
	near("bytes", base.Bytes.Value, 101)
	near("seconds", base.Seconds.Value, 1)
	// Student's t with 2 degrees of freedom has p = 1 − t/√(2+t²). The nets 16, 17
	// and 21 are 18 with a standard error of √(14/6), greedy's 8, 9 and 10 less those
	// are −8, −8 and −11: −9 with a standard error of 1.
	p := func(t float64) float64 { return 1 - t/math.Sqrt(2+t*t) }
	near("p of the net", float64(base.NetP), p(18/math.Sqrt(14.0/6)))
	near("difference", greedy.FromBase.Value, -9)
	near("p of the difference", float64(greedy.FromBaseP), p(9))
	t975 := 0.95 * math.Sqrt(2/(1-0.95*0.95)) // where that is 0.05
	near("low end", greedy.FromBase.Low, -9-t975)
	near("high end", greedy.FromBase.High, -9+t975)
	near("low end of the net", base.Net.Low, 18-t975*math.Sqrt(14.0/6))
	near("high end of fixed", base.Fixed.High, 22+t975*math.Sqrt(8.0/6))
	// With 6 probes it is −26, −29 and −30 less: −28⅓ ± √(13/9); with 15, −17, −13
	// and −20: −16⅔ ± √(37/9). Of the three p-values the last is the greatest, yet
	// not below greedy's after the correction.
	near("p with 6 probes", float64(x.Settings[2].FromHolm), 3*p(85/math.Sqrt(13)))
	near("p of greedy", float64(greedy.FromHolm), 2*p(9))
	near("p with 15 probes", float64(x.Settings[1].FromHolm), 2*p(9))
	if !math.IsNaN(float64(base.FromBaseP)) || base.FromBase.Value != 0 {
		t.Errorf("the base differs from itself: %v, p %v", base.FromBase, base.FromBaseP)
	}
}

// Only p-values that are defined count for the correction.
func TestAblateCorrects(t *testing.T) {
	p, corrected := []Number{0.04, Number(math.NaN()), 0.01}, []Number{9, 9, 9}
	correct([]*Number{&p[0], &p[1], &p[2]}, []*Number{&corrected[0], &corrected[1], &corrected[2]})
	if corrected[0] != 0.04 || corrected[1] != 9 || corrected[2] != 0.02 {
		t.Errorf("got %v", corrected)
	}
}

func TestAblateFindings(t *testing.T) {
	same := [4][3]int{{3, 5, 4}, {3, 5, 4}, {3, 5, 4}, {3, 5, 4}}
	for _, c := range []struct {
		name string
		x    *Ablate
		want []string
	}{
		{"learns", learns(), []string{
			"The base, 60 probes, guided by row in gate+up of all layers, answer_logprob: 22", "of 100 held-out answers fixed",
			": more fixed than broken, beyond the interval.",
			"From 60 probes on, more held-out answers are fixed than broken, beyond the interval; from 60 on also after the correction",
			"More are broken than fixed, beyond the interval, with 6 probes.",
			"6 probes 33.33 and -10.33 %; 15 probes 13.33 and 1.333 %; 60 probes 3.333 and 18.00 %.",
		}},
		{"hardly", madeUp([4][3]int{{4, 5, 9}, {4, 5, 9}, {3, 5, 4}, {3, 5, 4}}, [4][3]int{{0, 0, 1}, {0, 0, 1}, {5, 4, 3}, {5, 4, 3}}), []string{
			"From 15 probes on, more held-out answers are fixed than broken, beyond the interval; though not after the correction",
		}},
		{"nothing", madeUp(same, [4][3]int{{5, 4, 3}, {5, 4, 3}, {5, 4, 3}, {5, 4, 3}}), []string{
			": no difference beyond the interval.", "At no number of probes, up to the largest, are more",
			"By strategy: no evidence that any of them fares otherwise than the base.",
		}},
	} {
		all := strings.Join(c.x.Present().Findings, "\n")
		for _, want := range c.want {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %q is not in:\n%s", c.name, want, all)
			}
		}
	}
}

// A result that was written and read is shown alike, to the byte.
func TestAblateGoesThroughJSON(t *testing.T) {
	shown := func(r Result) string {
		var b bytes.Buffer
		p := r.Present()
		if err := p.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		for _, table := range p.Tables {
			if err := table.WriteCSV(&b); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range p.Charts {
			if err := c.SVG(&b); err != nil {
				t.Fatal(err)
			}
		}
		return b.String()
	}
	single := learns()
	single.Seeds = 1
	for i := range single.Settings {
		single.Settings[i].Runs = single.Settings[i].Runs[:1]
	}
	single.sumUp()
	for _, x := range []*Ablate{learns(), single} {
		var file bytes.Buffer
		if err := WriteJSON(&file, x); err != nil {
			t.Fatal(err)
		}
		read, err := Read(&file, Own)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := shown(read), shown(x); got != want {
			t.Errorf("read:\n%s\nwritten:\n%s", got, want)
		}
	}
}
