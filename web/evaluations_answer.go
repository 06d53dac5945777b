package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bankai/internal/evaluation"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/server"
)

// evaluationDoc describes an evaluation.
type evaluationDoc struct {
	ID       string          `json:"id"`
	State    state           `json:"state"`              // waiting, running, done, failed, cancelled or ended
	Position int             `json:"position,omitempty"` // of those that wait: 1 comes next
	Set      string          `json:"set"`
	Probes   int             `json:"probes"` // that are asked
	Of       int             `json:"of"`     // that the set has
	Patches  []string        `json:"patches"`
	Files    []patchFile     `json:"files,omitempty"` // of patches that the command line takes, and no library has
	Asked    time.Time       `json:"asked"`
	Progress *progressDoc    `json:"progress"` // null before it begins
	Counts   *measure.Counts `json:"counts"`   // null before it is done
	Error    string          `json:"error,omitempty"`
}

// describe describes one.
func (e *evaluations) describe(m *measuring) evaluationDoc {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.described(m)
}

// described is describe for who holds the mutex.
func (e *evaluations) described(m *measuring) evaluationDoc {
	doc := evaluationDoc{
		ID: m.id, State: m.state, Set: m.doc.Set.Source, Probes: m.doc.Set.Probes, Of: m.of, Patches: m.doc.Patches, Files: m.files, Asked: m.asked.UTC(),
		Progress: m.progress, Counts: m.counts, Error: m.err,
	}
	if m.state == waiting {
		for _, other := range e.list[:slices.Index(e.list, m)+1] {
			if other.state == waiting {
				doc.Position++
			}
		}
	}
	return doc
}

// all answers GET /api/evaluations: the newest first.
func (e *evaluations) all(x *server.Exchange) error {
	list := []evaluationDoc{}
	e.mu.Lock()
	for _, m := range slices.Backward(e.list) {
		if m.tenant == x.Tenant() {
			list = append(list, e.described(m))
		}
	}
	e.mu.Unlock()
	return x.Document(http.StatusOK, map[string]any{"evaluations": list})
}

// resultDoc is an evaluation with what it found, and what there is to say of it.
type resultDoc struct {
	*evaluationDoc
	Result json.RawMessage `json:"result"` // as bankai eval --json prints it; null before it is done
	Said   *report.Said    `json:"said"`
}

// one answers GET /api/evaluations/{id}.
func (e *evaluations) one(x *server.Exchange) error {
	e.mu.Lock()
	m, err := e.find(x)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	described := e.described(m)
	doc := resultDoc{&described, m.result, m.said}
	e.mu.Unlock()
	return x.Document(http.StatusOK, doc)
}

// document answers GET /api/evaluations/{id}/result: the document alone, with its checksum,
// as bankai report takes it.
func (e *evaluations) document(x *server.Exchange) error {
	e.mu.Lock()
	m, err := e.find(x)
	var result []byte
	if err == nil {
		result = m.result
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if result == nil {
		return server.Refuse(http.StatusConflict, "", "not_done", "the evaluation is not done: GET /api/evaluations/%s/events tells when it is", m.id)
	}
	x.Writer().Header().Set("Content-Type", "application/json")
	_, err = x.Writer().Write(append(slices.Clone(result), '\n'))
	return err
}

// check answers POST /api/evaluations/check, whose body is a document that bankai eval
// printed: it tells what there is to say of it.
func (e *evaluations) check(x *server.Exchange) error {
	data, err := x.Body()
	if err != nil {
		return err
	}
	doc, err := evaluation.Read(data)
	var other struct {
		Data []string `json:"data"`
	}
	if errors.Is(err, evaluation.ErrOther) && json.Unmarshal(data, &other) == nil && len(other.Data) > 0 {
		return server.Refuse(http.StatusBadRequest, "", "invalid_result", "the document is a result of eval on data, which the page has no table for: bankai report makes a page of it")
	}
	if err != nil {
		return server.Refuse(http.StatusBadRequest, "", "invalid_result", "the document %v", err)
	}
	said := report.SaidOf(doc.Result, doc.Patched())
	return x.Document(http.StatusOK, resultDoc{nil, data, &said})
}

// remove answers DELETE /api/evaluations/{id}: what is under way is cancelled.
func (e *evaluations) remove(x *server.Exchange) error {
	e.mu.Lock()
	m, err := e.find(x)
	if err == nil {
		e.drop(m, cancelled)
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	x.Writer().WriteHeader(http.StatusNoContent)
	return nil
}

// follow answers GET /api/evaluations/{id}/events: how far the evaluation is, whenever that
// changes, until it is over. Each event is the whole state, so that who comes late, or
// comes back, misses nothing.
func (e *evaluations) follow(x *server.Exchange) error {
	e.mu.Lock()
	m, err := e.find(x)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	seen, err := strconv.Atoi(x.Request().Header.Get("Last-Event-ID"))
	if err != nil {
		seen = -1
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for out := x.Events(); ; {
		e.mu.Lock()
		doc, version, changed := e.described(m), m.version, m.changed
		e.mu.Unlock()
		if version != seen || doc.State.over() {
			if err := out.Send(strconv.Itoa(version), doc); err != nil || doc.State.over() {
				return nil
			}
			seen = version
		}
		select {
		case <-changed:
		case <-ping.C:
			if out.Ping() != nil {
				return nil
			}
		case <-x.Request().Context().Done():
			return nil
		}
	}
}
