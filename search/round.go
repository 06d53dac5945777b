package search

import (
	"context"
	"fmt"
	"math"

	"bankai"
)

// candidate is a trial with what a run notes about it.
type candidate struct {
	Trial
	fresh   bool    // it was measured just now
	again   bool    // its score was remembered: it is no new candidate
	seconds float64 // when it was measured, since the run began
	key     memoKey
}

// known is what is remembered of a move on the current patch.
type known struct {
	Score
	outcome int // its place in Result.Outcomes, −1 if it has none
}

// round lets a strategy decide on some moves.
func (r *run) round(ctx context.Context, st Strategy, moves []Move) error {
	all, err := r.score(ctx, moves)
	if err != nil {
		return err
	}
	trials := make([]Trial, len(all))
	for i, t := range all {
		trials[i] = t.Trial
	}
	keep := st.Learn(trials)
	if keep < -1 || keep >= len(trials) {
		return fmt.Errorf("search: the strategy kept trial %d of %d", keep, len(trials))
	}
	on, decided := r.res.Patch, all
	if keep >= 0 {
		decided = all[:keep+1]
	}
	first := r.res.Steps + 1
	for i, t := range decided {
		if !t.again {
			if !r.pruning && len(t.Flips) > 0 {
				r.res.Steps++
			}
			r.memo[t.key] = known{t.Score, r.outcome(t)}
		}
		if at := r.memo[t.key].outcome; i == keep && at >= 0 {
			r.res.Outcomes[at].Kept = true
		}
		if t.Screened {
			r.res.Screened++
		}
	}
	if keep >= 0 {
		if err := r.apply(all[keep]); err != nil {
			return err
		}
		r.res.Trajectory = append(r.res.Trajectory, r.point())
	}
	return r.finish(all, first, keep, on)
}

// outcome notes what became of a prediction, if there was one, and says where.
func (r *run) outcome(t candidate) int {
	if !t.IsPredicted || t.Screened || math.IsInf(t.Fitness, 0) {
		return -1
	}
	now, ok := r.now(t.Sample)
	if !ok {
		return -1
	}
	r.res.Outcomes = append(r.res.Outcomes, Outcome{
		Granularity: GranularityOf(t.Flips[0]), Predicted: t.Predicted - now, True: t.Fitness - now,
	})
	return len(r.res.Outcomes) - 1
}

// now is the fitness of the current patch on a sample, if it is known.
func (r *run) now(s Sample) (fitness float64, ok bool) {
	if s == r.yardstick && s.All() {
		return r.res.Fitness, true
	}
	k, ok := r.memo[Move{Sample: s}.key()]
	return k.Fitness, ok
}

// patched is the current patch with a move.
func (r *run) patched(m Move) (*bankai.Patch, error) {
	p, err := r.res.Patch.Xor(bankai.New(r.res.Patch.Base(), bankai.Meta{}, m.Flips...))
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return p, nil
}

// apply makes a trial's patch the current one. A candidate that is kept later than
// it was measured costs its measurement once more: others were measured meanwhile,
// so what the search goes on from has to be computed anew.
func (r *run) apply(t candidate) error {
	cur, err := r.patched(t.Move)
	if err != nil {
		return err
	}
	now, ok := r.now(t.Sample)
	if !ok {
		return fmt.Errorf("search: the strategy kept a move measured on %v, where it had not asked for the current patch", t.Sample)
	}
	r.res.Patch, r.res.Final = cur, t.Score
	if t.Sample == r.yardstick {
		r.res.Fitness = t.Fitness
	} else {
		r.res.Fitness += t.Fitness - now
	}
	if !r.pruning {
		r.res.Accepted++
	}
	if t.again {
		r.res.Cost += r.memo[t.key].Cost
	}
	r.at = t.seconds
	clear(r.memo)
	r.known = cur
	if !t.Sample.All() {
		r.memo[Move{Sample: t.Sample}.key()] = known{t.Score, -1}
	}
	return nil
}

// tooLarge reports whether a move leads to a patch beyond the limits, and beyond
// what it is now.
func (r *run) tooLarge(m Move) (bool, error) {
	if len(m.Flips) == 0 || r.c.MaxFlips == 0 && r.c.MaxBytes == 0 {
		return false, nil
	}
	p, err := r.patched(m)
	if err != nil {
		return false, err
	}
	if p.Len() <= r.res.Patch.Len() && r.c.MaxBytes == 0 {
		return false, nil
	}
	return r.c.exceededBy(p)
}

// exceededBy reports whether a patch is beyond the limits of its size.
func (c Config) exceededBy(p *bankai.Patch) (bool, error) {
	if c.MaxFlips > 0 && p.Len() > c.MaxFlips {
		return true, nil
	}
	if c.MaxBytes == 0 {
		return false, nil
	}
	fitted, err := p.Fit(c.Shape)
	if err != nil {
		return false, fmt.Errorf("search: %w", err)
	}
	size, err := fitted.ContentSize()
	return size > int64(c.MaxBytes), err
}

// score measures moves on the current patch, unless the journal or this run knows
// their scores. What would be too large has fitness −Inf and is not measured.
func (r *run) score(ctx context.Context, moves []Move) ([]candidate, error) {
	all := make([]candidate, len(moves))
	var unknown []Move
	for i, m := range moves {
		t := &all[i]
		t.Move, t.key = m, m.key()
		large, err := r.tooLarge(m)
		if err != nil {
			return nil, err
		}
		if large {
			t.Fitness, t.seconds = math.Inf(-1), r.at
		} else if known, ok := r.memo[t.key]; ok {
			t.Score, t.again = known.Score, true
			t.Cost, t.seconds = 0, r.at
		} else if known, ok := r.c.Journal.lookup(r.res.Patch, m); ok {
			t.Score, t.seconds = known.Score, known.seconds
			r.replayed++
		} else {
			t.fresh = true
			unknown = append(unknown, m)
		}
	}
	if len(unknown) > 0 {
		scores, err := r.evaluate(ctx, unknown)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if t := &all[i]; t.fresh {
				t.Score, t.seconds, scores = scores[0], r.seconds(), scores[1:]
			}
		}
	}
	r.fresh += len(unknown)
	for _, t := range all {
		r.res.Cost += t.Cost
		r.at = max(r.at, t.seconds)
	}
	return all, nil
}

// evaluate measures moves on the current patch.
func (r *run) evaluate(ctx context.Context, moves []Move) ([]Score, error) {
	timed, cancel := r.timed(ctx)
	defer cancel()
	if r.replayed > 0 && r.fresh == 0 {
		again, err := r.ev.Score(timed, r.cur, []Move{{Sample: r.yardstick}})
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		if len(again) != 1 || !again[0].equal(r.res.Start) {
			return nil, fmt.Errorf("search: %s: its scores are not what they are now, so another precision, weights or program made it: start anew without resuming", r.c.Journal.path)
		}
	}
	scores, err := r.ev.Score(timed, r.res.Patch, moves)
	if err != nil {
		return nil, fmt.Errorf("search: step %d: %w", r.res.Steps+1, err)
	}
	if len(scores) != len(moves) {
		return nil, fmt.Errorf("search: the evaluator gave %d scores for %d moves", len(scores), len(moves))
	}
	return scores, nil
}
