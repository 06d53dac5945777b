package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"bankai/engine"
)

// pingTime is how long nothing may be sent before a comment is, which tells proxies and
// clients that the answer goes on.
const pingTime = 15 * time.Second

// stream sends an answer piece by piece.
type stream struct {
	x     *exchange
	form  framing
	after time.Duration // until a ping
	// failed tells of an error in the middle of the answer; nil: the API's document does.
	failed func(f *failure) error
}

// framing is how the documents of such an answer are told apart.
type framing struct {
	contentType    string
	before, behind string // each document, which is a line
	ping           string // what clients pass over
}

// events are server-sent events.
var events = framing{"text/event-stream", "data: ", "\n", ": ping\n\n"}

// lines is a document a line, and nothing else: the API's ping must be a document, too.
func lines(ping string) framing { return framing{"application/x-ndjson", "", "", ping} }

// stream begins such an answer.
func (x *exchange) stream(form framing) *stream {
	h := x.w.Header()
	h.Set("Content-Type", form.contentType)
	h.Set("X-Accel-Buffering", "no") // for proxies that would wait for the end
	x.w.WriteHeader(http.StatusOK)
	return &stream{x: x, form: form, after: pingTime}
}

// write sends bytes at once. The error is that the client is gone, or takes nothing.
func (s *stream) write(data []byte) error {
	if _, err := s.x.w.Write(data); err != nil {
		return err
	}
	return http.NewResponseController(s.x.w).Flush()
}

// send sends a document.
func (s *stream) send(doc any) error { return s.event("", doc) }

// event sends a document with the name of what happened, if it has one.
func (s *stream) event(name string, doc any) error {
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString(s.form.before)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return err
	}
	b.WriteString(s.form.behind)
	return s.write(b.Bytes())
}

// done ends the answer as OpenAI's clients expect it.
func (s *stream) done() error { return s.write([]byte("data: [DONE]\n\n")) }

// fail tells of an error in the middle of the answer.
func (s *stream) fail(err error) error {
	f := failureOf(err)
	if f.status == http.StatusInternalServerError {
		s.x.s.log.Error("a request failed", "id", s.x.id, "error", err)
	}
	s.x.ended = f.code
	if s.failed != nil {
		return s.failed(f)
	}
	return s.send(s.x.say(f))
}

// each hands the tokens of a run on as they come, and the ends of its choices. An error
// of a choice ends the answer. It returns an error when nobody reads any more.
func (s *stream) each(r *run, token func(choice int, e engine.Event) error, end func(choice int, result engine.Result) error) (whole bool, err error) {
	ping := time.NewTimer(s.after)
	defer ping.Stop()
	for left := len(r.streams); left > 0 && err == nil; {
		select {
		case p := <-r.pieces:
			switch {
			case p.end == nil:
				s.x.token(r)
				err = token(p.choice, p.event)
			case p.end.Err != nil:
				return false, s.fail(p.end.Err)
			default:
				s.x.finished(*p.end)
				err = end(p.choice, *p.end)
				left--
			}
			ping.Reset(s.after)
		case <-ping.C:
			err = s.write([]byte(s.form.ping))
			ping.Reset(s.after)
		case <-s.x.r.Context().Done():
			return false, s.x.r.Context().Err()
		}
	}
	return err == nil, err
}

// token notes when the first one of a run was made, as soon as one is there.
func (x *exchange) token(r *run) {
	if x.first > 0 {
		return
	}
	if at := r.first(); !at.IsZero() {
		x.first = at.Sub(x.began)
	}
}

// finished notes the end of a choice: of several, why the first one ended.
func (x *exchange) finished(r engine.Result) {
	if x.ended == "" {
		x.ended = r.Finish
	}
	if x.s.o.LogPrompts {
		x.replies = append(x.replies, r.Text)
	}
}
