package division

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// blocksOf are how many blocks of the only sample each party has, and who has which.
func blocksOf(d *Divided) (n map[string]int, owners []string) {
	n = map[string]int{}
	for _, h := range d.dealing.hands {
		for _, p := range h.places {
			n[p.owner.Name()]++
			owners = append(owners, p.owner.Name())
		}
	}
	return n, owners
}

// evenParts are parts of 100 tokens each.
func evenParts(n int) []score.Part {
	parts := fakeParts(n)
	for i := range parts {
		parts[i].Tokens = 100
	}
	return parts
}

// Blocks are dealt by speed and stay where they are; a call is one request to every
// machine. Who comes gets a share, and what a machine had that leaves goes to others.
func TestDealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := &fake{called: "here", token: 40 * time.Microsecond}
		fast := &fake{called: "fast", token: 10 * time.Microsecond}
		d := New(here, 0, Memory, nil)
		d.Join(fast)
		ask := func(parts []score.Part) {
			t.Helper()
			if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err != nil {
				t.Fatal(err)
			}
		}
		parts := evenParts(40)
		for range 20 {
			ask(parts)
		}
		n, before := blocksOf(d)
		if n["here"] != 8 || n["fast"] != 32 {
			t.Errorf("blocks %v of machines of which one is 4 times as fast", n)
		}
		requests := fast.requests
		for i := range 10 {
			ask(parts[i : i+3]) // few of the blocks
			ask(parts)
		}
		if _, after := blocksOf(d); !slices.Equal(before, after) {
			t.Error("blocks move while nothing changes")
		}
		if got := fast.requests - requests; got > 20 {
			t.Errorf("%d requests in 20 calls", got)
		}

		another := &fake{called: "another", token: 10 * time.Microsecond}
		d.Join(another)
		for range 20 {
			ask(parts)
		}
		n, owners := blocksOf(d)
		if n["fast"] < 15 || n["another"] < 15 || n["here"] < 3 {
			t.Errorf("blocks %v after one has come", n)
		}
		moved := 0
		for i := range owners {
			if owners[i] != before[i] && owners[i] != "another" {
				moved++
			}
		}
		if moved > 2 {
			t.Errorf("%d blocks went from one of the old machines to the other", moved)
		}

		d.Leave(fast)
		requests = fast.requests
		ask(parts)
		if n, _ := blocksOf(d); n["fast"] != 0 || fast.requests != requests {
			t.Errorf("blocks %v after one has left", n)
		}
	})
}

// What others have nothing to do but wait for, they do: a machine that hangs costs a call
// little more than twice its time, has less from then on, and is asked no more in the end.
func TestSlowMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fake{called: "slow", token: 10 * time.Microsecond}
		d := New(&fake{called: "here", token: 10 * time.Microsecond}, 0, Memory, func(p Peer, err error) {
			if p != Peer(slow) || err != ErrFruitless {
				t.Errorf("%s: %v", p.Name(), err)
			}
		})
		d.Join(slow)
		d.Join(&fake{called: "other", token: 10 * time.Microsecond})
		parts := evenParts(300)
		call := func() time.Duration {
			began := time.Now()
			if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		for range 3 {
			call()
		}
		if took := call(); took > 101*time.Millisecond {
			t.Errorf("3 machines take %v for 300 ms of work", took)
		}
		slow.token = time.Second
		if took := call(); took > 300*time.Millisecond {
			t.Errorf("with one that hangs it takes %v", took)
		}
		for range 20 {
			call()
		}
		if n, _ := blocksOf(d); n["slow"] > 2 {
			t.Errorf("blocks %v", n)
		}
	})
}

// Of every machine's units one in k is measured by another, which is not the coordinator's
// as long as there is one; and every block has its turn, in which one machine checks it many
// times, since it needs its streams.
func TestChecksAreRegular(t *testing.T) {
	const every, calls, blocks = 5, 400, 20
	for _, workers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			here := &fake{called: "here", token: 10 * time.Microsecond}
			d := New(here, every, Memory, nil)
			all := []*fake{here}
			for i := range workers {
				f := &fake{called: fmt.Sprint("worker ", i), token: 10 * time.Microsecond}
				all = append(all, f)
				d.Join(f)
			}
			hereParts, turns := 0, 0
			for i := range calls {
				if i == calls-1 {
					hereParts = here.parts
				}
				if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), evenParts(blocks)); err != nil {
					t.Fatal(err)
				}
				for _, h := range d.dealing.hands {
					for _, p := range h.places {
						if p.checked == d.number && p.left == checkedInRow-1 {
							turns++
						}
					}
				}
			}
			asked, own := 0, 0
			for _, p := range d.dealing.parties[1:] {
				own += p.units
			}
			for _, f := range all {
				asked += f.parts
			}
			if checks := asked - calls*blocks; checks < own/every-workers || checks > own/every {
				t.Errorf("%d workers: %d units of %d were checked", workers, checks, own)
			}
			if most := own/every/checkedInRow + 2*workers; turns > most {
				t.Errorf("%d workers: %d times a machine began to check a block, more than %d", workers, turns, most)
			}
			n, _ := blocksOf(d)
			if more := here.parts - hereParts - n["here"]; workers > 1 && more != 0 {
				t.Errorf("the coordinator's machine checked %d units in the last call", more)
			}
			for _, h := range d.dealing.hands {
				for i, p := range h.places {
					if p.owner.Name() != "here" && p.checked < calls-2*every*checkedInRow {
						t.Errorf("%d workers: block %d was checked last in call %d", workers, i, p.checked)
					}
				}
			}
		})
	}
}

// What is not to be handed on yet waits at its machine, beyond the bound; what can be
// handed on, or is what all wait for, does not.
func TestEffectsWaitForRoom(t *testing.T) {
	here, far := &party{Peer: &fake{called: "here"}, here: true}, &party{Peer: &fake{called: "far"}}
	d := &dealing{parties: []*party{here, far}, hands: map[search.Sample]*hand{}}
	parts := evenParts(2)
	c := newCall(d, Query{Want: &fakeWant, Flips: fakeFlips()}, parts, 0, 3*32, time.Unix(0, 0)) // room for 3 of 32 bytes
	requests := c.send(time.Unix(0, 0))
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	var given []string
	say := func(r *request, tensor int) (taken bool) {
		t.Helper()
		var e *score.Effects
		if tensor < fakeTensors {
			e = effectsOf(fakePatch(1), fakeWant, parts[r.units[0]].Block, tensor)
		}
		if err := c.answeredEffects(r, 0, e, func() { taken = true }); err != nil {
			t.Fatal(err)
		}
		if err := c.handOn(func(k int, e score.Effects) error {
			given = append(given, fmt.Sprint(k, e.Tensor))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return taken
	}
	first, second := requests[0], requests[1]
	if first.units[0] != 0 {
		first, second = second, first
	}
	for i := range 3 {
		if !say(second, i) {
			t.Errorf("tensor %d waits, and there is room", i)
		}
	}
	if say(second, 3) || len(given) > 0 {
		t.Errorf("tensor 3 does not wait, and there is no room; given %q", given)
	}
	if !say(first, 0) || !slices.Equal(given, []string{"0t0", "1t0"}) || len(c.waiting) != 0 {
		t.Errorf("given %q; %d wait", given, len(c.waiting))
	}
	for i := 1; i <= fakeTensors; i++ {
		say(first, i)
	}
	for i := 4; i <= fakeTensors; i++ {
		say(second, i)
	}
	if !c.over() || len(given) != 2*fakeTensors || c.held != 0 {
		t.Errorf("given %q, %d bytes are held", given, c.held)
	}
}

// A call ends with its context, with the coordinator's own machine, and with whoever
// takes the effects; nothing of it runs on, which synctest sees to.
func TestDividedEnds(t *testing.T) {
	with := func(test func(t *testing.T, d *Divided, here *fake)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			here := &fake{called: "here", token: time.Millisecond}
			d := New(here, 2, Memory, nil)
			d.Join(&fake{called: "far", token: time.Millisecond})
			test(t, d, here)
		})
	}
	parts := evenParts(6)
	with(func(t *testing.T, d *Divided, here *fake) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		if _, err := d.Values(ctx, fakePatch(1), fakeMoves(1), parts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the end of time: %v", err)
		}
		if _, err := d.Values(ctx, fakePatch(1), fakeMoves(1), parts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("begun after the end of time: %v", err)
		}
		if v, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err != nil || len(v) != len(parts) {
			t.Errorf("afterwards: %v", err)
		}
	})
	with(func(t *testing.T, d *Divided, here *fake) {
		here.dies = 2
		if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err == nil || err.Error() != "here: it died" {
			t.Errorf("without the coordinator's machine: %v", err)
		}
	})
	with(func(t *testing.T, d *Divided, here *fake) {
		full := errors.New("full")
		told := 0
		err := d.Effects(t.Context(), fakePatch(1), fakeWant, fakeFlips(), parts, func(int, score.Effects) error {
			if told++; told == 3 {
				return full
			}
			return nil
		})
		if !errors.Is(err, full) || told != 3 {
			t.Errorf("told %d effects: %v", told, err)
		}
	})
}

// rude is a peer that does not answer as it should.
type rude struct {
	fake
	say func(got func(int, [][]float64) error) error
}

func (r *rude) Values(_ context.Context, _ *bankai.Patch, _ []search.Move, _ []score.Part, got func(int, [][]float64) error) (time.Duration, error) {
	return 0, r.say(got)
}

// A machine that answers what it was not asked, twice, too little or in another form is
// asked no more, and its answers harm nothing.
func TestAnswersThatMakeNoSense(t *testing.T) {
	parts := evenParts(6)
	for name, say := range map[string]func(got func(int, [][]float64) error) error{
		"nothing":      func(func(int, [][]float64) error) error { return nil },
		"part -1":      func(got func(int, [][]float64) error) error { return got(-1, [][]float64{{1, 2, 3}}) },
		"part 99":      func(got func(int, [][]float64) error) error { return got(99, [][]float64{{1, 2, 3}}) },
		"two moves":    func(got func(int, [][]float64) error) error { return got(0, [][]float64{{1, 2, 3}, {1, 2, 3}}) },
		"one question": func(got func(int, [][]float64) error) error { return got(0, [][]float64{{1}}) },
		"no question":  func(got func(int, [][]float64) error) error { return got(0, [][]float64{{}}) },
		"no moves":     func(got func(int, [][]float64) error) error { return got(0, nil) },
		"too many":     func(got func(int, [][]float64) error) error { return got(0, [][]float64{make([]float64, 1000)}) },
		"twice": func(got func(int, [][]float64) error) error {
			v := valuesOf(fakePatch(1), fakeMoves(1), parts[1])
			return errors.Join(got(0, v), got(0, v))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var lost []string
			d := New(&fake{called: "here", token: time.Microsecond}, 0, Memory, func(p Peer, err error) { lost = append(lost, err.Error()) })
			d.Join(&rude{fake{called: "rude"}, say})
			if _, err := d.Values(t.Context(), fakePatch(1), fakeMoves(1), parts); err != nil {
				t.Fatal(err)
			}
			if len(lost) != 1 || !strings.HasPrefix(lost[0], "it answered") {
				t.Errorf("%s: lost %q", name, lost)
			}
			if n := len(d.dealing.parties); n != 1 {
				t.Errorf("%s: %d are there", name, n)
			}
		})
	}
}

// The report of wrong bits says who, and since when.
func TestTaintedError(t *testing.T) {
	wrong := &WrongBits{Worker: "lab 3", Call: 7, Block: score.Block{Index: 2}}
	var err error = fmt.Errorf("search: %w", &TaintedError{Since: 5, Wrong: []*WrongBits{wrong}})
	var back *TaintedError
	if !errors.As(err, &back) || back.TaintedSince() != 5 || !strings.Contains(err.Error(), "since call 5") || !strings.Contains(err.Error(), "lab 3") {
		t.Errorf("%v", err)
	}
	var who *WrongBits
	if !errors.As(err, &who) || who.Block.Index != 2 || !strings.Contains(who.Error(), "lab 3") {
		t.Errorf("%v", who)
	}
}
