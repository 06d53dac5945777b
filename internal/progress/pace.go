package progress

import "time"

// Pace predicts how long work takes by how long it took so far. The rate is that of
// the younger half of the time, since work may start slowly, and machines change.
type Pace struct {
	total int64
	marks []mark // in order; the first is the start
	steps int    // times that more was done
}

// mark is how much was done at a time.
type mark struct {
	at   time.Time
	done int64
}

// paceMarks is about how many marks are kept: they stand at least that part of the
// time apart.
const paceMarks = 100

// NewPace is that of work of total pieces that begins at a time. So many of them were
// done before, in no time now.
func NewPace(began time.Time, done, total int64) *Pace {
	return &Pace{total: total, marks: []mark{{began, done}}}
}

// Add tells how many pieces are done at a time.
func (p *Pace) Add(now time.Time, done int64) {
	n := len(p.marks)
	if done > p.marks[n-1].done {
		p.steps++
	}
	if n > 1 && now.Sub(p.marks[n-2].at) < now.Sub(p.marks[0].at)/paceMarks {
		p.marks[n-1] = mark{now, done}
		return
	}
	p.marks = append(p.marks, mark{now, done})
}

// One part in leastShare of the work has to be done, and in leastSteps pieces, before
// anything is said about the rest of it: the first ones take as long as it happens. Where
// pieces are large, one part in largeShare is enough.
const (
	leastShare = 50
	leastSteps = 3
	largeShare = 6
)

// Left is how long the rest takes, as seen at a time; false if that cannot be told.
func (p *Pace) Left(now time.Time) (time.Duration, bool) {
	last, start := p.marks[len(p.marks)-1], p.marks[0]
	done, all := last.done-start.done, p.total-start.done
	if done*leastShare < all || p.steps < leastSteps && done*largeShare < all || last.done >= p.total {
		return 0, false
	}
	half := last.at.Add(-last.at.Sub(start.at) / 2)
	for _, m := range p.marks {
		if m.at.After(half) {
			break
		}
		start = m
	}
	spent, did := last.at.Sub(start.at), last.done-start.done
	if did <= 0 || spent <= 0 {
		return 0, false
	}
	rest := time.Duration(float64(spent) / float64(did) * float64(p.total-last.done))
	return max(0, rest-now.Sub(last.at)), true
}
