package search

import (
	"context"
	"errors"
	"fmt"
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
	r := &run{ev: ev, st: st, c: c, began: time.Now()}
	r.cur, r.res.Patch = cur, cur
	if c.Journal != nil {
		r.before = c.Journal.seconds
	}
	stopped, err := r.loop(ctx)
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
}

func (r *run) loop(ctx context.Context) (Stop, error) {
	if err := r.start(ctx); err != nil {
		return "", err
	}
	for {
		if stop := r.limit(); stop != "" {
			return stop, nil
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := r.foresee(ctx); err != nil {
			return "", err
		}
		moves := r.st.Next(min(max(r.c.Batch, 1), r.c.Steps-r.res.Steps))
		if len(moves) == 0 {
			return StopExhausted, nil
		}
		if err := r.round(ctx, moves); err != nil {
			return "", err
		}
	}
}

// foresee gives the strategy the forecast it wants, if any.
func (r *run) foresee(ctx context.Context) error {
	f, ok := r.st.(Foreseer)
	if !ok {
		return nil
	}
	ms, n := f.Wants()
	if n == 0 {
		return nil
	}
	ev, ok := r.ev.(Forecaster)
	if !ok {
		return errors.New("search: the strategy needs forecasts, which the evaluator does not make")
	}
	forecast, cost, err := ev.Forecast(ctx, r.res.Patch, ms, n)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	r.res.Cost += cost
	f.Inform(forecast)
	return nil
}

func (r *run) limit() Stop {
	switch {
	case r.res.Steps >= r.c.Steps:
		return StopSteps
	case r.c.MaxFlips > 0 && r.res.Patch.Len() >= r.c.MaxFlips:
		return StopFlips
	case r.c.MaxCost > 0 && r.res.Cost >= r.c.MaxCost:
		return StopCost
	}
	return ""
}

// start measures the patch the run starts from.
func (r *run) start(ctx context.Context) error {
	trials, fresh, err := r.score(ctx, []Move{{}})
	if err != nil {
		return err
	}
	if f := trials[0].Fitness; math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("search: the patch to start from has fitness %v: the model gives a probe no finite log-probability", f)
	}
	r.st.Learn(trials)
	r.res.Start, r.res.Final, r.res.Fitness = trials[0].Score, trials[0].Score, trials[0].Fitness
	r.res.Trajectory = append(r.res.Trajectory, r.point())
	return r.finish(trials, fresh, 0, r.res.Patch)
}

// round lets the strategy decide on some moves.
func (r *run) round(ctx context.Context, moves []Move) error {
	trials, fresh, err := r.score(ctx, moves)
	if err != nil {
		return err
	}
	keep := r.st.Learn(trials)
	if keep < -1 || keep >= len(trials) {
		return fmt.Errorf("search: the strategy kept trial %d of %d", keep, len(trials))
	}
	on, decided := r.res.Patch, len(trials)
	if keep >= 0 {
		if err := r.apply(trials[keep]); err != nil {
			return err
		}
		decided = keep + 1
	}
	for _, t := range trials[:decided] {
		if t.Screened {
			r.res.Screened++
		}
	}
	r.res.Steps += decided
	if keep >= 0 {
		r.res.Trajectory = append(r.res.Trajectory, r.point())
	}
	return r.finish(trials, fresh, keep, on)
}

// apply makes a trial's patch the current one.
func (r *run) apply(t Trial) error {
	cur, err := r.res.Patch.Xor(bankai.New(r.res.Patch.Base(), bankai.Meta{}, t.Flips...))
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	r.res.Patch, r.res.Final, r.res.Fitness = cur, t.Score, t.Fitness
	r.res.Accepted++
	r.res.Cost += t.KeepCost
	return nil
}

// score measures moves on the current patch, taking from the journal what it
// holds. fresh tells which of the trials it did not.
func (r *run) score(ctx context.Context, moves []Move) (trials []Trial, fresh []bool, err error) {
	trials, fresh = make([]Trial, len(moves)), make([]bool, len(moves))
	var unknown []Move
	for i, m := range moves {
		trials[i].Move = m
		s, ok := r.c.Journal.lookup(r.res.Patch, m)
		trials[i].Score, fresh[i] = s, !ok
		if !ok {
			unknown = append(unknown, m)
		}
	}
	if len(unknown) > 0 {
		scores, err := r.evaluate(ctx, unknown)
		if err != nil {
			return nil, nil, err
		}
		for i := range trials {
			if fresh[i] {
				trials[i].Score, scores = scores[0], scores[1:]
			}
		}
	}
	r.fresh += len(unknown)
	r.replayed += len(moves) - len(unknown)
	for _, t := range trials {
		r.res.Cost += t.Cost
	}
	return trials, fresh, nil
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

// finish writes a round to the journal and reports it. on is the patch that the
// trials were measured on.
func (r *run) finish(trials []Trial, fresh []bool, keep int, on *bankai.Patch) error {
	step := r.res.Steps
	if keep >= 0 {
		step -= keep
	} else {
		step -= len(trials) - 1
	}
	var records []record
	for i, t := range trials {
		if fresh[i] {
			records = append(records, newRecord(step+i, on, t, i == keep, r.seconds()))
		}
	}
	if len(records) > 0 {
		if err := r.c.Journal.append(records); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	if r.c.Progress != nil {
		r.c.Progress(r.progress())
	}
	return nil
}

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }

func (r *run) point() Point {
	return Point{Step: r.res.Steps, Cost: r.res.Cost, Fitness: r.res.Fitness, Flips: r.res.Patch.Len()}
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
	if n := len(res.Trajectory); n > 0 && res.Trajectory[n-1] != r.point() {
		res.Trajectory = append(res.Trajectory, r.point())
	}
	res.Patch = res.Patch.WithMeta(r.cur.Meta())
	res.Seconds = r.seconds()
	res.Stopped = stopped
	return &res
}
