package cluster

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"bankai/internal/program"

	"github.com/nats-io/nats.go"
)

// member is a worker of a session, as the coordinator keeps it. A worker that went and
// comes back is another member, with the same id.
type member struct {
	id     string
	name   string // for people
	cores  int
	kernel string // for people
	since  time.Time
	gone   chan struct{} // closed when it is no member any more

	// The session's lock guards these.
	beat    beat      // the last
	heard   time.Time // when
	missing bool      // and since then it could not be reached
	said    uint64    // number of the last that it said
}

// view is what others are told of a member. The caller has the session's lock.
func (m *member) view() Member {
	return Member{
		ID: m.id, Name: m.name, Cores: m.cores, Kernel: m.kernel, Since: m.since,
		Doing: m.beat.Doing, Units: m.beat.Units, Tokens: m.beat.Tokens, Speed: m.beat.Speed,
	}
}

// peers are the members as those see them who give them work, in the order in which
// they were taken in; changed is closed as soon as somebody has come or gone since.
func (s *Session) peers() (peers []*member, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(peers, s.members...), s.changed
}

// programName says which program a machine runs.
func programName() string {
	if r := program.Revision(); r != "" {
		return program.Tool() + " (" + r + ")"
	}
	return program.Tool()
}

// refuse says why a worker's bits would not be those that are wanted; "" if they would.
func (want requirements) refuse(w requirements) string {
	switch {
	case w.Version != want.Version:
		return fmt.Sprintf("it speaks version %d of the protocol, the session version %d: let both run the same bankai (%s there, %s here)",
			w.Version, want.Version, forPeople(w.Program), forPeople(want.Program))
	case w.Model != want.Model:
		return fmt.Sprintf("its model is %s, the session's %s", short(w.Model.String()), short(want.Model.String()))
	case w.Settings != want.Settings:
		return fmt.Sprintf("its model computes with other settings (%s) than the session's (%s)", short(w.Settings.String()), short(want.Settings.String()))
	case w.Precision != want.Precision:
		return fmt.Sprintf("it computes with precision %s, the session with %s", forPeople(w.Precision), forPeople(want.Precision))
	case w.Trial != want.Trial:
		return fmt.Sprintf("its arithmetic gives other bits: let both run the same bankai (%s there, %s here)", forPeople(w.Program), forPeople(want.Program))
	}
	return ""
}

// short is a digest for people.
func short(digest string) string { return digest[:12] }

// workerID is what the id of a session or a worker looks like: it becomes part of subjects.
var workerID = regexp.MustCompile(`^[A-Za-z0-9]{22}$`)

// Bounds of what a session keeps of workers, however many somebody invents.
const (
	mostMembers = 1000 // at a time
	mostBanned  = 1000 // dropped ones; after so many nobody new is let in
	mostTold    = 100  // refusals that people are told of
)

// hello lets a worker in, or says why not. It is a member as soon as its first beat says
// that it is ready for work.
func (s *Session) hello(m *nats.Msg) {
	from, ok := unseal(helloSubject(s.record.ID), m.Data)
	h, err := decode[hello]("a worker's hello", from.data)
	if !ok || err != nil || h.Cores < 0 {
		m.Respond(encode(helloReply{Refused: "its hello makes no sense to " + programName()}))
		return
	}
	s.mu.Lock()
	if w := s.known(from.id); w != nil && from.number <= w.said {
		s.mu.Unlock()
		return // somebody repeats what it said before
	}
	why := s.refuses(from.id, h)
	now := time.Now()
	if why == "" {
		s.remove(from.id, "it came anew")
		s.admitted[from.id] = &member{
			id: from.id, name: forPeople(h.Name), cores: h.Cores, kernel: forPeople(h.Kernel),
			since: now, heard: now, said: from.number, gone: make(chan struct{}),
		}
	} else {
		s.tellRefused(forPeople(h.Name), why)
	}
	s.mu.Unlock()
	m.Respond(encode(helloReply{OK: why == "", Refused: why}))
}

// refuses says why a worker is not let in; "" if it is. The caller has the lock.
func (s *Session) refuses(id string, h hello) string {
	why := s.banned[id]
	if why == "" {
		why = s.record.refuse(h.requirements)
	}
	switch {
	case why != "" && h.Lacks != "":
		return reasonForPeople(h.Lacks)
	case why != "":
		return why
	case len(s.banned) >= mostBanned:
		return fmt.Sprintf("the session has dropped %d workers and takes in nobody any more", mostBanned)
	case s.known(id) == nil && len(s.members)+len(s.admitted) >= mostMembers:
		return fmt.Sprintf("the session has %d workers, as many as it can", mostMembers)
	}
	return ""
}

// tellRefused tells people of a refusal, once, and of a bounded number of them. The caller
// has the lock.
func (s *Session) tellRefused(name, why string) {
	key := name + "\n" + why
	if s.options.Refused == nil || s.refused[key] || len(s.refused) >= mostTold {
		return
	}
	s.refused[key] = true
	s.events.post(func() { s.options.Refused(name, why) })
	if len(s.refused) == mostTold {
		s.log("%d workers were refused: no more of them are told", mostTold)
	}
}

// from is who said something under a subject that has his id as its last word; ok is false
// if he did not.
func (s *Session) from(m *nats.Msg) (from saying, ok bool) {
	from, ok = unseal(m.Subject, m.Data)
	return from, ok && from.id == lastToken(m.Subject)
}

// beat notes that a worker is alive. One that is no member is told to come anew: it was
// taken for dead.
func (s *Session) beat(m *nats.Msg) {
	from, ok := s.from(m)
	b, err := decode[beat]("a worker's sign of life", from.data)
	if !ok || err != nil || b.Units < 0 || b.Tokens < 0 || b.Speed < 0 {
		return
	}
	if s.alive(from, b) {
		return
	}
	s.conn.nc.Publish(outSubject(s.record.ID, from.id), encode(outNotice{Why: "it was not heard of for some time", Again: true}))
}

// alive notes a sign of life; false says that it is of no member, who may come anew.
func (s *Session) alive(from saying, b beat) bool {
	b.Doing = forPeople(b.Doing)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.known(from.id)
	if w == nil {
		return s.closed || s.banned[from.id] != ""
	}
	if from.number <= w.said {
		return true // somebody repeats what it said before
	}
	w.beat, w.heard, w.missing, w.said = b, time.Now(), false, from.number
	if s.admitted[from.id] == nil {
		return true
	}
	delete(s.admitted, from.id)
	s.members = append(s.members, w)
	s.signal()
	if view := w.view(); s.options.Joined != nil {
		s.events.post(func() { s.options.Joined(view) })
	}
	return true
}

// bye takes a worker out that leaves, or that could not begin.
func (s *Session) bye(m *nats.Msg) {
	from, ok := s.from(m)
	if !ok {
		return
	}
	why := "it left"
	if len(from.data) > 0 {
		why = reasonForPeople(string(from.data))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.known(from.id); w == nil || from.number <= w.said {
		return // somebody repeats what it said before
	} else if s.admitted[from.id] != nil && len(from.data) > 0 {
		s.tellRefused(w.name, why)
	}
	s.remove(from.id, why)
}

func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// known is who takes part under an id, or has been let in and was not heard of since; nil
// if nobody. The caller has the lock.
func (s *Session) known(id string) *member {
	if w := s.admitted[id]; w != nil {
		return w
	}
	return s.find(id)
}

// counts says whether what a worker answers counts: it takes part, or has been let in.
func (s *Session) counts(id string) (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.known(id); w != nil {
		return w.name, true
	}
	return "", false
}

// find is the member with an id; nil if there is none. The caller has the lock.
func (s *Session) find(id string) *member {
	for _, m := range s.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// remove takes out who has an id, if anybody has. The caller has the lock.
func (s *Session) remove(id, why string) {
	delete(s.admitted, id)
	for i, m := range s.members {
		if m.id != id {
			continue
		}
		s.members = append(s.members[:i:i], s.members[i+1:]...)
		close(m.gone)
		s.remember(m)
		s.signal()
		if view := m.view(); s.options.Left != nil {
			s.events.post(func() { s.options.Left(view, why) })
		}
		return
	}
}

// missing notes that a member cannot be reached, until it is heard of again; first says
// that this is new. Its connection may have broken, and be back soon.
func (s *Session) missing(m *member) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = !m.missing
	m.missing = true
	return first
}

// Working is how many machines work: this one, and the members that can be reached.
func (s *Session) Working() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 1
	for _, m := range s.members {
		if !m.missing {
			n++
		}
	}
	return n
}

// dropSilent takes out who was not heard of for too long. If this process was stopped
// itself, all have their time anew.
func (s *Session) dropSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	late := now.Add(-s.conn.timing.Lost)
	if s.slept.since(now, s.conn.timing.Lost) {
		for _, m := range s.members {
			m.heard = now
		}
	}
	for id, m := range s.admitted {
		if m.heard.Before(late) {
			delete(s.admitted, id)
		}
	}
	for _, m := range append([]*member(nil), s.members...) {
		if m.heard.Before(late) {
			s.remove(m.id, fmt.Sprintf("it gave no sign of life for %s", s.conn.timing.Lost))
		}
	}
}

// distrust drops a worker that was wrong: what else it said counts no more, whoever asked.
func (s *Session) distrust(id, why string) {
	s.drop(id, why)
	s.work.mu.Lock()
	p := s.work.post
	for a := range s.work.assemblies {
		a.accuse(id)
	}
	s.work.mu.Unlock()
	if p != nil {
		p.searches.distrust(id)
		p.desk.Suspect(id)
	}
}

// nameOf is a worker's name for people, also after it was dropped.
func (s *Session) nameOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.known(id); w != nil {
		return w.name
	}
	return cmp.Or(s.names[id], "a worker")
}

// drop takes a worker out for good: whoever comes from its process is refused.
func (s *Session) drop(id, why string) {
	s.mu.Lock()
	if w := s.known(id); w != nil {
		s.names[id] = w.name
	}
	s.banned[id] = why
	s.remove(id, why)
	s.mu.Unlock()
	s.conn.nc.Publish(outSubject(s.record.ID, id), encode(outNotice{Why: why}))
}
