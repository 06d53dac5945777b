package division

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// bent is a peer whose answers are changed on their way.
type bent struct {
	fake
	values  func(v [][]float64) [][]float64
	effects func(e *score.Effects) []*score.Effects
}

func (b *bent) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(int, [][]float64) error) (time.Duration, error) {
	return b.fake.Values(ctx, cur, moves, parts, func(i int, v [][]float64) error {
		if b.values != nil {
			v = b.values(v)
		}
		return got(i, v)
	})
}

func (b *bent) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(int, *score.Effects) error) (time.Duration, error) {
	return b.fake.Effects(ctx, cur, w, blocks, func(i int, e *score.Effects) error {
		said := []*score.Effects{e}
		if b.effects != nil {
			said = b.effects(e)
		}
		for _, e := range said {
			if err := got(i, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// besides measures 6 parts by here and by a peer that is bent: values, then effects. It
// returns what came of it, with who was lost.
func besides(t *testing.T, here, far *bent, check int) (values [][][]float64, total map[string]float32, lost []error) {
	t.Helper()
	parts := evenParts(6)
	synctest.Test(t, func(t *testing.T) {
		d := New(here, check, Memory, func(_ Peer, err error) { lost = append(lost, err) })
		d.Join(far)
		var err error
		if values, err = d.Values(t.Context(), fakePatch(1), fakeMoves(2), parts); err != nil {
			t.Fatal(err)
		}
		for {
			s := newSum(t, len(parts))
			bad := (*TaintedError)(nil)
			if err := d.Effects(t.Context(), fakePatch(1), fakeWant, fakeFlips(), parts, s.got); err == nil {
				total = s.total
				return
			} else if !errors.As(err, &bad) {
				t.Fatal(err)
			}
		}
	})
	return values, total, lost
}

func honest(name string) *bent { return &bent{fake: fake{called: name, token: time.Microsecond}} }

// Effects that are missing, of another shape, or there twice are a failure of their machine:
// it is asked no more, and others measure what is right.
func TestEffectsThatMakeNoSense(t *testing.T) {
	wantValues, want, _ := besides(t, honest("here"), honest("far"), 0)
	also := func(change func(e *score.Effects)) func(e *score.Effects) []*score.Effects {
		return func(e *score.Effects) []*score.Effects {
			if e != nil {
				change(e)
			}
			return []*score.Effects{e}
		}
	}
	for name, effects := range map[string]func(e *score.Effects) []*score.Effects{
		"nothing but ends": func(e *score.Effects) []*score.Effects {
			if e != nil {
				return nil
			}
			return []*score.Effects{e}
		},
		"no ends": func(e *score.Effects) []*score.Effects {
			if e == nil {
				return nil
			}
			return []*score.Effects{e}
		},
		"twice":          func(e *score.Effects) []*score.Effects { return []*score.Effects{e, e} },
		"no numbers":     also(func(e *score.Effects) { e.Data = nil }),
		"a number more":  also(func(e *score.Effects) { e.Data = append(e.Data, 1) }),
		"another matrix": also(func(e *score.Effects) { e.Tensor = "another" }),
		"another size":   also(func(e *score.Effects) { e.Size = 77 }),
		"other columns":  also(func(e *score.Effects) { e.Columns = []int{1000} }),
		"no columns":     also(func(e *score.Effects) { e.Columns, e.Data = nil, nil }),
	} {
		far := honest("far")
		far.effects = effects
		values, total, lost := besides(t, honest("here"), far, 0)
		if !reflect.DeepEqual(values, wantValues) || !reflect.DeepEqual(total, want) {
			t.Errorf("%s: other results than alone", name)
		}
		if wrong := (*WrongBits)(nil); len(lost) != 1 || errors.As(lost[0], &wrong) {
			t.Errorf("%s: lost %v", name, lost)
		}
	}
}

// Numbers that are none are computed here before they count: who made them up is found
// out without checks, and where the model has them they are results as others.
func TestNumbersThatAreNone(t *testing.T) {
	wantValues, want, _ := besides(t, honest("here"), honest("far"), 0)
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		far := honest("far")
		far.values = func(v [][]float64) [][]float64 { v[1][2] = x; return v }
		values, total, lost := besides(t, honest("here"), far, 0)
		if !reflect.DeepEqual(values, wantValues) || !reflect.DeepEqual(total, want) || len(lost) != 1 {
			t.Errorf("values of %v: other results than alone; lost %v", x, lost)
		}
		for _, at := range []string{"t0", "t3"} {
			bend := func(e *score.Effects) []*score.Effects {
				if e != nil && e.Tensor == at {
					e.Data[1] = float32(x)
				}
				return []*score.Effects{e}
			}
			far = honest("far")
			far.effects = bend
			values, total, lost = besides(t, honest("here"), far, 0)
			if !reflect.DeepEqual(values, wantValues) || !reflect.DeepEqual(total, want) || len(lost) != 1 {
				t.Errorf("effects of %v: other results than alone; lost %v", x, lost)
			}
			if wrong := (*WrongBits)(nil); !errors.As(lost[0], &wrong) {
				t.Errorf("lost %v", lost[0])
			}
			here := honest("here")
			here.effects = bend
			if _, total, lost = besides(t, here, far, 3); len(lost) > 0 || !finiteBut(total, at) {
				t.Errorf("a model of %v: %v, lost %v", x, total, lost)
			}
		}
	}
	nan := math.Float64frombits(math.Float64bits(math.NaN()) ^ 1<<63)
	if digestOfValues([][]float64{{nan}}) != digestOfValues([][]float64{{math.NaN()}}) {
		t.Error("processors that make different NaNs would differ")
	}
}

// finiteBut reports whether the sums of all tensors but one are numbers.
func finiteBut(total map[string]float32, but string) bool {
	for name, x := range total {
		if finite([]float32{x}) == (name == but) {
			return false
		}
	}
	return len(total) == fakeTensors
}

// A machine that never answers holds no call up for ever, not even one that asks nobody
// else, and is soon asked no more.
func TestMachineThatOnlyWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, far := &fake{called: "here", token: time.Millisecond}, &fake{called: "far", token: time.Microsecond}
		d := New(here, 0, Memory, nil)
		d.Join(far)
		parts := evenParts(10)
		ask := func(parts []score.Part) {
			t.Helper()
			if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			ask(parts)
		}
		its := slices.IndexFunc(parts, func(p score.Part) bool { return d.dealing.place(p.Block).owner.Name() == "far" })
		far.token, far.requests = 1000*time.Hour, 0
		for range 20 {
			ask(parts[its : its+1])
			ask(parts)
		}
		if far.requests == 0 || far.requests > 10 {
			t.Errorf("it was asked %d times in 40 calls", far.requests)
		}
	})
}
