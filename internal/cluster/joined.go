package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bankai/engine"

	"github.com/nats-io/nats.go"
)

// handler is a kind of work that a worker does in every session it joins. begin
// subscribes to it and returns how to end it: end returns when nothing of it runs any
// more, soon after joined.ctx has ended. What is unfinished then goes back to the
// coordinator. The session gives nothing to the worker before all have begun.
type handler struct {
	name  string
	begin func(j *joined) (end func(), err error)
}

// handlers are all kinds of work.
var handlers = []handler{
	{"measuring", beginMeasuring},
	{unitsWord, serveUnits},
	{searchesWord, serveSearches},
}

// joined is a session that a worker takes part in, as the handlers see it. Its methods
// may be called from several goroutines.
type joined struct {
	ctx       context.Context // ends when the worker leaves or the session ends
	record    sessionRecord
	*identity // of the worker
	conn      *Conn
	model     *engine.Model
	objects   *Objects
	runner    *runner

	mu    sync.Mutex
	count activity // of this session alone
}

// turn waits until nothing else computes on this worker, and says what is done now, for
// people. release ends it and says how much was done.
func (j *joined) turn(ctx context.Context, doing string) (release func(units, tokens int), err error) {
	end, err := j.runner.turn(ctx, j.record, doing)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	j.count.begin(j.record, doing)
	j.mu.Unlock()
	return func(units, tokens int) {
		j.mu.Lock()
		j.count.end(units, tokens)
		j.mu.Unlock()
		end(units, tokens)
		j.beat() // before the answer: a session may end with it
	}, nil
}

// beat says that the worker is alive, and what it has done.
func (j *joined) beat() {
	if !j.conn.nc.IsConnected() { // an old sign of life is none
		return
	}
	j.mu.Lock()
	b := j.count.beat()
	j.mu.Unlock()
	subject := beatSubject(j.record.ID, j.id)
	j.conn.nc.Publish(subject, j.seal(subject, encode(b)))
}

// logf tells people what happened.
func (j *joined) logf(format string, args ...any) {
	j.runner.log("%s: %s", runName(j.record), fmt.Sprintf(format, args...))
}

// sessionName is a session's name for people.
func sessionName(r sessionRecord) string {
	if r.Name == "" {
		return "session " + shortID(r)
	}
	return forPeople(r.Name)
}

// runName is a session's name for people who read of several, which may have one name.
func runName(r sessionRecord) string {
	if r.Name == "" {
		return sessionName(r)
	}
	return sessionName(r) + " (" + shortID(r) + ")"
}

// shortID tells the sessions apart that a person sees.
func shortID(r sessionRecord) string { return r.ID[:min(6, len(r.ID))] }

// attend takes part in a session until ctx ends, again after the coordinator took the
// worker for dead. took says whether the worker was ever let in.
func (r *runner) attend(ctx context.Context, record sessionRecord) (took bool) {
	name := runName(record)
	h := hello{requirements: requirements{Version: wireVersion, Program: programName()}, machine: r.machine(nil)}
	m, err := r.models.get(ctx, record)
	if err != nil {
		h.Lacks = err.Error()
	} else {
		defer r.models.put(m)
		h.requirements, h.machine = requirementsOf(m.Model, m.trial), r.machine(m.Model)
	}
	for ctx.Err() == nil {
		reply, err := r.greet(ctx, record, h)
		if err != nil {
			break
		}
		if !reply.OK || m == nil { // whoever lets in a worker without a model is no coordinator of ours
			r.log("%s: this worker is refused: %s", name, reasonForPeople(cmp.Or(reply.Refused, h.Lacks)))
			break
		}
		again, err := r.work(ctx, record, m.Model, !took)
		took = true
		if err != nil {
			r.log("%s: %v", name, err)
		}
		if !again {
			break
		}
	}
	if took {
		r.log("%s: %s", name, whyLeft(ctx))
	}
	return took
}

// whyLeft says why a worker takes part no more.
func whyLeft(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errEnded), errors.Is(cause, errSilent):
		return cause.Error()
	}
	return "this worker has left"
}

// greet asks to be let in until there is an answer.
func (r *runner) greet(ctx context.Context, record sessionRecord, h hello) (helloReply, error) {
	for {
		asked, cancel := context.WithTimeout(ctx, r.conn.timing.Reply)
		m, err := r.conn.nc.RequestWithContext(asked, helloSubject(record.ID), r.seal(helloSubject(record.ID), encode(h)))
		cancel()
		if err == nil {
			return decode[helloReply]("the coordinator's answer", m.Data)
		}
		if err := sleep(ctx, r.conn.timing.Beat); err != nil {
			return helloReply{}, err
		}
	}
}

// work does what a session asks until ctx ends or the coordinator says that the worker
// is out; again says that it may come back.
func (r *runner) work(ctx context.Context, record sessionRecord, m *engine.Model, first bool) (again bool, err error) {
	within, cancel := context.WithCancel(ctx)
	j := &joined{ctx: within, record: record, identity: r.identity, conn: r.conn, model: m, objects: r.objects, runner: r}
	out := make(chan outNotice, 1)
	sub, err := r.conn.nc.Subscribe(outSubject(record.ID, r.id), func(m *nats.Msg) {
		if notice, err := decode[outNotice]("a notice", m.Data); err == nil {
			select {
			case out <- notice:
			default:
			}
		}
	})
	if err != nil {
		cancel()
		return false, err
	}
	defer sub.Unsubscribe()
	ends, err := j.begin()
	defer func() {
		cancel()
		if !again { // before what computes has noticed it, which can take long
			why := ""
			if err != nil {
				why = err.Error()
			}
			bye := byeSubject(record.ID, r.id)
			r.conn.nc.Publish(bye, r.seal(bye, []byte(why)))
		}
		for _, end := range ends {
			end()
		}
	}()
	if err != nil {
		return false, err
	}
	if err := r.conn.nc.FlushTimeout(r.conn.timing.Reply); err != nil { // the server knows all subscriptions now
		return r.conn.Err() == nil && ctx.Err() == nil, nil
	}
	if first {
		r.log("%s: takes part", runName(record))
	}
	return j.beats(out)
}

// begin starts all handlers.
func (j *joined) begin() (ends []func(), err error) {
	for _, h := range handlers {
		end, err := h.begin(j)
		if err != nil {
			return ends, fmt.Errorf("%s: %w", h.name, err)
		}
		ends = append(ends, end)
	}
	return ends, nil
}

// beats says that the worker is alive, until it is told or decides to leave.
func (j *joined) beats(out <-chan outNotice) (again bool, err error) {
	tick := time.NewTicker(j.conn.timing.Beat)
	defer tick.Stop()
	for {
		j.beat()
		select {
		case <-j.ctx.Done():
			return false, nil
		case n := <-out:
			if n.Again {
				return true, nil
			}
			return false, fmt.Errorf("the coordinator has dropped this worker: %s", reasonForPeople(n.Why))
		case <-tick.C:
		}
	}
}
