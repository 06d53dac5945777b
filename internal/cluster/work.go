package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"bankai/engine"
	"bankai/internal/cluster/desk"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Work goes through a queue that the NATS server keeps: a unit is with one worker at a
// time, who says every little while that it is still at it; if it does not, another one
// gets it. Answers are kept by the number of their unit, so that one which comes twice is
// one.
const (
	workStream    = "BANKAI_WORK"
	resultsBucket = "bankai-results"

	// workAge is how long work may wait, and resultsAge how long answers are kept: what
	// coordinators leave behind that have died goes away after it.
	workAge    = 24 * time.Hour
	resultsAge = time.Hour

	leaseWords = 5               // words from a worker in the time of a lease
	mostTries  = 5               // deliveries of a unit; then it is left to the coordinator
	idleQueue  = time.Minute     // without anybody who asks, after which the server forgets who was asking
	notHeader  = "Bankai-Not"    // of a message: the worker that is not to do it
	notForMe   = 2 * time.Second // until such a message comes to somebody again
	putTries   = 5               // of an answer that the server does not take
	unitsWord  = "units"
)

// workSubject is where work of a kind waits; "*" for the number means all.
func workSubject(session, kind, number string) string {
	return "bankai.work." + session + "." + kind + "." + number
}

// resultKey is under which an answer is kept, sealed for it. What another worker answered
// to the same comes under the key with that worker's id behind it.
func resultKey(session string, number int64) string {
	return session + "." + strconv.FormatInt(number, 10)
}

func (c *Conn) workStream(ctx context.Context) (jetstream.Stream, error) {
	return c.stream(ctx, jetstream.StreamConfig{
		Name: workStream, Subjects: []string{"bankai.work.>"}, Retention: jetstream.WorkQueuePolicy,
		MaxAge: workAge, Storage: jetstream.FileStorage, Description: "work of bankai's sessions",
	})
}

func (c *Conn) resultsBucket(ctx context.Context) (jetstream.KeyValue, error) {
	return c.keyValues(ctx, jetstream.KeyValueConfig{
		Bucket: resultsBucket, TTL: resultsAge, Storage: jetstream.FileStorage, Description: "answers to units of bankai's sessions",
	})
}

// workQueue is where the workers of a session get work of a kind. Whoever comes first
// makes it. A unit that several workers did not come to an end with is left to the
// coordinator; of searches that counts itself who began them.
func (c *Conn) workQueue(ctx context.Context, stream jetstream.Stream, session, kind string) (jetstream.Consumer, error) {
	tries := mostTries
	if kind == searchesWord {
		tries = -1
	}
	return stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Name: kind + "-" + session, FilterSubject: workSubject(session, kind, "*"),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.timing.Lease, MaxDeliver: tries, InactiveThreshold: idleQueue,
	})
}

// record is what a worker answers to a unit.
type record struct {
	Answer desk.Answers `json:"answer,omitzero"`
	Error  string       `json:"error,omitempty"`
}

// post is the coordinator's side of the queue, and where the answers come in.
type post struct {
	session  *Session
	stream   jetstream.Stream
	desk     *desk.Desk
	searches *searches
	warn     sync.Once

	mu     sync.Mutex
	failed map[string]bool // workers of whom people were told that they could not, see mostTold
}

// post opens the queue, when first asked.
func (s *Session) post(ctx context.Context) (*post, error) {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if s.work.post != nil {
		return s.work.post, nil
	}
	p := &post{session: s, failed: map[string]bool{}}
	var err error
	if p.stream, err = s.conn.workStream(ctx); err != nil {
		return nil, err
	}
	results, err := s.conn.resultsBucket(ctx)
	if err != nil {
		return nil, err
	}
	watcher, err := results.Watch(s.ctx, s.ID()+".>", jetstream.UpdatesOnly())
	if err != nil {
		return nil, fmt.Errorf("%s: watching the answers of workers: %w", s.conn.URL(), err)
	}
	p.desk = desk.New(p, s.model.Through(nil), s.check())
	p.searches = &searches{post: p, here: make(chan struct{}, 1), open: map[int64]*searchTask{}}
	listening := make(chan struct{})
	ctx, stop := context.WithCancel(s.ctx)
	go func() {
		defer close(listening)
		p.listen(ctx, watcher)
	}()
	s.atEnd(func(ctx context.Context) {
		stop()
		<-listening
		_ = watcher.Stop()
		p.sweep(ctx)
	})
	s.work.post = p
	return p, nil
}

// sweep removes what the server has of the session. It first waits for what was sent: the
// server may take that in after a request to remove it that came later.
func (p *post) sweep(ctx context.Context) {
	select {
	case <-p.session.conn.js.PublishAsyncComplete():
	case <-time.After(closing / 3):
	case <-ctx.Done():
	}
	p.purge(ctx, "bankai.work."+p.session.ID()+".>")
	if kept, err := p.session.conn.js.Stream(ctx, "KV_"+resultsBucket); err == nil {
		_ = kept.Purge(ctx, jetstream.WithPurgeSubject("$KV."+resultsBucket+"."+p.session.ID()+".>"))
	}
}

// Workers are those of the session.
func (p *post) Workers() (ids []string, changed <-chan struct{}) {
	peers, changed := p.session.peers()
	for _, m := range peers {
		ids = append(ids, m.id)
	}
	return ids, changed
}

// Send puts a unit into the queue.
func (p *post) Send(number int64, payload []byte, not string) {
	m := nats.NewMsg(workSubject(p.session.ID(), unitsWord, strconv.FormatInt(number, 10)))
	m.Data = payload
	if not != "" {
		m.Header.Set(notHeader, not)
	}
	p.publish(m, func() {}) // it is computed here in the end
}

// publish puts a message into the queue, and does not wait for it. lost is called, later,
// if that fails.
func (p *post) publish(m *nats.Msg, lost func()) {
	sent, err := p.session.conn.js.PublishMsgAsync(m)
	go func() {
		if err != nil {
			p.lost(err)
			lost()
			return
		}
		select {
		case err := <-sent.Err():
			p.lost(err)
			lost()
		case <-sent.Ok():
		case <-p.session.ctx.Done():
		}
	}()
}

// lost says once that work does not come into the queue: it is done here.
func (p *post) lost(err error) {
	if p.session.ctx.Err() == nil {
		p.warn.Do(func() { p.session.log("the queue on %s takes no work: %v", p.session.conn.URL(), err) })
	}
}

// takeBack takes work of a kind out of the queue.
func (p *post) takeBack(kind string, number int64) {
	go p.purge(p.session.ctx, workSubject(p.session.ID(), kind, strconv.FormatInt(number, 10)))
}

// Withdraw takes a unit out of the queue.
func (p *post) Withdraw(number int64) { p.takeBack(unitsWord, number) }

// purge takes messages out of the queue. What remains is done in vain, and goes away with
// its age.
func (p *post) purge(ctx context.Context, subject string) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	_ = p.stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
}

// Drop takes a worker out of the session.
func (p *post) Drop(worker, why string) { p.session.drop(worker, why) }

// Distrust drops a worker from all that the session measures.
func (p *post) Distrust(worker string) { p.session.distrust(worker, "it computes wrong bits") }

// Name is a worker's name for people, also of one that was dropped.
func (p *post) Name(worker string) string { return p.session.nameOf(worker) }

// listen passes on what workers say of their work until ctx ends.
func (p *post) listen(ctx context.Context, w jetstream.KeyWatcher) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-w.Updates():
			if !open {
				return
			}
			if e != nil && e.Operation() == jetstream.KeyValuePut {
				p.take(e)
			}
		}
	}
}

// take passes on an answer to a unit, or how far a search is, if one who takes part said
// it.
func (p *post) take(e jetstream.KeyValueEntry) {
	rest, _ := strings.CutPrefix(e.Key(), p.session.ID()+".")
	word, _, _ := strings.Cut(rest, ".")
	word, isSearch := strings.CutPrefix(word, "s")
	number, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return // it is of no kind that this program knows
	}
	key := resultKey(p.session.ID(), number)
	if isSearch {
		key = searchKey(p.session.ID(), number)
	}
	from, ok := unseal(key, e.Value())
	if !ok {
		return // no worker wrote it
	}
	name, ok := p.session.counts(from.id)
	if !ok {
		return
	}
	if isSearch {
		if r, err := decode[searchRecord]("what a worker says of a search", from.data); err == nil {
			p.searches.take(number, from, name, r)
		}
		return
	}
	r, err := decode[record]("an answer", from.data)
	if err == nil && r.Error != "" {
		err = errors.New(reasonForPeople(r.Error))
	}
	if err != nil {
		p.tellFailed(from.id, "a unit is computed here: %s could not: %v", name, err)
	}
	p.desk.Arrived(number, from.id, r.Answer, err)
}

// tellFailed tells people, once for each worker, that it could not do something.
func (p *post) tellFailed(worker, format string, args ...any) {
	p.mu.Lock()
	tell := !p.failed[worker] && len(p.failed) < mostTold
	if tell {
		p.failed[worker] = true
	}
	p.mu.Unlock()
	if tell {
		p.session.log(format, args...)
	}
}

// Elsewhere divides questions and requests among the workers of the session and this
// machine, for [engine.Model.Through] of the session's model. As long as there is no
// worker all is computed as without it.
func (s *Session) Elsewhere(ctx context.Context) (engine.Elsewhere, error) {
	p, err := s.post(ctx)
	if err != nil {
		return nil, err
	}
	return p.desk, nil
}

// Again reports whether something failed because an answer had been used that a worker gave
// wrongly: then that worker is dropped, and what was made of answers is to be made again.
// Nothing may ask the model of [Session.Elsewhere] meanwhile.
func (s *Session) Again(err error) bool {
	var wrong *desk.WrongAnswerError
	if !errors.As(err, &wrong) {
		return false
	}
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if s.work.post == nil {
		return false
	}
	s.work.post.desk.Restart()
	return true
}

// worksAt lets a worker do work of a kind in a session, atOnce messages at a time. do says
// whether the work is done; what is not goes back. Of a coordinator that is not heard of
// any more nothing stays in the queue.
func worksAt(j *joined, kind string, atOnce int, do func(ctx context.Context, m jetstream.Msg) (done bool)) (end func(), err error) {
	stream, err := j.conn.workStream(j.ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(j.ctx)
	var working sync.WaitGroup
	for range atOnce {
		working.Go(func() {
			for ctx.Err() == nil {
				err := fetchOne(ctx, j.conn, stream, j.record.ID, kind, func(m jetstream.Msg) { workOn(ctx, j, m, do) })
				if err != nil {
					_ = sleep(ctx, time.Second) // the server is away, or has forgotten the queue
				}
			}
		})
	}
	return func() {
		stop()
		working.Wait()
		if cause := context.Cause(j.ctx); errors.Is(cause, errSilent) && j.conn.nc.IsConnected() {
			forget, cancel := context.WithTimeout(context.Background(), closing)
			defer cancel()
			_ = stream.Purge(forget, jetstream.WithPurgeSubject(workSubject(j.record.ID, kind, "*")))
		}
	}, nil
}

// fetchWait is how long a request for work waits at the server before it is made anew.
const fetchWait = 20 * time.Second

// fetchOne waits for a piece of work and does it.
func fetchOne(ctx context.Context, c *Conn, stream jetstream.Stream, session, kind string, do func(m jetstream.Msg)) error {
	queue, err := c.workQueue(ctx, stream, session, kind)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(ctx, fetchWait)
		batch, err := queue.Fetch(1, jetstream.FetchContext(waiting))
		if err != nil {
			cancel()
			return err
		}
		for m := range batch.Messages() {
			do(m)
		}
		err = batch.Error()
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
			return err
		}
	}
	return nil
}

// workOn does a piece of work, and lets the server know while it lasts.
func workOn(ctx context.Context, j *joined, m jetstream.Msg, do func(ctx context.Context, m jetstream.Msg) bool) {
	if m.Headers().Get(notHeader) == j.id {
		_ = m.NakWithDelay(notForMe)
		return
	}
	words := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(words)
		t := time.NewTicker(j.conn.timing.Lease / leaseWords)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = m.InProgress() // a lost one is made good by the next
			case <-stop:
				return
			case <-ctx.Done():
				select {
				case <-time.After(Leaving / 2):
					_ = m.Nak() // what computes takes its time, and may be left to itself
				case <-stop:
				}
				return
			}
		}
	}()
	done := do(ctx, m)
	close(stop)
	<-words
	if done {
		_ = m.Ack() // if it is lost the work comes again, and its answer is there
	} else {
		_ = m.Nak()
	}
}

// unitsAtOnce is how many units a worker has in hand: while it computes one, the answer to
// the one before is on its way, and the next one comes.
const unitsAtOnce = 2

// serveUnits answers units of a session.
func serveUnits(j *joined) (end func(), err error) {
	results, err := j.conn.resultsBucket(j.ctx)
	if err != nil {
		return nil, err
	}
	w := &unitWorker{joined: j, results: results, overlays: desk.NewOverlays(j.model)}
	return worksAt(j, unitsWord, unitsAtOnce, w.do)
}

// unitWorker answers units.
type unitWorker struct {
	*joined
	results  jetstream.KeyValue
	overlays *desk.Overlays
}

// do answers one unit.
func (w *unitWorker) do(ctx context.Context, m jetstream.Msg) (done bool) {
	number, err := numberOf(m)
	if err != nil {
		return true // nobody waits for it
	}
	var r record
	u, err := desk.Decode(m.Data(), w.overlays.Of)
	if err == nil {
		r.Answer, err = w.compute(ctx, u)
	}
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		r = record{Error: clip(err.Error())}
	}
	value, err := json.Marshal(r)
	if err != nil || len(value) > maxMessage {
		value = encode(record{Error: fmt.Sprintf("the answer takes %d bytes, more than a message of %d", len(value), maxMessage)})
	}
	return w.put(ctx, resultKey(w.record.ID, number), value)
}

// numberOf is the number of the work that a message is about.
func numberOf(m jetstream.Msg) (int64, error) {
	return strconv.ParseInt(lastToken(m.Subject()), 10, 64)
}

// compute answers a unit when it is this unit's turn.
func (w *unitWorker) compute(ctx context.Context, u desk.Unit) (desk.Answers, error) {
	release, err := w.turn(ctx, u.What())
	if err != nil {
		return desk.Answers{}, err
	}
	a, err := u.Compute(ctx, w.model)
	spoilAnswers(&a)
	release(1, u.Tokens())
	return a, err
}

// put keeps an answer: under its key, if it is the first there.
func (w *unitWorker) put(ctx context.Context, key string, value []byte) (done bool) {
	value = w.seal(key, value)
	for range putTries {
		try, cancel := context.WithTimeout(ctx, apiTimeout)
		_, err := w.results.Create(try, key, value)
		if errors.Is(err, jetstream.ErrKeyExists) {
			_, err = w.results.Put(try, key+"."+w.id, value)
		}
		cancel()
		if err == nil {
			return true
		}
		w.logf("%s does not take an answer: %v", w.conn.URL(), err)
		if sleep(ctx, time.Second) != nil {
			return false
		}
	}
	return false
}
