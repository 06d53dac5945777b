package cluster

import (
	"slices"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"
	"bankai/search"
)

// Piece is how many bytes of what is measured go in one message at most.
const Piece = maxMessage

// ByteTime measures what the coordinator's processor does for one byte of effects: to read
// it and to make the digest, in seconds.
func ByteTime() float64 {
	e := &score.Effects{Tensor: "t", Columns: []int{0}, Data: make([]float32, 1<<20)}
	text := encodeEffects(e)
	var took []time.Duration
	for range 5 {
		began := time.Now()
		back, err := decodeEffects(slices.Clone(text))
		if err != nil {
			panic(err) // we have written it ourselves
		}
		division.Digest(back)
		took = append(took, time.Since(began))
	}
	return slices.Min(took).Seconds() / float64(len(text))
}

// AskBytes is the size of a request for values of one move on blocks, on a patch.
func AskBytes(cur *bankai.Patch, m search.Move, blocks int) (int64, error) {
	parts := make([]score.Part, blocks)
	for i := range parts {
		parts[i] = score.Part{Block: score.Block{Index: i}, Tokens: 256}
	}
	text, err := encodeAsk(bankai.Digest{}, division.Query{Patch: cur, Moves: []search.Move{m}}, parts)
	return int64(len(text)), err
}
