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

// Watch looks, while a search climbs its fitness, at what the fitness stands for:
// whether the model's own answers to prompts that the search does not use are
// right. A fitness can rise by means that help no answer; the published one does,
// under a strong optimiser. When the search ends, the patch with the most right
// answers of those looked at is its result; of several, the fittest. The start is
// the result only where it is the only one, or where the loss of answers under
// every patch is more than chance.
type Watch struct {
	// Of identifies the prompts: a journal's looks at others are not taken for
	// looks at these.
	Of string
	// Answers tells which of the prompts are answered right under a patch.
	Answers func(ctx context.Context, p *bankai.Patch) ([]bool, error)
	// Every is the cost between looks, in forward-pass equivalents; 0 means
	// DefaultEvery.
	Every float64
}

const (
	// DefaultEvery is the usual cost between looks, in forward-pass equivalents.
	DefaultEvery = 15

	// StopAnswers is the number of watched prompts from which on a fall ends the
	// search: with fewer, chance moves them too much.
	StopAnswers = 200

	// fallLevel is the probability, if the patch did no harm, of as many answers
	// lost since the best look as are taken for a fall.
	fallLevel = 0.01
)

// Look is a patch as it was watched.
type Look struct {
	Point
	Answers []bool `json:"-"`

	patch *bankai.Patch
	score Score
}

// watching is what a run has seen.
type watching struct {
	last   float64 // cost at the last look
	best   int     // index of the first look with the most right answers
	fooled bool
}

// watch asks for the answers under a patch, unless the journal has them. seconds
// is the time since the run began.
func (c Config) watch(ctx context.Context, p *bankai.Patch, seconds func() float64) ([]bool, error) {
	if right, ok := c.Journal.look(p, c.Watch.Of); ok {
		return right, nil
	}
	right, err := c.Watch.Answers(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("search: watching the answers: %w", err)
	}
	if err := c.Journal.append(newLookRecord(p, c.Watch.Of, right, seconds())); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return right, nil
}

// look watches the current patch, if it is time to or if now is set, and reports
// whether the search has to end.
func (r *run) look(ctx context.Context, now bool) (fooled bool, err error) {
	w := r.c.Watch
	if w == nil {
		return false, nil
	}
	every := cmp.Or(w.Every, DefaultEvery)
	if n := len(r.res.Looks); n > 0 && (r.res.Looks[n-1].patch == r.res.Patch || !now && r.res.Cost < r.seen.last+every) {
		return false, nil
	}
	right, err := r.c.watch(ctx, r.res.Patch, r.seconds)
	if err != nil {
		return false, err
	}
	if looks := r.res.Looks; len(looks) > 0 && len(looks[0].Answers) != len(right) {
		return false, fmt.Errorf("search: %s holds looks at %d and at %d answers of one set, so it is damaged: start anew without resuming",
			r.c.Journal.name(), len(looks[0].Answers), len(right))
	}
	r.seen.last = r.res.Cost
	return r.saw(right), nil
}

// saw takes a look in.
func (r *run) saw(right []bool) (fooled bool) {
	p := r.point()
	n := count(right)
	p.Right = &n
	if last := len(r.res.Trajectory) - 1; last >= 0 && r.res.Trajectory[last].Step == p.Step && r.res.Trajectory[last].Flips == p.Flips {
		r.res.Trajectory[last].Right = &n
	} else {
		r.res.Trajectory = append(r.res.Trajectory, p)
	}
	r.res.Looks = append(r.res.Looks, Look{p, right, r.res.Patch, r.res.Final})
	now := len(r.res.Looks) - 1
	best := r.res.Looks[r.seen.best]
	if n > *best.Right {
		r.seen.best = now
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
	r.seen.fooled = true
	return true
}

// lastLook watches the end of a search, and goes back to the look whose patch is
// its result.
func (r *run) lastLook(ctx context.Context) error {
	if r.c.Watch == nil {
		return nil
	}
	if !r.seen.fooled {
		if _, err := r.look(ctx, true); err != nil {
			return err
		}
	}
	looks := r.res.Looks
	start, last, best := looks[0], looks[len(looks)-1], bestLook(looks)
	r.res.Patch, r.res.Final, r.res.Fitness = best.patch, best.score, best.score.Fitness
	if best.patch != last.patch {
		r.res.WentBack = fmt.Sprintf("to step %d, where the most answers were right: %d of %d, with fitness %+.3f; after step %d there were %d, with %+.3f",
			best.Step, *best.Right, len(best.Answers), best.Fitness, last.Step, *last.Right, last.Fitness)
	}
	r.res.Warning = sentences(r.res.Warning, beside(start, best, len(looks) > 1))
	return nil
}

// bestLook returns the look with the most right answers, of several the fittest,
// of those the last. The first look, at the start, is left out unless it is alone,
// or all that is right is fewer than chance explains.
func bestLook(looks []Look) Look {
	best := looks[0]
	for i, l := range looks[1:] {
		if i == 0 || *l.Right > *best.Right || *l.Right == *best.Right && l.Fitness >= best.Fitness {
			best = l
		}
	}
	if n := len(best.Answers); n >= StopAnswers && fallen(looks[0].Answers, best.Answers) {
		return looks[0]
	}
	return best
}

// beside says of a patch that was kept what its answers are beside those at the
// start, unless they are better. sought tells that there were patches to keep.
func beside(start, kept Look, sought bool) string {
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

func newLookRecord(on *bankai.Patch, of string, right []bool, seconds float64) record {
	text := make([]byte, len(right))
	for i, ok := range right {
		text[i] = '0'
		if ok {
			text[i] = '1'
		}
	}
	r := newRecord(on, seconds)
	r.Look = &lookRecord{Of: of, Right: string(text)}
	return r
}
