package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai/engine"
)

// A stream has one id, one time and one model, its usage only when that is asked for and
// in a chunk of its own (apfel#100, ATOM#1711, llama.cpp#15444, opencode#42918).
func TestUsageChunk(t *testing.T) {
	r := start(t, Options{})
	for _, path := range []string{chats, texts} {
		for _, options := range []string{"", `,"stream_options":{"include_usage":false}`, `,"stream_options":{"include_usage":true}`} {
			body := completionBody("demo:a", `,"stream":true`+options)
			if path == chats {
				body = `{"model":"demo:a","messages":[{"role":"user","content":"At night the"}],"temperature":0,"max_tokens":9,"stream":true` + options + `}`
			}
			whole := r.ask(path, strings.Replace(strings.Replace(body, `,"stream":true`, "", 1), options, "", 1))
			all := r.chunks(path, body)
			wants := strings.Contains(options, "true")
			text, ends := "", 0
			for i, c := range all {
				last := i == len(all)-1
				if c.ID != all[0].ID || c.Created != all[0].Created || c.Model != "demo:a" || c.Fingerprint != whole.Fingerprint {
					t.Errorf("chunk %d is of another answer: %+v", i, c)
				}
				switch {
				case last && wants:
					if len(c.Choices) != 0 || c.Usage == nil || *c.Usage != *whole.Usage {
						t.Errorf("the usage chunk is %+v, want %+v", c, whole.Usage)
					}
				case len(c.Choices) != 1 || c.Usage != nil:
					t.Errorf("chunk %d is %+v", i, c)
				case c.Choices[0].FinishReason != "":
					ends++
				}
				text += c.text()
			}
			if text != whole.text() || ends != 1 || whole.text() == "" {
				t.Errorf("%s: streamed %q with %d ends, whole %q", path, text, ends, whole.text())
			}
		}
	}
	first := r.chunks(chats, chatBody("At night the", `,"stream":true`))[0]
	if first.Choices[0].Delta.Role != "assistant" {
		t.Errorf("the first chunk is %+v", first)
	}
}

// Stop texts across chunks (TGI#1254, SwiftLM#126, mlx-knife#68, FastChat#3883): nothing
// of one is ever sent, and what was held back comes if it was none.
func TestStopTextsAcrossChunks(t *testing.T) {
	r := start(t, Options{})
	full := r.alone("At night the", nil, 24, greedy)
	words := strings.Fields(full)
	if len(words) < 4 {
		t.Fatalf("the model says only %q", full)
	}
	middle := words[1][len(words[1])/2:] + " " + words[2][:1]
	for stop, want := range map[string]string{
		middle:                      full[:strings.Index(full, middle)],
		words[1] + " never":         full,
		full[len(full)-3:] + "…":    full,
		words[0]:                    full[:strings.Index(full, words[0])],
		words[2] + `","` + words[1]: full[:min(strings.Index(full, words[1]), strings.Index(full, words[2]))],
	} {
		more := fmt.Sprintf(`,"stop":["%s"],"max_tokens":24,"temperature":0`, stop)
		for path, body := range map[string]string{
			texts: `{"prompt":"At night the"` + more, chats: `{"messages":[{"role":"user","content":"At night the"}]` + more,
		} {
			streamed := ""
			for _, c := range r.chunks(path, body+`,"stream":true}`) {
				streamed += c.text()
			}
			if got := r.ask(path, body+"}").text(); got != want || streamed != want {
				t.Errorf("%s, stop %q: %q, streamed %q, want %q", path, stop, got, streamed, want)
			}
		}
	}
}

// The log-probabilities of chats and of completions differ in form (llama-cpp-python#1787,
// vllm#3179), are never null, and have the tokens' real bytes (lmdeploy#2802).
func TestLogProbs(t *testing.T) {
	r := start(t, Options{})
	type token struct {
		Token   string
		LogProb *float64
		Bytes   []int
		Top     []struct {
			Token   string
			LogProb *float64
			Bytes   []int
		} `json:"top_logprobs"`
	}
	const more = `,"logprobs":true,"top_logprobs":3`
	var streamed []token
	for _, c := range r.chunks(chats, chatBody("At night the", more+`,"stream":true`)) {
		if p := c.Choices[0].LogProbs; string(p) != "null" {
			streamed = append(streamed, parse[struct{ Content []token }](t, string(p)).Content...)
		}
	}
	got := r.ask(chats, chatBody("At night the", more))
	all := parse[struct{ Content []token }](t, string(got.Choices[0].LogProbs)).Content
	if a, b := fmt.Sprintf("%+v", len(all)), fmt.Sprintf("%+v", len(streamed)); a != b || len(all) != got.Usage.Answer {
		t.Errorf("%s tokens, streamed %s, generated %d", a, b, got.Usage.Answer)
	}
	var text []byte
	for _, p := range all {
		for _, b := range p.Bytes {
			text = append(text, byte(b))
		}
		if p.LogProb == nil || len(p.Top) != 3 || *p.Top[0].LogProb != *p.LogProb || p.Top[0].Token != p.Token {
			t.Errorf("a greedy token is %+v", p)
		}
	}
	if string(text) != got.text() {
		t.Errorf("the bytes are %q, the text %q", text, got.text())
	}
	if p := r.ask(chats, chatBody("x", "")).Choices[0].LogProbs; string(p) != "null" {
		t.Errorf("not asked for: %s", p)
	}
}

// Half a character is none (llama_cpp_dart#90, ik_llama.cpp#780, llama.cpp#28926): with
// tokens of single bytes no piece of a stream has half of one, and its tokens' texts are
// told by their bytes.
func TestTokensOfBytesAreTold(t *testing.T) {
	r := start(t, Options{})
	l := r.current.Load()
	vocab := int32(r.model.Config().Vocab)
	seen := map[string]int32{}
	half := 0
	for id := range vocab {
		text := l.tokenText(id)
		if other, there := seen[text]; there {
			t.Errorf("tokens %d and %d are both %q", other, id, text)
		}
		seen[text] = id
		if strings.HasPrefix(text, "bytes:") {
			half++
		}
	}
	if half < 100 {
		t.Errorf("only %d tokens are parts of characters", half)
	}
	// A model that likes no text says bytes at a high temperature.
	body := `{"prompt":"At night the","max_tokens":60,"temperature":8,"top_k":0,"top_p":1,"min_p":0,"seed":%d%s}`
	for seed := range 8 {
		whole := r.ask(texts, fmt.Sprintf(body, seed, "")).text()
		streamed := ""
		for _, c := range r.chunks(texts, fmt.Sprintf(body, seed, `,"stream":true,"logprobs":1`)) {
			streamed += c.text()
		}
		if streamed != whole {
			t.Errorf("seed %d: streamed %q, whole %q", seed, streamed, whole)
		}
	}
}

type textTokens struct {
	Tokens  []string
	OfToken []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offset  []int                `json:"text_offset"`
}

// The offset of a token is the number of characters before it, of a text that has the
// prompt's control tokens and whole characters only.
func TestOffsetsAreThoseOfTheText(t *testing.T) {
	r := start(t, Options{})
	for _, prompt := range []string{"a<|im_end|><|endoftext|>b", `é😀\n\u0000`, "é😀", "plain"} {
		for seed := range 4 {
			body := fmt.Sprintf(`{"prompt":"%s","echo":true,"logprobs":0,"max_tokens":12,"temperature":4,"top_k":0,"top_p":1,"min_p":0,"seed":%d}`, prompt, seed)
			got := r.ask(texts, body)
			p := parse[textTokens](t, string(got.Choices[0].LogProbs))
			text := []rune(got.text())
			var want string
			if err := json.Unmarshal([]byte(`"`+prompt+`"`), &want); err != nil || !strings.HasPrefix(got.text(), want) {
				t.Errorf("%q does not begin with %q", got.text(), want)
			}
			for i, at := range p.Offset {
				if at > len(text) || i > 0 && at < p.Offset[i-1] {
					t.Fatalf("%q: offsets %v in %d characters", prompt, p.Offset, len(text))
				}
				begins := !strings.HasPrefix(p.Tokens[i], "bytes:") && !strings.HasPrefix(p.Tokens[i], "<|")
				if begins && !strings.HasPrefix(string(text[at:]), p.Tokens[i]) {
					t.Errorf("%q: token %q is not at %d of %q", prompt, p.Tokens[i], at, string(text))
				}
			}
			streamed := ""
			for _, c := range r.chunks(texts, strings.TrimSuffix(body, "}")+`,"stream":true}`) {
				streamed += c.text()
			}
			if streamed != got.text() {
				t.Errorf("%q: streamed %q, whole %q", prompt, streamed, got.text())
			}
		}
	}
}

// What evaluation harnesses ask (llama.cpp#27174): a prompt's own log-probabilities, with
// token ids as the prompt and no token generated. They are those of the engine's Score, to
// the bit.
func TestEchoScoresThePrompt(t *testing.T) {
	r := start(t, Options{})
	const prompt = "At night the sailor sleeps. 2 + 2 = 4"
	ids := r.model.Tokenizer().Encode(prompt)
	for _, set := range []string{"demo", "demo:a"} {
		q := engine.Question{Prompt: ids[:1], Answers: [][]int32{ids[1:]}}
		if set == "demo:a" {
			o, err := r.model.Overlay(patchA())
			if err != nil {
				t.Fatal(err)
			}
			q.Overlay = o
		}
		want, err := r.model.ScoreTokens(context.Background(), []engine.Question{q})
		if err != nil {
			t.Fatal(err)
		}
		list, err := json.Marshal(ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{0, 3} {
			got := r.ask(texts, fmt.Sprintf(`{"model":%q,"prompt":[%s],"echo":true,"logprobs":1,"temperature":0,"max_tokens":%d}`, set, list, limit))
			p := parse[textTokens](t, string(got.Choices[0].LogProbs))
			n := len(ids) + limit
			if len(p.Tokens) != n || len(p.OfToken) != n || len(p.Top) != n || len(p.Offset) != n || p.OfToken[0] != nil || p.Top[0] != nil {
				t.Fatalf("%d tokens, %+v", len(ids), p)
			}
			for i, score := range want[0] {
				best := math.Inf(-1)
				for _, v := range p.Top[i+1] {
					best = max(best, v)
				}
				if *p.OfToken[i+1] != score.LogProb || (best == score.LogProb) != score.Greedy {
					t.Errorf("token %d: %v, likeliest %v, want %+v", i+1, *p.OfToken[i+1], p.Top[i+1], score)
				}
			}
			if text := got.text(); strings.Join(p.Tokens, "") != text || !strings.HasPrefix(text, prompt) || got.Usage.Answer != limit {
				t.Errorf("%q of %q, %+v", text, p.Tokens, got.Usage)
			}
			for i, at := range p.Offset {
				if got.text()[at:at+len(p.Tokens[i])] != p.Tokens[i] {
					t.Errorf("token %d is not at %d", i, at)
				}
			}
		}
	}
	if got := r.ask(texts, `{"prompt":"At night","echo":true,"max_tokens":0}`); got.text() != "At night" || got.Choices[0].FinishReason != "length" {
		t.Errorf("echo alone: %+v", got)
	}
}

// A choice of n has its own tokens and end, in streams as in whole answers.
func TestStreamedChoices(t *testing.T) {
	r := start(t, Options{})
	const body = `{"messages":[{"role":"user","content":"At night the"}],"n":4,"seed":3,"max_tokens":9,"temperature":1`
	var want []string
	for _, c := range r.ask(chats, body+"}").Choices {
		want = append(want, c.Message.Content)
	}
	got, ends := make([]string, 4), 0
	for _, c := range r.chunks(chats, body+`,"stream":true}`) {
		got[c.Choices[0].Index] += c.Choices[0].Delta.Content
		if c.Choices[0].FinishReason != "" {
			ends++
		}
	}
	if !slices.Equal(got, want) || ends != 4 || want[0] == want[1] {
		t.Errorf("streamed %q with %d ends, whole %q", got, ends, want)
	}
}

// The client has gone (llama.cpp#24496, swama#116, mlx-openai-server#269): in the middle
// of an answer, streamed or not, what it asked for ends, and the server is as before.
func TestClientHasGone(t *testing.T) {
	r := start(t, Options{Loop: engine.LoopOptions{MaxSequences: 2, Queue: 100}})
	long := `{"prompt":"At night the","max_tokens":200,"temperature":1,"n":16,"stream":%t}`
	for i := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i*3)*time.Millisecond)
		if got, err := r.try(ctx, "POST", texts, fmt.Sprintf(long, i%2 == 0)); err == nil && got.status != http.StatusOK && got.status != http.StatusTooManyRequests {
			t.Errorf("%+v", got)
		}
		cancel()
	}
	if got := r.ask(texts, completionBody("demo", "")); got.text() != r.alone(prompt, nil, 12, greedy) {
		t.Errorf("after all that: %+v", got)
	}
}

// A comment tells clients that a long answer goes on.
func TestPing(t *testing.T) {
	r := start(t, Options{})
	rec := &recorder{header: http.Header{}, wrote: make(chan string, 100)}
	q, err := http.NewRequestWithContext(t.Context(), "POST", chats, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{s: r.Server, loaded: r.current.Load(), r: q, w: &answerWriter{ResponseWriter: rec}}
	out := x.stream(events)
	out.after = time.Millisecond
	pieces := make(chan piece)
	done := make(chan bool)
	go func() {
		whole, _ := out.each(&run{job: &job{}, pieces: pieces, streams: []*engine.Stream{{}}},
			func(int, engine.Event) error { return nil }, func(int, engine.Result) error { return nil })
		done <- whole
	}()
	if got := <-rec.wrote; got != ": ping\n\n" {
		t.Errorf("wrote %q", got)
	}
	pieces <- piece{end: &engine.Result{Finish: "stop"}}
	if !<-done {
		t.Error("the answer did not come to its end")
	}
}

// recorder tells what is written.
type recorder struct {
	header http.Header
	wrote  chan string
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Flush()              {}
func (r *recorder) Write(p []byte) (int, error) {
	select {
	case r.wrote <- string(p):
	default:
	}
	return len(p), nil
}

// A stream comes while it is made: the first token does not wait for the last.
func TestStreamComesAtOnce(t *testing.T) {
	r := start(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "POST", r.url+chats, strings.NewReader(`{"messages":[{"role":"user","content":"At night the"}],"stream":true,"n":16,"temperature":1}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.http.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	lines := bufio.NewScanner(a.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "data: ") {
		t.Errorf("the first line is %q", lines.Text())
	}
}
