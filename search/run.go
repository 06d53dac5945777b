package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"bankai"
)

// Run searches from the patch cur, which may be empty, until a limit of c is
// reached, the strategy has no more moves or ctx ends. The end of ctx is no
// error: the result says StopInterrupted, and has the best patch so far. With an
// error, too, the result is not nil and holds what was found before it, unless
// the error is about c itself.
func Run(ctx context.Context, ev Evaluator, st Strategy, cur *bankai.Patch, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	r := &run{ev: ev, st: st, c: c, began: time.Now(), memo: map[bankai.Digest]Score{}}
	r.cur, r.res.Patch = cur, cur
	if c.Journal != nil {
		r.before = c.Journal.seconds
	}
	stopped, err := r.all(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		stopped, err = StopInterrupted, nil
	}
	return r.result(stopped), err
}

// run is the state of one call of Run. Its result is filled as it goes.
type run struct {
	ev     Evaluator
	st     Strategy
	c      Config
	cur    *bankai.Patch // the start
	res    Result
	began  time.Time
	before float64 // seconds the journal accounts for

	fresh    int // trials that were not in the journal
	replayed int // trials that were

	at   float64                 // seconds when the last trial was measured
	memo map[bankai.Digest]Score // by move, on the current patch
	last bankai.Digest           // the last move measured, if it was measured alone
	seen watching
}

// pruneBudget is the share of Config.MaxCost that is left for pruning.
const pruneBudget = 0.1

// all goes through the stages of a run: the search, the pruning, a last look.
func (r *run) all(ctx context.Context) (Stop, error) {
	if err := r.start(ctx); err != nil {
		return "", err
	}
	budget := r.c.MaxCost
	if r.c.Prune {
		budget *= 1 - pruneBudget
	}
	stopped, err := r.loop(ctx, r.st, func() Stop { return r.limit(budget) })
	if err != nil {
		return "", err
	}
	if r.c.Prune && stopped != StopFooled && r.res.Patch.Len() > 0 {
		if err := r.prune(ctx); err != nil {
			return "", err
		}
	}
	return stopped, r.conclude(ctx, &stopped)
}

// prune makes the patch smaller, for a limited cost.
func (r *run) prune(ctx context.Context) error {
	budget := r.c.MaxCost
	if budget == 0 {
		budget = r.res.Cost * (1 + pruneBudget)
	}
	p := NewPruner()
	p.Learn([]Trial{{Score: r.res.Final}})
	_, err := r.loop(ctx, p, func() Stop {
		if r.res.Cost >= budget {
			return StopCost
		}
		return ""
	})
	return err
}

// loop lets a strategy go on until a limit is reached.
func (r *run) loop(ctx context.Context, st Strategy, limit func() Stop) (Stop, error) {
	for {
		if stop := limit(); stop != "" {
			return stop, nil
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := r.foresee(ctx, st); err != nil {
			return "", err
		}
		moves := st.Next(max(1, min(r.c.Batch, r.c.Steps-r.res.Steps)))
		if len(moves) == 0 {
			return StopExhausted, nil
		}
		if err := r.round(ctx, st, moves); err != nil {
			return "", err
		}
		if fooled, err := r.look(ctx, false); err != nil || fooled {
			return StopFooled, err
		}
	}
}

// foresee gives the strategy the forecasts it wants, if any.
func (r *run) foresee(ctx context.Context, st Strategy) error {
	f, ok := st.(Foreseer)
	if !ok {
		return nil
	}
	for w := f.Wants(); !w.Empty(); w = f.Wants() {
		forecasts, err := r.forecast(ctx, w)
		if err != nil {
			return err
		}
		f.Inform(forecasts)
	}
	return nil
}

// forecast makes forecasts on the current patch, or takes them from the journal.
func (r *run) forecast(ctx context.Context, w Want) (Forecasts, error) {
	if f, cost, ok := r.c.Journal.forecast(r.res.Patch, w); ok {
		r.res.Cost += cost
		r.replayed++
		return f, nil
	}
	ev, ok := r.ev.(Forecaster)
	if !ok {
		return Forecasts{}, errors.New("search: the strategy needs forecasts, which the evaluator does not make")
	}
	f, cost, err := ev.Forecast(ctx, r.res.Patch, w)
	if err != nil {
		return f, fmt.Errorf("search: %w", err)
	}
	r.res.Cost += cost
	if err := r.c.Journal.append(newForecastRecord(r.res.Patch, w, f, cost, r.seconds())); err != nil {
		return f, fmt.Errorf("search: %w", err)
	}
	return f, nil
}

func (r *run) limit(budget float64) Stop {
	switch {
	case r.res.Steps >= r.c.Steps:
		return StopSteps
	case r.c.MaxFlips > 0 && r.res.Patch.Len() >= r.c.MaxFlips:
		return StopFlips
	case budget > 0 && r.res.Cost >= budget:
		return StopCost
	}
	return ""
}

// start measures the patch the run starts from.
func (r *run) start(ctx context.Context) error {
	all, err := r.score(ctx, []Move{{}})
	if err != nil {
		return err
	}
	start := all[0]
	if f := start.Fitness; math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("search: the patch to start from has fitness %v: the model gives a probe no finite log-probability", f)
	}
	r.st.Learn([]Trial{start.Trial})
	r.res.Start, r.res.Final, r.res.Fitness = start.Score, start.Score, start.Fitness
	r.res.Trajectory = append(r.res.Trajectory, r.point())
	if err := r.finish(all, 0, 0, r.res.Patch); err != nil {
		return err
	}
	_, err = r.look(ctx, true)
	return err
}

// tried is a trial with what a run notes about it.
type tried struct {
	Trial
	fresh   bool    // it was measured just now
	again   bool    // its score was remembered: it is no new candidate
	seconds float64 // when it was measured, since the run began
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
			r.res.Steps++
			r.outcome(t, i == keep)
		} else if i == keep {
			r.keptAgain(t)
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

// outcome notes what became of a prediction.
func (r *run) outcome(t tried, kept bool) {
	if t.Foreseen && !t.Screened && !math.IsInf(t.Fitness, 0) {
		r.res.Outcomes = append(r.res.Outcomes, Outcome{granularityOf(t.Flips[0]), t.Predicted - r.res.Fitness, t.Fitness - r.res.Fitness, kept})
	}
}

// keptAgain notes that a move whose outcome is noted already was kept after all.
func (r *run) keptAgain(t tried) {
	for i := len(r.res.Outcomes) - 1; i >= 0; i-- {
		if r.res.Outcomes[i].True == t.Fitness-r.res.Fitness {
			r.res.Outcomes[i].Kept = true
			return
		}
	}
}

// patched is the current patch with a move.
func (r *run) patched(m Move) (*bankai.Patch, error) {
	p, err := r.res.Patch.Xor(bankai.New(r.res.Patch.Base(), bankai.Meta{}, m.Flips...))
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return p, nil
}

// apply makes a trial's patch the current one.
func (r *run) apply(t tried) error {
	cur, err := r.patched(t.Move)
	if err != nil {
		return err
	}
	r.res.Patch, r.res.Final, r.res.Fitness = cur, t.Score, t.Fitness
	r.res.Accepted++
	if moveDigest(t.Move) != r.last {
		r.res.Cost += t.KeepCost
	}
	r.at = t.seconds
	clear(r.memo)
	return nil
}

// tooLarge reports whether a move leads to a patch beyond the limits, and beyond
// what it is now.
func (r *run) tooLarge(m Move) (bool, error) {
	if r.c.MaxFlips == 0 && r.c.MaxBytes == 0 || len(m.Flips) == 0 {
		return false, nil
	}
	p, err := r.patched(m)
	if err != nil {
		return false, err
	}
	if n := p.Len(); r.c.MaxFlips > 0 && n > r.c.MaxFlips && n > r.res.Patch.Len() {
		return true, nil
	}
	if r.c.MaxBytes == 0 {
		return false, nil
	}
	size, err := p.WithMeta(r.cur.Meta()).WriteTo(io.Discard)
	return size > int64(r.c.MaxBytes), err
}

// score measures moves on the current patch, unless the journal or this run knows
// their scores. What would be too large has fitness −Inf and is not measured.
func (r *run) score(ctx context.Context, moves []Move) ([]tried, error) {
	all := make([]tried, len(moves))
	var unknown []Move
	for i, m := range moves {
		t := &all[i]
		t.Move = m
		large, err := r.tooLarge(m)
		if err != nil {
			return nil, err
		}
		if large {
			t.Fitness, t.seconds = math.Inf(-1), r.at
		} else if t.Score, t.again = r.memo[moveDigest(m)]; t.again {
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
	if !all[0].again {
		r.last = bankai.Digest{}
		if len(all) == 1 {
			r.last = moveDigest(all[0].Move)
		}
	}
	for _, t := range all {
		r.res.Cost += t.Cost
		r.memo[moveDigest(t.Move)] = t.Score
		r.at = max(r.at, t.seconds)
	}
	return all, nil
}

// evaluate measures moves on the current patch.
func (r *run) evaluate(ctx context.Context, moves []Move) ([]Score, error) {
	if r.replayed > 0 && r.fresh == 0 {
		again, err := r.ev.Score(ctx, r.cur, []Move{{}})
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		if len(again) != 1 || !again[0].equal(r.res.Start) {
			return nil, fmt.Errorf("search: %s: its scores are not what they are now, so another precision, weights or program made it: start anew without resuming", r.c.Journal.path)
		}
	}
	scores, err := r.ev.Score(ctx, r.res.Patch, moves)
	if err != nil {
		return nil, fmt.Errorf("search: step %d: %w", r.res.Steps+1, err)
	}
	if len(scores) != len(moves) {
		return nil, fmt.Errorf("search: the evaluator gave %d scores for %d moves", len(scores), len(moves))
	}
	return scores, nil
}

// finish writes a round to the journal and reports it. first is the number of its
// first candidate; on is the patch that the trials were measured on.
func (r *run) finish(all []tried, first, keep int, on *bankai.Patch) error {
	var records []record
	for i, t := range all {
		if t.fresh {
			records = append(records, newTrialRecord(first+i, on, t, i == keep))
		}
	}
	if err := r.c.Journal.append(records...); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if r.c.Progress != nil {
		r.c.Progress(r.progress())
	}
	return nil
}

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }

func (r *run) point() Point {
	return Point{Step: r.res.Steps, Cost: r.res.Cost, Fitness: r.res.Fitness, Flips: r.res.Patch.Len(), Seconds: r.at}
}

func (r *run) progress() Progress {
	p := Progress{Point: r.point(), Steps: r.c.Steps, Accepted: r.res.Accepted, Screened: r.res.Screened}
	elapsed := time.Since(r.began).Seconds()
	if r.fresh < 2 || elapsed <= 0 { // the first is the start, which also pays for what is done once
		return p
	}
	p.Rate = float64(r.fresh) / elapsed
	left := float64(r.c.Steps-r.res.Steps) / p.Rate
	if perStep := r.res.Cost / float64(r.res.Steps+1); r.c.MaxCost > 0 && perStep > 0 {
		left = min(left, max(0, r.c.MaxCost-r.res.Cost)/perStep/p.Rate)
	}
	p.ETA = time.Duration(math.Min(left, math.MaxInt32) * float64(time.Second))
	return p
}

// result completes the result with what is only known at the end.
func (r *run) result(stopped Stop) *Result {
	res := r.res
	if n := len(res.Trajectory); n > 0 {
		if last, end := res.Trajectory[n-1], r.point(); last.Step != end.Step || last.Cost != end.Cost || last.Flips != end.Flips {
			res.Trajectory = append(res.Trajectory, end)
		}
	}
	res.Patch = res.Patch.WithMeta(r.cur.Meta())
	res.Seconds = r.seconds()
	res.Stopped = stopped
	return &res
}
