package chat

import (
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
)

// A file's recommendations take the place of the defaults, each by itself, unless they
// make no sense.
func TestSamplingOf(t *testing.T) {
	m := testmodel.New(testmodel.Tiny, 1)
	of := func() engine.Sampling {
		f, err := weights.FromBytes("test", m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return SamplingOf(f)
	}
	if got := of(); !reflect.DeepEqual(got, DefaultSampling()) {
		t.Errorf("a file that recommends nothing: %+v", got)
	}
	m.Set("general.sampling.temp", gguf.Float32(0.5))
	m.Set("general.sampling.top_k", gguf.Int32(20))
	m.Set("general.sampling.top_p", gguf.Float32(1.5))
	m.Set("general.sampling.min_p", gguf.String("0.1"))
	m.Set("general.sampling.penalty_repeat", gguf.Float32(1.25))
	if got, want := of(), (engine.Sampling{Temperature: 0.5, TopK: 20, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1.25}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	m.Set("general.sampling.top_k", gguf.Float32(2.5))
	if got := of(); got.TopK != DefaultSampling().TopK {
		t.Errorf("2.5 tokens: top-k %d", got.TopK)
	}
}
