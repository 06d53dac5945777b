package experiment

import (
	"reflect"
	"strings"
	"testing"

	"bankai/score"
)

func aSetting() Setting {
	return Setting{Probes: 60, Strategy: score.MethodGuided, Granularity: "row", Projections: []string{"gate", "up"}, Metric: "answer_logprob"}
}

// With changes one thing, and spells what is equal alike.
func TestSettingWith(t *testing.T) {
	for _, c := range []struct{ factor, value, want string }{
		{"probes", "1", "1 probe, guided by row in gate+up of all layers, answer_logprob"},
		{"strategy", "greedy", "60 probes, greedy by row in gate+up of all layers, answer_logprob"},
		{"granularity", "row+bit", "60 probes, guided by row+bit in gate+up of all layers, answer_logprob"},
		{"proj", "o+v+up+v", "60 probes, guided by row in up+v+o of all layers, answer_logprob"},
		{"layers", "5+2+0-1+8+5", "60 probes, guided by row in gate+up of layers 0-2+5+8, answer_logprob"},
		{"layers", "all", "60 probes, guided by row in gate+up of all layers, answer_logprob"},
		{"metric", "seq_logprob", "60 probes, guided by row in gate+up of all layers, seq_logprob"},
	} {
		s, err := aSetting().With(c.factor, c.value)
		if err != nil || s.String() != c.want {
			t.Errorf("%s %s: %s, %v; want %s", c.factor, c.value, s, err, c.want)
		}
		if again, err := aSetting().With(c.factor, s.value(c.factor)); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%s %s: %+v comes back as %+v, %v", c.factor, c.value, s, again, err)
		}
	}
	if !reflect.DeepEqual(aSetting(), aSetting()) || aSetting().Projections[0] != "gate" {
		t.Error("With changed the setting it was called on")
	}
}

func TestSettingFaults(t *testing.T) {
	for _, c := range []struct{ factor, value, want string }{
		{"probes", "0", `"0" is not a number of probes`},
		{"probes", "ten", `"ten" is not a number of probes`},
		{"strategy", "hope", `unknown strategy "hope"`},
		{"granularity", "row+row", "row is named twice"},
		{"granularity", "word", `unknown granularity "word"`},
		{"layers", "3-1", `"3-1" is not a set of layers such as 0-2+5, or all`},
		{"layers", "", `"" is not a set`},
		{"layers", "0-99999999", "is not a set"},
		{"metric", "hope", `unknown metric "hope"`},
		{"weather", "fine", `nothing called "weather" can be varied: use probes, strategy,`},
	} {
		if _, err := aSetting().With(c.factor, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %s", c.factor, c.value, err, c.want)
		}
	}
}

// What is taken for a set of layers is ascending, and its text is taken for the
// same set.
func FuzzLayers(f *testing.F) {
	for _, s := range []string{"all", "0", "0-2+5", "7+7-9", "3-1", "-", "1+", "+1", "0-9999", "4096"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		layers, err := layersOf(s)
		if err != nil {
			return
		}
		for i := 1; i < len(layers); i++ {
			if layers[i] <= layers[i-1] {
				t.Errorf("%q: %v", s, layers)
			}
		}
		if again, err := layersOf(layersText(layers)); err != nil || !reflect.DeepEqual(again, layers) {
			t.Errorf("%q is %v, whose text is %v, %v", s, layers, again, err)
		}
	})
}
