package desk

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bankai/engine"
)

// Desk hands out units and takes their answers. Whoever asks computes, too, one unit at a
// time on this machine, so that all gets done if no worker is left: first what nobody has
// been sent, the last of it first; then, where nothing is left to begin, what others have
// not answered in the time that a unit takes, of which the first answer counts.
//
// A worker is believed, but of its answers some are also computed by another machine: one
// of its first, and then every so many. Of two that differ this machine's own is the right
// one. A worker that was wrong is dropped, and what else it answered is computed again here.
// Where a call has returned that rests on what was wrong, all calls fail with a
// [WrongAnswerError] until [Desk.Restart].
type Desk struct {
	carrier Carrier
	model   *engine.Model
	check   int           // after how many units one is checked; below 1: never
	here    chan struct{} // held by who computes on this machine

	mu         sync.Mutex
	last       int64           // number of a unit
	open       map[int64]*task // of calls that have not come to their end
	calls      []*call         // the same
	out        int             // tasks that are sent
	fails      map[string]int  // units in a row that a worker could not compute
	known      map[string]bool // workers of whom an answer has been checked
	gone       map[string]bool // workers that were dropped: what they say does not count
	distrusted map[string]bool // workers that were found to compute wrong bits
	liars      []string        // found out elsewhere; what they answered is not computed again yet
	past       unproved
	wrong      error // an answer that was used already was wrong

	units, tokens int64         // that this machine computed
	took          time.Duration // of its latest unit; 0: none yet
}

// Computed is how many units this machine has computed, and of how many tokens. What is
// asked while there is no worker is not counted.
func (d *Desk) Computed() (units, tokens int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.units, d.tokens
}

// Carrier takes units to workers. Of what it is given and is lost, nobody needs to know:
// this machine computes it in the end. Its methods return at once.
type Carrier interface {
	// Workers are the ids of those who take part; changed is closed when it is others.
	Workers() (ids []string, changed <-chan struct{})
	// Send lets one of the workers compute a unit, but not the one whose id is not.
	Send(number int64, payload []byte, not string)
	// Withdraw takes a unit back, if nobody has it yet.
	Withdraw(number int64)
	// Drop takes a worker out for good.
	Drop(worker, why string)
	// Distrust takes out one that was found to compute wrong bits, here, and has whatever
	// else it said looked at.
	Distrust(worker string)
	// Name is a worker's name for people, also of one that was dropped.
	Name(worker string) string
}

// state is where a task is.
type state uint8

const (
	waiting state = iota // for a machine
	sent
	computed // on this machine, now; a worker may have it, too
	done
)

// task is a unit on its way to an answer.
type task struct {
	Unit
	number  int64
	call    *call
	payload []byte
	stays   bool // it is for this machine: it cannot be sent, or a worker could not compute it
	state   state
	sent    time.Time          // when it was, if it was
	cancel  context.CancelFunc // of computing it here; nil unless that happens
	answer  Answers
	by      string // worker that answered; "": this machine
	audited bool   // another machine is to answer it, too
	checked bool   // and has, with the same bits
	others  map[string]Answers
}

// call is some units that are asked for together.
type call struct {
	tasks []*task
	news  chan struct{} // something has happened to a task, or to who takes part
}

// checks reports whether one of a worker's answers waits to be checked: the call does not
// come to its end before.
func (c *call) checks(worker string) bool {
	return slices.ContainsFunc(c.tasks, func(t *task) bool { return t.audited && t.by == worker && t.state == done && !t.checked })
}

// unproved are the answers of workers that nobody checked, of calls that have come to
// their end.
type unproved struct {
	units []pastUnit
	bytes int
	lost  map[string]bool // workers of whom some were forgotten
}

type pastUnit struct {
	payload []byte
	by      string
	digest  [sha256.Size]byte // of the answers
}

func bitsOf(a Answers) [sha256.Size]byte { return sha256.Sum256(a.encode()) }

// mostPast bounds, in bytes, the units that are remembered so that they can be computed
// again if their worker turns out to be wrong. The oldest are forgotten first; then they
// count as wrong.
const mostPast = 64 << 20

// WrongAnswerError says that a worker's answer was wrong and has been used before that was
// found out, so that what was made of it is worth nothing.
type WrongAnswerError struct {
	Worker string // its name
}

// Error says what to do.
func (e *WrongAnswerError) Error() string {
	return fmt.Sprintf("%s computes wrong bits, and an answer of it was used before that showed", e.Worker)
}

// RestsOnWrong says that what was made since the desk began may rest on wrong answers.
func (e *WrongAnswerError) RestsOnWrong() {}

// New is a desk for a model without an [engine.Elsewhere]. check is after how many units one
// is computed by another machine, too; below 1: never.
func New(c Carrier, m *engine.Model, check int) *Desk {
	return &Desk{
		carrier: c, model: m, check: check, here: make(chan struct{}, 1),
		open: map[int64]*task{}, fails: map[string]int{}, known: map[string]bool{}, gone: map[string]bool{}, distrusted: map[string]bool{},
	}
}

// do answers units, in their order. settled is told of each as soon as its answer is
// there, in this goroutine. After an error the answers hold what there is; ok tells which.
func (d *Desk) do(ctx context.Context, units []Unit, settled func(i int, a Answers)) (all []Answers, ok []bool, err error) {
	c := d.begin(units)
	all, ok = make([]Answers, len(units)), make([]bool, len(units))
	take := func() {
		for i, a := range d.settled(c) {
			if all[i] = a; !ok[i] {
				ok[i] = true
				settled(i, a)
			}
		}
	}
	err = d.finish(ctx, c, take)
	take()
	if wrong := d.end(c); wrong != nil {
		err = wrong
	}
	return all, ok, err
}

// begin takes units in.
func (d *Desk) begin(units []Unit) *call {
	c := &call{news: make(chan struct{}, 1)}
	for _, u := range units {
		payload, err := u.encode()
		stays := err != nil || len(payload) > MaxBytes || u.generates() > mostGenerated
		c.tasks = append(c.tasks, &task{Unit: u, call: c, payload: payload, stays: stays})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, c)
	for _, t := range c.tasks {
		d.last++
		t.number, t.audited = d.last, d.check > 0 && d.last%int64(d.check) == 0
		d.open[t.number] = t
	}
	return c
}

// end forgets a call, and takes back what others were sent.
func (d *Desk) end(c *call) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range c.tasks {
		delete(d.open, t.number)
		if t.state == sent {
			d.out--
		}
		if t.state != done || t.audited {
			d.carrier.Withdraw(t.number)
		}
		if t.state == done && t.by != "" && !t.checked {
			d.past.add(pastUnit{t.payload, t.by, bitsOf(t.answer)})
		}
	}
	d.calls = slices.DeleteFunc(d.calls, func(o *call) bool { return o == c })
	d.tellAll()
	return d.wrong
}

func (a *unproved) add(u pastUnit) {
	a.units, a.bytes = append(a.units, u), a.bytes+len(u.payload)
	for a.bytes > mostPast {
		a.bytes -= len(a.units[0].payload)
		if a.lost == nil {
			a.lost = map[string]bool{}
		}
		a.lost[a.units[0].by] = true
		a.units = a.units[1:]
	}
}

// settled is whether an answer counts: if it is to be checked, it has been.
func (t *task) settled() bool {
	return t.state == done && (!t.audited || t.checked || t.by == "") && len(t.others) == 0
}

// settled are the answers of a call that are there, by the index of their units.
func (d *Desk) settled(c *call) map[int]Answers {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[int]Answers{}
	for i, t := range c.tasks {
		if t.settled() {
			all[i] = t.answer
		}
	}
	return all
}

// tellAll wakes all calls. The desk is locked.
func (d *Desk) tellAll() {
	for _, c := range d.calls {
		c.tell()
	}
}

func (c *call) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// finish sees to it that all units of a call are answered.
func (d *Desk) finish(ctx context.Context, c *call, take func()) error {
	for {
		workers, changed := d.carrier.Workers()
		d.mu.Lock()
		d.fill(len(workers))
		liars, wrong := d.liars, d.wrong
		d.liars = nil
		d.mu.Unlock()
		if wrong != nil {
			return wrong
		}
		if err := d.distrust(ctx, liars...); err != nil {
			return err
		}
		take()
		var here chan struct{}
		t, left, later := d.pick(c, len(workers))
		if !left {
			return nil
		}
		if t != nil {
			here = d.here
		}
		var patience <-chan time.Time
		if t == nil && !later.IsZero() {
			patience = time.After(time.Until(later))
		}
		select {
		case here <- struct{}{}:
			err := d.computeOne(ctx, c, len(workers))
			<-d.here
			if err != nil {
				return err
			}
		case <-c.news:
		case <-changed:
		case <-patience:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mostFails is how many units in a row a worker may fail to compute.
const mostFails = 3

// perWindow is how many units a worker has been sent at most: one that it computes, one
// whose answer is on its way, and one so that it need not wait.
const perWindow = 3

// fill sends units, as many as workers can begin. A second one is sent to a worker only while
// more units wait than there are machines: else it would have several in the end, and another
// machine nothing. The desk is locked.
func (d *Desk) fill(workers int) {
	var waits []*task
	for _, c := range d.calls {
		for _, t := range c.tasks {
			if t.state == waiting && !t.stays {
				waits = append(waits, t)
			}
		}
	}
	for i, t := range waits {
		if d.out >= perWindow*workers || d.out >= workers && len(waits)-i <= workers+1 {
			return
		}
		t.state, t.sent = sent, time.Now()
		d.out++
		d.carrier.Send(t.number, t.payload, "")
	}
}

// patience is how long a unit is left to the worker that it was sent to, as a multiple of
// what this machine took for its latest unit: it may be the last in that worker's window.
const patience = perWindow + 1

// pick is what this machine would compute next of a call, nil if there is nothing; later is
// when there will be something all the same, zero if nothing that is known of; left says
// whether the call is yet to come to its end. A unit that a worker has is not computed here,
// too, while its answer may be on its way: that would cost more than it gains.
func (d *Desk) pick(c *call, workers int) (t *task, left bool, later time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	best := 0
	for _, o := range c.tasks { // of equals the last
		if o.settled() {
			continue
		}
		left = true
		urgency := 0
		switch {
		case o.state == waiting:
			urgency = 4
		case len(o.others) > 0: // to say who is right
			urgency = 3
		case o.state == sent:
			urgency = 2
			if due := o.sent.Add(patience * d.took); workers > 0 && time.Now().Before(due) {
				urgency = 0
				if later.IsZero() || due.Before(later) {
					later = due
				}
			}
		case o.state == done: // nobody has checked it yet
			urgency = 1
		}
		if urgency > 0 && urgency >= best {
			t, best = o, urgency
		}
	}
	return t, left, later
}

// computeOne computes a unit of a call on this machine, if there is one to compute.
func (d *Desk) computeOne(ctx context.Context, c *call, workers int) error {
	t, _, _ := d.pick(c, workers)
	if t == nil {
		return nil
	}
	computing, cancel := context.WithCancel(ctx) // ends if a worker is quicker
	defer cancel()
	d.mu.Lock()
	was := t.state
	if was == sent {
		d.out--
		d.carrier.Withdraw(t.number)
	}
	if was != done {
		t.state, t.cancel = computed, cancel
	}
	d.mu.Unlock()
	began := time.Now()
	a, err := t.Compute(computing, d.model)
	liars, err := d.own(t, was != done, a, err, time.Since(began))
	if err != nil {
		return err
	}
	return d.distrust(ctx, liars...)
}

// own takes what this machine has computed of a task, or why it could not, which is no
// error if a worker was quicker.
func (d *Desk) own(t *task, first bool, a Answers, err error, took time.Duration) (liars []string, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.cancel = nil
	if t.state == computed {
		t.state = waiting
	}
	if err == nil {
		d.units, d.tokens, d.took = d.units+1, d.tokens+int64(t.Tokens()), took
		if t.state == done && t.by != "" && t.answer.same(a) {
			d.known[t.by] = true
		}
		return t.judge(a), nil
	}
	if first && t.state == done {
		return nil, nil
	}
	return nil, &unitError{slices.Index(t.call.tasks, t), err}
}

// unitError says which unit of a call could not be computed.
type unitError struct {
	unit int
	err  error
}

func (e *unitError) Error() string { return e.err.Error() }
func (e *unitError) Unwrap() error { return e.err }

// judge takes this machine's own answer to a task, and returns the workers that gave
// another one.
func (t *task) judge(a Answers) (liars []string) {
	for worker, other := range t.others {
		if !other.same(a) {
			liars = append(liars, worker)
		}
	}
	if t.state == done && t.by != "" && !t.answer.same(a) {
		liars = append(liars, t.by)
	}
	t.answer, t.by, t.state, t.checked, t.others = a, "", done, true, nil
	slices.Sort(liars)
	return liars
}

// Arrived takes what a worker answered: to a unit, or to one that another answered, too. Of
// one that was dropped nothing counts.
func (d *Desk) Arrived(number int64, worker string, a Answers, failed error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.open[number]
	if t == nil || worker == "" || d.gone[worker] {
		return
	}
	ids, _ := d.carrier.Workers()
	d.forgetThose(ids)
	defer func() {
		d.fill(len(ids))
		d.tellAll()
	}()
	if failed == nil {
		failed = a.fits(t.Unit, d.model.Config().Vocab)
	}
	if failed == nil {
		d.fails[worker] = 0
	}
	switch {
	case failed != nil:
		if t.state == sent { // it is computed here
			d.out--
			t.state, t.stays = waiting, true
		}
		if d.fails[worker]++; d.fails[worker] == mostFails {
			d.gone[worker] = true
			d.carrier.Drop(worker, fmt.Sprintf("it could not compute %d units in a row: %v", mostFails, failed))
		}
	case t.state != done && !a.finite(): // a model may really give that: this machine says
		if t.state == sent {
			d.out--
			t.state = waiting
		}
		t.stays = true
		t.doubt(worker, a)
	case t.state != done:
		if t.state == sent {
			d.out--
		}
		t.audited = t.audited || d.check > 0 && !d.known[worker] && !t.call.checks(worker)
		t.state, t.answer, t.by = done, a, worker
		if t.cancel != nil {
			t.cancel()
		}
		if t.audited && len(ids) > 1 {
			d.carrier.Send(t.number, t.payload, worker)
		}
	case t.answer.same(a):
		if t.by != worker {
			t.checked = true
			d.known[t.by], d.known[worker] = true, true
		}
	default:
		t.doubt(worker, a)
	}
}

// doubt keeps an answer until this machine has said what is right.
func (t *task) doubt(worker string, a Answers) {
	if t.others == nil {
		t.others = map[string]Answers{}
	}
	t.others[worker] = a
}

// mostKept bounds what is kept of workers that have gone.
const mostKept = 4096

// forgetThose forgets how those did who have gone, when they are many. The desk is locked.
func (d *Desk) forgetThose(but []string) {
	if len(d.fails)+len(d.known) < mostKept {
		return
	}
	here := map[string]bool{}
	for _, id := range but {
		here[id] = true
	}
	maps.DeleteFunc(d.fails, func(id string, _ int) bool { return !here[id] })
	maps.DeleteFunc(d.known, func(id string, _ bool) bool { return !here[id] })
}

// Suspect says that a worker was found to compute wrong bits, and dropped: what it answers
// does not count, and what it has answered is computed again.
func (d *Desk) Suspect(worker string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.distrusted[worker] {
		return
	}
	d.gone[worker], d.distrusted[worker] = true, true
	d.liars = append(d.liars, worker)
	d.tellAll()
}

// Restart lets calls succeed again after a [WrongAnswerError], when all that was made of
// answers from before is to be made anew. Answers of workers that were not found to be wrong
// are still checked by what comes. No call may be in work.
func (d *Desk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = nil
}

// distrust drops workers that were wrong.
func (d *Desk) distrust(ctx context.Context, workers ...string) error {
	for _, worker := range workers {
		if err := d.takeBack(ctx, worker); err != nil {
			return err
		}
	}
	return nil
}

// takeBack drops a worker that was wrong and computes again here what nobody checked of
// what it answered.
func (d *Desk) takeBack(ctx context.Context, worker string) error {
	d.mu.Lock()
	d.gone[worker], d.distrusted[worker] = true, true
	d.mu.Unlock()
	d.carrier.Distrust(worker)
	d.mu.Lock()
	for _, t := range d.open {
		delete(t.others, worker)
		if t.state == done && t.by == worker && !t.checked {
			t.state, t.answer, t.by = waiting, Answers{}, ""
		}
	}
	var past []pastUnit
	d.past.units = slices.DeleteFunc(d.past.units, func(u pastUnit) bool {
		if u.by == worker {
			past = append(past, u)
			d.past.bytes -= len(u.payload)
		}
		return u.by == worker
	})
	wrong := d.past.lost[worker]
	d.tellAll()
	d.mu.Unlock()
	overlays := NewOverlays(d.model)
	for _, p := range past {
		if wrong {
			break
		}
		u, err := Decode(p.payload, overlays.Of)
		if err != nil {
			return err
		}
		a, err := u.Compute(ctx, d.model)
		if err != nil {
			return err
		}
		wrong = bitsOf(a) != p.digest
	}
	if wrong { // end says it
		d.mu.Lock()
		d.wrong = &WrongAnswerError{d.carrier.Name(worker)}
		d.mu.Unlock()
	}
	return nil
}
