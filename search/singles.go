package search

import "bankai"

// The defaults of trying flips one at a time.
const (
	singleTries    = 16 // flips to try in a round
	singleRest     = 4  // rounds for which a flip that did not help is not tried again
	singlePatience = 4  // rounds without success after which the phase ends
)

// singles tries rows or groups one at a time, and keeps the first that helps.
type singles struct {
	size   Granularity
	queue  []Move // of this round, in order
	round  int
	kept   int                 // in this round
	failed int                 // rounds in a row
	tried  map[bankai.Flip]int // the round in which a flip did not help
}

func newSingles(size Granularity) *singles {
	return &singles{size: size, tried: map[bankai.Flip]int{}}
}

func (s *singles) want(w *Want) { w.Best[s.size] = singleTries * (singleRest + 1) }

func (s *singles) idle() bool { return len(s.queue) == 0 }

func (s *singles) over() bool { return s.failed >= singlePatience }

func (s *singles) begin(f Predictions, from, best float64) {
	s.round++
	s.kept = 0
	pool := f.Best[s.size]
	for i, f := range pool {
		round, tried := s.tried[f.Flip]
		if tried && s.round-round <= singleRest || f.Fitness <= from {
			continue
		}
		s.queue = append(s.queue, predictedMove(pool[i:i+1], from, best))
		if len(s.queue) == singleTries {
			return
		}
	}
	if len(s.queue) == 0 {
		s.failed++
	}
}

func (s *singles) next(n int) []Move { return s.queue[:min(n, len(s.queue)):min(n, len(s.queue))] }

func (s *singles) learn(trials []Trial, best float64) (keep int) {
	for i, t := range trials {
		s.queue = s.queue[1:]
		kept := t.Fitness > best
		if kept {
			s.kept++
		} else {
			s.tried[t.Flips[0]] = s.round
		}
		if len(s.queue) == 0 { // the round is through
			if s.failed++; s.kept > 0 {
				s.failed = 0
			}
		}
		if kept {
			return i
		}
	}
	return -1
}
