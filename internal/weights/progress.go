package weights

import (
	"slices"
	"sync"

	"bankai/internal/durable"
)

// Progress is told how far long work on a model's file is: what work it is, and how
// many bytes of tensors are done, of how many. Calls do not overlap.
type Progress func(what string, done, total int64)

// counter adds up the bytes that several goroutines have worked through.
type counter struct {
	what  string
	total int64
	tell  Progress // nil: nobody is told

	mu   sync.Mutex
	done int64
}

// counter begins work on all of the model's tensors.
func (f *File) counter(what string) *counter {
	c := &counter{what: what, tell: f.progress}
	for _, t := range f.tensors {
		c.total += int64(len(t.raw))
	}
	return c
}

func (c *counter) add(n int) {
	if c.tell == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = min(c.done+int64(n), c.total)
	c.tell(c.what, c.done, c.total)
}

// piece is the number of bytes that a countedWriter writes at once.
const piece = 1 << 20

// countedWriter counts what is written through it, piece by piece.
type countedWriter struct {
	durable.File
	c *counter
}

func (w countedWriter) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, piece) {
		m, err := w.File.Write(part)
		n += m
		w.c.add(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
