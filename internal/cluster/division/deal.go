package division

import (
	"cmp"
	"slices"
	"time"

	"bankai/score"
	"bankai/search"
)

// party is a machine that takes part in the measuring.
type party struct {
	Peer
	here  bool       // it is the coordinator's own: it judges where others differ
	gone  bool       // it is asked nothing more
	speed float64    // tokens a second, of which only the ratio to those of others counts; 0: not known
	units int        // that it was asked for
	log   []answered // what it answered

	fruitless int // calls in a row of which it has answered nothing

	load float64 // tokens that it has, while blocks are dealt
}

// dealing says which machine measures which block. A block stays where it is, since its
// streams are there: whoever gets it pays a pass to make them anew.
type dealing struct {
	parties []*party // that are there, in the order in which they came; the first is here
	hands   map[search.Sample]*hand
	call    int // the number of the call
	every   int // after how many units of a party one is checked; 0: never
}

// hand is how the blocks of a sample are dealt.
type hand struct {
	places []*place // by block
	used   int      // the last call that asked for it
}

// place is where a block is measured.
type place struct {
	owner   *party  // nil: nobody yet
	weight  float64 // tokens: the most that a call asked for; 1 if none said
	checker *party  // measures it, too, in calls that check it, and so has its streams
	left    int     // calls in which the checker still does
	checked int     // the last call in which two machines measured it
	cold    bool    // the owner has no streams of it
}

// hasChecker reports whether somebody is there who checks the block's owner.
func (p *place) hasChecker() bool {
	return p.left > 0 && !p.checker.gone && p.checker != p.owner
}

const (
	// mostHands is the number of samples whose dealing is remembered.
	mostHands = 64
	// worthwhile is what a call's time must fall to, as a share, before blocks are moved.
	worthwhile = 0.85
	// checkedInRow is how often a block is checked before it is another's turn: who checks
	// needs its streams, which cost a pass and more, where a move may cost a tenth of one.
	checkedInRow = 32
	// learning is the weight of a new speed in the mean of the last ones, if it took so long
	// that messages and chance count for little.
	learning = 0.25
	telling  = 200 * time.Millisecond
)

// place is where a block is.
func (d *dealing) place(b score.Block) *place {
	h := d.hands[b.Sample]
	if h == nil {
		if len(d.hands) >= mostHands {
			d.forget()
		}
		h = &hand{}
		d.hands[b.Sample] = h
	}
	h.used = d.call
	for len(h.places) <= b.Index {
		h.places = append(h.places, &place{weight: 1, cold: true})
	}
	return h.places[b.Index]
}

// forget lets go of the sample that was not asked for longest.
func (d *dealing) forget() {
	var oldest search.Sample
	least := d.call + 1
	for s, h := range d.hands {
		if h.used < least || h.used == least && (s.First < oldest.First || s.First == oldest.First && s.N < oldest.N) {
			oldest, least = s, h.used
		}
	}
	delete(d.hands, oldest)
}

// deal returns the owner of the block of every part. All blocks of their samples are
// looked at, so that a call for a few of them moves nothing that the next needs.
func (d *dealing) deal(parts []score.Part) []*party {
	places := make([]*place, len(parts))
	var samples []search.Sample
	for i, p := range parts {
		places[i] = d.place(p.Block)
		places[i].weight = max(places[i].weight, p.Tokens)
		if !slices.Contains(samples, p.Sample) {
			samples = append(samples, p.Sample)
		}
	}
	var all []*place
	for _, s := range samples {
		all = append(all, d.hands[s].places...)
	}
	d.settle(all)
	d.even(all)
	owners := make([]*party, len(parts))
	for i, p := range places {
		owners[i] = p.owner
	}
	return owners
}

// settle gives blocks that nobody has to whoever will be through with them first.
func (d *dealing) settle(all []*place) {
	d.expectChecks(all)
	var free []*place
	for _, p := range all {
		if p.owner == nil || p.owner.gone {
			p.owner = nil
			free = append(free, p)
		} else {
			p.owner.load += p.weight
		}
	}
	slices.SortStableFunc(free, func(a, b *place) int { return cmp.Compare(b.weight, a.weight) })
	for _, p := range free {
		m := d.soonest(p.weight, nil)
		m.load += p.weight
		p.owner, p.cold = m, true
	}
}

// expectChecks sets the load of every party to what checking others will cost it; here
// checks only where there is no second worker.
func (d *dealing) expectChecks(all []*place) {
	var total float64
	for _, p := range all {
		total += p.weight
	}
	there, workers := 0.0, 0.0
	for _, m := range d.parties {
		m.load = 0
		if !m.gone {
			there++
			if !m.here {
				workers++
			}
		}
	}
	if d.every <= 0 || workers == 0 {
		return
	}
	checks := float64(total * workers / there / float64(d.every))
	for _, m := range d.parties {
		switch {
		case workers == 1 && m.here:
			m.load = checks
		case workers > 1 && !m.here && !m.gone:
			m.load = checks / workers
		}
	}
}

// soonest is the party that would be through first if it got that much more.
func (d *dealing) soonest(weight float64, not func(*party) bool) (best *party) {
	var least float64
	for _, m := range d.parties {
		if m.gone || not != nil && not(m) {
			continue
		}
		if t := (m.load + weight) / d.rate(m); best == nil || t < least {
			best, least = m, t
		}
	}
	return best
}

// rate is a party's speed, or the mean of the known ones.
func (d *dealing) rate(m *party) float64 {
	if m.speed > 0 {
		return m.speed
	}
	var total, n float64
	for _, o := range d.parties {
		if o.speed > 0 && !o.gone {
			total += o.speed
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return total / n
}

// even moves blocks from who has too many, if that makes a call so much faster that it is
// worth the passes.
func (d *dealing) even(all []*place) {
	rates := make(map[*party]float64, len(d.parties))
	var load, rate float64
	for _, m := range d.parties {
		rates[m] = d.rate(m)
		load += m.load
		rate += rates[m]
	}
	slowest := func() (slow *party, t float64) {
		for _, m := range d.parties {
			if at := m.load / rates[m]; slow == nil || at > t {
				slow, t = m, at
			}
		}
		return slow, t
	}
	_, now := slowest()
	if load/rate > worthwhile*now { // better than ideal there is not
		return
	}
	owner := make(map[*place]*party, len(all))
	for _, p := range all {
		owner[p] = p.owner
	}
	for {
		from, t := slowest()
		var best *place
		var to *party
		for _, p := range all {
			if owner[p] != from {
				continue
			}
			m := d.soonest(p.weight, func(m *party) bool { return m == from })
			if m == nil {
				break
			}
			if at := max((m.load+p.weight)/rates[m], (from.load-p.weight)/rates[from]); at < t*(1-1e-9) {
				best, to, t = p, m, at
			}
		}
		if best == nil {
			break
		}
		owner[best] = to
		from.load -= best.weight
		to.load += best.weight
	}
	if _, then := slowest(); then > worthwhile*now {
		return
	}
	for _, p := range all {
		if owner[p] != p.owner {
			p.owner, p.cold = owner[p], true
		}
	}
}

// pace is how fast a party was in a call.
type pace struct {
	party  *party
	tokens float64
	took   time.Duration
	cold   bool // it made streams
	cut    bool // it was not through: it is at most as fast
}

// learn takes in how fast parties were. Calls cost more or less a token, by how deep the
// moves are and how many: what is learnt is how parties compare.
func (d *dealing) learn(paces []pace) {
	paces = slices.DeleteFunc(paces, func(p pace) bool { return p.took <= 0 || p.tokens <= 0 && !p.cut })
	if slices.ContainsFunc(paces, func(p pace) bool { return !p.cold && !p.cut }) {
		paces = slices.DeleteFunc(paces, func(p pace) bool { return p.cold })
	}
	var known, measured float64
	for _, p := range paces {
		if !p.cut && p.party.speed > 0 {
			known += p.party.speed
			measured += p.tokens / p.took.Seconds()
		}
	}
	scale := 1.0
	if measured > 0 {
		scale = known / measured
	} else if slices.ContainsFunc(d.parties, func(m *party) bool { return m.speed > 0 }) {
		return // there is nobody to compare with
	}
	for _, p := range paces {
		speed := scale * p.tokens / p.took.Seconds()
		switch m := p.party; {
		case p.cut && m.speed > 0 && speed > m.speed:
		case m.speed == 0 && speed == 0:
			m.speed = d.rate(m) * learning
		case m.speed == 0:
			m.speed = speed
		default:
			weight := float64(learning * min(1, p.took.Seconds()/telling.Seconds()))
			m.speed += float64(weight * (max(speed, m.speed/1000) - m.speed))
		}
	}
}
