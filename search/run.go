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
	r := &run{ev: ev, st: st, c: c, began: time.Now(), memo: map[memoKey]known{}}
	if s, ok := st.(Sampled); ok {
		r.yardstick = s.Yardstick()
	}
	r.cur, r.res.Patch, r.known = cur, cur, cur
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

	pruning        bool    // what is taken out now is no candidate
	predictionCost float64 // of the last prediction
	end            float64 // seconds after which what goes on is too late; 0 for no limit

	yardstick  Sample            // on which start and result are measured
	at         float64           // seconds when the last trial or prediction was made
	memo       map[memoKey]known // on the patch known
	known      *bankai.Patch
	validating validating
}

// memoKey is a move and where it is measured.
type memoKey struct {
	move   bankai.Digest
	sample Sample
}

func (m Move) key() memoKey { return memoKey{m.Digest(), m.Sample} }

// pruneBudget is the share of Config.MaxCost and MaxSeconds that is left for pruning.
const pruneBudget = 0.1

// all goes through the stages of a run: the search, the pruning, a last checkpoint.
func (r *run) all(ctx context.Context) (Stop, error) {
	if err := r.start(ctx); err != nil {
		return "", err
	}
	budget, end := r.c.MaxCost, r.c.MaxSeconds
	if r.c.Prune {
		budget *= 1 - pruneBudget
		end = float64(end * (1 - pruneBudget))
	}
	r.end = end
	stopped, err := r.loop(ctx, r.st, func() Stop { return r.limit(budget) })
	if err != nil {
		return "", err
	}
	r.end = 0
	if err := r.judge(ctx); err != nil {
		return "", err
	}
	r.end = r.c.MaxSeconds
	if r.c.Prune && stopped != StopOverfit && r.res.Patch.Len() > 0 {
		if err := r.prune(ctx); err != nil {
			return "", err
		}
	}
	r.end = 0
	if err := r.lastValidation(ctx); err != nil {
		return "", err
	}
	if err := r.last(ctx); err != nil {
		return "", err
	}
	if r.validating.overfit {
		return StopOverfit, nil
	}
	return stopped, nil
}

// judge measures the current patch on the yardstick, if moves were measured elsewhere.
func (r *run) judge(ctx context.Context) error {
	if r.yardstick.All() || r.res.Patch == r.cur {
		return nil
	}
	all, err := r.score(ctx, []Move{{Sample: r.yardstick}})
	if err != nil {
		return err
	}
	r.res.Final, r.res.Fitness = all[0].Score, all[0].Fitness
	r.memo[all[0].key] = known{all[0].Score, -1}
	return r.finish(all, r.res.Steps, 0, r.res.Patch)
}

// last measures the patch that a search on samples ends with, unless it was. One that
// is worse than what the search began with is not its result.
func (r *run) last(ctx context.Context) error {
	if r.yardstick.All() {
		return nil
	}
	if r.res.Patch != r.known { // that of an earlier checkpoint
		clear(r.memo)
	}
	if err := r.judge(ctx); err != nil {
		return err
	}
	if r.res.Fitness < r.res.Start.Fitness {
		r.res.WentBack = fmt.Sprintf("to the start: the samples promised more than the patch found gives on all of %v, %+.3f", r.yardstick, r.res.Fitness-r.res.Start.Fitness)
		r.res.Patch, r.res.Final, r.res.Fitness = r.cur, r.res.Start, r.res.Start.Fitness
	}
	return nil
}

// prune makes the patch smaller, for a limited cost.
func (r *run) prune(ctx context.Context) error {
	budget := r.c.MaxCost
	if budget == 0 {
		budget = r.res.Cost * (1 + pruneBudget)
	}
	r.pruning = true
	p := &Pruner{best: math.Inf(-1), sample: r.yardstick}
	p.Learn([]Trial{{Score: r.res.Final}})
	_, err := r.loop(ctx, p, func() Stop {
		if r.late() {
			return StopTime
		}
		if next := r.res.Cost + r.predictionCost; r.res.Cost >= budget || next > budget && !p.Wants().Empty() {
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
		if err := r.inform(ctx, st); err != nil {
			return r.timely(ctx, err)
		}
		moves := st.Next(max(1, min(r.c.Batch, r.c.Steps-r.res.Steps)))
		if len(moves) == 0 {
			return StopExhausted, nil
		}
		if err := r.round(ctx, st, moves); err != nil {
			return r.timely(ctx, err)
		}
		if overfit, err := r.checkpoint(ctx, false); err != nil || overfit {
			return StopOverfit, err
		}
	}
}

// inform gives the strategy the predictions it wants, if any.
func (r *run) inform(ctx context.Context, st Strategy) error {
	f, ok := st.(Informed)
	if !ok {
		return nil
	}
	for w := f.Wants(); !w.Empty(); w = f.Wants() {
		predictions, err := r.predictions(ctx, w)
		if err != nil {
			return err
		}
		f.Inform(predictions)
	}
	return nil
}

// predictions makes predictions on the current patch, or takes them from the journal.
func (r *run) predictions(ctx context.Context, w Want) (f Predictions, err error) {
	var cost float64
	known, ok := r.c.Journal.predictions(r.res.Patch, w)
	f, cost = known.Predictions, known.cost
	if ok {
		r.replayed++
		r.at = max(r.at, known.seconds)
	} else if f, cost, err = r.predict(ctx, w); err != nil {
		return f, err
	}
	r.res.Cost += cost
	r.predictionCost = cost
	return f, nil
}

// predict makes predictions, and writes them to the journal.
func (r *run) predict(ctx context.Context, w Want) (Predictions, float64, error) {
	ev, ok := r.ev.(Predictor)
	if !ok {
		return Predictions{}, 0, errors.New("search: the strategy needs predictions, which the evaluator does not make")
	}
	timed, cancel := r.timed(ctx)
	defer cancel()
	f, cost, err := ev.Predict(timed, r.res.Patch, w)
	if err == nil {
		err = r.c.Journal.append(newPredictedRecord(r.res.Patch, w, f, cost, r.seconds()))
	}
	if err != nil {
		return f, 0, fmt.Errorf("search: %w", err)
	}
	return f, cost, nil
}

func (r *run) limit(budget float64) Stop {
	switch {
	case r.res.Steps >= r.c.Steps:
		return StopSteps
	case r.c.MaxFlips > 0 && r.res.Patch.Len() >= r.c.MaxFlips:
		return StopFlips
	case budget > 0 && r.res.Cost >= budget:
		return StopCost
	case r.late():
		return StopTime
	}
	return ""
}

// late reports whether time is up. While a journal answers, its own time counts: so
// the run that wrote it is repeated to where it ended.
func (r *run) late() bool {
	now := r.seconds()
	if r.c.Journal != nil && r.at < r.c.Journal.measured {
		now = r.at
	}
	return r.end > 0 && now >= r.end
}

// timed is a context that ends when time is up.
func (r *run) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.end == 0 {
		return ctx, func() {}
	}
	left := min(r.end-r.seconds(), math.MaxInt32)
	return context.WithTimeout(ctx, time.Duration(left*float64(time.Second)))
}

// timely tells the end of the time from other errors.
func (r *run) timely(ctx context.Context, err error) (Stop, error) {
	if r.end > 0 && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return StopTime, nil
	}
	return "", err
}

// start measures the patch the run starts from.
func (r *run) start(ctx context.Context) error {
	all, err := r.score(ctx, []Move{{Sample: r.yardstick}})
	if err != nil {
		return err
	}
	start := all[0]
	if f := start.Fitness; math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("search: the patch to start from has fitness %v: the model gives a probe no finite log-probability", f)
	}
	if !r.yardstick.All() {
		r.memo[start.key] = known{start.Score, -1}
	}
	r.st.Learn([]Trial{start.Trial})
	r.res.Start, r.res.Final, r.res.Fitness = start.Score, start.Score, start.Fitness
	r.res.Trajectory = append(r.res.Trajectory, r.point())
	if err := r.finish(all, 0, 0, r.res.Patch); err != nil {
		return err
	}
	_, err = r.checkpoint(ctx, true)
	return err
}

// finish writes a round to the journal and reports it. first is the number of its
// first candidate; on is the patch that the trials were measured on.
func (r *run) finish(all []candidate, first, keep int, on *bankai.Patch) error {
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
