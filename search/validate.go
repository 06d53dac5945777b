package search

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/stats"
)

// Validation looks, while a search climbs its fitness, at what the fitness stands for:
// whether the model's own answers to prompts that the search does not use are
// right. A fitness can rise by means that help no answer; the published one does,
// under a strong optimiser. When the search ends, the patch with the most right
// answers of those looked at is its result; of several, the fittest. The start is
// the result only where it is the only one, or where the loss of answers under
// every patch is more than chance.
type Validation struct {
	// Of identifies the prompts: a journal's checkpoints of others are not taken
	// for those of these.
	Of string
	// Answers tells which of the prompts are answered right under a patch.
	Answers func(ctx context.Context, p *bankai.Patch) ([]bool, error)
	// Every is the cost between checkpoints, in forward-pass equivalents; 0 means
	// DefaultEvery.
	Every float64
}

const (
	// DefaultEvery is the usual cost between checkpoints, in forward-pass equivalents.
	DefaultEvery = 15

	// StopAnswers is the number of watched prompts from which on a fall ends the
	// search: with fewer, chance moves them too much.
	StopAnswers = 200

	// fallLevel is the probability, if the patch did no harm, of as many answers
	// lost since the best checkpoint as are taken for a fall.
	fallLevel = 0.01
)

// Checkpoint is a patch, and what was right under it.
type Checkpoint struct {
	Point
	Answers []bool `json:"-"`

	patch *bankai.Patch
	score Score
}

// validating is what a run knows of its checkpoints.
type validating struct {
	last    float64 // cost at the last checkpoint
	best    int     // index of the first checkpoint with the most right answers
	overfit bool
}

// validate asks for the answers under a patch, unless the journal has them. seconds
// is the time since the run began.
func (c Config) validate(ctx context.Context, p *bankai.Patch, seconds func() float64) ([]bool, error) {
	if right, ok := c.Journal.checkpoint(p, c.Validation.Of); ok {
		return right, nil
	}
	right, err := c.Validation.Answers(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("search: watching the answers: %w", err)
	}
	if err := c.Journal.append(newCheckpointRecord(p, c.Validation.Of, right, seconds())); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return right, nil
}

// checkpoint watches the current patch, if it is time to or if now is set, and reports
// whether the search has to end.
func (r *run) checkpoint(ctx context.Context, now bool) (overfit bool, err error) {
	w := r.c.Validation
	if w == nil {
		return false, nil
	}
	every := cmp.Or(w.Every, DefaultEvery)
	if n := len(r.res.Checkpoints); n > 0 && (r.res.Checkpoints[n-1].patch == r.res.Patch || !now && r.res.Cost < r.validating.last+every) {
		return false, nil
	}
	right, err := r.c.validate(ctx, r.res.Patch, r.seconds)
	if err != nil {
		return false, err
	}
	if checkpoints := r.res.Checkpoints; len(checkpoints) > 0 && len(checkpoints[0].Answers) != len(right) {
		return false, fmt.Errorf("search: %s holds looks at %d and at %d answers of one set, so it is damaged: start anew without resuming",
			r.c.Journal.name(), len(checkpoints[0].Answers), len(right))
	}
	r.validating.last = r.res.Cost
	return r.checked(right), nil
}

// checked takes a checkpoint in.
func (r *run) checked(right []bool) (overfit bool) {
	p := r.point()
	n := count(right)
	p.Right = &n
	if last := len(r.res.Trajectory) - 1; last >= 0 && r.res.Trajectory[last].Step == p.Step && r.res.Trajectory[last].Flips == p.Flips {
		r.res.Trajectory[last].Right = &n
	} else {
		r.res.Trajectory = append(r.res.Trajectory, p)
	}
	r.res.Checkpoints = append(r.res.Checkpoints, Checkpoint{p, right, r.res.Patch, r.res.Final})
	now := len(r.res.Checkpoints) - 1
	best := r.res.Checkpoints[r.validating.best]
	if n > *best.Right {
		r.validating.best = now
		return false
	}
	if !fallen(best.Answers, right) {
		return false
	}
	text := fmt.Sprintf("fitness rose from %+.3f to %+.3f while right answers on validation fell from %d to %d of %d", best.Fitness, p.Fitness, *best.Right, n, len(right))
	if len(right) < StopAnswers {
		r.res.Warning = fmt.Sprintf("%s; the search went on, since fewer than %d prompts are too few to end it by", text, StopAnswers)
		return false
	}
	r.res.Warning = text + "; the search ended"
	r.validating.overfit = true
	return true
}

// lastValidation watches the end of a search, and goes back to the checkpoint whose patch is
// its result.
func (r *run) lastValidation(ctx context.Context) error {
	if r.c.Validation == nil {
		return nil
	}
	if !r.validating.overfit {
		if _, err := r.checkpoint(ctx, true); err != nil {
			return err
		}
	}
	checkpoints := r.res.Checkpoints
	start, last, best := checkpoints[0], checkpoints[len(checkpoints)-1], bestCheckpoint(checkpoints)
	r.res.Patch, r.res.Final, r.res.Fitness = best.patch, best.score, best.score.Fitness
	if best.patch != last.patch {
		r.res.WentBack = fmt.Sprintf("to step %d, where the most answers were right: %d of %d, with fitness %+.3f; after step %d there were %d, with %+.3f",
			best.Step, *best.Right, len(best.Answers), best.Fitness, last.Step, *last.Right, last.Fitness)
	}
	r.res.Warning = sentences(r.res.Warning, beside(start, best, len(checkpoints) > 1))
	return nil
}

// bestCheckpoint returns the checkpoint with the most right answers, of several the fittest,
// of those the last. The first checkpoint, at the start, is left out unless it is alone,
// or all that is right is fewer than chance explains.
func bestCheckpoint(checkpoints []Checkpoint) Checkpoint {
	best := checkpoints[0]
	for i, l := range checkpoints[1:] {
		if i == 0 || *l.Right > *best.Right || *l.Right == *best.Right && l.Fitness >= best.Fitness {
			best = l
		}
	}
	if n := len(best.Answers); n >= StopAnswers && fallen(checkpoints[0].Answers, best.Answers) {
		return checkpoints[0]
	}
	return best
}

// beside says of a patch that was kept what its answers are beside those at the
// start, unless they are better. sought tells that there were patches to keep.
func beside(start, kept Checkpoint, sought bool) string {
	right := fmt.Sprintf("%d of %d right, %d without", *kept.Right, len(kept.Answers), *start.Right)
	switch {
	case !sought:
		return ""
	case kept.patch == start.patch:
		return "every patch that was looked at loses answers, more than chance explains: none is kept"
	case *kept.Right < *start.Right:
		return "on validation the patch is worse than none: " + right
	case *kept.Right == *start.Right:
		return "on validation the patch is no better than none: " + right
	}
	return ""
}

// sentences joins those that say something.
func sentences(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), "; ")
}

func count(right []bool) (n int) {
	for _, r := range right {
		if r {
			n++
		}
	}
	return n
}

// fallen reports whether more answers were lost than chance explains: by the exact
// one-sided sign test on the answers that changed, as McNemar's.
func fallen(before, after []bool) bool {
	lost, won := 0, 0
	for i := range before {
		switch {
		case before[i] && !after[i]:
			lost++
		case !before[i] && after[i]:
			won++
		}
	}
	return stats.Sign(lost, won) < fallLevel
}

func newCheckpointRecord(on *bankai.Patch, of string, right []bool, seconds float64) record {
	text := make([]byte, len(right))
	for i, ok := range right {
		text[i] = '0'
		if ok {
			text[i] = '1'
		}
	}
	r := newRecord(on, seconds)
	r.Checkpoint = &checkpointRecord{Of: of, Right: string(text)}
	return r
}
