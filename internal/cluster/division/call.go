package division

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"bankai/score"
)

// call is one call of a [Divided]: who is asked for what, and what has come. It is a pure
// machine, which is told what happened at what time and says what is to be sent, so it
// runs the same on a clock that is simulated.
//
// A unit of it is one part. What the first machine says of a unit counts; whatever another
// says of it has to be the same, or the call ends in a conflict.
type call struct {
	dealing *dealing
	Query
	units    []unit
	requests []*request // that were made, in order
	unsent   int        // the first of them that has not been sent
	dealt    int        // how many of them the call began with
	began    time.Time
	left     int   // units that are not done
	conflict []int // units of which machines differ
	err      error // of the coordinator's own machine

	memory  int64   // bound of what waits to be handed on, in bytes
	held    int64   // what does
	waiting []*late // what could not be taken yet
}

// unit is a part in a call.
type unit struct {
	score.Part
	owner   *party
	need    int      // how many machines have to measure it
	asked   []*party // who was, in this call
	streams []stream // what each of them said
	done    bool
	doubted bool // here is asked, too: no more than `sure` is given before it agrees
	sure    int  // effects that were not doubted

	seen   []digest        // of what was taken: of values one, of effects one a tensor
	values [][]float64     // [move][question]
	queue  []score.Effects // taken, and not handed on yet
	given  int             // handed on
}

// digest is the SHA-256 of numbers.
type digest = [sha256.Size]byte

// stream is what one machine said of a unit so far.
type stream struct {
	by    *party
	sums  []digest
	said  map[score.Subject]bool // effects that have come
	whole bool
}

// request is some units that a party is asked for at once.
type request struct {
	party  *party
	units  []int // in ascending order
	left   []int // of these, those that are not answered
	load   float64
	cold   bool
	sent   time.Time
	took   time.Duration // from the begin of the call; 0: it has not ended
	busy   time.Duration // what the machine says it took; 0: it does not say
	over   bool
	failed bool
}

// late is what a party said before there was room for it.
type late struct {
	request *request
	unit    int
	effects score.Effects
	sum     digest
	taken   func() // lets the party go on
}

// newCall deals the parts. every is after how many units of a party one is checked; 0:
// never.
func newCall(d *dealing, q Query, parts []score.Part, every int, memory int64, now time.Time) *call {
	c := &call{dealing: d, Query: q, units: make([]unit, len(parts)), began: now, left: len(parts), memory: memory}
	owners := d.deal(parts)
	asked := map[*party][]int{}
	for k, p := range parts {
		c.units[k] = unit{Part: p, owner: owners[k], need: 1}
		asked[owners[k]] = append(asked[owners[k]], k)
	}
	var checked []int
	for _, p := range d.parties {
		checked = append(checked, c.choose(p, asked[p], every)...)
	}
	for _, p := range d.parties {
		p.load = c.sum(asked[p])
	}
	for _, k := range checked {
		p := c.checker(k)
		c.units[k].need = 2
		p.load += c.weight(k)
		asked[p] = append(asked[p], k)
	}
	for _, p := range d.parties {
		slices.Sort(asked[p])
		c.request(p, asked[p])
	}
	c.dealt = len(c.requests)
	return c
}

// weight is the tokens of a unit.
func (c *call) weight(k int) float64 {
	if w := c.units[k].Tokens; w > 0 {
		return w
	}
	return c.dealing.place(c.units[k].Block).weight
}

// sum is the tokens of some units.
func (c *call) sum(units []int) (tokens float64) {
	for _, k := range units {
		tokens += c.weight(k)
	}
	return tokens
}

// choose are those of a party's units that are checked, its first one and then by its
// turn: those of blocks that have a checker, and then those whose block was not checked for
// the longest time.
func (c *call) choose(p *party, units []int, every int) []int {
	if p.here || every <= 0 {
		return nil
	}
	before := p.units
	p.units += len(units)
	n := (p.units+every-1)/every - (before+every-1)/every
	if n == 0 {
		return nil
	}
	order := slices.Clone(units)
	slices.SortStableFunc(order, func(a, b int) int {
		at, other := c.dealing.place(c.units[a].Block), c.dealing.place(c.units[b].Block)
		switch x, y := at.hasChecker(), other.hasChecker(); {
		case x && y: // the latest: if they took turns, the checkers' streams of both would be out of date
			return other.checked - at.checked
		case x:
			return -1
		case y:
			return 1
		}
		return at.checked - other.checked
	})
	return order[:min(n, len(order))]
}

// checker is who measures a unit beside its owner: the checker of its block, if it has one,
// or else the machine that would be through first, but here only if there is nobody else.
func (c *call) checker(k int) *party {
	owner := c.units[k].owner
	at := c.dealing.place(c.units[k].Block)
	if !at.hasChecker() {
		at.left = checkedInRow
		if at.checker = c.dealing.soonest(c.weight(k), func(p *party) bool { return p == owner || p.here }); at.checker == nil {
			at.checker = c.dealing.parties[0]
		}
	}
	at.left--
	at.checked = c.dealing.call
	return at.checker
}

// request asks a party for units.
func (c *call) request(p *party, units []int) {
	if len(units) == 0 {
		return
	}
	r := &request{party: p, units: units, left: slices.Clone(units), load: c.sum(units)}
	for _, k := range units {
		u := &c.units[k]
		u.asked = append(u.asked, p)
		u.streams = append(u.streams, stream{by: p, said: map[score.Subject]bool{}})
		at := c.dealing.place(u.Block)
		switch p {
		case at.owner:
			r.cold = r.cold || at.cold
			at.cold = false
		case at.checker:
			r.cold = r.cold || at.left == checkedInRow-1
		default:
			r.cold = true
		}
	}
	c.requests = append(c.requests, r)
}

// assign asks for units more of those that were not asked for them yet, and of whom not
// does not exclude; here measures them if nobody else can.
func (c *call) assign(units []int, not func(*party) bool) {
	for _, p := range c.dealing.parties {
		p.load = 0
	}
	for _, r := range c.requests {
		r.party.load += c.sum(r.left)
	}
	more := map[*party][]int{}
	for _, k := range units {
		u := &c.units[k]
		asked := func(p *party) bool { return slices.Contains(u.asked, p) || not != nil && not(p) }
		p := c.dealing.soonest(c.weight(k), func(p *party) bool {
			return asked(p) || p.here && u.need > 1 // here is the judge of what others check
		})
		if p == nil {
			p = c.dealing.soonest(c.weight(k), asked)
		}
		if p == nil {
			continue
		}
		p.load += c.weight(k)
		more[p] = append(more[p], k)
	}
	for _, p := range c.dealing.parties {
		slices.Sort(more[p])
		c.request(p, more[p])
	}
}

// send returns the requests that are to be sent now.
func (c *call) send(now time.Time) []*request {
	out := c.requests[c.unsent:]
	c.unsent = len(c.requests)
	for _, r := range out {
		r.sent = now
	}
	return out
}

// over reports whether nothing more is waited for.
func (c *call) over() bool { return c.left == 0 || len(c.conflict) > 0 || c.err != nil }

// ErrAnswers is of a machine that breaks the rules of answering.
var ErrAnswers = errors.New("it answered what it was not asked, or not all of it")

// answeredValues takes the values of a request's i-th unit.
func (c *call) answeredValues(r *request, i int, values [][]float64) error {
	if !r.expects(i) {
		return ErrAnswers
	}
	k := r.units[i]
	u := &c.units[k]
	if err := u.Fits(values, len(c.Moves)); err != nil {
		return fmt.Errorf("it answered with %w", err)
	}
	if !r.party.here && !finite(values...) {
		c.doubt(k)
	}
	if c.say(k, r.party, digestOfValues(values)) {
		u.values = values
	}
	c.whole(r, k)
	return nil
}

// answeredEffects takes the next effects of a request's i-th unit, nil meaning that there
// are no more. It calls taken when the machine may go on, at once or later.
func (c *call) answeredEffects(r *request, i int, e *score.Effects, taken func()) error {
	if !r.expects(i) {
		return ErrAnswers
	}
	k := r.units[i]
	u := &c.units[k]
	s := u.stream(r.party)
	if e == nil {
		if len(s.said) != len(c.Flips) {
			return fmt.Errorf("it answered with effects of %d matrices and sizes instead of %d", len(s.said), len(c.Flips))
		}
		c.whole(r, k)
		taken()
		return nil
	}
	if err := u.FitsEffects(e, c.Flips); err != nil {
		return fmt.Errorf("it answered with %w", err)
	}
	of := score.Subject{Tensor: e.Tensor, Size: e.Size}
	if s.said[of] {
		return ErrAnswers
	}
	s.said[of] = true
	if !r.party.here && !finite(e.Data) {
		c.doubt(k)
	}
	c.waiting = append(c.waiting, &late{r, k, *e, Digest(e), taken})
	c.admit()
	return nil
}

// doubt asks here for a unit of which a machine said something that is hardly ever right:
// nothing that follows counts before here has said the same.
func (c *call) doubt(k int) {
	u := &c.units[k]
	if u.doubted {
		return
	}
	u.doubted, u.sure = true, len(u.seen)
	if here := c.dealing.parties[0]; !slices.Contains(u.asked, here) {
		c.request(here, []int{k})
	}
}

// certain is how many effects of the unit count.
func (u *unit) certain() int {
	if !u.doubted {
		return math.MaxInt
	}
	sure := u.sure
	for _, s := range u.streams {
		if s.by.here {
			sure = max(sure, len(s.sums))
		}
	}
	return sure
}

// expects reports whether a request's i-th unit is still unanswered.
func (r *request) expects(i int) bool {
	return !r.over && i >= 0 && i < len(r.units) && slices.Contains(r.left, r.units[i])
}

// say notes what a party says next of a unit. It reports whether that is new: nobody came
// so far before.
func (c *call) say(k int, p *party, sum digest) bool {
	u := &c.units[k]
	s := u.stream(p)
	s.sums = append(s.sums, sum)
	at := len(s.sums) - 1
	if at < len(u.seen) {
		if u.seen[at] != sum {
			c.differ(k)
		}
		return false
	}
	u.seen = append(u.seen, sum)
	if slices.ContainsFunc(u.streams, func(s stream) bool { return s.whole }) { // which ended before
		c.differ(k)
	}
	return true
}

func (u *unit) stream(p *party) *stream {
	return &u.streams[slices.IndexFunc(u.streams, func(s stream) bool { return s.by == p })]
}

func (c *call) differ(k int) {
	if !slices.Contains(c.conflict, k) {
		c.conflict = append(c.conflict, k)
	}
}

// whole notes that a request's party has said all of a unit.
func (c *call) whole(r *request, k int) {
	u := &c.units[k]
	r.left = slices.DeleteFunc(r.left, func(l int) bool { return l == k })
	s := u.stream(r.party)
	s.whole = true
	if len(s.sums) != len(u.seen) {
		c.differ(k)
	}
	if !u.done && (r.party.here || !u.doubted && u.answers() >= u.need) {
		u.done = true
		c.left--
	}
}

// answers is how many machines have measured the unit.
func (u *unit) answers() (n int) {
	for _, s := range u.streams {
		if s.whole {
			n++
		}
	}
	return n
}

// ended notes that a request is over, with what the machine says it took. An error is its
// machine's, which is asked no more: its blocks go to others.
func (c *call) ended(r *request, busy time.Duration, err error, now time.Time) {
	if err == nil && len(r.left) > 0 {
		err = ErrAnswers
	}
	r.over, r.took, r.busy, r.failed = true, max(1, now.Sub(c.began)), busy, err != nil
	if err != nil {
		c.drop(r.party, err)
	}
	c.wake(now)
}

// drop takes a party out: what it did not answer is asked of others.
func (c *call) drop(p *party, err error) {
	p.gone = true
	c.waiting = slices.DeleteFunc(c.waiting, func(l *late) bool {
		if l.request.party == p {
			l.taken()
		}
		return l.request.party == p
	})
	if p.here {
		c.err = err
		return
	}
	var orphans []int
	for _, r := range c.requests {
		if r.party != p {
			continue
		}
		r.over, r.failed = true, true
		orphans = append(orphans, r.left...)
		r.left = nil
	}
	slices.Sort(orphans)
	orphans = slices.DeleteFunc(orphans, func(k int) bool { return c.units[k].done || c.working(k)+c.units[k].answers() >= c.units[k].need })
	c.assign(orphans, nil)
	for _, k := range orphans {
		u := &c.units[k]
		if at := c.dealing.place(u.Block); at.owner == p && !u.asked[len(u.asked)-1].gone {
			at.owner, at.cold = u.asked[len(u.asked)-1], false
		}
	}
	c.admit()
}

// working is how many machines are at a unit.
func (c *call) working(k int) (n int) {
	for _, r := range c.requests {
		if !r.over && slices.Contains(r.left, k) {
			n++
		}
	}
	return n
}

const (
	// patience is how many times as long as others a machine may take before others do
	// its work, too.
	patience = 2
	// atLeast is what is waited for a machine in any case.
	atLeast = 100 * time.Millisecond
	// unknown is what is waited for one where none can be compared with it.
	unknown = 5 * time.Second
	// mostFruitless is of how many calls in a row a machine may answer nothing.
	mostFruitless = 5
)

// ErrFruitless is of a machine that others do all the work of, again and again.
var ErrFruitless = fmt.Errorf("it answered nothing of what it was asked in %d calls in a row", mostFruitless)

// wake looks whether machines are late while others have nothing to do: then those do
// what is left, too. It is to be called at [call.next].
func (c *call) wake(now time.Time) {
	idle := c.idle()
	if len(idle) == 0 {
		return
	}
	var units []int
	for _, p := range c.dealing.parties {
		due, ok := c.due(p, idle)
		if !ok || due.After(now) {
			continue
		}
		for _, r := range c.requests {
			if r.party != p {
				continue
			}
			for _, k := range r.left {
				if !c.units[k].done && c.working(k)+c.units[k].answers() <= c.units[k].need && !slices.Contains(units, k) {
					units = append(units, k)
				}
			}
		}
	}
	slices.Sort(units)
	c.assign(units, func(p *party) bool { return !slices.Contains(idle, p) })
}

// next is when wake has something to look at; zero if that is not to be told.
func (c *call) next() (at time.Time) {
	idle := c.idle()
	if len(idle) == 0 {
		return at
	}
	for _, p := range c.dealing.parties {
		if due, ok := c.due(p, idle); ok && (at.IsZero() || due.Before(at)) && c.covers(p, idle) {
			at = due
		}
	}
	return at
}

// covers reports whether a party has something that an idle one could do.
func (c *call) covers(p *party, idle []*party) bool {
	for _, r := range c.requests {
		if r.party != p {
			continue
		}
		for _, k := range r.left {
			u := &c.units[k]
			if !u.done && c.working(k)+u.answers() <= u.need && slices.ContainsFunc(idle, func(p *party) bool { return !slices.Contains(u.asked, p) }) {
				return true
			}
		}
	}
	return false
}

// idle are the parties that have nothing to do.
func (c *call) idle() (idle []*party) {
	for _, p := range c.dealing.parties {
		if !p.gone && !slices.ContainsFunc(c.requests, func(r *request) bool { return r.party == p && !r.over }) {
			idle = append(idle, p)
		}
	}
	return idle
}

// due is when a party that works is late, by how fast those were that are through, if any
// was asked for something.
func (c *call) due(p *party, idle []*party) (time.Time, bool) {
	var load float64
	works := false
	for _, r := range c.requests {
		if r.party == p {
			load += r.load
			works = works || len(r.left) > 0
		}
	}
	if !works {
		return time.Time{}, false
	}
	var slowest float64 // seconds that a token of a machine of speed 1 took
	for _, o := range idle {
		var load float64
		var took time.Duration
		for _, r := range c.requests {
			if r.party == o && !r.failed {
				load += r.load
				took = max(took, r.took)
			}
		}
		if load > 0 {
			slowest = max(slowest, took.Seconds()*c.dealing.rate(o)/load)
		}
	}
	if slowest == 0 {
		return c.began.Add(unknown), true
	}
	expected := time.Duration(slowest * load / c.dealing.rate(p) * float64(time.Second))
	return c.began.Add(max(atLeast, patience*expected)), true
}

// finish learns how fast the parties were.
func (c *call) finish(now time.Time) {
	at := map[*party]*pace{}
	var paces []pace
	for _, r := range c.requests {
		if r.failed || r.party.gone {
			continue
		}
		p := at[r.party]
		if p == nil {
			p = &pace{party: r.party}
			at[r.party] = p
		}
		p.tokens += r.load - c.sum(r.left)
		p.cold = p.cold || r.cold
		switch {
		case !r.over && len(r.left) > 0:
			p.cut = true
			p.took = now.Sub(c.began)
		case p.cut:
		case r.busy > 0:
			p.took += r.busy
		case !r.over:
			p.took = max(p.took, now.Sub(c.began))
		default:
			p.took = max(p.took, r.took)
		}
	}
	for _, p := range c.dealing.parties {
		if at[p] != nil {
			paces = append(paces, *at[p])
		}
	}
	c.dealing.learn(paces)
	if len(c.conflict) > 0 { // it has ended too soon to tell
		return
	}
	for _, r := range c.requests[:c.dealt] {
		if r.party.fruitless++; len(r.left) < len(r.units) {
			r.party.fruitless = 0
		}
	}
}
