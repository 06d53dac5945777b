package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"bankai"
	"bankai/score"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Whole searches go through the same queue as units, one to a worker. Their journals come
// back: every little while as far as they are, so that another worker goes on where one
// died, and at the end. The coordinator runs the search again with the journal, which
// costs nothing and checks all of it.
const (
	searchesWord = "searches"

	// journalShare is how many times as long as it takes to send a journal is waited until
	// it is sent again, whole: a long one on a slow line does not fill it.
	journalShare = 10
	// mostJournal bounds what is taken of a journal, and mostJob what a search is made of, in
	// bytes.
	mostJournal = 1 << 30
	mostJob     = mostTask
)

// sentJob is what a search is made of, in the object store. With the session's id it is
// that session's alone, which removes it.
type sentJob struct {
	Session string    `json:"session"`
	Job     score.Job `json:"job"`
}

// sentSearch is the message that a search waits as.
type sentSearch struct {
	Job   bankai.Digest `json:"job"`            // of a sentJob
	Known bankai.Digest `json:"known,omitzero"` // of its journal, as far as it went before
}

// searchRecord is what is known of a search: the latest that its worker has said.
type searchRecord struct {
	Began   bool          `json:"began,omitempty"` // it has just begun
	Journal bankai.Digest `json:"journal,omitzero"`
	Done    bool          `json:"done,omitempty"`
	Error   string        `json:"error,omitempty"` // why it could not be run
}

func searchKey(session string, number int64) string {
	return session + ".s" + strconv.FormatInt(number, 10)
}

// searches is the coordinator's side of searches.
type searches struct {
	*post
	here chan struct{} // held by who runs a search on this machine

	mu     sync.Mutex
	last   int64
	open   map[int64]*searchTask
	groups []*searchGroup
	out    int // that are sent
}

// state is where a search is.
type state uint8

const (
	waiting state = iota // for a machine
	sent
	done
)

// searchTask is a search on its way.
type searchTask struct {
	number  int64
	message []byte
	state   state
	begun   int           // how often a worker began it
	stays   bool          // it is for this machine
	journal bankai.Digest // the latest that is known
	by      string        // its worker
	latest  saying        // of a worker, without what it said
}

// searchGroup is searches that were begun together: a [score.Ahead].
type searchGroup struct {
	*searches
	tasks []*searchTask   // nil for those that have come back
	kept  []bankai.Digest // contents for it alone
	news  chan struct{}
	by    map[int]string // the worker whose journal a search came back with, by index
	holds bool           // it holds here
}

// Searcher lets whole searches run on the workers of the session and on this machine, side
// by side, for [score.Setup.Searcher].
func (s *Session) Searcher(ctx context.Context) (score.Searcher, error) {
	p, err := s.post(ctx)
	if err != nil {
		return nil, err
	}
	return p.searches, nil
}

// Width counts the machines.
func (s *searches) Width() int {
	ids, _ := s.Workers()
	return 1 + len(ids)
}

// Ahead begins searches.
func (s *searches) Ahead(ctx context.Context, jobs []score.Job, known []string) (score.Ahead, error) {
	g := &searchGroup{searches: s, by: map[int]string{}, news: make(chan struct{}, 1)}
	for i, job := range jobs {
		sent, err := s.put(ctx, job, known[i])
		if err != nil {
			return nil, err
		}
		g.kept = append(g.kept, sent.Job, sent.Known)
		g.tasks = append(g.tasks, &searchTask{message: encode(sent)})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range g.tasks {
		s.last++
		t.number = s.last
		s.open[t.number] = t
	}
	s.groups = append(s.groups, g)
	return g, nil
}

// put puts what a search is made of into the object store.
func (s *searches) put(ctx context.Context, job score.Job, known string) (sent sentSearch, err error) {
	text, err := json.Marshal(sentJob{s.session.ID(), job})
	if err != nil {
		return sent, err
	}
	if sent.Job, err = s.session.objects.PutBytes(ctx, "a search", text); err != nil || known == "" {
		return sent, err
	}
	data, err := os.ReadFile(known)
	if err != nil {
		return sent, err
	}
	sent.Known, err = s.session.objects.PutBytes(ctx, "the journal of a search", data)
	return sent, err
}

// Next waits for a search that has come back, or that is to be run here.
func (g *searchGroup) Next(ctx context.Context) (score.Ready, error) {
	g.release()
	look := time.NewTicker(g.session.conn.timing.Lease)
	defer look.Stop()
	for {
		workers, changed := g.Workers()
		g.fill(len(workers))
		i, here := g.choose(len(workers))
		var slot chan struct{}
		switch {
		case i < 0 && !g.left():
			return score.Ready{}, errors.New("all searches have come back")
		case i >= 0 && !here:
			return g.ready(ctx, i, false)
		case i >= 0:
			slot = g.here
		}
		select {
		case slot <- struct{}{}:
			g.holds = true
			if i, here := g.choose(len(workers)); i >= 0 {
				return g.ready(ctx, i, here)
			}
			g.release()
		case <-g.news:
		case <-changed:
		case <-look.C:
			g.findLost(ctx)
		case <-ctx.Done():
			return score.Ready{}, ctx.Err()
		}
	}
}

// findLost lets searches be sent again that are not in the queue any more, though nobody
// has done them: the server has lost them.
func (g *searchGroup) findLost(ctx context.Context) {
	g.mu.Lock()
	var out []*searchTask
	for _, t := range g.tasks {
		if t != nil && t.state == sent {
			out = append(out, t)
		}
	}
	g.mu.Unlock()
	for _, t := range out {
		asked, end := g.session.conn.request(ctx)
		_, err := g.stream.GetLastMsgForSubject(asked, workSubject(g.session.ID(), searchesWord, strconv.FormatInt(t.number, 10)))
		end()
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			g.mu.Lock()
			g.back(t)
			g.mu.Unlock()
		}
	}
}

// back lets a search that was sent wait again. The searches are locked.
func (s *searches) back(t *searchTask) {
	if t.state == sent {
		s.out--
		t.state = waiting
	}
}

// release lets others run a search on this machine.
func (g *searchGroup) release() {
	if g.holds {
		g.holds = false
		<-g.here
	}
}

// left says whether there are searches that have not come back.
func (g *searchGroup) left() bool {
	return slices.ContainsFunc(g.tasks, func(t *searchTask) bool { return t != nil })
}

// choose is the next search that can come back, and whether it is to be run here: one that
// is done, or else the last that nobody has been sent, or if there are no workers any.
func (g *searchGroup) choose(workers int) (index int, here bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	index = -1
	for i, t := range g.tasks {
		switch {
		case t == nil:
		case t.state == done:
			return i, false
		case t.state == waiting, workers == 0:
			index = i
		}
	}
	return index, true
}

// ready takes a search out, with what is known of it.
func (g *searchGroup) ready(ctx context.Context, i int, here bool) (score.Ready, error) {
	g.mu.Lock()
	t := g.tasks[i]
	g.tasks[i] = nil
	g.close(t)
	g.kept = append(g.kept, t.journal)
	g.mu.Unlock()
	g.by[i] = t.by
	r := score.Ready{Index: i, Here: here}
	if t.journal == (bankai.Digest{}) {
		return r, nil
	}
	data, err := g.session.objects.Bytes(ctx, t.journal, mostJournal)
	if err == nil {
		r.Journal, err = journalFile(data)
	}
	if err != nil {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		g.session.log("a search is run here: the journal of a worker cannot be had: %v", err)
		r.Journal = ""
	}
	return r, nil
}

// Wrong drops the worker of a search.
func (g *searchGroup) Wrong(i int) {
	if by := g.by[i]; by != "" {
		g.session.distrust(by, "it computes wrong bits: what its search found has another fitness")
	}
}

// journalFile is a new file that holds a journal.
func journalFile(data []byte) (path string, err error) {
	f, err := os.CreateTemp("", "bankai-*.journal")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// close forgets a task. The searches are locked.
func (s *searches) close(t *searchTask) {
	if t.state == sent {
		s.out--
		s.takeBack(searchesWord, t.number)
	}
	delete(s.open, t.number)
	s.tellAll()
}

// Close takes back what has not come back.
func (g *searchGroup) Close() error {
	g.mu.Lock()
	for _, t := range g.tasks {
		if t != nil {
			g.close(t)
			g.kept = append(g.kept, t.journal)
		}
	}
	g.tasks = nil
	g.groups = slices.DeleteFunc(g.groups, func(o *searchGroup) bool { return o == g })
	g.mu.Unlock()
	g.release()
	ctx, cancel := context.WithTimeout(g.session.ctx, closing)
	defer cancel()
	for _, d := range g.kept {
		if d != (bankai.Digest{}) && g.session.conn.nc.IsConnected() {
			_ = g.session.objects.Delete(ctx, d) // it goes away with its age
		}
	}
	return nil
}

// fill sends searches, one to each worker.
func (s *searches) fill(workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		for _, t := range g.tasks {
			if s.out >= workers {
				return
			}
			if t != nil && t.state == waiting && !t.stays {
				t.state = sent
				s.out++
				m := nats.NewMsg(workSubject(s.session.ID(), searchesWord, strconv.FormatInt(t.number, 10)))
				m.Data = t.message
				s.publish(m, func() { s.notSent(t) })
			}
		}
	}
}

// notSent keeps a search here that does not come into the queue.
func (s *searches) notSent(t *searchTask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back(t)
	t.stays = true
	s.tellAll()
}

// tellAll wakes all who wait. The searches are locked.
func (s *searches) tellAll() {
	for _, g := range s.groups {
		select {
		case g.news <- struct{}{}:
		default:
		}
	}
}

// distrust forgets what a worker has said of searches that have not come back.
func (s *searches) distrust(worker string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.open {
		if t.by != worker {
			continue
		}
		if t.journal, t.by = (bankai.Digest{}), ""; t.state == done {
			t.state = waiting
		}
	}
	s.tellAll()
}

// take takes what a worker says of a search.
func (s *searches) take(number int64, from saying, name string, r searchRecord) {
	workers, _ := s.Workers()
	defer s.fill(len(workers))
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.open[number]
	if t == nil || t.state == done || t.latest.id == from.id && from.number <= t.latest.number {
		return
	}
	defer s.tellAll()
	t.latest = saying{id: from.id, number: from.number}
	if r.Journal != (bankai.Digest{}) {
		t.journal, t.by = r.Journal, from.id
	}
	if r.Began {
		t.begun++
	}
	switch {
	case r.Done:
		if t.state == sent {
			s.out--
		}
		t.state = done
	case r.Error != "", t.begun > mostTries:
		why := name + " could not: " + reasonForPeople(r.Error)
		if r.Error == "" {
			why = fmt.Sprintf("workers began it %d times and did not end it", mostTries)
		}
		s.tellFailed(from.id, "a search is run here: %s", why)
		s.takeBack(searchesWord, number)
		s.back(t)
		t.stays = true
	}
}

// serveSearches runs searches of a session.
func serveSearches(j *joined) (end func(), err error) {
	results, err := j.conn.resultsBucket(j.ctx)
	if err != nil {
		return nil, err
	}
	w := &searchWorker{joined: j, results: results}
	return worksAt(j, searchesWord, 1, w.do)
}

// searchWorker runs searches.
type searchWorker struct {
	*joined
	results jetstream.KeyValue
}

// do runs one search, or goes on with one.
func (w *searchWorker) do(ctx context.Context, m jetstream.Msg) (done bool) {
	number, err := numberOf(m)
	if err != nil {
		return true // nobody waits for it
	}
	key := searchKey(w.record.ID, number)
	known, by := w.known(ctx, key)
	if known.Done && by == w.id { // that it is done was not heard of
		return true
	}
	r := searchRecord{Journal: known.Journal, Began: true}
	if w.say(ctx, key, r) != nil {
		return false
	}
	r.Began = false
	r, err = w.search(ctx, m.Data(), r, func(r searchRecord) error { return w.say(ctx, key, r) })
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		r.Error = clip(err.Error())
	} else {
		r.Done = true
	}
	return w.say(ctx, key, r) == nil
}

// known is what was said of a search before, and who said it. A worker does not know who
// takes part: what it takes over is a journal, all of which is checked.
func (w *searchWorker) known(ctx context.Context, key string) (r searchRecord, by string) {
	asked, end := w.conn.request(ctx)
	defer end()
	if e, err := w.results.Get(asked, key); err == nil {
		if from, ok := unseal(key, e.Value()); ok {
			r, _ = decode[searchRecord]("what is known of a search", from.data) // if it makes no sense, nothing is
			by = from.id
		}
	}
	return r, by
}

// say puts down how far a search is.
func (w *searchWorker) say(ctx context.Context, key string, r searchRecord) (err error) {
	for range putTries {
		asked, end := w.conn.request(ctx)
		_, err = w.results.Put(asked, key, w.seal(key, encode(r)))
		end()
		if err == nil {
			return nil
		}
		w.logf("%s does not take how far a search is: %v", w.conn.URL(), err)
		if sleep(ctx, time.Second) != nil {
			break
		}
	}
	return err
}

// taken refuses what is no search for one worker, before anything is made for it.
func taken(job score.Job) error {
	if job.Plan.Method == score.MethodVote {
		return errors.New("a vote is no search of one machine: its draws are")
	}
	return cmp.Or(job.Plan.Check(), job.Limits.Check())
}

// search runs a search into a journal, which is put into the object store as it grows.
func (w *searchWorker) search(ctx context.Context, message []byte, r searchRecord, say func(searchRecord) error) (searchRecord, error) {
	sent, err := decode[sentSearch]("a search", message)
	if err != nil {
		return r, err
	}
	text, err := w.objects.Bytes(ctx, sent.Job, mostJob)
	if err != nil {
		return r, err
	}
	of, err := decode[sentJob]("a search", text)
	if err != nil {
		return r, err
	}
	job := of.Job
	if err := taken(job); err != nil {
		return r, err
	}
	release, err := w.turn(ctx, fmt.Sprintf("searching (%s, seed %d)", job.Plan.Method, job.Plan.Seed))
	if err != nil {
		return r, err
	}
	defer func() { release(1, 0) }()
	setup, err := job.Setup(w.model)
	if err != nil {
		return r, err
	}
	defer setup.Evaluator.Release()
	j, err := w.journal(ctx, setup, r.Journal, sent.Known)
	if err != nil {
		return r, err
	}
	defer j.remove()
	stop := w.sendAlong(ctx, j, &r, say)
	job.Limits.Journal = j.Journal
	_, err = setup.Run(ctx, job.Limits)
	stop()
	if err = errors.Join(err, j.Close()); err != nil {
		return r, err
	}
	// The last of it, also if ctx has ended, for whoever goes on with it.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	err = w.send(last, j, &r, say)
	return r, err
}
