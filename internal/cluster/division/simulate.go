package division

import (
	"cmp"
	"container/heap"
	"fmt"
	"time"

	"bankai/score"
	"bankai/search"
)

// Simulation says how long a guided search takes on many machines, by the times that its
// parts were measured to take on one: the calls of a [Divided] run on a clock that is
// simulated. All machines are as fast, and have a line of their own to the coordinator,
// whose own line carries everything.
type Simulation struct {
	Blocks     int // of about 256 tokens each
	Candidates int // moves that are measured, one a call
	Gradients  int // predictions among them

	Values  time.Duration // of a move on a block, as a mean over the layers
	Pass    time.Duration // over a block from the beginning, which a machine needs for one that the last call did not ask it for
	Effects time.Duration // of a block: a gradient and its sums
	Sum     time.Duration // the coordinator adds one block's effects and, of all, ranks the flips

	EffectBytes int64 // of one block
	Tensors     int   // that they are of: as many messages, or more if they are long
	AskBytes    int64 // of a request: a patch, a move, blocks
	Piece       int64 // that fit into one message; 0: everything does

	Mbit    float64       // a second, of every line and direction
	Latency time.Duration // of a message
	Message time.Duration // of the coordinator's processor, for one message
	Byte    float64       // seconds of the coordinator's processor for one byte
	Check   int           // after how many units of a machine one is checked; 0: never
}

// Simulated is what a [Simulation] says of a number of workers.
type Simulated struct {
	Workers    int
	Time       time.Duration
	Predicting time.Duration // of Time, that of the predictions
	Sent       int64         // bytes from the coordinator
	Received   int64         // bytes to it
	Messages   int           // to and from it
	// Shares of Time in which the coordinator's line, its processor with messages, and
	// its sums of gradients were busy. Where one comes near 1, more workers gain nothing.
	Line, Handling, Summing float64
}

// simulation is a Simulation that runs.
type simulation struct {
	Simulation
	Simulated
	now      time.Duration
	dealing  dealing
	tensors  []string
	flips    map[score.Subject]int // 0 of each
	machines []*simulatedMachine
	events   simulatedEvents
	order    int
	alarm    time.Time // when the call is to be woken; zero: not

	up, down, handles, sums time.Duration // when the lines, the processor and the sums are free
	upBusy, downBusy        time.Duration
	handlesBusy, sumsBusy   time.Duration
}

// simulatedMachine is a machine that measures.
type simulatedMachine struct {
	Peer
	free time.Duration       // when it has computed what it was asked
	out  time.Duration       // when its line has sent everything
	has  map[score.Block]int // the last call for which it made the streams of a block
}

// simulatedEvent is something that happens at a time.
type simulatedEvent struct {
	at    time.Duration
	order int
	do    func()
}

type simulatedEvents []simulatedEvent

func (e simulatedEvents) Len() int      { return len(e) }
func (e simulatedEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simulatedEvents) Push(x any)   { *e = append(*e, x.(simulatedEvent)) }
func (e *simulatedEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (e simulatedEvents) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}

// Run simulates the search with so many workers beside the coordinator's machine.
func (s Simulation) Run(workers int) Simulated {
	r := &simulation{Simulation: s, dealing: dealing{hands: map[search.Sample]*hand{}, every: s.Check}}
	for i := range workers + 1 {
		m := &simulatedMachine{has: map[score.Block]int{}}
		r.machines = append(r.machines, m)
		r.dealing.parties = append(r.dealing.parties, &party{Peer: m, here: i == 0})
	}
	parts := make([]score.Part, s.Blocks)
	for i := range parts {
		parts[i] = score.Part{Block: score.Block{Index: i}, N: 1, Tokens: 256}
	}
	r.flips = map[score.Subject]int{}
	for n := range r.Tensors {
		r.tensors = append(r.tensors, fmt.Sprint("tensor ", n))
		r.flips[score.Subject{Tensor: r.tensors[n]}] = 0
	}
	for i := range s.Candidates {
		if i*s.Gradients/s.Candidates != (i+1)*s.Gradients/s.Candidates {
			began := r.now
			r.call(parts, nil)
			r.call(parts, &search.Want{})
			r.Predicting += r.now - began
		}
		r.call(parts, nil)
	}
	r.Workers, r.Time = workers, r.now
	share := func(d time.Duration) float64 { return d.Seconds() / max(r.now.Seconds(), 1e-9) }
	r.Line, r.Handling, r.Summing = share(max(r.upBusy, r.downBusy)), share(r.handlesBusy), share(r.sumsBusy)
	return r.Simulated
}

func (r *simulation) time() time.Time { return time.Unix(0, 0).Add(r.now) }

func (r *simulation) at(t time.Duration, do func()) {
	r.order++
	heap.Push(&r.events, simulatedEvent{t, r.order, do})
}

// call simulates one call, for effects if something is wanted.
func (r *simulation) call(parts []score.Part, want *search.Want) {
	r.dealing.call++
	q := Query{Moves: []search.Move{{}}, Want: want, Flips: r.flips}
	c := newCall(&r.dealing, q, parts, r.Check, Memory, r.time())
	r.events, r.alarm = nil, time.Time{}
	for {
		for _, request := range c.send(r.time()) {
			r.ask(c, request)
			r.alarm = c.next()
		}
		if c.over() {
			break
		}
		next := heap.Pop(&r.events).(simulatedEvent)
		if !r.alarm.IsZero() && r.alarm.Before(time.Unix(0, 0).Add(next.at)) {
			heap.Push(&r.events, next)
			r.now = max(r.now, r.alarm.Sub(time.Unix(0, 0)))
			c.wake(r.time())
			r.alarm = c.next()
			continue
		}
		r.now = max(r.now, next.at)
		next.do()
		c.handOn(func(int, score.Effects) error {
			took := r.Sum / time.Duration(r.Tensors)
			r.sums = max(r.sums, r.now) + took
			r.sumsBusy += took
			return nil
		})
	}
	r.now = max(r.now, r.sums)
	c.finish(r.time())
	for _, m := range r.machines { // what is left is given up
		m.free, m.out = min(m.free, r.now+r.Latency), min(m.out, r.now+r.Latency)
	}
}

// ask simulates a request and all that comes of it.
func (r *simulation) ask(c *call, request *request) {
	m := request.party.Peer.(*simulatedMachine)
	here := request.party.here
	begin := r.now
	if !here {
		begin = r.transfer(&r.up, &r.upBusy, r.now, r.AskBytes) + r.Latency
		r.Sent += r.AskBytes
		r.Messages++
		r.handle(r.now, 0)
	}
	t := max(begin, m.free)
	began := t
	for i, k := range request.units {
		u := &c.units[k]
		if last := m.has[u.Block]; last == 0 || last < r.dealing.call-1 { // none, or of another patch
			t += r.Pass
		}
		m.has[u.Block] = r.dealing.call
		if c.Want == nil {
			t += r.Values
			r.answer(m, here, t, 64, func() { c.answeredValues(request, i, [][]float64{{0}}) })
			continue
		}
		for n := range r.Tensors {
			t += r.Effects / time.Duration(r.Tensors)
			r.answer(m, here, t, r.EffectBytes/int64(r.Tensors), func() {
				c.answeredEffects(request, i, &score.Effects{Tensor: r.tensors[n]}, func() {})
			})
		}
		r.answer(m, here, t, 16, func() { c.answeredEffects(request, i, nil, func() {}) })
	}
	m.free = t
	r.answer(m, here, t, 16, func() {
		c.ended(request, t-began, nil, r.time())
		r.alarm = c.next()
	})
}

// answer lets something happen when a message that is sent at a time was read.
func (r *simulation) answer(m *simulatedMachine, here bool, sent time.Duration, bytes int64, do func()) {
	if here {
		r.at(sent, do)
		return
	}
	m.out = max(m.out, sent) + r.takes(bytes)
	r.at(m.out+r.Latency, func() { // it has come to the coordinator's line
		come := r.transfer(&r.down, &r.downBusy, r.now, bytes)
		r.Received += bytes
		messages := 1
		if r.Piece > 0 {
			messages += int(bytes / r.Piece)
		}
		r.Messages += messages
		r.at(r.handle(come, bytes)+time.Duration(messages-1)*r.Message, do)
	})
}

// transfer is when so many bytes have gone over one direction of the coordinator's line.
func (r *simulation) transfer(line, busy *time.Duration, from time.Duration, bytes int64) time.Duration {
	took := r.takes(bytes)
	*line = max(*line, from) + took
	*busy += took
	return *line
}

// takes is how long a line sends so many bytes.
func (r *simulation) takes(bytes int64) time.Duration {
	return time.Duration(float64(bytes*8) / r.Mbit * 1e3)
}

// handle is when the coordinator has dealt with a message.
func (r *simulation) handle(from time.Duration, bytes int64) time.Duration {
	took := r.Message + time.Duration(float64(bytes)*r.Byte*1e9)
	r.handles = max(r.handles, from) + took
	r.handlesBusy += took
	return r.handles
}
