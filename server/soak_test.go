package server

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"bankai"
	"bankai/engine"
)

var (
	soakTime    = flag.Duration("soak", time.Second, "how long TestSoak asks")
	soakClients = flag.Int("soak-clients", 12, "how many clients of TestSoak ask at once")
)

// A server that is asked for long gives right answers to the end, and is then as it was at
// the beginning: clients ask, go away, read slowly and send what is no request, patches
// come and go. Every now and then all of them rest: then no goroutine is left, no request
// is under way, overlays of patches that were deleted are gone, and memory does not grow.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	s.rest() // what the first requests make stays
	var clients sync.WaitGroup
	for i := range *soakClients {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(62, uint64(i)))
			for time.Now().Before(s.until) {
				s.resting.RLock()
				s.act(rng)
				s.resting.RUnlock()
			}
		})
	}
	for time.Now().Before(s.until) {
		time.Sleep(max(*soakTime/40, 200*time.Millisecond))
		s.rest()
	}
	clients.Wait()
	s.rest()
	s.compare()
	t.Logf("%v: %v", *soakTime, s.answers)
}

// soak is a storm that lasts.
type soak struct {
	*storm
	questions []question
	bodies    [][]byte // that are no requests, or odd ones
	until     time.Time
	resting   sync.RWMutex // clients hold it to read

	single   sync.Mutex                     // of what follows
	number   int                            // of patches that were there once
	overlays []weak.Pointer[engine.Overlay] // theirs

	idle  int // goroutines
	rests []figures
}

// figures are taken while all clients rest.
type figures struct {
	at         time.Duration
	heap, rss  uint64 // bytes, of the live heap and of the process; rss is 0 where it is unknown
	goroutines int
	overlays   int // alive of patches that are gone
}

func newSoak(t *testing.T) *soak {
	q := startQuiet(t)
	s := &soak{storm: startStorm(t, q, Options{Loop: engine.LoopOptions{MaxBytes: 12 << 20, MaxSequences: 16, Queue: 40}})}
	rng := rand.New(rand.NewPCG(63, 1))
	for range 25 {
		s.questions = append(s.questions, randomQuestion(rng))
	}
	for _, b := range hostile() {
		if len(b) < 200<<10 {
			s.bodies = append(s.bodies, b)
		}
	}
	s.until = time.Now().Add(*soakTime)
	return s
}

// act is what a client does next.
func (s *soak) act(rng *rand.Rand) {
	q := s.questions[rng.IntN(len(s.questions))]
	switch n := rng.IntN(100); {
	case n < 60:
		s.ask(rng, q, randomReading(rng))
	case n < 66:
		s.ask(rng, q, reading{pause: time.Duration(rng.IntN(10)) * time.Millisecond})
	case n < 74:
		s.change(rng)
	case n < 82:
		s.once(rng)
	case n < 88:
		s.look(rng)
	case n < 95:
		s.odd(rng)
	default:
		s.breakOff(rng)
	}
}

// once puts a patch that nobody had before, asks under it, and deletes it.
func (s *soak) once(rng *rand.Rand) {
	s.single.Lock()
	s.number++
	name := fmt.Sprintf("once-%d", s.number)
	s.single.Unlock()
	p := rows(rng.Uint32N(300), 1+rng.Uint32N(400))
	if rng.IntN(2) == 0 { // bits
		p = bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: rng.Uint32N(200), Col: rng.Uint32N(100), N: 1 + rng.Uint32N(100)})
	}
	want := func(method, body string, status int) {
		if got, err := s.try(context.Background(), method, "/api/patches/"+name, body); err != nil || got.status != status {
			s.t.Errorf("%s %s: %v, %+v", method, name, err, got)
		}
	}
	want("PUT", string(encoded(s.t, p)), http.StatusCreated)
	if of := s.current.Load().patches.get(name); of == nil {
		s.t.Errorf("%s is not there", name)
	} else if set, err := s.current.Load().patches.set([]*patch{of}); err != nil {
		s.t.Error(err)
	} else {
		s.single.Lock()
		s.overlays = append(s.overlays, weak.Make(set.overlay))
		s.single.Unlock()
	}
	const text = "At night the"
	got, err := s.try(context.Background(), "POST", texts, fmt.Sprintf(`{"model":"demo:%s","prompt":%q,"temperature":0,"max_tokens":5}`, name, text))
	switch {
	case err != nil:
		s.t.Error(err)
	case got.status == http.StatusTooManyRequests:
		s.count("refused by the queue")
	case got.status != http.StatusOK:
		s.t.Errorf("%s: %+v", name, got)
	default:
		if said, alone := parse[answered](s.t, got.body).text(), s.alone(text, p, 5, greedy); said != alone {
			s.t.Errorf("%s: %q, alone %q", name, said, alone)
		}
		s.count("under patches that were there once")
	}
	want("DELETE", "", http.StatusNoContent)
}

// look reads what the server tells of itself.
func (s *soak) look(rng *rand.Rand) {
	path := []string{"/health", "/metrics", "/v1/models", "/api/patches", "/api/tags", "/api/ps", "/nowhere"}[rng.IntN(7)]
	got, err := s.try(context.Background(), "GET", path, "")
	if err != nil || got.status != http.StatusOK && path != "/nowhere" {
		s.t.Errorf("GET %s: %v, %+v", path, err, got)
	}
	s.count("looked")
}

// odd sends a body that servers stumble over to a route.
func (s *soak) odd(rng *rand.Rand) {
	path := []string{chats, texts, responses, "/tokenize", "/detokenize", "/apply-template", ollamaChats, ollamaTexts, "/api/show"}[rng.IntN(9)]
	body := s.bodies[rng.IntN(len(s.bodies))]
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rng.IntN(200))*time.Millisecond)
	defer cancel()
	got, err := s.try(ctx, "POST", path, string(body))
	if err != nil && ctx.Err() == nil {
		s.t.Errorf("POST %s %.100s: %v", path, body, err)
	}
	if got.status >= 500 && got.status != http.StatusNotImplemented {
		s.t.Errorf("POST %s %.100s: %+v", path, body, got)
	}
	s.count("sent odd bodies")
}

// breakOff ends a connection in the middle of a request, or reads nothing of its answer.
func (s *soak) breakOff(rng *rand.Rand) {
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	q := s.questions[rng.IntN(len(s.questions))]
	body := q.body("demo", "")
	all := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", q.path, len(body), body)
	if _, err := c.Write([]byte(all[:min(rng.IntN(len(all)*2), len(all))])); err != nil {
		s.t.Error(err)
	}
	time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
	s.count("broke off")
}

// rest waits until all clients rest, and looks at what is left.
func (s *soak) rest() {
	s.resting.Lock()
	defer s.resting.Unlock()
	for _, client := range []*http.Client{s.http, s.quiet.http} {
		client.CloseIdleConnections()
	}
	busy := func() string {
		stats := s.current.Load().loop.Stats()
		switch n := runtime.NumGoroutine(); {
		case stats.Running+stats.Waiting > 0:
			return fmt.Sprintf("%d requests run and %d wait", stats.Running, stats.Waiting)
		case s.idle > 0 && n > s.idle:
			var all bytes.Buffer
			stacks := make([]byte, 1<<20)
			all.Write(stacks[:runtime.Stack(stacks, true)])
			return fmt.Sprintf("there are %d goroutines, at the beginning %d: %s", n, s.idle, all.String())
		}
		return ""
	}
	why := busy()
	for begin := time.Now(); why != "" && time.Since(begin) < 10*time.Second; why = busy() {
		time.Sleep(5 * time.Millisecond)
	}
	if why != "" {
		s.t.Errorf("while nobody asks, %s", why)
	}
	if s.idle == 0 {
		time.Sleep(50 * time.Millisecond)
		s.idle = runtime.NumGoroutine() + *soakClients + 1
	}
	runtime.GC()
	runtime.GC()
	alive := s.overlays[:0]
	for _, o := range s.overlays {
		if o.Value() != nil {
			alive = append(alive, o)
		}
	}
	if s.overlays = alive; len(alive) > maxOverlays {
		s.t.Errorf("%d overlays of deleted patches are left", len(alive))
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := figures{*soakTime - time.Until(s.until), m.HeapAlloc, residentBytes(), runtime.NumGoroutine(), len(alive)}
	s.rests = append(s.rests, f)
	s.t.Logf("%8v: heap %5.1f MB, resident %6.1f MB, %d goroutines, %d overlays of deleted patches; %d answered whole",
		f.at.Round(time.Second), float64(f.heap)/1e6, float64(f.rss)/1e6, f.goroutines, f.overlays, s.answers["answered whole"])
}

// compare compares memory in the first quarter, without its beginning, with the last one.
func (s *soak) compare() {
	n := len(s.rests)
	if *soakTime < time.Minute {
		return // too short for anything to grow
	}
	mean := func(of []figures, bytes func(figures) uint64) (sum float64) {
		for _, f := range of {
			sum += float64(bytes(f)) / float64(len(of))
		}
		return sum
	}
	for what, bytes := range map[string]func(figures) uint64{
		"the heap":             func(f figures) uint64 { return f.heap },
		"the process's memory": func(f figures) uint64 { return f.rss },
	} {
		first, last := mean(s.rests[n/16+1:n/4], bytes), mean(s.rests[n-n/4:], bytes)
		s.t.Logf("%s: %.1f MB in the first quarter, %.1f MB in the last one", what, first/1e6, last/1e6)
		if last > 1.1*first+4e6 {
			s.t.Errorf("%s grows", what)
		}
	}
}

// residentBytes is how much memory the process has; 0 if the system does not tell.
func residentBytes() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0
	}
	return resident * uint64(os.Getpagesize())
}
