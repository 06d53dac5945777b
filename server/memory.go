package server

import (
	"fmt"

	"bankai/engine"
	"bankai/internal/text"
)

// leastTokens is how long a prompt and its answer must be able to become together, if the
// model's context is that long: a server with less room would refuse most requests.
const leastTokens = 1280

// MemoryError says that [engine.LoopOptions.MaxBytes] is too little for one answer of
// usual length.
type MemoryError struct {
	Bytes, Least int64
	Tokens       int // of the prompt and its answer
}

// Error says it in a line.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("%s is too little for the keys and values of one answer (%d tokens with its prompt): give at least %s",
		text.Size(e.Bytes), e.Tokens, sizeAbove(e.Least))
}

// sizeAbove is a size in whole MB that is not below another.
func sizeAbove(bytes int64) string {
	const mb = 1 << 20
	return fmt.Sprintf("%dMB", (bytes+mb-1)/mb)
}

// bound is what the loop of a model may run at once. Too little memory is refused, or, if
// it was not chosen, made as much as will do.
func (s *Server) bound(m *engine.Model) (engine.LoopOptions, error) {
	o, tokens := s.o.Loop, leastTokens
	if c := m.Context(); c > 0 {
		tokens = min(tokens, c)
	}
	least := m.LoopBytes(tokens)
	switch {
	case o.MaxBytes == 0 || o.MaxBytes >= least:
	case s.o.RaiseMemory:
		o.MaxBytes = least
	default:
		return o, &MemoryError{o.MaxBytes, least, tokens}
	}
	return o, nil
}
