package cluster

import "sync"

// Bounds of what a worker holds of requests that it has not answered yet, in bytes: of one,
// of those of a session, and of all. What is beyond them is refused, which loses nothing:
// another machine does it.
const (
	mostAskLen  = 16 << 20
	mostAsking  = 2 * mostAskLen
	mostAskings = 64<<20 + mostAskLen
)

// intake counts what is held of requests, for a session or for a whole worker.
type intake struct {
	most int
	of   *intake // what it is a part of; nil: of nothing

	mu   sync.Mutex
	held int
}

// take counts n bytes more, if there is room for them; give gives them back.
func (i *intake) take(n int) bool {
	if i == nil {
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held+n > i.most || !i.of.take(n) {
		return false
	}
	i.held += n
	return true
}

func (i *intake) give(n int) {
	if i == nil {
		return
	}
	i.mu.Lock()
	i.held -= n
	i.mu.Unlock()
	i.of.give(n)
}
