package server

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var schedules = flag.Int("schedules", 24, "how many storms TestStorm makes")

// The same request has the same bytes alone and among 63 others (llama.cpp#6950, vllm#5898,
// #23138, #51187): whatever they ask, under which patches, with which seeds and lengths,
// whole or streamed, of all APIs; whether its prompt was cached or not, in so little memory
// that requests wait for each other; while clients go away, and patches are put, replaced
// and deleted under their names.
func TestStorm(t *testing.T) {
	q := startQuiet(t)
	pool := rand.New(rand.NewPCG(60, 1))
	questions := make([]question, 25)
	for i := range questions {
		questions[i] = randomQuestion(pool)
	}
	total := map[string]int{}
	for seed := range *schedules {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(61, uint64(seed)))
			s := startStorm(t, q, Options{Loop: randomLoop(rng)})
			for range 4 {
				s.change(rng)
			}
			concurrently(64+2, func(i int) {
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				if i >= 64 {
					for range 6 {
						s.change(rng)
					}
					return
				}
				s.ask(rng, questions[rng.IntN(len(questions))], randomReading(rng))
			})
			for kind, n := range s.answers {
				total[kind] += n
			}
		})
	}
	t.Log(total)
	for _, kind := range []string{"answered whole", "left in the middle", "left before the answer", "named a patch that was gone"} {
		if total[kind] == 0 {
			t.Errorf("nobody %s: %v", kind, total)
		}
	}
}
