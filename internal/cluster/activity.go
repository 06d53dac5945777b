package cluster

import (
	"time"
)

// activity is what a worker does, and has done.
type activity struct {
	session sessionRecord // of what is done now, or was last
	doing   string        // "": it waits
	since   time.Time     // of doing, or of waiting
	units   int64
	tokens  int64
	speed   float64 // tokens a second of late, while computing
}

// recent is how much of the speed is that of the latest work.
const recent = 0.3

func (a *activity) begin(session sessionRecord, doing string) {
	a.session, a.doing, a.since = session, doing, time.Now()
}

func (a *activity) end(units, tokens int) {
	now := time.Now()
	if took := now.Sub(a.since).Seconds(); tokens > 0 && took > 0 {
		if speed := float64(tokens) / took; a.speed == 0 {
			a.speed = speed
		} else {
			a.speed += recent * (speed - a.speed)
		}
	}
	a.units += int64(units)
	a.tokens += int64(tokens)
	a.doing, a.since = "", now
}

func (a *activity) beat() beat {
	return beat{Doing: a.doing, Units: a.units, Tokens: a.tokens, Speed: a.speed}
}
