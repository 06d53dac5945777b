package cluster

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// link is a line to a broker that tests can cut without anybody being told: what is sent
// then waits in it.
type link struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	whole *sync.Cond
	cut   bool
	ended bool
	ends  []net.Conn
}

// newLink is a line to a broker, and how to reach that over it.
func newLink(t testing.TB, b *Broker) (*link, Access) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, to: b.server.Addr().String()}
	l.whole = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	a := remote(b)
	a.URL = strings.Replace(a.URL, l.to, listener.Addr().String(), 1)
	return l, a
}

// set cuts the line or mends it.
func (l *link) set(cut bool) {
	l.mu.Lock()
	l.cut = cut
	l.whole.Broadcast()
	l.mu.Unlock()
}

func (l *link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		l.mu.Lock()
		l.ends = append(l.ends, near, far)
		if l.ended {
			near.Close()
			far.Close()
		}
		l.mu.Unlock()
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			l.running.Go(func() {
				io.Copy(through{l, way[0]}, way[1])
				way[0].Close()
				way[1].Close()
			})
		}
	}
}

// through writes to w as long as the line is whole.
type through struct {
	link *link
	w    io.Writer
}

func (t through) Write(p []byte) (int, error) {
	l := t.link
	l.mu.Lock()
	for l.cut && !l.ended {
		l.whole.Wait()
	}
	l.mu.Unlock()
	return t.w.Write(p)
}

func (l *link) close() {
	l.listener.Close()
	l.mu.Lock()
	l.ended = true
	l.whole.Broadcast()
	for _, c := range l.ends {
		c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}
