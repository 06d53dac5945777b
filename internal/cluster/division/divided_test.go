package division

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// schedules is how many random courses of events each test goes through.
var schedules = flag.Uint64("schedules", 200, "random courses of events that each test goes through")

// fake is a peer whose numbers are hashes of what it is asked for.
type fake struct {
	called string
	token  time.Duration // that it takes for one
	trip   time.Duration // of a request and its answers
	serial bool          // a block's effects after another's
	rng    *rand.Rand    // shuffles the order of answers; nil: theirs

	mu       sync.Mutex
	dies     int  // after so many answers; 0: never
	hangs    bool // it does not tell that it died
	wrong    int  // from this answer on its bits are wrong; 0: never
	wrongOne bool // that one alone
	answers  int
	requests int
	parts    int
}

func (f *fake) Name() string { return f.called }

// next notes that it answers: that may be its last, or a wrong one.
func (f *fake) next(ctx context.Context) (wrong bool, err error) {
	f.mu.Lock()
	f.answers++
	dead := f.dies > 0 && f.answers >= f.dies
	wrong = f.wrong > 0 && (f.answers == f.wrong || f.answers > f.wrong && !f.wrongOne)
	f.mu.Unlock()
	if !dead {
		return wrong, nil
	}
	if f.hangs {
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second): // when its beats are missed
		}
	}
	return false, errors.New("it died")
}

func (f *fake) order(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if f.rng != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.rng.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return order
}

// spend waits as long as work takes.
func spend(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fake) begin(parts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	f.parts += parts
}

func (f *fake) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(int, [][]float64) error) (time.Duration, error) {
	f.begin(len(parts))
	if err := spend(ctx, f.trip); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, i := range f.order(len(parts)) {
		if err := spend(ctx, time.Duration(parts[i].Tokens)*f.token); err != nil {
			return 0, err
		}
		wrong, err := f.next(ctx)
		if err != nil {
			return 0, err
		}
		v := valuesOf(cur, moves, parts[i])
		if wrong {
			v[0][0] = math.Float64frombits(math.Float64bits(v[0][0]) ^ 1)
		}
		if err := got(i, v); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

func valuesOf(cur *bankai.Patch, moves []search.Move, p score.Part) [][]float64 {
	v := make([][]float64, len(moves))
	for m, move := range moves {
		on := cur.ContentDigest()
		for _, q := range p.Questions {
			v[m] = append(v[m], hashed(on, uint64(move.Flips[0].Row), uint64(p.Index), uint64(q)))
		}
	}
	return v
}

// hashed is a number between 0 and 1 that follows from the arguments.
func hashed(of bankai.Digest, more ...uint64) float64 {
	h := fnv.New64a()
	h.Write(of[:])
	var b []byte
	for _, m := range more {
		b = binary.LittleEndian.AppendUint64(b, m)
	}
	h.Write(b)
	return float64(h.Sum64()) / math.MaxUint64
}

// tensors of the fake model.
const fakeTensors = 5

func effectsOf(cur *bankai.Patch, w search.Want, b score.Block, tensor int) *score.Effects {
	e := &score.Effects{Tensor: fmt.Sprint("t", tensor), Size: search.Row, Columns: []int{b.Index}, Data: make([]float32, w.Best[search.Row])}
	on := cur.ContentDigest()
	for i := range e.Data {
		e.Data[i] = float32(hashed(on, uint64(b.Index), uint64(tensor), uint64(i)))
	}
	return e
}

func (f *fake) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(int, *score.Effects) error) (time.Duration, error) {
	f.begin(len(blocks))
	if err := spend(ctx, f.trip); err != nil {
		return 0, err
	}
	began := time.Now()
	say := func(i, t int) error {
		if t == fakeTensors {
			return got(i, nil)
		}
		if err := spend(ctx, 50*f.token); err != nil {
			return err
		}
		wrong, err := f.next(ctx)
		if err != nil {
			return err
		}
		e := effectsOf(cur, w, blocks[i], t)
		if wrong {
			e.Data[0] = -e.Data[0]
		}
		return got(i, e)
	}
	outer, inner := fakeTensors+1, len(blocks)
	if f.serial {
		outer, inner = inner, outer
	}
	for a := range outer {
		for b := range inner {
			i, t := b, a
			if f.serial {
				i, t = a, b
			}
			if err := say(i, t); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}

// sum adds effects up as a coordinator does, and checks their order.
type sum struct {
	t      *testing.T
	blocks int
	next   map[int]int    // tensor by block
	last   map[string]int // block by tensor
	total  map[string]float32
	told   int
}

func newSum(t *testing.T, blocks int) *sum {
	return &sum{t: t, blocks: blocks, next: map[int]int{}, last: map[string]int{}, total: map[string]float32{}}
}

func (s *sum) got(k int, e score.Effects) error {
	if want := fmt.Sprint("t", s.next[k]); e.Tensor != want {
		s.t.Errorf("block %d: %s, want %s", k, e.Tensor, want)
	}
	s.next[k]++
	if s.last[e.Tensor] != k {
		s.t.Errorf("tensor %s of block %d, where block %d is due", e.Tensor, k, s.last[e.Tensor])
	}
	s.last[e.Tensor]++
	for _, x := range e.Data {
		s.total[e.Tensor] += x
	}
	s.told++
	return nil
}

// partsOf are a sample's parts, of different weights.
func fakeParts(n int) []score.Part {
	parts := make([]score.Part, n)
	for i := range parts {
		parts[i] = score.Part{Block: score.Block{Sample: search.Sample{First: 3, N: 2}, Index: i}, Questions: []int{0, 1, 2}, N: 3, Columns: []int{i}, Tokens: float64(200 + 31*i%100)}
	}
	return parts
}

func fakeMoves(n int) (moves []search.Move) {
	for i := range n {
		moves = append(moves, search.Move{Flips: []bankai.Flip{{Tensor: "a", Row: uint32(i), N: bankai.ToEnd}}})
	}
	return moves
}

func fakePatch(i int) *bankai.Patch {
	return bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "b", Row: uint32(i), N: bankai.ToEnd})
}

// asking is what a search asks in turn, its results on record.
type asking struct {
	t       *testing.T
	d       *Divided
	results []any // of the steps
	calls   []int // that gave them
	parts   []score.Part
	tainted int
}

// step asks for the next result, as a run does that goes back when it has to.
func (a *asking) step(ctx context.Context) error {
	n := len(a.results)
	cur := fakePatch(n)
	var result any
	var err error
	if n%3 == 2 {
		s := newSum(a.t, len(a.parts))
		err = a.d.Effects(ctx, cur, fakeWant, fakeFlips(), a.parts, s.got)
		if err == nil && s.told != len(a.parts)*fakeTensors {
			a.t.Errorf("told %d effects", s.told)
		}
		result = s.total
	} else {
		result, err = a.d.Values(ctx, cur, fakeMoves(2), a.parts[:1+n*5%len(a.parts)])
	}
	if bad := (*TaintedError)(nil); errors.As(err, &bad) {
		a.tainted++
		for n := len(a.calls); n > 0 && a.calls[n-1] >= bad.Since; n-- {
			a.results, a.calls = a.results[:n-1], a.calls[:n-1]
		}
		return nil
	}
	if err != nil {
		return err
	}
	a.results, a.calls = append(a.results, result), append(a.calls, a.d.Calls())
	return nil
}

var fakeWant = search.Want{Best: [search.Granularities]int{search.Row: 8}}

// fakeFlips are those that it is about.
func fakeFlips() map[score.Subject]int {
	flips := map[score.Subject]int{}
	for t := range fakeTensors {
		flips[score.Subject{Tensor: fmt.Sprint("t", t)}] = fakeWant.Best[search.Row]
	}
	return flips
}

// alone is what one machine gives.
func alone(t *testing.T, parts []score.Part, steps int) []any {
	var out []any
	synctest.Test(t, func(t *testing.T) {
		a := &asking{t: t, d: New(&fake{called: "here"}, 0, Memory, nil), parts: parts}
		for range steps {
			if err := a.step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		out = a.results
	})
	return out
}

// Whoever comes, dies, hangs or is slow, in whatever order answers arrive: the results
// are those of one machine.
func TestDividedAtRandom(t *testing.T) {
	const steps = 7
	parts := fakeParts(9)
	want := alone(t, parts, steps)
	for seed := range *schedules {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			new := func(i int) *fake {
				f := &fake{
					called: fmt.Sprint("worker ", i), token: time.Duration(1+r.IntN(20)) * 10 * time.Microsecond,
					trip: time.Duration(r.IntN(30)) * time.Millisecond, serial: r.IntN(2) == 0, rng: rand.New(rand.NewPCG(seed, uint64(i)+2)),
				}
				if r.IntN(3) == 0 {
					f.dies, f.hangs = 1+r.IntN(40), r.IntN(2) == 0
				}
				if r.IntN(6) == 0 {
					f.token *= 100
				}
				return f
			}
			lost := map[string]int{}
			here := &fake{called: "here", token: time.Duration(1+r.IntN(10)) * 20 * time.Microsecond, serial: r.IntN(2) == 0}
			memory := int64(Memory)
			if r.IntN(2) == 0 {
				memory = int64(r.IntN(300))
			}
			d := New(here, []int{0, 1, 2, 5}[r.IntN(4)], memory, func(p Peer, err error) { lost[p.Name()]++ })
			a := &asking{t: t, d: d, parts: parts}
			var there []Peer
			for n := 0; len(a.results) < steps; n++ {
				for range r.IntN(3) {
					there = append(there, new(len(there)))
					d.Join(there[len(there)-1])
				}
				if len(there) > 0 && r.IntN(4) == 0 {
					d.Leave(there[r.IntN(len(there))])
				}
				if err := a.step(t.Context()); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			if !reflect.DeepEqual(a.results, want) {
				t.Fatalf("seed %d: other results than alone", seed)
			}
			for name, n := range lost {
				if n > 1 {
					t.Errorf("seed %d: %s is lost %d times", seed, name, n)
				}
			}
		})
	}
}

// A machine that computes wrong bits is named and dropped, and what rested on them is
// taken back: the results are those of one machine, once the fault was found.
func TestWrongBitsAtRandom(t *testing.T) {
	const steps = 14
	parts := fakeParts(9)
	want := alone(t, parts, steps)
	found, tainted := 0, 0
	for seed := range *schedules {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			wrong := map[string]bool{}
			d := New(&fake{called: "here", token: 100 * time.Microsecond}, 1+r.IntN(6), Memory, func(p Peer, err error) {
				name := p.Name()
				if w := (*WrongBits)(nil); !errors.As(err, &w) || w.Worker != name {
					t.Errorf("seed %d: %s is lost: %v", seed, name, err)
				}
				wrong[name] = true
			})
			var bad []*fake
			for i := range 1 + r.IntN(4) {
				f := &fake{called: fmt.Sprint("worker ", i), token: time.Duration(1+r.IntN(20)) * 20 * time.Microsecond, serial: r.IntN(2) == 0}
				if r.IntN(2) == 0 {
					f.wrong = 1 + r.IntN(40)
					bad = append(bad, f)
				}
				d.Join(f)
			}
			a := &asking{t: t, d: d, parts: parts}
			for n := 0; len(a.results) < steps; n++ {
				if n > 200 {
					t.Fatalf("seed %d: no end", seed)
				}
				if err := a.step(t.Context()); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			tainted += a.tainted
			undetected := 0
			for _, f := range bad {
				if f.answers >= f.wrong && !wrong[f.called] {
					undetected++
				}
				if wrong[f.called] {
					found++
				}
			}
			for name := range wrong {
				if !slices.ContainsFunc(bad, func(f *fake) bool { return f.called == name }) {
					t.Errorf("seed %d: %s was right", seed, name)
				}
			}
			if undetected == 0 && !reflect.DeepEqual(a.results, want) {
				t.Fatalf("seed %d: other results than alone", seed)
			}
			if d.check == 1 && undetected == 1 { // two may have the same fault
				t.Errorf("seed %d: all units are checked, and a fault was not found", seed)
			}
		})
	}
	if uint64(found) < *schedules*6/10 || uint64(tainted) < *schedules*6/100 {
		t.Errorf("%d faults found, %d times something was taken back: that tests little", found, tainted)
	}
}

// A machine that was found elsewhere to compute wrong bits is asked no more, and what it
// alone answered before, unseen, is taken back; also of one that has left since.
func TestAccused(t *testing.T) {
	const steps = 12
	parts := fakeParts(9)
	want := alone(t, parts, steps)
	for _, test := range []struct {
		what    string
		wrong   int // from which answer on; 0: never
		leaves  bool
		tainted int
	}{
		{"wrong", 12, false, 1},
		{"wrong, and has left", 12, true, 1},
		{"right here", 0, false, 0},
		{"right here, and has left", 0, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			const seldom = 1000 // only the first unit is checked
			d := New(&fake{called: "here", token: 100 * time.Microsecond}, seldom, Memory, nil)
			bad, good := &fake{called: "bad", token: 100 * time.Microsecond, wrong: test.wrong}, &fake{called: "good", token: 100 * time.Microsecond}
			d.Join(bad)
			d.Join(good)
			a := &asking{t: t, d: d, parts: parts}
			step := func() {
				t.Helper()
				if err := a.step(t.Context()); err != nil {
					t.Fatalf("%s: %v", test.what, err)
				}
			}
			for len(a.results) < steps/2 {
				step()
			}
			if wrong := !reflect.DeepEqual(a.results, want[:steps/2]); wrong != (test.wrong > 0) {
				t.Fatalf("%s: wrong bits were seen, or there are none", test.what)
			}
			if test.leaves {
				d.Leave(bad)
				step()
			}
			d.Accuse(bad)
			asked := bad.requests
			for len(a.results) < steps {
				step()
			}
			if !reflect.DeepEqual(a.results, want) || a.tainted != test.tainted || bad.requests != asked {
				t.Errorf("%s: taken back %d times, asked %d times more, the same results: %v", test.what, a.tainted, bad.requests-asked, reflect.DeepEqual(a.results, want))
			}
		})
	}
}
