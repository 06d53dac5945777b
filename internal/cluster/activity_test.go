package cluster

import (
	"math"
	"testing"
	"time"
)

// The speed of a worker is that of its computing time: a unit that hardly took any, however
// fast, does not move it, and what lasted does.
func TestSpeedIsWeighedByTime(t *testing.T) {
	var a activity
	for range 20 {
		a.did(1, 1000, time.Second)
	}
	a.did(1, 1000, time.Millisecond) // a million a second
	if a.speed < 1000 || a.speed > 1300 {
		t.Errorf("after one quick unit: %.0f tokens a second", a.speed)
	}
	a.did(1, 0, time.Hour) // nobody counts its tokens
	if a.speed > 1300 || a.tokens != 21_000 || a.units != 22 {
		t.Errorf("after a search: %+v", a)
	}
	for range 60 {
		a.did(1, 100, time.Second)
	}
	if math.Abs(a.speed-100) > 10 {
		t.Errorf("after a minute at 100: %.0f tokens a second", a.speed)
	}
}
