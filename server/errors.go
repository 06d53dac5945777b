package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"
	"bankai/internal/weights"
)

// failure is an answer that says why a request has no other, as OpenAI's clients expect
// it: they show message, look up code, and try again by status.
type failure struct {
	status  int
	message string
	kind    string // OpenAI's "type"
	param   string // the field that is at fault, "" for none
	code    string // for programs, "" for none
	model   string // the id of a model that is not there

	retryAfter time.Duration // when to come again; 0: the client decides
	never      bool          // that the client must not try again, though it would by status
}

func (f *failure) Error() string { return f.message }

// What a failure is of.
const (
	kindInvalid     = "invalid_request_error"
	kindAuth        = "authentication_error"
	kindPermission  = "permission_error"
	kindOverloaded  = "rate_limit_error"
	kindServer      = "server_error"
	kindUnavailable = "unavailable_error"
	kindUnsupported = "not_supported_error"
)

// invalid refuses the value of a field.
func invalid(param, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: kindInvalid, param: param, code: "invalid_value", message: fmt.Sprintf(format, args...)}
}

// unsupported refuses a field that would change the answer, and cannot.
func unsupported(param, format string, args ...any) *failure {
	f := invalid(param, format, args...)
	f.code = "unsupported_parameter"
	return f
}

// notFound says that there is no patch, or no model.
func notFound(format string, args ...any) *failure {
	return &failure{
		status: http.StatusNotFound, kind: kindInvalid, param: "model", code: "model_not_found",
		message: fmt.Sprintf(format, args...),
	}
}

// unknownModel is notFound of a model that a request names by an id.
func unknownModel(id, format string, args ...any) *failure {
	f := notFound(format, args...)
	f.model = id
	return f
}

// unavailable says that the server does not take requests now.
func unavailable(code, format string, args ...any) *failure {
	return &failure{
		status: http.StatusServiceUnavailable, kind: kindUnavailable, code: code,
		message: fmt.Sprintf(format, args...), retryAfter: 2 * time.Second,
	}
}

// failureOf finds the answer for an error of the engine, or of reading a patch.
func failureOf(err error) *failure {
	var known *failure
	var full *engine.QueueFullError
	var large *engine.TooLargeError
	var long *engine.TooLongError
	var panicked *engine.PanicError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &full):
		return &failure{
			status: http.StatusTooManyRequests, kind: kindOverloaded, code: "queue_full",
			message: full.Error(), retryAfter: retryAfter(full),
		}
	case errors.As(err, &large):
		return tooLong(large)
	case errors.As(err, &long):
		return tooLong(long)
	case errors.Is(err, engine.ErrLoopClosed):
		return unavailable("draining", "the server is going down: ask again when it is back")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable("cancelled", "the request was cancelled before its end")
	case errors.As(err, &panicked):
		return internal()
	}
	return refusedByEngine(err)
}

// tooLong refuses what does not fit in, however long it waits.
func tooLong(err error) *failure {
	return &failure{status: http.StatusBadRequest, kind: kindInvalid, code: "context_length_exceeded", message: err.Error()}
}

// refusedByEngine tells a fault of the request from one of the server.
func refusedByEngine(err error) *failure {
	var token *engine.TokenError
	var sampling *engine.SamplingError
	switch {
	case errors.Is(err, engine.ErrEmptyPrompt):
		return invalid("prompt", "the prompt has no tokens: give the model some text")
	case errors.As(err, &token):
		return invalid("prompt", "%v", token)
	case errors.As(err, &sampling):
		return invalid(paramOf(sampling.Field), "%v", sampling)
	}
	return internal()
}

// paramOf is the field of a request for a field of engine.Sampling.
func paramOf(field string) string {
	name := []byte(field)
	for i, c := range name {
		if c == '-' || c == ' ' {
			name[i] = '_'
		}
	}
	return string(name)
}

// internal is a fault of the server, of which clients learn nothing but that it is one.
func internal() *failure {
	return &failure{status: http.StatusInternalServerError, kind: kindServer, code: "internal_error", message: "a fault of the server: its log says more"}
}

// retryAfter guesses when there is room again: when the prompts that wait are read, and a
// second for every four of them, since clients that all come back at once are refused at
// once.
func retryAfter(e *engine.QueueFullError) time.Duration {
	return min(time.Second+e.Wait+time.Duration(e.Waiting/4)*time.Second, time.Minute)
}

// patchFailure says why a patch is refused: it is for another model, or broken.
func patchFailure(err error) *failure {
	var shape *bankai.RangeError
	var known *failure
	var other weights.OtherModelError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &other):
		return &failure{status: http.StatusConflict, kind: kindInvalid, code: "patch_for_another_model", message: "the patch does not fit the model: " + madeFor(other), never: true}
	case errors.Is(err, bankai.ErrBaseMismatch), errors.Is(err, bankai.ErrArithmeticMismatch), errors.As(err, &shape):
		return &failure{
			status: http.StatusConflict, kind: kindInvalid, code: "patch_for_another_model",
			message: "the patch does not fit the model: " + err.Error(), never: true,
		}
	}
	return &failure{status: http.StatusBadRequest, kind: kindInvalid, code: "invalid_patch", message: "the patch cannot be read: " + err.Error()}
}

// madeFor says which model a patch is for. Whoever asks a server does not give it the model.
func madeFor(e weights.OtherModelError) string {
	named := ""
	if name := strings.TrimSpace(text.Printable(e.Name)); name != "" {
		named = fmt.Sprintf(" (%s)", text.Clip(name, maxParam))
	}
	return fmt.Sprintf("it was made for model %.12s…%s, and this server has another, %.12s…", e.Base, named, e.Model)
}

// Messages and the names of fields are clipped: clients may have sent any number of
// characters that stand in them.
const (
	maxMessage = 2000
	maxParam   = 200
)

// openAI tells of a failure as OpenAI's clients parse it: with all four members.
func openAI(f *failure) any {
	type inner struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}
	return struct {
		Error inner `json:"error"`
	}{inner{text.Clip(f.message, maxMessage), f.kind, orNull(text.Clip(f.param, maxParam)), orNull(f.code)}}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// headers sets what a client needs beside the error.
func (f *failure) headers(h http.Header) {
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="bankai"`)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.never {
		h.Set("X-Should-Retry", "false")
	}
}

// write is the failure as a whole answer, in the words of an API.
func (f *failure) write(w http.ResponseWriter, say dialect) {
	f.headers(w.Header())
	writeJSON(w, f.status, say(f))
}

// writeJSON answers with a document.
func writeJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(doc) // an error is the client's, who is gone
}
