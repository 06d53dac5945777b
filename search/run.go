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
	r := &run{ev: ev, st: st, c: c, began: time.Now(), memo: map[bankai.Digest]known{}}
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

	pruning        bool    // what is taken out now is no candidate
	predictionCost float64 // of the last prediction

	at         float64                 // seconds when the last trial was measured
	memo       map[bankai.Digest]known // by move, on the current patch
	validating validating
}

// pruneBudget is the share of Config.MaxCost that is left for pruning.
const pruneBudget = 0.1

// all goes through the stages of a run: the search, the pruning, a last checkpoint.
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
	if r.c.Prune && stopped != StopOverfit && r.res.Patch.Len() > 0 {
		if err := r.prune(ctx); err != nil {
			return "", err
		}
	}
	if err := r.lastValidation(ctx); err != nil {
		return "", err
	}
	if r.validating.overfit {
		return StopOverfit, nil
	}
	return stopped, nil
}

// prune makes the patch smaller, for a limited cost.
func (r *run) prune(ctx context.Context) error {
	budget := r.c.MaxCost
	if budget == 0 {
		budget = r.res.Cost * (1 + pruneBudget)
	}
	r.pruning = true
	p := NewPruner()
	p.Learn([]Trial{{Score: r.res.Final}})
	_, err := r.loop(ctx, p, func() Stop {
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
			return "", err
		}
		moves := st.Next(max(1, min(r.c.Batch, r.c.Steps-r.res.Steps)))
		if len(moves) == 0 {
			return StopExhausted, nil
		}
		if err := r.round(ctx, st, moves); err != nil {
			return "", err
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
	f, cost, known := r.c.Journal.predictions(r.res.Patch, w)
	if known {
		r.replayed++
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
	f, cost, err := ev.Predict(ctx, r.res.Patch, w)
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
