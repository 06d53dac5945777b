package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/enginetest"
	"bankai/internal/source"
)

// A trace is that of the engine, of the base against all patches together, whatever the
// prompt is given as.
func TestTrace(t *testing.T) {
	r := local(t)
	both, err := patchA().Xor(patchB())
	if err != nil {
		t.Fatal(err)
	}
	ids := r.model.Tokenizer().Encode(prompt)
	trace, err := r.model.Trace(t.Context(), ids, enginetest.Overlay(t, r.model, both), engine.TraceOptions{Lens: true})
	if err != nil {
		t.Fatal(err)
	}
	ref := source.ModelRef{Name: "demo", Path: "demo", Digest: r.model.Digest()}
	want, err := json.Marshal(anatomy.NewTrace(ref, r.model.Tokenizer(), []string{"a", "b"}, ids, trace))
	if err != nil {
		t.Fatal(err)
	}
	asIDs, _ := json.Marshal(ids)
	for _, body := range []string{
		fmt.Sprintf(`{"prompt": %q, "patches": ["a", "b"], "lens": true}`, prompt),
		fmt.Sprintf(`{"prompt": %s, "model": "demo:a+b", "lens": true}`, asIDs),
		fmt.Sprintf(`{"messages": [{"role": "user", "content": %q}], "patches": ["a", "b"], "lens": true}`, prompt), // without a template, contents are joined
	} {
		got := r.do("POST", "/api/trace", body)
		if got.status != 200 || !sameJSON(t, got.body, string(want)) {
			t.Errorf("%s: %d\n%.300s, want\n%.300s", body, got.status, got.body, want)
		}
	}
	none := parse[struct {
		Most    *struct{}
		Verdict string
	}](t, r.do("POST", "/api/trace", `{"prompt": "x"}`).body)
	if none.Most != nil || none.Verdict != "There is no patch, so nothing differs." {
		t.Errorf("%+v", none)
	}
}

// sameJSON compares documents.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	return reflect.DeepEqual(parse[any](t, a), parse[any](t, b))
}

func TestTraceRefusals(t *testing.T) {
	r := local(t)
	for body, want := range map[string]int{
		`{"patches": ["a"]}`:                                              400,
		`{"prompt": "", "patches": ["a"]}`:                                400,
		`{"prompt": ["x", "y"], "patches": ["a"]}`:                        400,
		`{"prompt": [70000], "patches": ["a"]}`:                           400,
		`{"prompt": "x", "patches": ["none"]}`:                            404,
		`{"prompt": "x", "patches": ["a", "a"]}`:                          400,
		`{"prompt": "x", "lense": true}`:                                  400,
		`{"prompt": "x", "messages": []}`:                                 400,
		`{"prompt": "` + strings.Repeat("x", 600) + `", "model": "demo"}`: 400,
	} {
		if got := r.refuses(want, "POST", "/api/trace", body); got.Message == "" {
			t.Errorf("%s: no message", body)
		}
	}
}

// One trace runs at a time, some wait, and more are told to come again. When the server goes
// down those that wait are told so, and it waits for the one that runs.
func TestTracesTakeTurns(t *testing.T) {
	all := newTraces()
	within, done, err := all.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := all.begin(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went: %v", err)
	}
	waited := make(chan error)
	for range maxWaitingTrace {
		go func() {
			_, _, err := all.begin(t.Context())
			waited <- err
		}()
	}
	for all.waiting.Load() < maxWaitingTrace {
	}
	var full *failure
	if _, _, err := all.begin(t.Context()); !errors.As(err, &full) || full.status != 429 {
		t.Errorf("beyond those that wait: %v", err)
	}
	drained := make(chan bool)
	go func() {
		all.drain(gone) // at once: it cuts off
		close(drained)
	}()
	<-within.Done()
	for range maxWaitingTrace {
		if err := <-waited; !errors.As(err, &full) || full.code != "draining" {
			t.Errorf("while the server goes down: %v", err)
		}
	}
	select {
	case <-drained:
		t.Error("the server did not wait for the trace")
	default:
	}
	done()
	<-drained
	if _, _, err := all.begin(t.Context()); !errors.As(err, &full) || full.code != "draining" {
		t.Errorf("afterwards: %v", err)
	}
}

// The map and the flips are those of the patch, and of several together those of their XOR.
func TestFlipsOfPatches(t *testing.T) {
	r := local(t)
	wide := rows(200, 300) // has 100 rows of a, and others
	r.put("wide", wide, 201)
	both, err := patchA().Xor(wide)
	if err != nil {
		t.Fatal(err)
	}
	for path, p := range map[string]*bankai.Patch{"a": patchA(), "a+wide": both, "a%2Bwide": both} {
		fitted, err := r.model.Weights().Fit(p)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"a"}
		if path != "a" {
			names = append(names, "wide")
		}
		want, _ := json.Marshal(anatomy.NewFlipMap(r.model.Config(), names, fitted))
		if got := r.do("GET", "/api/patches/"+path+"/map", ""); !sameJSON(t, got.body, string(want)) {
			t.Errorf("the map of %s: %s, want %s", path, got.body, want)
		}
		const tensor = "blk.1.ffn_up.weight"
		rows, cols, _ := r.model.Weights().Shape(tensor)
		want, _ = json.Marshal(anatomy.NewTensorRows(fitted, tensor, int(rows), int(cols), 7, 3))
		if got := r.do("GET", "/api/patches/"+path+"/flips?tensor="+tensor+"&offset=7&limit=3", ""); !sameJSON(t, got.body, string(want)) {
			t.Errorf("the flips of %s: %s, want %s", path, got.body, want)
		}
	}
	for path, want := range map[string]int{
		"none/map": 404, "a+none/map": 404, "a+a/map": 400, "a+/map": 404,
		"a/flips": 404, "a/flips?tensor=blk.9.ffn_up.weight": 404, "a/flips?tensor=output_norm.weight": 404, "none/flips?tensor=blk.1.ffn_up.weight": 404,
		"a/flips?tensor=blk.1.ffn_up.weight&offset=-1": 400, "a/flips?tensor=blk.1.ffn_up.weight&limit=10001": 400, "a/flips?tensor=blk.1.ffn_up.weight&limit=x": 400,
	} {
		r.refuses(want, "GET", "/api/patches/"+path, "")
	}
	if got := r.do("GET", "/api/patches/a/flips?tensor=blk.0.ffn_up.weight", ""); got.status != 200 || len(parse[anatomy.TensorRows](t, got.body).Listed) != 0 {
		t.Errorf("of a matrix that is not touched: %+v", got)
	}
}
