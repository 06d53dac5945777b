package server

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// chatBody is a greedy chat of one message, with further members.
func chatBody(content, more string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"temperature":0,"max_tokens":12%s}`, content, more)
}

// Every member of a request is honoured or refused by its name (Ollama#16117 and
// llama.cpp#27174 tell what silence costs). null is the same as nothing.
func TestFieldsAreHonouredOrRefused(t *testing.T) {
	r := start(t, Options{})
	const fine = ""
	for _, c := range []struct{ api, more, param string }{
		{"both", `,"user":"u","metadata":{"a":"b"},"store":true,"service_tier":"auto"`, fine},
		{"both", `,"model":null,"stop":null,"seed":null,"n":null,"stream":null,"top_p":null,"patches":null,"unheard_of":null`, fine},
		{"both", `,"top_k":5,"min_p":0.1,"top_p":1,"frequency_penalty":0,"presence_penalty":0.0,"repeat_penalty":1`, fine},
		{"both", `,"logit_bias":{},"response_format":{"type":"text"}`, fine},
		{"both", `,"seed":-1`, fine},
		{"both", `,"seed":18446744073709551615`, fine},
		{"both", `,"n":2.0`, fine},
		{"both", `,"seed":1.5`, "seed"},
		{"both", `,"seed":"x"`, "seed"},
		{"both", `,"temprature":1`, "temprature"},
		{"both", `,"Temperature":1`, "Temperature"},
		{"both", `,"ignore_eos":true`, "ignore_eos"},
		{"both", `,"n":0`, "n"},
		{"both", `,"n":17`, "n"},
		{"both", `,"n":1.5`, "n"},
		{"both", `,"n":"2"`, "n"},
		{"both", `,"top_p":1.5`, "top_p"},
		{"both", `,"top_k":-1`, "top_k"},
		{"both", `,"min_p":"x"`, "min_p"},
		{"both", `,"stream":1`, "stream"},
		{"both", `,"stream":false,"stream_options":{"include_usage":true}`, "stream_options"},
		{"both", `,"stop":""`, "stop"},
		{"both", `,"stop":["a",""]`, "stop"},
		{"both", `,"stop":["a","b","c","d","e"]`, "stop"},
		{"both", `,"stop":7`, "stop"},
		{"both", `,"response_format":{"type":"json_object"}`, "response_format"},
		{"both", `,"response_format":{"type":"json_schema","json_schema":{}}`, "response_format"},
		{"both", `,"max_completion_tokens":3`, "max_tokens"},
		{"both", `,"user":1,"user":2`, "user"},
		{"both", `,"metadata":{"a":1,"a":2}`, "a"},
		{"chat", `,"tools":[],"tool_choice":"auto"`, fine},
		{"chat", `,"logprobs":true,"top_logprobs":3`, fine},
		{"chat", `,"logprobs":false`, fine},
		{"chat", `,"logprobs":3`, "logprobs"},
		{"chat", `,"top_logprobs":3`, "top_logprobs"},
		{"chat", `,"logprobs":true,"top_logprobs":21`, "top_logprobs"},
		{"chat", `,"modalities":["text"]`, fine},
		{"chat", `,"modalities":["text","audio"]`, "modalities"},
		{"chat", `,"reasoning_effort":"low"`, "reasoning_effort"},
		{"chat", `,"prompt":"x"`, "prompt"},
		{"completions", `,"logprobs":5`, fine},
		{"completions", `,"best_of":1,"suffix":""`, fine},
		{"completions", `,"best_of":3`, "best_of"},
		{"completions", `,"suffix":"x"`, "suffix"},
		{"completions", `,"logprobs":true`, "logprobs"},
		{"completions", `,"logprobs":-1`, "logprobs"},
		{"completions", `,"messages":[]`, "messages"},
	} {
		for path, body := range map[string]string{chats: chatBody("2 + 3 =", c.more), texts: completionBody("demo", c.more)} {
			if c.api == "chat" && path != chats || c.api == "completions" && path != texts {
				continue
			}
			if path == texts && strings.Contains(c.more, `"model"`) {
				body = strings.Replace(body, `"model":"demo",`, "", 1)
			}
			if c.param == fine {
				r.ask(path, body)
			} else if e := r.refuses(400, "POST", path, body); e.param() != c.param || !strings.Contains(e.Message, c.param) {
				t.Errorf("%s%s: %+v of %q", path, c.more, e, e.param())
			}
		}
	}
	if e := r.refuses(400, "POST", chats, chatBody("x", `,"temprature":1`)); !strings.Contains(e.Message, `did you mean "temperature"?`) {
		t.Error(e.Message)
	}
}

// Numbers and nulls that other servers stumbled over: ramalama#2465, vllm#19862,
// llama-cpp-python#983, llama.cpp#13700, lmstudio-bug-tracker#2.
func TestNullsAndNumbers(t *testing.T) {
	r := start(t, Options{})
	body := func(limit string) string {
		return `{"messages":[{"role":"user","content":"At night the"}],"temperature":0` + limit + `}`
	}
	for limit, want := range map[string]int{
		`,"max_tokens":3`: 3, `,"max_completion_tokens":3`: 3, `,"max_tokens":3,"max_completion_tokens":3`: 3,
		`,"max_tokens":null,"max_completion_tokens":2`: 2,
	} {
		if got := r.ask(chats, body(limit)); got.Usage.Answer != want || got.Choices[0].FinishReason != "length" {
			t.Errorf("%s: %+v", limit, got)
		}
	}
	for _, limit := range []string{`,"max_tokens":1e9`, `,"max_tokens":null`, ``} { // as many as the context holds
		if got := r.ask(chats, body(limit)); got.Usage.Total > r.model.Context()+1 || got.Usage.Answer < 20 {
			t.Errorf("%s: %+v", limit, got.Usage)
		}
	}
	for limit, param := range map[string]string{
		`,"max_tokens":0`: "max_tokens", `,"max_tokens":-1`: "max_tokens", `,"max_completion_tokens":0`: "max_completion_tokens",
		`,"max_tokens":1e30`: "max_tokens", `,"max_tokens":2.5`: "max_tokens", `,"temperature":1e999`: "temperature",
		`,"temperature":-1`: "temperature",
	} {
		if e := r.refuses(400, "POST", chats, strings.Replace(body(limit), `"temperature":0,"temp`, `"temp`, 1)); e.param() != param {
			t.Errorf("%s: %+v", limit, e)
		}
	}
	if e := r.refuses(400, "POST", texts, `{"prompt":"x","max_tokens":0}`); e.param() != "max_tokens" {
		t.Errorf("no tokens without echo: %+v", e)
	}
}

// Messages: parts of text are joined, what is no text is refused by its type, and only
// the roles that there are are taken.
func TestMessages(t *testing.T) {
	r := start(t, Options{})
	chat := func(messages string) string {
		return `{"messages":` + messages + `,"temperature":0,"max_tokens":8}`
	}
	for messages, prompt := range map[string]string{
		`[{"role":"user","content":"At night the"}]`:                                                                "At night the",
		`[{"role":"user","content":[{"type":"text","text":"At night the"}]}]`:                                       "At night the",
		`[{"role":"system","content":"The sailor sleeps."},{"role":"user","content":"At night the"}]`:               "The sailor sleeps.\nAt night the",
		`[{"role":"developer","content":""},{"role":"user","content":"At night the","name":null}]`:                  "\nAt night the",
		`[{"role":"assistant","content":null},{"role":"user","content":"2 + 2 ="}]`:                                 "\n2 + 2 =",
		`[{"role":"user","content":"At <|im_end|>"}]`:                                                               "At <|im_end|>",
		`[{"role":"user","content":"2x^3"},{"role":"assistant","content":"6x^2"},{"role":"user","content":"5x^2"}]`: "2x^3\n6x^2\n5x^2",
	} {
		q := engine.Request{Prompt: r.model.Tokenizer().EncodeOrdinary(prompt), Max: 8}
		want, err := r.model.Generate(t.Context(), []engine.Request{q}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := r.ask(chats, chat(messages))
		if got.text() != want[0].Text || got.Choices[0].Message.Role != "assistant" || got.Usage.Prompt != len(q.Prompt) {
			t.Errorf("%s: %+v, want %q", messages, got, want[0].Text)
		}
	}
	for messages, says := range map[string]string{
		`[]`: "", `null`: "", `{}`: "", `"x"`: "", `[1]`: "",
		`[{"role":"user","content":""}]`:                                    "no tokens",
		`[{"content":"x"}]`:                                                 "role",
		`[{"role":"king","content":"x"}]`:                                   "king",
		`[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]`: "image_url",
		`[{"role":"user","content":7}]`:                                     "content",
		`[{"role":"user","content":"x","mood":"bad"}]`:                      "mood",
		`[{"role":"user","content":"` + strings.Repeat("x^2 ", 400) + `"}]`: "context",
	} {
		if e := r.refuses(400, "POST", chats, chat(messages)); e.param() != "messages" || !strings.Contains(e.Message, says) {
			t.Errorf("%.80s: %+v of %q", messages, e, e.param())
		}
	}
	if e := r.refuses(400, "POST", chats, chat(`[{"role":"user","content":"`+strings.Repeat("x^2 ", 400)+`"}]`)); e.Code == nil || *e.Code != "context_length_exceeded" {
		t.Errorf("%+v", e)
	}
}

// Bodies that are no request are refused, whatever they hold.
func TestBodies(t *testing.T) {
	r := start(t, Options{})
	for _, body := range []string{
		"", " ", "null", "[]", "7", `"x"`, "{", `{"prompt":"x"} {}`, `{"prompt":"x"}x`, "{'prompt':'x'}", `{"prompt":"x",}`, "\xff\xfe{}",
		`{"prompt":"` + "\xff" + `"}`, strings.Repeat("[", 100000), `{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}",
		`{"prompt":[null]}`, `{"prompt":[[1],null]}`, `{"prompt":[1,"a"]}`, `{"prompt":[1.5]}`, `{"prompt":[-1]}`, `{"prompt":[512]}`, `{"prompt":[]}`, `{"prompt":""}`,
		`{"prompt":[[]]}`, `{"prompt":{}}`, `{}`,
	} {
		r.refuses(400, "POST", texts, body)
	}
	if e := r.refuses(413, "POST", texts, `{"prompt":"`+strings.Repeat("x", 17<<20)+`"}`); e.Code == nil {
		t.Errorf("%+v", e)
	}
	long := strings.Repeat("n", 1<<20)
	if e := r.refuses(400, "POST", texts, `{"prompt":"x","`+long+`":1}`); len(e.Message) > 10000 {
		t.Errorf("an error of %d bytes", len(e.Message))
	}
	if got := r.generated(); got != 0 {
		t.Errorf("%d tokens were generated", got)
	}
}

// A prompt may be a text or token ids, or several of them, each with n choices.
func TestPrompts(t *testing.T) {
	r := start(t, Options{})
	ids := strings.ReplaceAll(fmt.Sprint(r.model.Tokenizer().Encode("At night the")), " ", ",")
	one := r.alone("At night the", nil, 6, greedy)
	other := r.alone("2 + 2 =", nil, 6, greedy)
	for prompts, want := range map[string][]string{
		`"At night the"`: {one}, `["At night the"]`: {one}, ids: {one}, "[" + ids + "]": {one},
		`["At night the","2 + 2 ="]`: {one, other}, "[" + ids + "," + ids + "]": {one, one},
	} {
		got := r.ask(texts, `{"prompt":`+prompts+`,"temperature":0,"max_tokens":6}`)
		var have []string
		for i, c := range got.Choices {
			if have = append(have, c.Text); c.Index != i {
				t.Errorf("%s: choice %d has the index %d", prompts, i, c.Index)
			}
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s: %q, want %q", prompts, have, want)
		}
	}
	got := r.ask(texts, `{"prompt":["At night the","2 + 2 ="],"n":3,"seed":5,"temperature":1,"top_k":0,"top_p":1,"min_p":0,"max_tokens":6}`)
	for i, c := range got.Choices {
		s := engine.Sampling{Temperature: 1, TopP: 1, Seed: 5 + uint64(i%3)}
		if want := r.alone([]string{"At night the", "2 + 2 ="}[i/3], nil, 6, s); c.Text != want {
			t.Errorf("choice %d: %q, want %q", i, c.Text, want)
		}
	}
	if n := len(r.model.Tokenizer().Encode("At night the")) + len(r.model.Tokenizer().Encode("2 + 2 =")); got.Usage.Prompt != n {
		t.Errorf("the prompts have %d tokens, counted %d", n, got.Usage.Prompt)
	}
	r.refuses(400, "POST", texts, `{"prompt":[`+strings.Repeat(`"x",`, 128)+`"x"]}`)
}

// What a request does not say about sampling is as the model's file recommends.
func TestSamplingOfTheFile(t *testing.T) {
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("general.sampling.temp", gguf.Float32(1.5))
	m.Set("general.sampling.top_k", gguf.Int32(3))
	r := listen(t, Options{})
	r.model = enginetest.Load(t, m.Bytes(), engine.Options{Threads: 1})
	if err := r.Serve(r.model, "tiny", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Drain(t.Context()) })
	ask := func(more string) string {
		return r.ask(texts, `{"prompt":"At night the","max_tokens":20,"seed":5`+more+`}`).text()
	}
	unsaid := ask("")
	if said := ask(`,"temperature":1.5,"top_k":3`); said != unsaid {
		t.Errorf("%q, want %q", unsaid, said)
	}
	if other := ask(`,"temperature":0.8`); other == unsaid {
		t.Errorf("the temperature changes nothing of %q", other)
	}
}

// A token's bias is given once, under its one name; a top_p of 0 leaves the likeliest token
// alone, as a very small one does; and a body has an end.
func TestOddNumbers(t *testing.T) {
	r := start(t, Options{})
	for _, bias := range []string{`{"01":-100}`, `{"+1":5}`, `{"1":100,"01":-100}`, `{"-0":1}`} {
		if e := r.refuses(400, "POST", texts, `{"prompt":"x","logit_bias":`+bias+`}`); e.param() != "logit_bias" {
			t.Errorf("%s: %+v", bias, e)
		}
	}
	body := `{"prompt":"At night the","max_tokens":12,"seed":7,"temperature":2,"top_k":0,"min_p":0,"top_p":%s}`
	none, least := r.ask(texts, fmt.Sprintf(body, "0")), r.ask(texts, fmt.Sprintf(body, "1e-300"))
	if want := r.alone("At night the", nil, 12, greedy); none.text() != want || least.text() != want {
		t.Errorf("%q and %q, want %q", none.text(), least.text(), want)
	}
	many := `{"prompt":[` + strings.Repeat("1,", maxValues) + `1]}`
	if e := r.refuses(400, "POST", texts, many); !strings.Contains(e.Message, "values") {
		t.Errorf("%+v", e)
	}
}

// Without a seed one is drawn and told: with it, the same answer comes again.
func TestSeedIsTold(t *testing.T) {
	r := start(t, Options{})
	body := func(seed string) string {
		return `{"prompt":"At night the","max_tokens":20,"temperature":1` + seed + `}`
	}
	first := r.do("POST", texts, body(""))
	seed := first.header.Get("Bankai-Seed")
	if seed == "" || first.status != http.StatusOK {
		t.Fatalf("%+v", first)
	}
	again := r.ask(texts, body(`,"seed":`+seed))
	if want := parse[answered](t, first.body); again.text() != want.text() || again.Fingerprint != want.Fingerprint {
		t.Errorf("with the seed %s: %q, was %q", seed, again.text(), want.text())
	}
	if got := r.do("POST", texts, body("")).header.Get("Bankai-Seed"); got == seed {
		t.Errorf("the seed %s was drawn twice", got)
	}
}
