package progress

import (
	"testing"
	"time"
)

// phase is simulated work: pieces, each of which takes a time.
type phase struct {
	pieces int
	each   time.Duration
	weight int64 // of a piece, as the meter counts it
}

// worst is by how many times the estimate is ever off, either way, after a tenth of
// the work's time. The work stands still for the time of a piece between two calls.
func worst(phases []phase) float64 {
	var whole time.Duration
	var total int64
	for _, p := range phases {
		whole += time.Duration(p.pieces) * p.each
		total += int64(p.pieces) * p.weight
	}
	began := time.Unix(0, 0)
	now, done, off := began, int64(0), 1.0
	p := NewPace(began, 0, total)
	for _, ph := range phases {
		for range ph.pieces {
			now, done = now.Add(ph.each), done+ph.weight
			p.Add(now, done)
			left, known := p.Left(now)
			truly := whole - now.Sub(began)
			if now.Sub(began) < whole/10 || truly < whole/100 {
				continue
			}
			if !known {
				return 1e9
			}
			ratio := float64(left) / float64(truly)
			off = max(off, ratio, 1/ratio)
		}
	}
	return off
}

// After a tenth of the work the time left is known within a factor of 1.5, if pieces
// count as what they take.
func TestTimeLeft(t *testing.T) {
	for _, c := range []struct {
		what   string
		phases []phase
	}{
		{"equal pieces", []phase{{200, time.Second, 1}}},
		{"a slow start", []phase{{1, 5 * time.Second, 1}, {199, time.Second, 1}}},
		{"many small pieces", []phase{{100_000, time.Millisecond, 3}}},
		{"two phases, weighed", []phase{{100, 2 * time.Second, 2000}, {500, 100 * time.Millisecond, 100}}},
		{"large pieces first, weighed", []phase{{3, 8 * time.Second, 80}, {200, 300 * time.Millisecond, 3}}},
		{"a machine that gets a third slower", []phase{{100, time.Second, 1}, {100, 1300 * time.Millisecond, 1}}},
	} {
		if off := worst(c.phases); off > 1.5 {
			t.Errorf("%s: off by a factor of %.2f", c.what, off)
		}
	}
	if off := worst([]phase{{100, 2 * time.Second, 1}, {500, 100 * time.Millisecond, 1}}); off < 2 {
		t.Errorf("pieces that count alike and take unlike times are predicted within %.2f: the weighed case shows nothing", off)
	}
}

// What a journal held took no time now.
func TestTimeLeftResumed(t *testing.T) {
	began := time.Unix(0, 0)
	p := NewPace(began, 60, 100)
	now := began
	for done := int64(61); done <= 80; done++ {
		now = now.Add(time.Second)
		p.Add(now, done)
	}
	if left, known := p.Left(now); !known || left != 20*time.Second {
		t.Errorf("20 pieces of a second are left; predicted are %v", left)
	}
}

// Marks are thinned out: a run of days must not fill the memory.
func TestPaceForgets(t *testing.T) {
	began := time.Unix(0, 0)
	p := NewPace(began, 0, 1e6)
	for i := range int64(1e6) {
		p.Add(began.Add(time.Duration(i)*time.Second), i)
	}
	if n := len(p.marks); n > 2000 {
		t.Errorf("%d marks are kept", n)
	}
}

// Of one or two pieces of many nothing follows.
func TestTimeLeftIsNotSaidAtOnce(t *testing.T) {
	began := time.Unix(0, 0)
	p := NewPace(began, 0, 30)
	for done := int64(1); done <= 3; done++ {
		now := began.Add(time.Duration(done) * 20 * time.Second)
		p.Add(now, done)
		p.Add(now, done) // of which nothing is new
		if left, known := p.Left(now); known != (done == 3) {
			t.Errorf("after %d of 30 pieces: %v, %v", done, left, known)
		}
	}
}
