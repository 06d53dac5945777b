package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// longPrompt lets one user send a long prompt beside the streams of the others, of whom
// one reads slowly. The streams should go on, the server should be seen to live, and the
// prompt should not take much longer than alone.
func (s *site) longPrompt(ctx context.Context) ([]measured, error) {
	if s.long == 0 {
		return nil, nil
	}
	var alone, beside, gaps, health []float64
	for range max(1, s.rounds/2) {
		took, err := s.readLong(ctx)
		if err != nil {
			return nil, err
		}
		alone = append(alone, took)
		c, err := s.besideStreams(ctx)
		if err != nil {
			return nil, err
		}
		beside, gaps, health = append(beside, c.long), append(gaps, 1e3*c.gap), append(health, 1e3*c.health)
	}
	return []measured{
		newMeasured(fmt.Sprintf("prompt of %d tokens alone, s", s.long), nil, alone...),
		newMeasured(fmt.Sprintf("the same beside %d streams and a slow reader, over alone", s.users-1), atMost(1.3), ratios(beside, alone)...),
		newMeasured("longest gap of these streams, ms", atMost(600), gaps...),
		newMeasured("/health beside them, p99 in ms", atMost(50), health...),
	}, nil
}

// readLong is how many seconds the long prompt takes until its first token.
func (s *site) readLong(ctx context.Context) (float64, error) {
	t, err := s.server.stream(ctx, s.request(100, s.long, 1), s.server.model, nil)
	return t.first(), err
}

// congestion is what users meet beside a long prompt, in seconds.
type congestion struct {
	long   float64 // until its first token
	gap    float64 // the longest between two tokens of a stream
	health float64 // the 99th percentile of what an answer of /health takes
}

// besideStreams reads the long prompt when all streams have begun, and ends them when it
// is read.
func (s *site) besideStreams(ctx context.Context) (c congestion, err error) {
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	const tokens = 2000 // more than come in time
	var begun, all sync.WaitGroup
	times := make([]timed, s.users)
	for i := range times {
		begun.Add(1)
		var once sync.Once
		all.Go(func() {
			defer once.Do(begun.Done) // if it fails
			q := s.request(i, s.prompt, tokens)
			times[i], _ = s.server.stream(streaming, q, s.server.model, func(n int) {
				if n < 2 {
					return
				}
				once.Do(begun.Done)
				if i == s.users-1 {
					time.Sleep(time.Second) // the slow reader
				}
			})
		})
	}
	begun.Wait()
	healthy := make(chan []float64, 1)
	go func() { healthy <- s.server.health(streaming) }()
	began := time.Now()
	c.long, err = s.readLong(ctx)
	if err == nil {
		time.Sleep(100 * time.Millisecond) // the streams' next tokens
	}
	stop()
	all.Wait()
	c.health = quantile(<-healthy, 0.99)
	for _, t := range times[:s.users-1] {
		if len(t.at) < 3 {
			return c, fmt.Errorf("a stream has %d tokens", len(t.at))
		}
		c.gap = max(c.gap, t.since(began).longestGap())
	}
	return c, err
}
