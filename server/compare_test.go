package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
)

// chosen is a choice as it is sent, whole or in pieces put together.
type chosen struct {
	Index       int
	Model       string
	Fingerprint string `json:"system_fingerprint"`
	Text        string // of the choice, its message or its deltas
	Tokens      string // its log-probabilities, as they were sent
	Finish      string
}

// choicesIn are those of an answer, by their index.
func choicesIn(t *testing.T, docs []string) map[int]chosen {
	t.Helper()
	all := map[int]chosen{}
	for _, doc := range docs {
		for _, c := range parse[struct {
			Choices []struct {
				Index       int
				Model       string
				Fingerprint string `json:"system_fingerprint"`
				Text        string
				Message     struct{ Content string }
				Delta       struct{ Content string }
				LogProbs    struct {
					Content []json.RawMessage
					Tokens  []string
					OfToken []*float64 `json:"token_logprobs"`
				}
				Finish string `json:"finish_reason"`
			}
		}](t, doc).Choices {
			got := all[c.Index]
			if had := got.Model + got.Fingerprint; had != "" && had != c.Model+c.Fingerprint {
				t.Errorf("choice %d is of %s, and then of %s %s", c.Index, had, c.Model, c.Fingerprint)
			}
			got.Index, got.Model, got.Fingerprint = c.Index, c.Model, c.Fingerprint
			got.Text += c.Text + c.Message.Content + c.Delta.Content
			for _, token := range c.LogProbs.Content {
				got.Tokens += string(token)
			}
			for i, token := range c.LogProbs.Tokens {
				got.Tokens += fmt.Sprintf("%q", token)
				if p := c.LogProbs.OfToken[i]; p != nil {
					got.Tokens += fmt.Sprint(*p)
				}
			}
			if c.Finish != "" {
				got.Finish = c.Finish
			}
			all[c.Index] = got
		}
	}
	return all
}

// documents are those of an answer.
func documents(t *testing.T, got reply) (docs []string) {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got.header.Get("Content-Type") != "text/event-stream" {
		return []string{got.body}
	}
	events, err := readEvents(got.body)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events[:len(events)-1] {
		docs = append(docs, e.data)
	}
	return docs
}

// The patch sets of these tests, as "compare" has them and as the names of models.
const sets = `[[],["a"],["b"],["a","b"],[]]`

var setNames = []string{"demo", "demo:a", "demo:b", "demo:a+b", "demo"}

// Each choice has the bytes that a request of its own has under its patches, with the same
// seed: its text, its log-probabilities and its end, whole and streamed, of chats and texts.
func TestComparedChoicesAreThoseOfTheirOwnRequests(t *testing.T) {
	r := start(t, Options{})
	for _, question := range []string{
		`"temperature":0,"max_tokens":14`,
		`"temperature":1.2,"seed":5,"max_tokens":20`,
		`"temperature":1,"seed":7,"max_tokens":20,"stop":["s"],"cache_prompt":false`,
	} {
		for _, stream := range []string{"", `,"stream":true`} {
			for path, asks := range map[string]string{
				chats: `{"messages":[{"role":"user","content":"At night the"}],"logprobs":true,"top_logprobs":3,`,
				texts: `{"prompt":"At night the","echo":true,"logprobs":3,`,
			} {
				body := asks + question + stream
				got := choicesIn(t, documents(t, r.do("POST", path, body+`,"compare":`+sets+`}`)))
				if len(got) != len(setNames) || got[0].Tokens != got[4].Tokens || got[0].Tokens == got[1].Tokens || got[1].Tokens == got[2].Tokens {
					t.Errorf("%s: the choices are not those of their patches", body)
				}
				for i, name := range setNames {
					alone := r.do("POST", path, body+fmt.Sprintf(`,"model":%q}`, name))
					want := choicesIn(t, documents(t, alone))[0]
					want.Index, want.Model, want.Fingerprint = i, name, fingerprintOf(t, alone)
					if got[i] != want || want.Tokens == "" || want.Finish == "" {
						t.Errorf("%s: choice %d is\n%.500v, alone\n%.500v", body, i, got[i], want)
					}
				}
			}
		}
	}
}

// fingerprintOf is that of an answer under one patch set.
func fingerprintOf(t *testing.T, got reply) string {
	t.Helper()
	return parse[answered](t, documents(t, got)[0]).Fingerprint
}

// Several prompts have a choice under each patch set each, and tokens are counted under all
// of them.
func TestComparedPromptsAndUsage(t *testing.T) {
	r := start(t, Options{})
	got := r.ask(texts, `{"prompt":["At night the","2 + 2 ="],"temperature":0,"max_tokens":6,"compare":[[],["b"]]}`)
	for i, c := range got.Choices {
		under := []*bankai.Patch{nil, patchB()}[i%2]
		if want := r.alone([]string{"At night the", "2 + 2 ="}[i/2], under, 6, greedy); c.Text != want || c.Index != i {
			t.Errorf("choice %d is %q, want %q", i, c.Text, want)
		}
	}
	if encode := r.model.Tokenizer().Encode; len(got.Choices) != 4 || got.Usage.Answer != 24 || got.Usage.Prompt != 2*(len(encode("At night the"))+len(encode("2 + 2 ="))) {
		t.Errorf("%+v", got)
	}
	metrics := r.do("GET", "/metrics", "").body
	for _, line := range []string{`bankai_generated_tokens_total{patches=""} 12`, `bankai_generated_tokens_total{patches="b"} 12`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s:\n%s", line, metrics)
		}
	}
}

// The head tells of all patch sets, and the answer's own fingerprint is another whenever one
// of theirs is. With one set there is one choice, which tells of it, too.
func TestComparedAnswerTellsItsSets(t *testing.T) {
	r := start(t, Options{})
	content := func(name string) string { return "sha256:" + r.current.Load().patches.get(name).Digest.String() }
	fingerprints := map[string]string{}
	for sets, header := range map[string]string{
		`[[],["a"]]`:                 "-; a@" + content("a"),
		`[["a"],[]]`:                 "a@" + content("a") + "; -",
		`[["b","a"],["b"]]`:          "b@" + content("b") + ", a@" + content("a") + "; b@" + content("b"),
		`[["` + content("b") + `"]]`: "b@" + content("b"),
		`[[]]`:                       "",
	} {
		got := r.do("POST", chats, chatBody("x", `,"compare":`+sets))
		if got.status != http.StatusOK || got.header.Get("Bankai-Patches") != header {
			t.Errorf("%s: %d under %q, want %q", sets, got.status, got.header.Get("Bankai-Patches"), header)
		}
		doc := parse[answered](t, got.body)
		if other, there := fingerprints[doc.Fingerprint]; there || doc.Model != "demo" {
			t.Errorf("%s: %s of %s, which is that of %s, too", sets, doc.Fingerprint, doc.Model, other)
		}
		fingerprints[doc.Fingerprint] = sets
		if c := choicesIn(t, []string{got.body})[0]; c.Model == "" || !strings.HasPrefix(c.Fingerprint, "bk1-") {
			t.Errorf("%s: the choice is %+v", sets, c)
		}
	}
	if got := r.do("POST", chats, chatBody("x", `,"n":2`)); strings.Count(got.body, "system_fingerprint") != 1 {
		t.Errorf("choices that are not compared tell of patch sets: %s", got.body)
	}
}

// What cannot be compared is refused, and never answered by the model without patches.
func TestComparedSetsAreRefused(t *testing.T) {
	r := start(t, Options{})
	for _, c := range []struct {
		more   string
		status int
		param  string
		says   string
	}{
		{`,"compare":[]`, 400, "compare", "0 patch sets: must have 1 to 8"},
		{`,"compare":[[],[],[],[],[],[],[],[],[]]`, 400, "compare", "9 patch sets"},
		{`,"compare":"a"`, 400, "compare", "a list of patch sets"},
		{`,"compare":{"a":[]}`, 400, "compare", "a list of patch sets"},
		{`,"compare":["a"]`, 400, "compare", "compare[0]: must be a list"},
		{`,"compare":[[],null]`, 400, "compare", "compare[1]: must be a list"},
		{`,"compare":[[],[null]]`, 400, "compare", "compare[1]: patches[0]: an item"},
		{`,"compare":[[],["a","c"]]`, 404, "compare", `compare[1]: patches[1]: there is no patch "c"`},
		{`,"compare":[["a@sha256:` + strings.Repeat("0", 64) + `"]]`, 404, "compare", "is not what"},
		{`,"compare":[["a","a"]]`, 400, "compare", "named twice"},
		{`,"compare":[["a","demo"]]`, 404, "compare", `no patch "demo"`},
		{`,"compare":[[{"data":""}]]`, 400, "compare", "--inline-patches"},
		{`,"compare":[[],["a"]],"n":2`, 400, "n", "leave n out"},
		{`,"compare":[[]],"patches":["a"]`, 400, "compare", "leave them out of model and patches"},
		{`,"compare":[[]],"model":"demo:a"`, 400, "compare", "leave them out of model and patches"},
		{`,"compare":[[]],"model":"other"`, 404, "model", "no model"},
	} {
		for path, asks := range map[string]string{chats: `"messages":[{"role":"user","content":"x"}]`, texts: `"prompt":"x"`} {
			for _, stream := range []string{"", `,"stream":true`} {
				if e := r.refuses(c.status, "POST", path, "{"+asks+c.more+stream+"}"); e.param() != c.param || !strings.Contains(e.Message, c.says) {
					t.Errorf("%s: %q of %q", c.more, e.Message, e.param())
				}
			}
		}
	}
	if e := r.refuses(400, "POST", responses, responseBody("x", `,"compare":[[]]`)); e.param() != "compare" {
		t.Errorf("a response is one: %+v", e)
	}
	if n := r.generated(); n != 0 {
		t.Errorf("%d tokens were generated", n)
	}
}

// Patches that conflict, cancel or lack a signature are refused in "compare" as elsewhere.
func TestComparedSetsTakeWhatIsElsewhereTaken(t *testing.T) {
	foe := patchB().WithMeta(bankai.Meta{Conflicts: []bankai.Conflict{{Content: patchA().ContentDigest(), Name: "a", Why: "both forget sums"}}})
	r := listen(t, Options{})
	r.model = enginetest.Demo(t, engine.Options{Threads: 1})
	r.serveUnder("demo", []NamedPatch{{Name: "a", Patch: patchA()}, {Name: "same", Patch: patchA()}, {Name: "foe", Patch: foe}})
	for set, says := range map[string]string{`["a","foe"]`: "both forget sums", `["a","same"]`: "flip the same"} {
		own := r.do("POST", texts, completionBody("demo", `,"patches":`+set))
		if own.status < 400 {
			t.Fatalf("%s: %s", set, own.body)
		}
		e := r.refuses(own.status, "POST", texts, completionBody("demo", `,"compare":[[],`+set+"]"))
		if e.param() != "compare" || !strings.Contains(e.Message, "compare[1]: ") || !strings.Contains(e.Message, says) {
			t.Errorf("%s: %+v", set, e)
		}
	}
	strict := listen(t, Options{RequireSigned: true, InlinePatches: 1 << 10})
	strict.model = r.model
	strict.serveUnder("demo", []NamedPatch{{Name: "a", Patch: patchA()}})
	for _, set := range []string{`["a"]`, `[{"data":"AAAA"}]`} {
		if e := strict.refuses(strict.do("POST", texts, completionBody("demo", `,"patches":`+set)).status, "POST", texts, completionBody("demo", `,"compare":[`+set+`]`)); e.param() != "compare" || !strings.Contains(e.Message, "sign") {
			t.Errorf("%s: %+v", set, e)
		}
	}
}
