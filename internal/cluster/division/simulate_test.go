package division

import (
	"testing"
	"time"
)

// On lines and with messages that cost nothing, machines divide the work by their number;
// where a line is slow, or a sum long, that is what decides.
func TestSimulation(t *testing.T) {
	s := Simulation{
		Blocks: 256, Candidates: 8, Gradients: 2, Values: 20 * time.Millisecond, Pass: 50 * time.Millisecond,
		Effects: 150 * time.Millisecond, EffectBytes: 1 << 20, Tensors: 7, AskBytes: 1000, Mbit: 1e9,
	}
	alone := s.Run(0)
	// 10 calls for values, the streams of all blocks once, 2 gradients.
	if want := 256 * (10*20 + 50 + 2*150) * time.Millisecond; alone.Time.Round(time.Second) != want.Round(time.Second) || alone.Messages != 0 {
		t.Errorf("alone it takes %v and %d messages, want %v and none", alone.Time, alone.Messages, want)
	}
	for _, n := range []int{1, 7, 63} {
		r := s.Run(n)
		if gain := alone.Time.Seconds() / r.Time.Seconds(); gain < 0.9*float64(n+1) || gain > float64(n+1)*1.001 {
			t.Errorf("%d workers more are %.2f times as fast", n, gain)
		}
	}
	slow := s
	slow.Mbit = 100
	r := slow.Run(63)
	// 63/64 of 256 blocks' effects, twice, over one line
	if least := 2 * 252 * (1 << 20) * 8 / 100e6; r.Time.Seconds() < least || r.Line < 0.8 {
		t.Errorf("over a slow line it takes %v of at least %.0f s, the line is busy for %.2f of it", r.Time, least, r.Line)
	}
	sums := s
	sums.Sum = 20 * time.Millisecond
	if r := sums.Run(63); r.Summing < 0.8 || r.Time < 2*256*20*time.Millisecond {
		t.Errorf("long sums take %.2f of %v", r.Summing, r.Time)
	}
	checked := s
	checked.Check = 10
	if a, b := s.Run(7), checked.Run(7); b.Time < a.Time || b.Time > a.Time*13/10 {
		t.Errorf("with every 10th unit checked %v, without %v", b.Time, a.Time)
	}
}
