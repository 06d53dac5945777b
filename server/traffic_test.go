package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
)

// question is a request of a storm. Which model and patches it names comes later: the same
// question is asked under several.
type question struct{ path, members string }

func (q question) body(model, more string) string {
	return fmt.Sprintf(`{"model":%q,%s%s}`, model, q.members, more)
}

// randomQuestion asks any API for a short answer that is the same every time.
func randomQuestion(rng *rand.Rand) question {
	text := strings.Repeat("The sailor sleeps. ", rng.IntN(3)*rng.IntN(4)) + []string{"At night the", "2 + 3 =", "Find the derivative of 2x^8:"}[rng.IntN(3)]
	tokens, seed, heat := 1+rng.IntN(10), rng.IntN(9), rng.IntN(2)
	sometimes := func(one int, members string) string {
		if rng.IntN(one) > 0 {
			return ""
		}
		return members
	}
	sampling := fmt.Sprintf(`"temperature":%d,"seed":%d`, heat, seed)
	openAI := sampling + sometimes(2, `,"stream":true`) + sometimes(4, `,"cache_prompt":false`) + sometimes(8, `,"cache_salt":"mine"`)
	choices := sometimes(4, fmt.Sprintf(`,"n":%d`, 2+rng.IntN(3))) + sometimes(4, `,"stop":["s"," the"]`) + sometimes(6, `,"presence_penalty":0.5`)
	limit := fmt.Sprintf(`,"max_tokens":%d`, tokens)
	switch rng.IntN(5) {
	case 0:
		return question{chats, fmt.Sprintf(`"messages":[{"role":"user","content":%q}],%s`, text, openAI+choices+limit+sometimes(4, `,"logprobs":true,"top_logprobs":2`))}
	case 1:
		return question{texts, fmt.Sprintf(`"prompt":%q,%s`, text, openAI+choices+limit+sometimes(4, `,"logprobs":2`)+sometimes(6, `,"echo":true`))}
	case 2:
		return question{responses, fmt.Sprintf(`"input":%q,%s,"max_output_tokens":%d`, text, openAI, max(tokens, 16))}
	case 3:
		return question{ollamaChats, fmt.Sprintf(`"messages":[{"role":"user","content":%q}],"options":{%s,"num_predict":%d}%s`, text, sampling, tokens, sometimes(2, `,"stream":false`))}
	}
	return question{ollamaTexts, fmt.Sprintf(`"prompt":%q,"raw":true,"options":{%s,"num_predict":%d}%s`, text, sampling, tokens, sometimes(2, `,"stream":false`))}
}

// contents are what the patches of a storm flip, whatever they are called.
var contents = []*bankai.Patch{rows(0, 300), rows(500, 400), rows(100, 150), rows(300, 500)}

// none is the content of a name that there is not.
const none = -1

// said is what an answer says: the documents of each choice, and under 0 those of all,
// without what two equal answers differ in by rights.
type said map[int][]string

// byRights are the members in which equal answers differ: names, times, and what was kept
// of requests before.
var byRights = []string{
	"id", "item_id", "call_id", "model", "created", "created_at", "completed_at", "cached_tokens",
	"total_duration", "load_duration", "prompt_eval_duration", "eval_duration",
}

// saidIn reads an answer, whole or as far as it came.
func saidIn(contentType, body string) (said, error) {
	all := said{}
	var docs []string
	switch contentType {
	case "text/event-stream":
		events := strings.Split(body, "\n\n")
		for _, e := range events[:len(events)-1] {
			_, data, ok := strings.Cut(e, "data: ")
			if !ok {
				return nil, fmt.Errorf("an event is %q", e)
			}
			docs = append(docs, data)
		}
	case "application/x-ndjson":
		docs = strings.SplitAfter(body, "\n")
		docs = docs[:len(docs)-1]
	default:
		docs = []string{body}
	}
	for _, text := range docs {
		if text == "[DONE]" {
			all[0] = append(all[0], text)
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return nil, fmt.Errorf("a document is %q: %w", text, err)
		}
		of := 0
		if list, _ := doc["choices"].([]any); len(list) == 1 && contentType != "application/json" {
			index, _ := list[0].(map[string]any)["index"].(float64)
			of = 1 + int(index)
		}
		blank(doc)
		out, err := json.Marshal(doc)
		if err != nil {
			return nil, err
		}
		all[of] = append(all[of], string(out))
	}
	return all, nil
}

// blank removes what equal answers differ in by rights.
func blank(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range byRights {
			delete(v, name)
		}
		for _, member := range v {
			blank(member)
		}
	case []any:
		for _, item := range v {
			blank(item)
		}
	}
}

// differs says where an answer, which may be cut off, is another than it would be alone; ""
// if it is not.
func (s said) differs(alone said, cut bool) string {
	for of := range max(len(s), len(alone)) + 1 {
		for i, doc := range s[of] {
			if i >= len(alone[of]) || doc != alone[of][i] {
				return fmt.Sprintf("document %d of %d is %s, alone %q", i, of, doc, alone[of][min(i, len(alone[of])):])
			}
		}
		if n := len(s[of]); n < len(alone[of]) && !cut {
			return fmt.Sprintf("there is no %s", alone[of][n])
		}
	}
	return ""
}

// quiet is a server that is asked one question at a time, remembers nothing of one for the
// next, and has all contents under names that stay.
type quiet struct {
	*running
	digests []string // of the contents

	mu    sync.Mutex
	known map[string]said // only what is asked again
}

func startQuiet(t testing.TB) *quiet {
	t.Helper()
	q := &quiet{running: listen(t, Options{Loopback: true}), known: map[string]said{}}
	q.model = enginetest.Demo(t, engine.Options{Threads: 1})
	q.serveUnder("demo", nil)
	for i, p := range contents {
		got := q.do("PUT", fmt.Sprintf("/api/patches/c%d", i), string(encoded(t, p)))
		if got.status != http.StatusCreated {
			t.Fatalf("%+v", got)
		}
		q.digests = append(q.digests, strings.TrimPrefix(parse[patchDoc](t, got.body).Digest, "sha256:"))
	}
	return q
}

// answer is what a question is answered under some contents.
func (s *quiet) answer(q question, under []int) (said, error) {
	sorted := slices.Sorted(slices.Values(under))
	key := fmt.Sprint(q, sorted)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, there := s.known[key]; there {
		return a, nil
	}
	model := "demo"
	for i, c := range sorted {
		model += []string{":", "+"}[min(i, 1)] + fmt.Sprint("c", c)
	}
	got, err := s.try(context.Background(), "POST", q.path, q.body(model, ""))
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusOK {
		return nil, fmt.Errorf("alone, %s is answered %+v", q.body(model, ""), got)
	}
	a, err := saidIn(got.header.Get("Content-Type"), got.body)
	s.known[key] = a
	return a, err
}

// under reads from the head of an answer which contents it was made under.
func (s *quiet) under(patches string) (all []int, err error) {
	for one := range strings.SplitSeq(patches, ", ") {
		if one == "" {
			continue
		}
		_, digest, _ := strings.Cut(one, "sha256:")
		i := slices.Index(s.digests, digest)
		if i < 0 {
			return nil, fmt.Errorf("the answer is made under %q, which nobody put there", one)
		}
		all = append(all, i)
	}
	return all, nil
}

// history is what a name meant, one content after the other.
type history struct {
	name     string
	changing sync.Mutex

	mu    sync.Mutex
	begun []int // contents that it was to have
	done  int   // how many of these changes are answered
}

// since is what the name could have meant from its n-th change on.
func (h *history) since(n int) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.begun[max(n-1, 0):])
}

func (h *history) changes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done
}

// storm is a server that many ask at once while patches come and go.
type storm struct {
	*running
	quiet *quiet
	names []*history
	full  bool // the queue is so short that requests may be refused

	mu      sync.Mutex
	answers map[string]int // how many, by kind
}

// startStorm starts a server under which names mean different contents over time.
func startStorm(t testing.TB, q *quiet, o Options) *storm {
	t.Helper()
	o.Loopback, o.InlinePatches = true, 8<<10
	s := &storm{running: listen(t, o), quiet: q, full: o.Loop.Queue > 0, answers: map[string]int{}}
	s.model = q.model
	s.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 100
	s.serveUnder("demo", nil)
	for _, name := range []string{"x", "y", "z"} {
		s.names = append(s.names, &history{name: name, begun: []int{none}, done: 1})
	}
	return s
}

func (s *storm) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[kind]++
}

// change gives a name another content, or takes it away.
func (s *storm) change(rng *rand.Rand) {
	h, to := s.names[rng.IntN(len(s.names))], rng.IntN(len(contents)+1)-1
	h.changing.Lock()
	defer h.changing.Unlock()
	h.mu.Lock()
	was := h.begun[len(h.begun)-1]
	h.begun = append(h.begun, to)
	h.mu.Unlock()
	method, body, want := "DELETE", "", http.StatusNoContent
	switch {
	case to != none:
		method, body, want = "PUT", string(encoded(s.t, contents[to])), http.StatusOK
		if was == none {
			want = http.StatusCreated
		}
	case was == none:
		want = http.StatusNotFound
	}
	if got, err := s.try(context.Background(), method, "/api/patches/"+h.name, body); err != nil || got.status != want {
		s.t.Errorf("%s %s: %v, %+v, want %d", method, h.name, err, got, want)
	}
	h.mu.Lock()
	h.done = len(h.begun)
	h.mu.Unlock()
	s.count("changes of patches")
}

// reading is how a client takes an answer.
type reading struct {
	stop  int           // bytes after which it goes away; 0: it stays to the end
	pause time.Duration // between two parts
	leave time.Duration // after which it goes away, whatever came; 0: never
}

// ask asks a question under names or an inline patch, and compares the answer.
func (s *storm) ask(rng *rand.Rand, q question, how reading) {
	var named []*history
	for _, i := range rng.Perm(len(s.names))[:max(rng.IntN(5)-2, 0)] { // none, or one, or two
		named = append(named, s.names[i])
	}
	model, more, inline := "demo", "", none
	switch {
	case len(named) == 0 && rng.IntN(3) == 0:
		inline = rng.IntN(len(contents))
		more = `,"patches":[{"data":"` + base64.StdEncoding.EncodeToString(encoded(s.t, contents[inline])) + `"}]`
	case len(named) > 0 && rng.IntN(3) == 0: // by a field of the request
		var list []string
		for _, h := range named {
			list = append(list, strconv.Quote(h.name))
		}
		more = `,"patches":[` + strings.Join(list, ",") + "]"
	case len(named) > 0:
		var list []string
		for _, h := range named {
			list = append(list, h.name)
		}
		model += ":" + strings.Join(list, "+")
	}
	before := make([]int, len(named))
	for i, h := range named {
		before[i] = h.changes()
	}
	got, ended := s.take(q.path, q.body(model, more), how)
	could := make([][]int, len(named))
	for i, h := range named {
		could[i] = h.since(before[i])
	}
	if err := s.check(q, got, ended, could, inline); err != nil {
		s.t.Errorf("%s %s under %s%.40s: %v", q.path, q.members, model, more, err)
	}
}

// check compares an answer with that of the quiet server, under what its names could have
// meant.
func (s *storm) check(q question, got reply, ended bool, could [][]int, inline int) error {
	may := func(c int) func([]int) bool { return func(all []int) bool { return slices.Contains(all, c) } }
	switch {
	case got.status == 0:
		s.count("left before the answer")
		return nil
	case got.status == http.StatusNotFound && slices.ContainsFunc(could, may(none)):
		s.count("named a patch that was gone")
		return nil
	case got.status == http.StatusBadRequest && strings.Contains(got.body, "both together do nothing") && len(could) == 2 && slices.ContainsFunc(could[0], func(c int) bool { return may(c)(could[1]) }):
		s.count("named equal patches")
		return nil
	case got.status == http.StatusTooManyRequests && s.full:
		if n, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || n < 1 {
			return fmt.Errorf("come again after %q", got.header.Get("Retry-After"))
		}
		s.count("refused by the queue")
		return nil
	case got.status != http.StatusOK:
		return fmt.Errorf("%+v", got)
	}
	under, err := s.quiet.under(got.header.Get(patchHeader))
	if err != nil {
		return err
	}
	if inline != none {
		could = [][]int{{inline}}
	}
	if len(under) != len(could) {
		return fmt.Errorf("made under %d patches, asked under %d", len(under), len(could))
	}
	for i, c := range under {
		if !may(c)(could[i]) {
			return fmt.Errorf("made under the content %d, but the name could mean only %v", c, could[i])
		}
	}
	kind := got.header.Get("Content-Type")
	if kind == "application/json" && !ended {
		s.count("left in the middle")
		return nil
	}
	have, err := saidIn(kind, got.body)
	if err != nil {
		return err
	}
	want, err := s.quiet.answer(q, under)
	if err != nil {
		return err
	}
	if how := have.differs(want, !ended); how != "" {
		return errors.New(how)
	}
	if ended {
		s.count("answered whole")
	} else {
		s.count("left in the middle")
	}
	return nil
}

// take asks, and reads the answer in some way. ended says that it was read to its end. The
// status is 0 if there was no answer.
func (s *storm) take(path, body string, how reading) (got reply, ended bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if how.leave > 0 {
		ctx, cancel = context.WithTimeout(ctx, how.leave)
		defer cancel()
	}
	q, err := http.NewRequestWithContext(ctx, "POST", s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return reply{}, false
	}
	a, err := s.http.Do(q)
	if err != nil {
		if ctx.Err() == nil {
			s.t.Errorf("%s: %v", path, err)
		}
		return reply{}, false
	}
	defer a.Body.Close()
	got = reply{status: a.StatusCode, header: a.Header}
	part := make([]byte, 4096)
	if how.pause > 0 {
		part = part[:100]
	}
	for err == nil {
		var n int
		n, err = a.Body.Read(part)
		if got.body += string(part[:n]); how.stop > 0 && len(got.body) >= how.stop && err == nil {
			return got, false
		}
		time.Sleep(how.pause)
	}
	if err != io.EOF && ctx.Err() == nil {
		s.t.Errorf("%s: the answer breaks off: %v", path, err)
	}
	return got, err == io.EOF
}

// randomReading is patient three times out of four.
func randomReading(rng *rand.Rand) (r reading) {
	switch rng.IntN(8) {
	case 0:
		r.stop = 1 + rng.IntN(1500)
	case 1:
		r.leave = time.Duration(1+rng.IntN(40)) * time.Millisecond
	}
	return r
}

// randomLoop is a loop of any size in which each question of a storm fits.
func randomLoop(rng *rand.Rand) engine.LoopOptions {
	return engine.LoopOptions{
		MaxBytes: []int64{0, 6 << 20, 12 << 20, 100 << 20}[rng.IntN(4)], MaxSequences: 4 + rng.IntN(30),
		Queue: []int{0, 0, 20}[rng.IntN(3)], Chunk: 5 + rng.IntN(100),
	}
}
