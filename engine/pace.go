package engine

import "time"

// LoopStats tell what a Loop does now.
type LoopStats struct {
	Running       int    // requests
	Waiting       int    // requests
	WaitingTokens int    // of their prompts
	Memory        Memory // of all sequences, after the last step
	Promised      int64  // bytes that those running may need
	Kept          int    // sequences, for requests to come
	Cached        int    // tokens of prompts, of all requests, that these spared

	speed float64 // tokens of prompts in a second, of late
}

// Stats tells what the loop does now.
func (l *Loop) Stats() LoopStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Waiting, s.WaitingTokens, s.Promised = l.queue.streams, l.queue.tokens, l.promised
	return s
}

// timeFor is how long a number of tokens takes, 0 if that is not known.
func (s *LoopStats) timeFor(tokens int) time.Duration {
	if s.speed == 0 {
		return 0
	}
	return time.Duration(float64(tokens) / s.speed * float64(time.Second))
}

// leastChunk is how many tokens of prompts a step processes however long it takes: with
// fewer they would take twice the time.
const leastChunk = 16

// pace is told what a step took that read a number of tokens of prompts. It decides how
// many the next one may have.
func (l *Loop) pace(read int, took time.Duration) {
	if read == 0 {
		return
	}
	l.mu.Lock()
	const weight = 0.1 // of one step
	now := float64(read) / max(took.Seconds(), 1e-9)
	if l.stats.speed == 0 {
		l.stats.speed = now
	}
	l.stats.speed = float64(weight*now) + float64((1-weight)*l.stats.speed)
	l.mu.Unlock()
	if l.o.Pace > 0 && (took > l.o.Pace || read >= l.chunk) {
		fitting := l.chunk
		if took > 0 {
			fitting = int(time.Duration(l.chunk) * l.o.Pace / took)
		}
		const block = 8 // tokens that the kernels process together
		l.chunk = min(max(min(fitting, 2*l.chunk)/block*block, leastChunk), l.o.Chunk)
	}
}
