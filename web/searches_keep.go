package web

import (
	"errors"
	"mime"
	"net/http"
	"os"
	"strings"
	"syscall"

	"bankai"
	"bankai/server"
	"bankai/store"
)

// stop answers POST /api/searches/{id}/stop: the search ends as by Ctrl-C, and keeps what it
// found.
func (s *searches) stop(x *server.Exchange, r *searchRun) error {
	r.mu.Lock()
	own, elsewhere := r.process != nil, r.isElsewhere()
	r.mu.Unlock()
	switch {
	case elsewhere:
		return server.Refuse(http.StatusConflict, "", "not_own", "another server started this search: stop it there")
	case !own:
		return server.Refuse(http.StatusConflict, "", "not_running", "the search is not running")
	}
	r.stopAsAsked()
	return x.Document(http.StatusOK, r.doc())
}

// resumeAsk is the body of POST /api/searches/{id}/resume: limits in place of those before.
type resumeAsk struct {
	Steps   *int     `json:"steps"`
	MaxCost *float64 `json:"max_cost"`
	Minutes *float64 `json:"minutes"`
}

// resume answers POST /api/searches/{id}/resume: the search goes on with its journal.
func (s *searches) resume(x *server.Exchange, r *searchRun) error {
	var ask resumeAsk
	if err := x.Read(&ask); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(); err != nil {
		return err
	}
	if d := r.doc(); !d.Resume {
		return server.Refuse(http.StatusConflict, "", "not_resumable", "the search has no journal to go on with: start it anew")
	}
	asked := *r.request()
	if asked.Base != x.Model().Digest() {
		return server.Refuse(http.StatusConflict, "", "other_model", "the search was in another model than this server's: serve that one")
	}
	if ask.Steps != nil {
		asked.Steps = *ask.Steps
	}
	if ask.MaxCost != nil {
		asked.MaxCost = *ask.MaxCost
	}
	if ask.Minutes != nil {
		asked.Minutes = *ask.Minutes
	}
	if err := asked.checkPlan(x.Model()); err != nil {
		return err
	}
	before := r.request()
	err := r.ask(&asked)
	if err == nil {
		if err = r.begin(s.o, true); err != nil {
			r.ask(before)
		}
	}
	if err != nil {
		return s.unusable("the search could not go on", err)
	}
	s.o.Log.Info("a search goes on", "search", r.id, "name", r.name)
	return x.Document(http.StatusOK, r.doc())
}

// read is the patch that a search found.
func (r *searchRun) read() (*bankai.Patch, error) {
	p, err := bankai.ReadFile(r.patch())
	if errors.Is(err, os.ErrNotExist) {
		return nil, server.Refuse(http.StatusNotFound, "id", "no_patch_yet", "the search has found no patch yet")
	} else if err != nil {
		return nil, server.Refuse(http.StatusConflict, "id", "bad_patch", "the patch of the search cannot be read: it was changed or is damaged")
	}
	return p, nil
}

// keepAsk is the body of POST /api/searches/{id}/keep.
type keepAsk struct {
	Name    string `json:"name"`    // "": that of the search
	Library bool   `json:"library"` // for good, beside for as long as the server runs
}

// keep answers POST /api/searches/{id}/keep: requests can name the patch from now on.
func (s *searches) keep(x *server.Exchange, r *searchRun) error {
	var ask keepAsk
	if err := x.Read(&ask); err != nil {
		return err
	}
	if ask.Name == "" {
		ask.Name = r.name
	}
	if err := server.CheckName(ask.Name); err != nil {
		return refused("name", "%v", err)
	}
	p, err := r.read()
	if err != nil {
		return err
	}
	if ask.Library {
		if err := s.add(x, r, ask.Name, p); err != nil {
			return err
		}
	}
	if err := x.Put(ask.Name, p); err != nil {
		return err
	}
	s.o.Log.Info("a search's patch was kept", "search", r.id, "name", ask.Name, "library", ask.Library)
	return x.Document(http.StatusOK, struct {
		Name    string        `json:"name"`
		Model   string        `json:"model"` // as requests have it
		Digest  bankai.Digest `json:"digest"`
		Library bool          `json:"library"`
	}{ask.Name, x.Name() + ":" + ask.Name, p.ContentDigest(), ask.Library})
}

// add adds the patch to the user's library, with the set that its claim is about.
func (s *searches) add(x *server.Exchange, r *searchRun, ref string, p *bankai.Patch) error {
	o := store.AddOptions{Source: "a search on the page, " + r.id}
	if set := r.request().Validate; !set.IsZero() && !set.isBuiltIn() {
		data, err := os.ReadFile(r.file(set.file("validate")))
		if err != nil {
			return s.unusable("the validation set could not be read", err)
		}
		o.Files = append(o.Files, store.Attachment{Kind: store.Probes, Name: "validate" + setEnding(set.Name), Data: data})
	}
	name, tag, _ := strings.Cut(ref, ":")
	_, err := store.Open(s.o.Home).Add(x.Request().Context(), name, tag, p, o)
	if taken := (*store.TagTakenError)(nil); errors.As(err, &taken) {
		return server.Refuse(http.StatusConflict, "name", "name_taken", "the library has another patch called %s: choose another name", ref)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return s.unusable("the library could not take the patch", err)
	}
	return err
}

// download answers GET /api/searches/{id}/patch with the patch file.
func (s *searches) download(x *server.Exchange, r *searchRun) error {
	if _, err := r.read(); err != nil {
		return err
	}
	data, err := os.ReadFile(r.patch())
	if err != nil {
		return err
	}
	h := x.Writer().Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": r.name + ".bankai"}))
	_, err = x.Writer().Write(data)
	return err
}

// remove answers DELETE /api/searches/{id}.
func (s *searches) remove(x *server.Exchange, r *searchRun) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.isRunning() {
		return server.Refuse(http.StatusConflict, "", "search_running", "the search is running: stop it first")
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return s.unusable("the search could not be deleted", err)
	}
	delete(s.runs, r.id)
	s.o.Log.Info("a search was deleted", "search", r.id)
	x.Writer().WriteHeader(http.StatusNoContent)
	return nil
}
