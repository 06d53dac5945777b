package cluster

import (
	"time"

	"bankai/internal/kernel"
)

// activity is what a worker does, and has done.
type activity struct {
	session sessionRecord // of what is done now, or was last
	doing   string        // "": it waits
	since   time.Time     // of doing, or of waiting
	units   int64
	tokens  int64   // of questions, for each candidate that was measured on them, and of what was generated
	speed   float64 // tokens a second, over about speedOver of computing

	lately struct{ tokens, seconds float64 }
}

// speedOver is how much computing the speed is about: what was done before counts for less
// and less. Weighed by time, a unit that takes microseconds says no more than it lasted.
const speedOver = 10 * time.Second

func (a *activity) begin(session sessionRecord, doing string) {
	a.session, a.doing, a.since = session, doing, time.Now()
}

func (a *activity) end(units, tokens int) {
	now := time.Now()
	a.did(units, tokens, now.Sub(a.since))
	a.doing, a.since = "", now
}

// did takes in units that took some time. Work whose tokens nobody counts, such as a whole
// search, says nothing of the speed.
func (a *activity) did(units, tokens int, took time.Duration) {
	a.units += int64(units)
	a.tokens += int64(tokens)
	if tokens > 0 && took > 0 {
		kept := kernel.Exp64(-float64(took) / float64(speedOver))
		a.lately.tokens = float64(kept*a.lately.tokens) + float64(tokens)
		a.lately.seconds = float64(kept*a.lately.seconds) + took.Seconds()
		a.speed = a.lately.tokens / a.lately.seconds
	}
}

func (a *activity) beat() beat {
	return beat{Doing: a.doing, Units: a.units, Tokens: a.tokens, Speed: a.speed}
}
