package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
)

// What was computed of a prompt before is told of, and used only where the answer is the
// same with it: under the same patches, whatever they are called, and for who shows the
// same key (vllm#18826, llama.cpp#22303: cached prefixes of another adapter).
func TestWhoFindsACachedPrompt(t *testing.T) {
	o := Options{Loop: engine.LoopOptions{MaxBytes: 64 << 20}, Keys: []string{"mine", "yours"}, Loopback: true}
	r, fresh := start(t, o), start(t, Options{Loopback: true})
	put := func(name string, p *bankai.Patch) {
		t.Helper()
		for _, s := range []*running{r, fresh} {
			if got := s.do("PUT", "/api/patches/"+name, string(encoded(t, p)), "Authorization", "Bearer mine"); got.status >= 300 {
				t.Fatalf("%+v", got)
			}
		}
	}
	put("same", patchA())
	first := r.model.Tokenizer().Encode(strings.Repeat("At night the stars. ", 20))
	second := slices.Concat(first, r.model.Tokenizer().Encode(" And then"))
	body := func(model string, ids []int32, more string) string {
		prompt, _ := json.Marshal(ids)
		return fmt.Sprintf(`{"model":%q,"prompt":%s,"max_tokens":8,"seed":3%s}`, model, prompt, more)
	}
	ask := func(key, body string) answered {
		t.Helper()
		got := r.do("POST", texts, body, "Authorization", "Bearer "+key)
		if got.status != http.StatusOK {
			t.Fatalf("%+v", got)
		}
		a, want := parse[answered](t, got.body), fresh.ask(texts, body)
		if a.text() != want.text() || a.Fingerprint != want.Fingerprint {
			t.Errorf("%.60s: %q, without anything cached %q", body, a.text(), want.text())
		}
		return a
	}
	n := len(first)
	for _, c := range []struct {
		what, key, model string
		ids              []int32
		more             string
		want             int
	}{
		{"the first request", "mine", "demo", first, "", 0},
		{"a longer one", "mine", "demo", second, "", n - 1},
		{"somebody else's", "yours", "demo", second, "", 0},
		{"another name space", "mine", "demo", second, `,"cache_salt":"x"`, 0},
		{"one that wants none", "mine", "demo", second, `,"cache_prompt":false`, 0},
		{"one that asks of its prompt", "mine", "demo", second, `,"echo":true,"logprobs":0`, 0},
		{"under a patch", "mine", "demo:a", first, "", 0},
		{"under the same patch", "mine", "demo:a", second, "", n - 1},
		{"under an equal patch", "mine", "demo:same", second, "", n - 1},
		{"under another patch", "mine", "demo:b", second, "", 0},
		{"under both", "mine", "demo:a+b", first, "", 0},
		{"under the sum of both", "mine", "demo:both", second, "", n - 1},
		{"several choices", "mine", "demo", second, `,"n":3`, n - 1},
	} {
		got := ask(c.key, body(c.model, c.ids, c.more))
		if cached := got.Usage.Details.Cached; cached < c.want || c.want == 0 && cached > 0 {
			t.Errorf("%s: %d cached tokens, want %d", c.what, cached, c.want)
		}
	}
	// A name that means another patch now.
	put("a", patchB())
	third := slices.Concat(second, r.model.Tokenizer().Encode(" But when"))
	if got := ask("mine", body("demo:a", third, "")); got.Usage.Details.Cached == 0 {
		t.Error("nothing is cached under the patch that was called b before, and is called a, too")
	}
	metrics := r.do("GET", "/metrics", "", "Authorization", "Bearer mine").body
	for _, line := range []string{`bankai_cached_tokens_total{patches="a"}`, "bankai_kept_sequences ", "bankai_kv_bytes "} {
		_, after, _ := strings.Cut(metrics, "\n"+line)
		value, _, _ := strings.Cut(after, "\n")
		if value = value[strings.LastIndex(value, " ")+1:]; value == "" || value == "0" {
			t.Errorf("the metrics have %q for %s", value, line)
		}
	}
}

// A conversation goes on from where it was: its second turn has the first one cached, and
// the template decides how much of it.
func TestSecondTurnIsCached(t *testing.T) {
	r := templatedBy(t, Options{Loop: engine.LoopOptions{MaxBytes: 64 << 20}}, turns)
	question := `{"role":"user","content":"` + strings.Repeat("At night the stars. ", 10) + `"}`
	body := func(messages string) string {
		return `{"messages":[` + messages + `],"max_tokens":8,"temperature":0}`
	}
	first := r.ask(chats, body(question))
	again := r.ask(chats, body(question))
	if again.Usage.Details.Cached < first.Usage.Prompt-20 || again.Choices[0].Message.Content != first.Choices[0].Message.Content {
		t.Errorf("the same again: %+v, was %+v", again, first)
	}
	answer, _ := json.Marshal(first.Choices[0].Message.Content)
	second := body(question + `,{"role":"assistant","content":` + string(answer) + `},{"role":"user","content":"And then?"}`)
	got, want := r.ask(chats, second), templated(t).ask(chats, second)
	if got.Usage.Details.Cached < first.Usage.Prompt-20 || got.Choices[0].Message.Content != want.Choices[0].Message.Content {
		t.Errorf("the second turn: %+v, want %+v", got, want)
	}
}
