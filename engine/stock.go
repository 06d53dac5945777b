package engine

// stock hands out pieces of memory of one size and takes them back. Of those that
// came back it keeps as many as the last passes needed: enough that passes of a
// kind ask for no new memory, and not what one long prompt took.
type stock[T any] struct {
	make         func() T
	free         []T
	used         int // pieces handed out
	peak, before int // the most handed out in this window of passes, and in the one before
	passes       int // of this window
}

// stockWindow is the number of passes of a window. The 16 tokens after which a
// sequence asks for a block are to be well within.
const stockWindow = 64

func (s *stock[T]) get() T {
	s.used++
	s.peak = max(s.peak, s.used)
	n := len(s.free) - 1
	if n < 0 {
		return s.make()
	}
	x := s.free[n]
	s.keep(n)
	return x
}

func (s *stock[T]) put(x T) {
	s.used--
	s.free = append(s.free, x)
}

// settle ends a pass: pieces that were not needed for a window's time go.
func (s *stock[T]) settle() {
	s.keep(max(s.peak, s.before) - s.used)
	if s.passes++; s.passes == stockWindow {
		s.before, s.peak, s.passes = s.peak, s.used, 0
	}
}

// keep drops all free pieces but the first n.
func (s *stock[T]) keep(n int) {
	if n < len(s.free) {
		clear(s.free[n:])
		s.free = s.free[:n]
	}
}
