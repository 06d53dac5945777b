// Package parts does long work in parts, so that people see how far it is, without letting
// a machine wait at the end of each for the slowest.
package parts

import "context"

// Ahead is how many parts are in work at a time where several machines do them: while the
// last of one part is still computed somewhere, the next part keeps the others busy.
const Ahead = 2

// Do does n things in parts, and takes what comes of them in their order, in this
// goroutine. The part from lo ends at end(lo), which is after it, and is asked for when the
// part is begun. Of several machines' work, [Ahead] parts are done at a time, else one. The
// first error of do or take, in the order of the parts, ends it, when nothing is done any
// more.
func Do[T any](ctx context.Context, n int, several func() bool, end func(lo int) int, do func(ctx context.Context, lo, hi int) (T, error), take func(lo, hi int, got T) error) error {
	type part struct {
		lo, hi int
		got    T
		err    error
		done   chan struct{}
	}
	within, cancel := context.WithCancel(ctx)
	var begun []*part
	defer func() {
		cancel()
		for _, p := range begun {
			<-p.done
		}
	}()
	for next := 0; next < n || len(begun) > 0; {
		for next < n && (len(begun) == 0 || len(begun) < Ahead && several()) {
			p := &part{lo: next, hi: min(end(next), n), done: make(chan struct{})}
			begun, next = append(begun, p), p.hi
			go func() {
				defer close(p.done)
				p.got, p.err = do(within, p.lo, p.hi)
			}()
		}
		p := begun[0]
		<-p.done
		if p.err != nil {
			return p.err
		}
		begun = begun[1:]
		if err := take(p.lo, p.hi, p.got); err != nil {
			return err
		}
	}
	return nil
}
