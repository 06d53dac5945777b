package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"

	"github.com/nats-io/nats.go"
)

// remotePeer asks a worker of a session. What it is asked goes out in one message, or in
// several if it has more than maxMessage bytes; the answers come to an inbox, each part as
// soon as it is known. They are numbered: where one is missing, because the connection
// broke, the request fails, as it does when nothing is heard for [timing].Lost.
type remotePeer struct {
	session *Session
	member  *member
	task    bankai.Digest // of what is measured, in the object store

	answered func() // is told when it has answered; nil: nobody is
}

// ahead is how many messages of effects a worker may send that were not taken yet: 8 MiB
// of each worker wait at the coordinator at most.
const ahead = 16

// mostAnswer bounds one answer, in bytes: the values of a part, or a tensor's effects.
const mostAnswer = 1 << 30

func (p *remotePeer) Name() string { return p.member.name }

func (p *remotePeer) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (time.Duration, error) {
	return p.ask(ctx, division.Query{Patch: cur, Moves: moves}, parts, listener{
		values: func(part int, data []byte) error {
			values, err := decodeValues(data)
			if err != nil {
				return err
			}
			return got(part, values)
		},
	})
}

func (p *remotePeer) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(i int, e *score.Effects) error) (time.Duration, error) {
	parts := make([]score.Part, len(blocks))
	for i, b := range blocks {
		parts[i].Block = b
	}
	return p.ask(ctx, division.Query{Patch: cur, Want: &w}, parts, listener{
		effects: func(part int, data []byte) error {
			e, err := decodeEffects(data)
			if err != nil {
				return err
			}
			return got(part, e)
		},
		end: func(part int) error { return got(part, nil) },
	})
}

// listener takes what comes of a request; functions that are nil are not expected.
type listener struct {
	values, effects func(part int, data []byte) error
	end             func(part int) error
}

// mostReason is how much of an error that a worker has told is printed, in characters.
const mostReason = 300

// failure is an error that a worker has told.
type failure struct{ text string }

func (f *failure) Error() string { return f.text }

// lackError is of a worker that cannot read what is measured.
type lackError struct{ text string }

func (e *lackError) Error() string { return "it cannot read what is measured: " + e.text }

// errGone ends the requests of a worker that is no part of the session any more.
var errGone = errors.New("it has left")

// ask sends a request and takes its answers until it is done.
func (p *remotePeer) ask(ctx context.Context, q division.Query, parts []score.Part, take listener) (busy time.Duration, err error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	data, err := encodeAsk(p.task, q, parts)
	if err != nil {
		return 0, err
	}
	nc := p.session.conn.nc
	r := &receiving{peer: p, inbox: nc.NewInbox(), take: take, parts: len(parts)}
	messages, err := nc.SubscribeSync(r.inbox)
	if err != nil {
		return 0, err
	}
	defer messages.Unsubscribe()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-p.member.gone:
			cancel(errGone)
		case <-done:
		}
	}()
	seq := uint32(0)
	err = pieces(data, 0, askFrame, askLast, func(f frame) error {
		f.seq = seq
		seq++
		return nc.PublishRequest(p.subject(askToken), r.inbox, f.encode())
	})
	if err == nil {
		busy, err = r.run(within, messages)
	}
	if r.answers > 0 && (err == nil || ctx.Err() != nil) && p.answered != nil {
		p.answered()
	}
	if err != nil {
		nc.Publish(p.subject(stopToken), encode(mark{ID: r.inbox}))
	}
	return busy, err
}

func (p *remotePeer) subject(token string) string {
	return blockSubject(p.session.record.ID, p.member.id, token)
}

// receiving takes the answers of one request.
type receiving struct {
	peer   *remotePeer
	inbox  string
	take   listener
	parts  int
	next   uint32 // number of the message that is expected
	record []byte // of an answer, the pieces that have come

	answers int // that were taken
}

func (r *receiving) run(ctx context.Context, messages *nats.Subscription) (busy time.Duration, err error) {
	lost := r.peer.session.conn.timing.Lost
	for {
		waiting, cancel := context.WithTimeout(ctx, lost)
		m, err := messages.NextMsgWithContext(waiting)
		cancel()
		switch {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			return 0, fmt.Errorf("nothing was heard of its work for %v", lost)
		case err != nil:
			return 0, err
		}
		f, err := decodeFrame(m.Data)
		if err != nil {
			return 0, err
		}
		if f.seq != r.next {
			return 0, fmt.Errorf("message %d of its answer is missing", r.next)
		}
		r.next++
		done, err := r.frame(f)
		if err != nil {
			return 0, err
		}
		if done {
			return decodeBusy(f.data), nil
		}
	}
}

// frame takes one message.
func (r *receiving) frame(f frame) (done bool, err error) {
	if int64(f.part) >= int64(r.parts) {
		return false, division.ErrAnswers
	}
	switch f.kind {
	case valuesFrame, effectsFrame:
		if len(r.record)+len(f.data) > mostAnswer {
			return false, fmt.Errorf("an answer has more than %d MiB", mostAnswer>>20)
		}
		r.record = append(r.record, f.data...)
	case valuesLast:
		err = r.whole(r.take.values, f)
	case effectsLast:
		err = r.whole(r.take.effects, f)
	case partEnd:
		if err = division.ErrAnswers; r.take.end != nil {
			err = r.take.end(int(f.part))
		}
	case workingFrame:
	case doneFrame:
		return true, nil
	case failedFrame:
		return false, &failure{text.Clip(text.Printable(clip(string(f.data))), mostReason)}
	case lackFrame:
		return false, &lackError{text.Clip(text.Printable(clip(string(f.data))), mostReason)}
	default:
		return false, fmt.Errorf("its answer has a message of kind %q", f.kind)
	}
	if r.take.effects != nil && (f.kind == workingFrame || r.next%(ahead/4) == 0) {
		r.peer.session.conn.nc.Publish(r.peer.subject(goToken), encode(mark{r.inbox, f.seq}))
	}
	return false, err
}

// whole takes an answer whose last piece has come.
func (r *receiving) whole(take func(int, []byte) error, f frame) error {
	if take == nil {
		return division.ErrAnswers
	}
	data := f.data
	if len(r.record) > 0 {
		data = append(r.record, f.data...)
		r.record = nil
	}
	r.answers++
	return take(int(f.part), data)
}
