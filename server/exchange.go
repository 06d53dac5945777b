package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// exchange is one request with its answer, and what the log and the metrics tell of it.
type exchange struct {
	*loaded
	s      *Server
	w      *answerWriter
	r      *http.Request
	api    string
	say    dialect
	id     string // of the request, in the header X-Request-Id
	client string // who asks, as far as that is known: keys, or addresses
	began  time.Time

	// For the log; empty as long as it is not known.
	asked string        // the id of the model
	sets  []*patchSet   // under which it is answered: of those that are compared, several
	used  spent         // under each of them; nil: nothing
	taken held          // of its body
	first time.Duration // until the first token
	ended string        // why the answer has no more: "stop", "length", "cancelled", …

	// Of the whole request and answer, if they are to be logged.
	question string
	replies  []string
}

// dialect is the document with which an API tells of a failure.
type dialect func(f *failure) any

// answerWriter knows what was answered.
type answerWriter struct {
	http.ResponseWriter
	status int // 0: nothing yet
}

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answer makes a handler of what answers one kind of request: it may ask, there is a
// model, its body is read, and of the error that is returned the client learns in the
// API's words, unless the answer has begun.
func (s *Server) answer(api string, say dialect, do func(x *exchange) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{s: s, w: &answerWriter{ResponseWriter: w}, r: r, api: api, say: say, began: time.Now(), id: w.Header().Get(requestID)}
		defer x.tell()
		defer x.taken.release()
		defer func() {
			if v := recover(); v != nil {
				s.log.Error("a handler panicked", "id", x.id, "panic", v, "stack", string(debug.Stack()))
				x.fail(internal())
			}
		}()
		if err := x.prepare(); err != nil {
			x.fail(err)
			return
		}
		if err := do(x); err != nil {
			x.fail(err)
		}
	}
}

func (x *exchange) prepare() (err error) {
	if x.client, err = x.s.access.user(x.r); err != nil {
		return err
	}
	x.loaded, err = x.s.model()
	return err
}

// fail tells the client of an error, as long as it has no answer.
func (x *exchange) fail(err error) {
	f := failureOf(err)
	if f.status == http.StatusInternalServerError {
		x.s.log.Error("a request failed", "id", x.id, "error", err)
	}
	if x.ended == "" {
		x.ended = f.code
	}
	if x.r.Context().Err() != nil {
		x.ended = "cancelled"
	}
	if x.w.status == 0 {
		f.write(x.w, x.say)
	}
}

// Bounds of requests; times has those of their bodies.
const (
	headerTime = 10 * time.Second // to send the head
	idleTime   = 2 * time.Minute  // between two requests
	maxHeader  = 64 << 10         // bytes of the head
	maxBody    = 16 << 20         // bytes of the body
)

// Headers of answers.
const (
	requestID   = "X-Request-Id"
	seedHeader  = "Bankai-Seed"
	patchHeader = "Bankai-Patches"
)

// HTTP is an http.Server for h with the limits that a public server needs.
func HTTP(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader}
}

// body reads all that the client sends.
func (x *exchange) body() ([]byte, error) {
	c := http.NewResponseController(x.w)
	c.SetReadDeadline(time.Now().Add(x.s.times.body))
	x.taken = held{bodies: &x.s.bodies, r: http.MaxBytesReader(x.w, x.r.Body, maxBody)}
	data, err := io.ReadAll(&x.taken)
	var large *http.MaxBytesError
	var full *failure
	switch {
	case errors.As(err, &full):
		return nil, full
	case errors.As(err, &large):
		return nil, &failure{status: http.StatusRequestEntityTooLarge, kind: kindInvalid, code: "body_too_large", message: "the body has more than 16 MiB: shorten it"}
	case err != nil:
		return nil, &failure{status: http.StatusBadRequest, kind: kindInvalid, code: "body_unreadable", message: "the body did not come to its end"}
	}
	c.SetReadDeadline(time.Time{}) // from here on reading only notices that the client goes
	return data, nil
}

// read reads the fields of the request's body.
func (x *exchange) read() (*fields, error) {
	data, err := x.body()
	if err != nil {
		return nil, err
	}
	return readFields(data)
}

// begin lets a job run and says in the head of the answer what it is made under.
func (x *exchange) begin(j *job) (*run, error) {
	x.asked, x.sets = j.model, j.sets()
	j.client, j.tenant = x.client, x.s.access.tenant(x.r)+j.tenant
	r, err := x.start(x.r.Context(), j)
	if err != nil {
		return nil, err
	}
	x.taken.release() // the body is understood
	if x.s.o.LogPrompts {
		for _, p := range j.prompts {
			x.question += x.loaded.model.Tokenizer().Decode(p)
		}
	}
	h := x.w.Header()
	h.Set(seedHeader, strconv.FormatUint(j.sampling.Seed, 10))
	if patches := headerOf(x.sets); patches != "" {
		h.Set(patchHeader, patches)
	}
	return r, nil
}

// newID is a name that no other answer has.
func newID(prefix string) string {
	var b [12]byte
	rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}
