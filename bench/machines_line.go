//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// weather is how the network between a process and the broker is.
type weather int

const (
	fair weather = iota
	slow         // everything takes longer
	hole         // nothing arrives, and nobody is told: a partition
	cut          // connections break, and new ones too
)

func (w weather) String() string { return [...]string{"fair", "slow", "hole", "cut"}[w] }

// line is a way to the broker on which the network can fail: a proxy.
type line struct {
	listener net.Listener
	to       string
	all      sync.WaitGroup

	mu      sync.Mutex
	weather weather
	delay   time.Duration
	changed chan struct{} // closed when the weather changes
	ends    map[net.Conn]bool
}

// newLine begins to pass on connections to an address.
func newLine(to string) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &line{listener: l, to: to, changed: make(chan struct{}), ends: map[net.Conn]bool{}}
	n.all.Go(n.accept)
	return n, nil
}

func (l *line) address() string { return l.listener.Addr().String() }

// set changes the weather. The delay is of slow: of everything, on the way.
func (l *line) set(w weather, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather, l.delay = w, delay
	close(l.changed)
	l.changed = make(chan struct{})
	if w == cut {
		l.breakAll()
	}
}

func (l *line) breakAll() {
	for c := range l.ends {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what was sent is lost, and the other end learns it
		}
		c.Close()
	}
}

// close ends the line and what goes through it.
func (l *line) close() {
	l.listener.Close()
	l.set(cut, 0)
	l.all.Wait()
}

func (l *line) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.all.Go(func() { l.join(from) })
	}
}

// join passes on what comes from one end to the other, until one of them closes.
func (l *line) join(from net.Conn) {
	if !l.hold(from) {
		return
	}
	defer l.release(from)
	to, err := net.Dial("tcp", l.to)
	if err != nil || !l.hold(to) {
		return
	}
	defer l.release(to)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			l.pass(ctx, way[0], way[1])
			stop()
			from.Close()
			to.Close()
		})
	}
	both.Wait()
}

// hold notes an end that breaks with the line. It reports whether the line is not broken.
func (l *line) hold(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.weather == cut {
		c.Close()
		return false
	}
	l.ends[c] = true
	return true
}

func (l *line) release(c net.Conn) {
	c.Close()
	l.mu.Lock()
	delete(l.ends, c)
	l.mu.Unlock()
}

// pass copies one way, as the weather lets it.
func (l *line) pass(ctx context.Context, from io.Reader, to io.Writer) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.travel(ctx) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			l.travel(ctx) // the end of a connection is on its way, too
			return
		}
	}
}

// travel waits as long as what is on its way takes. It reports whether it arrives.
func (l *line) travel(ctx context.Context) bool {
	for {
		l.mu.Lock()
		w, delay, changed := l.weather, l.delay, l.changed
		l.mu.Unlock()
		switch w {
		case fair:
			return true
		case cut:
			return false
		case slow:
			select {
			case <-time.After(delay):
				return true
			case <-ctx.Done():
				return false
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
