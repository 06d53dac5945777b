package division

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// Divided measures on several machines, one of which is the coordinator's: every block of
// questions at one of them, where its streams are. What it returns does not depend on who
// there is, nor on who is how fast, comes, fails or computes wrong bits.
//
// Its methods may be called from several goroutines; calls wait for one another.
type Divided struct {
	check  int   // after how many units of a machine one is checked; 0: never
	memory int64 // bound of effects that wait for their turn, in bytes
	lost   func(p Peer, err error)

	calls   sync.Mutex // held during a call
	dealing dealing
	number  int      // of the last call
	were    []*party // that are gone: what they answered may have to be proved

	mu      sync.Mutex // guards what follows
	coming  []Peer
	going   map[Peer]bool
	accused map[Peer]bool
	begun   int
}

// Memory is the usual bound of the effects that wait for those of other blocks, in bytes: 256 MiB.
// Beyond it machines wait, apart from the one that all wait for. Each of them has one
// tensor's effects on the way besides.
const Memory = 256 << 20

// New measures at here alone until others join. check is after how many units of a
// machine one is computed by another one, too; 0: never. lost is told who is asked
// nothing more and why: a *WrongBits if its numbers were wrong.
func New(here Peer, check int, memory int64, lost func(p Peer, err error)) *Divided {
	return &Divided{
		check: check, memory: memory, lost: lost, going: map[Peer]bool{}, accused: map[Peer]bool{},
		dealing: dealing{parties: []*party{{Peer: here, here: true}}, hands: map[search.Sample]*hand{}, every: check},
	}
}

// Join takes a peer in, from the next call on.
func (d *Divided) Join(p Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.coming = append(d.coming, p)
}

// Leave takes a peer out, from the next call on. One that leaves during a call returns
// errors there.
func (d *Divided) Leave(p Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.coming = slices.DeleteFunc(d.coming, func(o Peer) bool { return o == p })
	d.going[p] = true
}

// Accuse says that a peer, also one that has left, was found elsewhere to compute wrong
// bits. The next call takes it out, and computes again what it alone has answered: it fails
// with a *TaintedError if something of that was wrong.
func (d *Divided) Accuse(p Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accused[p] = true
}

// Calls is the number of the last call of Values or Effects that has begun, from 1. What
// was recorded before the next begins rests on calls up to it: see [TaintedError].
func (d *Divided) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// Values measures moves on a patch: for every part, [move][question] in nats. It fails
// with a *TaintedError if a machine has computed wrong bits in an earlier call.
func (d *Divided) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	d.calls.Lock()
	defer d.calls.Unlock()
	if err := d.begin(ctx); err != nil {
		return nil, err
	}
	for {
		c, err := d.measure(ctx, Query{Patch: cur, Moves: moves}, parts, d.check, nil)
		if err != nil {
			return nil, err
		}
		if len(c.conflict) == 0 {
			d.note(c, d.number)
			values := make([][][]float64, len(parts))
			for k := range c.units {
				values[k] = c.units[k].values
			}
			return values, nil
		}
		if err := d.resolve(ctx, c, false); err != nil {
			return nil, err
		}
	}
}

// Effects predicts flips, see [score.Measurer]: got is told, for block k, tensor by tensor
// from the top, one at a time; of each tensor in the order of the blocks. It fails with a *TaintedError if a
// machine has computed wrong bits, in this call or an earlier one.
func (d *Divided) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, flips map[score.Subject]int, parts []score.Part, got func(k int, e score.Effects) error) error {
	d.calls.Lock()
	defer d.calls.Unlock()
	if err := d.begin(ctx); err != nil {
		return err
	}
	for {
		given := false
		c, err := d.measure(ctx, Query{Patch: cur, Want: &w, Flips: flips}, parts, d.check, func(k int, e score.Effects) error {
			given = true
			return got(k, e)
		})
		if err != nil {
			return err
		}
		if len(c.conflict) == 0 {
			d.note(c, d.number)
			return nil
		}
		if err := d.resolve(ctx, c, given); err != nil {
			return err
		}
	}
}

// begin begins a call: with who has come, and without who has gone. What the accused have
// answered is proved first.
func (d *Divided) begin(ctx context.Context) error {
	d.mu.Lock()
	d.begun++
	d.dealing.call = d.begun
	d.number = d.begun
	for _, p := range d.coming {
		d.dealing.parties = append(d.dealing.parties, &party{Peer: p})
	}
	d.coming = nil
	for _, p := range d.dealing.parties {
		p.gone = p.gone || d.going[p.Peer] || d.accused[p.Peer]
	}
	clear(d.going)
	d.tidy()
	var accused []*party
	for _, p := range d.were {
		if d.accused[p.Peer] && len(p.log) > 0 {
			accused = append(accused, p)
		}
	}
	d.mu.Unlock()
	if len(accused) == 0 {
		return nil
	}
	return d.prove(ctx, accused)
}

// tidy takes out who is gone, apart from what they answered.
func (d *Divided) tidy() {
	d.dealing.parties = slices.DeleteFunc(d.dealing.parties, func(p *party) bool {
		gone := p.gone && !p.here
		if gone && len(p.log) > 0 {
			d.were = append(d.were, p)
		}
		return gone
	})
}

// event is what a peer says.
type event struct {
	request *request
	i       int
	values  [][]float64
	effects *score.Effects
	taken   chan struct{} // closed when more may come; nil: of values
	over    bool
	busy    time.Duration
	err     error
}

// measure asks the peers until every unit is answered, or machines differ: see
// [call.conflict]. When it returns, nobody works on it any more.
func (d *Divided) measure(ctx context.Context, q Query, parts []score.Part, check int, got func(k int, e score.Effects) error) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.tidy()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newCall(&d.dealing, q, parts, check, d.memory, time.Now())
	events := make(chan event)
	running := 0
	defer func() {
		cancel()
		for running > 0 {
			if e := <-events; e.over {
				running--
			}
		}
		d.tidy()
	}()
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for !c.over() {
		sent := c.send(time.Now())
		for _, r := range sent {
			running++
			go ask(within, r, q, c.partsOf(r), events)
		}
		if len(sent) > 0 {
			ring(alarm, c.next())
		}
		select {
		case e := <-events:
			if e.over {
				running--
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
			}
			d.take(c, e)
			if e.over {
				ring(alarm, c.next())
			}
		case <-alarm.C:
			c.wake(time.Now())
			ring(alarm, c.next())
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if got != nil {
			if err := c.handOn(got); err != nil {
				return nil, err
			}
		}
	}
	if c.err != nil {
		return nil, fmt.Errorf("here: %w", c.err)
	}
	c.finish(time.Now())
	for _, p := range d.dealing.parties {
		if p.fruitless >= mostFruitless && !p.here && !p.gone {
			p.gone = true
			d.tell(p, ErrFruitless)
		}
	}
	return c, nil
}

// ring sets an alarm to a time; zero: it stays as it is.
func ring(alarm *time.Timer, at time.Time) {
	if !at.IsZero() {
		alarm.Reset(time.Until(at))
	}
}

// partsOf are the parts of a request.
func (c *call) partsOf(r *request) []score.Part {
	parts := make([]score.Part, len(r.units))
	for i, k := range r.units {
		parts[i] = c.units[k].Part
	}
	return parts
}

// take tells the call what a peer says, and says who is lost by that.
func (d *Divided) take(c *call, e event) {
	p, known := e.request.party, e.request.party.gone
	var err error
	switch {
	case e.over:
		err = e.err
		if err == nil && len(e.request.left) > 0 && !p.gone {
			err = ErrAnswers
		}
		c.ended(e.request, e.busy, err, time.Now())
	case known: // what it still says is not heard
		if e.taken != nil {
			close(e.taken)
		}
	case e.taken != nil:
		if err = c.answeredEffects(e.request, e.i, e.effects, func() { close(e.taken) }); err != nil {
			close(e.taken)
			c.drop(p, err)
		}
	default:
		if err = c.answeredValues(e.request, e.i, e.values); err != nil {
			c.drop(p, err)
		}
	}
	if err != nil && !known && !p.here {
		d.tell(p, err)
	}
}

// tell says who is lost.
func (d *Divided) tell(p *party, err error) {
	if d.lost != nil {
		d.lost(p.Peer, err)
	}
}

// errOver ends a request that nobody waits for any more.
var errOver = errors.New("the call is over")

// ask asks a peer for a request, and tells what comes of it.
func ask(ctx context.Context, r *request, q Query, parts []score.Part, events chan<- event) {
	say := func(e event) error {
		e.request = r
		select {
		case events <- e:
		case <-ctx.Done():
			return errOver
		}
		if e.taken != nil {
			select {
			case <-e.taken:
			case <-ctx.Done():
				return errOver
			}
		}
		return nil
	}
	end := event{request: r, over: true}
	if q.Want == nil {
		end.busy, end.err = r.party.Values(ctx, q.Patch, q.Moves, parts, func(i int, values [][]float64) error {
			return say(event{i: i, values: values})
		})
	} else {
		blocks := make([]score.Block, len(parts))
		for i, p := range parts {
			blocks[i] = p.Block
		}
		end.busy, end.err = r.party.Effects(ctx, q.Patch, *q.Want, blocks, func(i int, e *score.Effects) error {
			return say(event{i: i, effects: e, taken: make(chan struct{})})
		})
	}
	events <- end
}
