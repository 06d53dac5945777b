package division

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bankai/score"
)

// WrongBits says that a worker computed other bits than another machine, and than the
// coordinator's own, which decides. Its processor, memory or program is at fault.
type WrongBits struct {
	Worker string
	Call   int // in which it was found out, see [Divided.Calls]
	Block  score.Block
}

// Error says who was wrong, where, and what to do.
func (e *WrongBits) Error() string {
	return fmt.Sprintf("%s computed other bits than this machine, in block %d of sample %v: it is asked nothing more; look to its memory and processor",
		e.Worker, e.Block.Index, e.Block.Sample)
}

// TaintedError says that results of earlier calls were wrong, because a worker computed
// wrong bits. What rests on the calls from Since on is to be taken back, also what an
// evaluator remembers of them; then the work can go on from there, without that worker.
type TaintedError struct {
	Since int // the first wrong call, see [Divided.Calls]
	Wrong []*WrongBits
}

// Error says who was wrong.
func (e *TaintedError) Error() string {
	var names []string
	for _, w := range e.Wrong {
		names = append(names, w.Worker)
	}
	return fmt.Sprintf("results since call %d rest on wrong bits of %s: go back to what was recorded before, and go on from there", e.Since, strings.Join(names, ", "))
}

// Unwrap gives the reports of all workers that were wrong.
func (e *TaintedError) Unwrap() []error {
	errs := make([]error, len(e.Wrong))
	for i, w := range e.Wrong {
		errs[i] = w
	}
	return errs
}

// TaintedSince is the first wrong call.
func (e *TaintedError) TaintedSince() int { return e.Since }

// answered are the answers of a machine in one call which here did not give, too: what was
// asked, and the digests of what it said. Two machines that agree prove nothing, since they
// may have the same fault. They are kept as long as the run, about 100 bytes a unit.
type answered struct {
	call  int
	asked Query
	parts []score.Part
	sums  []digest // of all that was said of a part
}

// sum is the digest of all that was said of a unit.
func (u *unit) sum() digest { return digestOfSums(u.seen) }

// note keeps who answered what, should it turn out later that they compute wrong bits.
// Nobody doubts here. number is that of the call that was asked first.
func (d *Divided) note(c *call, number int) {
	if d.check <= 0 {
		return
	}
	at := map[*party]*answered{}
	for k := range c.units {
		u := &c.units[k]
		if slices.ContainsFunc(u.streams, func(s stream) bool { return s.whole && s.by.here }) {
			continue
		}
		for _, s := range u.streams {
			if !s.whole || s.by.gone {
				continue
			}
			l := at[s.by]
			if l == nil {
				l = &answered{call: number, asked: c.Query}
				at[s.by] = l
			}
			l.parts = append(l.parts, u.Part)
			l.sums = append(l.sums, u.sum())
		}
	}
	for p, l := range at {
		p.log = append(p.log, *l)
	}
}

// resolve finds out who was wrong where machines differ, and whether anything that was
// given rests on that: then it returns a *TaintedError. given says that something of this
// call was.
func (d *Divided) resolve(ctx context.Context, c *call, given bool) error {
	r := &review{d: d, since: d.number + 1}
	if given {
		r.since = d.number
	}
	if err := r.judge(ctx, c); err != nil {
		return err
	}
	if err := r.again(ctx); err != nil {
		return err
	}
	return r.tainted()
}

// prove computes again what some parties have answered that are known to compute wrong
// bits, and returns a *TaintedError if something was wrong.
func (d *Divided) prove(ctx context.Context, accused []*party) error {
	r := &review{d: d, since: d.number + 1, judged: slices.Clone(accused), suspect: accused}
	if err := r.again(ctx); err != nil {
		return err
	}
	return r.tainted()
}

// tainted is what calls are wrong, nil if none is: then it is forgotten what others answered
// in those, which will be asked anew.
func (r *review) tainted() error {
	d := r.d
	if r.since > d.number {
		return nil
	}
	for _, p := range slices.Concat(d.dealing.parties, d.were) {
		p.log = slices.DeleteFunc(p.log, func(l answered) bool { return l.call >= r.since })
	}
	return &TaintedError{Since: r.since, Wrong: r.wrong}
}

// review looks for what wrong bits have spoilt.
type review struct {
	d       *Divided
	wrong   []*WrongBits
	judged  []*party // who was wrong
	suspect []*party // of these, whose answers are still to be computed again
	since   int      // the first call that is known to be wrong
}

// judge computes here what machines differ about in a call, and takes out who is wrong.
func (r *review) judge(ctx context.Context, c *call) error {
	for _, k := range c.conflict {
		u := &c.units[k]
		truth, err := r.d.here(ctx, c.Query, u.Part)
		if err != nil {
			return err
		}
		found := false
		for _, s := range u.streams {
			if n := len(s.sums); n > len(truth) || !slices.Equal(s.sums, truth[:n]) || s.whole && n < len(truth) {
				found = true
				if s.by.here {
					return fmt.Errorf("block %d of sample %v has other bits here each time that it is computed: look to this machine's memory and processor", u.Index, u.Sample)
				}
				r.condemn(s.by, u.Block)
			}
		}
		if !found {
			return fmt.Errorf("block %d of sample %v: machines differ, and none from this one: report this", u.Index, u.Sample)
		}
	}
	return nil
}

// condemn takes out a machine that was wrong about a block.
func (r *review) condemn(p *party, b score.Block) {
	if slices.Contains(r.judged, p) {
		return
	}
	r.judged = append(r.judged, p)
	w := &WrongBits{Worker: p.Name(), Call: r.d.number, Block: b}
	p.gone = true
	r.wrong = append(r.wrong, w)
	r.suspect = append(r.suspect, p)
	r.d.tell(p, w)
}

// blame names a machine that was accused, and was wrong here, too.
func (r *review) blame(p *party, l answered) {
	if !slices.ContainsFunc(r.wrong, func(w *WrongBits) bool { return w.Worker == p.Name() }) {
		r.wrong = append(r.wrong, &WrongBits{Worker: p.Name(), Call: l.call, Block: l.parts[0].Block})
	}
}

// again computes again what the machines that were wrong answered, from the first call on, until a call is found that is wrong. All machines take part.
func (r *review) again(ctx context.Context) error {
	for len(r.suspect) > 0 {
		p := r.suspect[0]
		for _, l := range p.log {
			if l.call >= r.since {
				continue
			}
			right, err := r.proved(ctx, l)
			if err != nil {
				return err
			}
			if !right {
				r.since = l.call
				r.blame(p, l)
			}
		}
		p.log = nil
		r.suspect = r.suspect[1:]
	}
	return nil
}

// proved reports whether answers were right, as other machines find. Where they find
// something else, here decides.
func (r *review) proved(ctx context.Context, l answered) (bool, error) {
	d := r.d
	for {
		c, err := d.measure(ctx, l.asked, l.parts, 0, func(int, score.Effects) error { return nil })
		if err != nil {
			return false, err
		}
		if len(c.conflict) > 0 {
			if err := r.judge(ctx, c); err != nil {
				return false, err
			}
			continue
		}
		d.note(c, l.call)
		for k := range c.units {
			u := &c.units[k]
			if u.sum() == l.sums[k] {
				continue
			}
			truth, err := d.here(ctx, l.asked, u.Part)
			if err != nil {
				return false, err
			}
			if digestOfSums(truth) != l.sums[k] {
				return false, nil
			}
			for _, s := range u.streams {
				if s.whole {
					r.condemn(s.by, u.Block)
				}
			}
		}
		return true, nil
	}
}

// here is what the coordinator's own machine says of a part.
func (d *Divided) here(ctx context.Context, q Query, part score.Part) (sums []digest, err error) {
	here := d.dealing.parties[0]
	if q.Want == nil {
		_, err = here.Values(ctx, q.Patch, q.Moves, []score.Part{part}, func(_ int, values [][]float64) error {
			sums = append(sums, digestOfValues(values))
			return nil
		})
	} else {
		_, err = here.Effects(ctx, q.Patch, *q.Want, []score.Block{part.Block}, func(_ int, e *score.Effects) error {
			if e != nil {
				sums = append(sums, Digest(e))
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("here: %w", err)
	}
	return sums, nil
}
