package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/evaluation"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/server"
)

// broken is a patch that breaks some of the answers of the built-in model.
func broken() *bankai.Patch {
	return bankai.New(bankai.Digest{}, bankai.Meta{Name: "broken"}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 0, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.3.attn_output.weight", Row: 10, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.4.ffn_down.weight", Row: 7, N: bankai.ToEnd})
}

// site is a server with a page's routes under test: the built-in model with the patch
// "broken".
type site struct {
	*Web
	t     testing.TB
	url   string
	model *engine.Model
}

func newSite(t testing.TB, so server.Options) *site {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	w := New(Options{Model: "demo", Precision: "fast"})
	so.Loopback, so.Routes = true, w.Routes()
	s := server.New(so)
	h := httptest.NewServer(s)
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	if err := s.Serve(m, "demo", []server.NamedPatch{{Name: "broken", Patch: broken()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		if err := s.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		h.Close()
	})
	return &site{w, t, h.URL, m}
}

// ask sends a request, as who shows a key if it is not empty.
func (s *site) ask(method, path, body, key string) (status int, answer string) {
	s.t.Helper()
	q, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		q.Header.Set("Authorization", "Bearer "+key)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(data)
}

// begin begins an evaluation, and returns its id.
func (s *site) begin(body string) string {
	s.t.Helper()
	status, answer := s.ask("POST", "/api/evaluations", body, "")
	var doc evaluationDoc
	if err := json.Unmarshal([]byte(answer), &doc); status != http.StatusAccepted || err != nil {
		s.t.Fatalf("%d %s", status, answer)
	}
	return doc.ID
}

// happens is what followers are told of an evaluation, to its end.
func (s *site) happens(id, last string) (ids []string, docs []evaluationDoc) {
	s.t.Helper()
	return s.hears(id, last, func() {})
}

// followed is happens in the background, which has begun.
func (s *site) followed(id string) <-chan []evaluationDoc {
	begun, ended := make(chan struct{}), make(chan []evaluationDoc, 1)
	go func() {
		_, docs := s.hears(id, "", sync.OnceFunc(func() { close(begun) }))
		ended <- docs
	}()
	<-begun
	return ended
}

// hears is happens, and calls told at everything.
func (s *site) hears(id, last string, told func()) (ids []string, docs []evaluationDoc) {
	q, _ := http.NewRequest("GET", s.url+"/api/evaluations/"+id+"/events", nil)
	q.Header.Set("Last-Event-ID", last)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Error(err)
		told()
		return nil, nil
	}
	defer a.Body.Close()
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, at)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var doc evaluationDoc
			if err := json.Unmarshal([]byte(data), &doc); err != nil {
				s.t.Error(err)
			}
			docs = append(docs, doc)
			told()
		}
	}
	return ids, docs
}

// An evaluation finds what package measure does, under as many patches, and its document is
// one that bankai report takes.
func TestEvaluation(t *testing.T) {
	s := newSite(t, server.Options{})
	set := measure.Sample(enginetest.DemoSet(t, "heldout"), 70, 1)
	for name, overlay := range map[string]*engine.Overlay{"": nil, "broken": enginetest.Overlay(t, s.model, broken())} {
		patches := []string{}
		command := "bankai eval --probes demo:heldout --limit 70"
		if name != "" {
			patches, command = []string{name}, command+" --patch "+name+".bankai"
		}
		body, _ := json.Marshal(map[string]any{"probes": "demo:heldout", "limit": 70, "patches": patches})
		id := s.begin(string(body))
		_, docs := s.happens(id, "")
		if last := docs[len(docs)-1]; last.State != done || last.Probes != 70 || last.Of != 1400 {
			t.Fatalf("%+v", last)
		}
		_, text := s.ask("GET", "/api/evaluations/"+id+"/result", "", "")
		doc, err := evaluation.Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		base, err := measure.Measure(context.Background(), s.model, nil, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		patched := base
		if overlay != nil {
			if patched, err = measure.Measure(context.Background(), s.model, overlay, set, nil); err != nil {
				t.Fatal(err)
			}
		}
		if want := measure.Compare(set, base, patched); !reflect.DeepEqual(doc.Result, want) {
			t.Errorf("%q: found %+v, want %+v", name, doc.Counts(), want.Counts())
		}
		if changed := len(doc.Fixed) + len(doc.Broke); (changed > 0) != (name != "") {
			t.Errorf("%q: %d answers changed", name, changed)
		}
		if files := docs[len(docs)-1].Files; len(files) != len(patches) || name != "" && (files[0].File != "broken.bankai" || files[0].Patch != name) {
			t.Errorf("%q: as files %+v", name, files)
		}
		if doc.Command != command || doc.SampledFrom != 1400 || !reflect.DeepEqual(doc.Patches, patches) {
			t.Errorf("%q: %s, %d, %v", name, doc.Command, doc.SampledFrom, doc.Patches)
		}
		// What is said of it is the same, whether it was measured here or comes from a file.
		_, here := s.ask("GET", "/api/evaluations/"+id, "", "")
		status, file := s.ask("POST", "/api/evaluations/check", text, "")
		var a, b struct{ Said *report.Said }
		if err := json.Unmarshal([]byte(here), &a); err != nil || json.Unmarshal([]byte(file), &b) != nil || status != http.StatusOK {
			t.Fatalf("%.300s: %v", file, err)
		}
		if a.Said == nil || !reflect.DeepEqual(a.Said, b.Said) || !strings.HasPrefix(a.Said.Verdict, fmt.Sprint(doc.Before, " of 70 right")) {
			t.Errorf("%q: said are %+v and %+v", name, a.Said, b.Said)
		}
	}
}

// Files of probes are read in every format; what cannot be asked is refused before anything
// is, with the member or the line that is at fault.
func TestEvaluationRequests(t *testing.T) {
	s := newSite(t, server.Options{})
	for _, c := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"probes": "demo:control_few"}`, 202, `"set":"demo:control_few"`},
		{`{"probes": "demo:control#arithmetic"}`, 202, `"probes":5,"of":5`},
		{`{"name": "a.jsonl", "data": "{\"prompt\": \"1 + 1 =\", \"correct\": \" 2\", \"wrong\": \" 3\"}"}`, 202, `"probes":1`},
		{`{"name": "C:\\mine\\../a.csv", "data": "prompt,correct,wrong\n1 + 1 =, 2, 3\n"}`, 202, `"set":"a.csv"`},
		{`{}`, 400, `is no built-in set`},
		{`{"probes": "/etc/passwd"}`, 400, `"param":"probes"`},
		{`{"probes": "demo:nothing"}`, 400, `the demo has no set`},
		{`{"probes": "demo:text"}`, 400, `"param":"probes"`},
		{`{"probes": "demo:control", "name": "a.json", "data": "[]"}`, 400, `give one of them`},
		{`{"data": "[]"}`, 400, `"param":"name"`},
		{`{"name": "demo:heldout", "data": "[{\"prompt\": \"p\", \"correct\": \"a\", \"wrong\": \"b\"}]"}`, 400, `reads as one of the built-in sets`},
		{`{"name": "x/ Demo:heldout", "data": "[]"}`, 400, `"param":"name"`},
		{`{"name": "a.jsonl", "data": "{\"prompt\": \"p\", \"correct\": \" 2\", \"wrong\": \" 3\"}\n{\"prompt\": 7}"}`, 400, `a.jsonl: line 2`},
		{`{"name": "a.json", "data": "[]"}`, 400, `a.json: `},
		{`{"name": "a.json", "data": "[{\"prompt\": \"` + strings.Repeat("long ", 3000) + `\", \"correct\": \"a\", \"wrong\": \"b\"}]"}`, 400, `a.json: `},
		{`{"probes": "demo:control", "limit": -1}`, 400, `"param":"limit"`},
		{`{"probes": "demo:control", "limit": "7"}`, 400, `limit cannot be a JSON string`},
		{`{"probes": "demo:control", "patches": ["none"]}`, 404, `none`},
		{`{"probes": "demo:control", "judge": "rm"}`, 400, `unknown field`},
	} {
		status, answer := s.ask("POST", "/api/evaluations", c.body, "")
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%.200s: %d %s, want %d %s", c.body, status, answer, c.status, c.says)
		}
		var doc evaluationDoc
		if json.Unmarshal([]byte(answer), &doc); status == http.StatusAccepted {
			if _, docs := s.happens(doc.ID, ""); docs[len(docs)-1].State != done {
				t.Errorf("%s: %+v", c.body, docs[len(docs)-1])
			}
		}
	}
	if _, answer := s.ask("GET", "/api/probes", "", ""); !strings.Contains(answer, `{"name":"demo:heldout","about":"1,400 probes for the result","probes":1400}`) || strings.Contains(answer, "demo:text") {
		t.Errorf("the sets are %s", answer)
	}
}

// A document that was changed, or whose counts are not those of its answers, is not shown.
func TestEvaluationCheck(t *testing.T) {
	s := newSite(t, server.Options{})
	id := s.begin(`{"probes": "demo:control_few"}`)
	s.happens(id, "")
	_, text := s.ask("GET", "/api/evaluations/"+id+"/result", "", "")
	doc, err := evaluation.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	doc.StayedRight--
	false1, _ := doc.Sealed().MarshalJSON()
	for what, c := range map[string]struct{ text, says string }{
		"changed":       {strings.Replace(text, `"before":5`, `"before":4`, 1), "does not match its checksum"},
		"false":         {string(false1), "its counts are not those of its 5 answers"},
		"half":          {text[:len(text)/2], "is no result of eval on probes"},
		"probes":        {`[{"prompt": "p"}]`, "is no result of eval on probes"},
		"nothing":       {``, "is no result of eval on probes"},
		"without seal":  {strings.Replace(text, `"checksum":`, `"sum":`, 1), "does not begin with a checksum"},
		"of data":       {`{"data": ["chats.jsonl"], "max_tokens": 7}`, "bankai report makes a page of it"},
		"null":          {`null`, "is no result of eval on probes"},
		"another world": {`{"outputs": 7}`, "is no result of eval on probes"},
	} {
		if status, answer := s.ask("POST", "/api/evaluations/check", c.text, ""); status != http.StatusBadRequest || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %s", what, status, answer)
		}
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(text), "", "  "); err != nil {
		t.Fatal(err)
	}
	if status, answer := s.ask("POST", "/api/evaluations/check", pretty.String(), ""); status != http.StatusOK {
		t.Errorf("with white space: %d %s", status, answer)
	}
}

// slow is a request that takes until it is cancelled.
const slow = `{"probes": "demo:heldout", "patches": ["broken"]}`

// One evaluation is under way and others wait in their order, up to a bound; cancelling
// one brings the next, and followers are told.
func TestEvaluationsWait(t *testing.T) {
	s := newSite(t, server.Options{})
	ids := []string{s.begin(slow)}
	for range waitingEach {
		ids = append(ids, s.begin(`{"probes": "demo:control_few"}`))
	}
	if status, answer := s.ask("POST", "/api/evaluations", slow, ""); status != http.StatusTooManyRequests {
		t.Errorf("one too many: %d %s", status, answer)
	}
	var list struct{ Evaluations []evaluationDoc }
	_, answer := s.ask("GET", "/api/evaluations", "", "")
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	for i, doc := range list.Evaluations {
		at := len(list.Evaluations) - 1 - i // the newest comes first
		want := waiting
		if at == 0 {
			want = running
		}
		if doc.ID != ids[at] || doc.State != want || doc.Position != at {
			t.Errorf("%d: %+v", at, doc)
		}
	}
	if status, answer := s.ask("GET", "/api/evaluations/"+ids[0]+"/result", "", ""); status != http.StatusConflict {
		t.Errorf("a result before it is there: %d %s", status, answer)
	}
	for _, i := range []int{2, 0} {
		told := s.followed(ids[i])
		if status, _ := s.ask("DELETE", "/api/evaluations/"+ids[i], "", ""); status != http.StatusNoContent {
			t.Errorf("cancelling: %d", status)
		}
		if docs := <-told; docs[len(docs)-1].State != cancelled {
			t.Errorf("a follower is told %+v", docs[len(docs)-1])
		}
	}
	for _, i := range []int{1, 3, 4} {
		if _, docs := s.happens(ids[i], ""); docs[len(docs)-1].State != done {
			t.Errorf("%d: %+v", i, docs[len(docs)-1])
		}
	}
	for _, path := range []string{"/" + ids[0], "/" + ids[0] + "/events", "/none"} {
		if status, _ := s.ask("GET", "/api/evaluations"+path, "", ""); status != http.StatusNotFound {
			t.Errorf("%s is there: %d", path, status)
		}
	}
}

// Followers are told how far it is, each step once; who comes back is told what is new, and
// who comes late how it ended.
func TestEvaluationEvents(t *testing.T) {
	s := newSite(t, server.Options{})
	id := s.begin(`{"probes": "demo:heldout", "limit": 100, "patches": ["broken"]}`)
	ids, docs := s.happens(id, "")
	seen := int64(-1)
	for i, doc := range docs {
		if p := doc.Progress; p != nil {
			if p.Done < seen || p.Done > p.Total {
				t.Errorf("%s: %d of %d after %d", ids[i], p.Done, p.Total, seen)
			}
			seen = p.Done
		}
	}
	last := docs[len(docs)-1]
	if last.State != done || last.Progress.Done != last.Progress.Total || last.Counts == nil || last.Counts.Total != 100 {
		t.Errorf("it ends with %+v", last)
	}
	for _, from := range []string{"", "0", ids[len(ids)-1], "nonsense"} {
		if got, _ := s.happens(id, from); len(got) != 1 || got[0] != ids[len(ids)-1] {
			t.Errorf("after %q comes %v", from, got)
		}
	}
}

// Evaluations are seen by those who have the same key.
func TestEvaluationsArePrivate(t *testing.T) {
	s := newSite(t, server.Options{Keys: []string{"mine", "yours"}})
	_, answer := s.ask("POST", "/api/evaluations", `{"probes": "demo:control_few"}`, "mine")
	var doc evaluationDoc
	if err := json.Unmarshal([]byte(answer), &doc); err != nil {
		t.Fatal(err)
	}
	for key, status := range map[string]int{"mine": 200, "yours": 404, "": 401} {
		if got, answer := s.ask("GET", "/api/evaluations/"+doc.ID, "", key); got != status {
			t.Errorf("with the key %q: %d %s", key, got, answer)
		}
	}
	if _, answer := s.ask("GET", "/api/evaluations", "", "yours"); strings.Contains(answer, doc.ID) {
		t.Errorf("another one sees it: %s", answer)
	}
}

// Beyond a number of results the oldest are forgotten.
func TestEvaluationsAreForgotten(t *testing.T) {
	s := newSite(t, server.Options{})
	one, _ := json.Marshal(map[string]any{"name": "a.json", "data": `[{"prompt": "1 + 1 =", "correct": " 2", "wrong": " 3"}]`})
	var ids []string
	for range keptEach + 2 {
		id := s.begin(string(one))
		s.happens(id, "")
		ids = append(ids, id)
	}
	for i, id := range ids {
		status, _ := s.ask("GET", "/api/evaluations/"+id, "", "")
		if there := status == http.StatusOK; there != (i >= 2) {
			t.Errorf("evaluation %d of %d: %d", i+1, len(ids), status)
		}
	}
}

// The end of the server ends what is measured, and followers; nothing begins afterwards.
func TestEvaluationsEnd(t *testing.T) {
	s := newSite(t, server.Options{})
	id, second := s.begin(slow), s.begin(slow)
	told := s.followed(id)
	began := time.Now()
	s.Close()
	if docs := <-told; docs[len(docs)-1].State != ended {
		t.Errorf("a follower is told %+v", docs[len(docs)-1])
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the end took %v", took)
	}
	if status, _ := s.ask("GET", "/api/evaluations/"+second, "", ""); status != http.StatusNotFound {
		t.Errorf("what waited is there: %d", status)
	}
	if status, answer := s.ask("POST", "/api/evaluations", slow, ""); status != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d %s", status, answer)
	}
}

// Answers to requests are the same, and come, while an evaluation is under way; and it
// finds the same.
func TestEvaluationBesideChats(t *testing.T) {
	s := newSite(t, server.Options{})
	const ask = `{"model": "demo:broken", "messages": [{"role": "user", "content": "5 + 7 ="}], "max_tokens": 12, "temperature": 0}`
	said := func() string {
		_, answer := s.ask("POST", "/v1/chat/completions", ask, "")
		var doc struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(answer), &doc); err != nil || len(doc.Choices) == 0 {
			t.Fatalf("%s: %v", answer, err)
		}
		return doc.Choices[0].Message.Content
	}
	alone := said()
	id := s.begin(`{"probes": "demo:heldout", "limit": 200, "patches": ["broken"]}`)
	for range 5 {
		if got := said(); got != alone {
			t.Errorf("beside it %q, alone %q", got, alone)
		}
	}
	if _, docs := s.happens(id, ""); docs[len(docs)-1].State != done {
		t.Errorf("%+v", docs[len(docs)-1])
	}
}

// What a file holds never ends the server, and its name is one line without folders.
func FuzzEvaluationFile(f *testing.F) {
	f.Add("a.json", `[{"prompt": "p", "correct": "a", "wrong": "b"}]`)
	f.Add("a.csv", "prompt,correct,wrong\np,a,b\n")
	f.Add(`..\..\a.jsonl`, `{"prompt": "p"}`)
	f.Add(strings.Repeat("é", maxName), `{}`)
	f.Fuzz(func(t *testing.T, name, data string) {
		q := evaluationRequest{Name: name, Data: data}
		s, err := q.set()
		if err == nil && (len(s.Set) == 0 || strings.ContainsAny(s.Source, "/\\\n") || len(s.Source) > maxName || !utf8.ValidString(s.Source)) {
			t.Errorf("%d probes of %q", len(s.Set), s.Source)
		}
	})
}
