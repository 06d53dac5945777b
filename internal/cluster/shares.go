package cluster

import (
	"context"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"
	"bankai/search"
)

// mostPast bounds how many of those who have left are remembered.
const mostPast = 1000

// Shares are those who took part so far, with what each has done in the session: this
// machine first, without a name, then the members, then those who have left. What was
// dropped has no share: its work was done again. Whole searches count as units alone.
func (s *Session) Shares() []Member {
	own := Member{Tokens: s.measured.Load()}
	s.work.mu.Lock()
	post := s.work.post
	s.work.mu.Unlock()
	if post != nil {
		units, tokens := post.desk.Computed()
		own.Units, own.Tokens = units, own.Tokens+tokens
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Member{own}
	here := map[string]bool{}
	for _, m := range s.members {
		v := m.view()
		before := s.past[m.id]
		v.Units, v.Tokens = v.Units+before.Units, v.Tokens+before.Tokens
		all, here[m.id] = append(all, v), true
	}
	for _, id := range s.pastOrder {
		if !here[id] && s.banned[id] == "" {
			all = append(all, s.past[id])
		}
	}
	return all
}

// remember keeps what a member did that leaves. The caller has the lock.
func (s *Session) remember(m *member) {
	v := m.view()
	before, known := s.past[m.id]
	switch {
	case v.Units == 0 && v.Tokens == 0:
		return
	case !known && len(s.past) >= mostPast:
		return
	case !known:
		s.pastOrder = append(s.pastOrder, m.id)
	}
	v.Units, v.Tokens, v.Doing, v.Speed = v.Units+before.Units, v.Tokens+before.Tokens, "", 0
	s.past[m.id] = v
}

// own is this machine as one of those that measure, whose work is counted.
type own struct {
	division.Here
	session *Session
}

// Values implements [division.Peer].
func (o own) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (time.Duration, error) {
	return o.Here.Values(ctx, cur, moves, parts, func(i int, values [][]float64) error {
		o.session.measured.Add(int64(parts[i].Tokens))
		return got(i, values)
	})
}
