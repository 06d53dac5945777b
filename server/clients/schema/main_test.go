package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// description is one of a model and of failures, in the version of OpenAPI that it is
// given.
const description = `
openapi: %s
info: {title: test, version: "1"}
paths: {}
components:
  schemas:
    Model:
      type: object
      required: [id, owner]
      properties:
        id: {type: string}
        owner: {$ref: "#/components/schemas/Owner"}
    Owner:
      type: object
      required: [name]
      properties:
        name: {type: string}
    ErrorResponse:
      type: object
      required: [error]
`

// An answer fits if all that is in it does, at any depth; a refusal if it is in the form of
// refusals; every document of a stream by itself.
func TestAnswersAreChecked(t *testing.T) {
	const stream = "text/event-stream"
	for _, c := range []struct {
		name   string
		status int
		kind   string
		body   string
		fits   bool
	}{
		{"an answer", 200, "application/json", `{"id":"x","owner":{"name":"y"}}`, true},
		{"more than is described", 200, "application/json", `{"id":"x","owner":{"name":"y","age":7}}`, true},
		{"a member is missing", 200, "application/json", `{"id":"x"}`, false},
		{"a member is of another type", 200, "application/json", `{"id":7,"owner":{"name":"y"}}`, false},
		{"a member of a member is missing", 200, "application/json", `{"id":"x","owner":{}}`, false},
		{"a refusal", 404, "application/json", `{"error":{}}`, true},
		{"a refusal in another form", 404, "application/json", `{"message":"x"}`, false},
		{"a stream", 200, stream, "data: {\"id\":\"x\",\"owner\":{\"name\":\"y\"}}\n\n: ping\n\ndata: [DONE]\n\n", true},
		{"a stream with one that does not fit", 200, stream, "data: {\"id\":\"x\",\"owner\":{\"name\":\"y\"}}\n\ndata: {}\n\n", false},
		{"a stream of nothing", 200, stream, "data: [DONE]\n\n", false},
	} {
		for _, version := range []string{"3.0.0", "3.1.0"} {
			path := filepath.Join(t.TempDir(), "openapi.yaml")
			if err := os.WriteFile(path, fmt.Appendf(nil, description, version), 0o666); err != nil {
				t.Fatal(err)
			}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			defer s.Close()
			k, err := newChecker(path, s.URL)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.check(question{what: c.name, path: "/v1/models/x", schema: "Model"}); err != nil {
				t.Fatal(err)
			}
			if k.fits != c.fits {
				t.Errorf("%s, version %s: fits is %t", c.name, version, k.fits)
			}
		}
	}
}

// What the description is known to have wrong is mended, and no more.
func TestMending(t *testing.T) {
	chunk := map[string]any{"usage": nil, "choices": []any{map[string]any{"finish_reason": nil}, map[string]any{"finish_reason": "length"}}}
	endEach(chunk)
	if got := fmt.Sprint(chunk); got != "map[choices:[map[finish_reason:stop] map[finish_reason:length]]]" {
		t.Error(got)
	}
	scored := map[string]any{"choices": []any{map[string]any{"logprobs": map[string]any{"token_logprobs": []any{nil, 1.5}, "top_logprobs": []any{nil}}}}}
	dropFirst(scored)
	if got := fmt.Sprint(scored); got != "map[choices:[map[logprobs:map[token_logprobs:[1.5] top_logprobs:[]]]]]" {
		t.Error(got)
	}
}
