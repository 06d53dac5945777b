package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// told asks for a document that must be given.
func told[T any](r *running, path, body string) T {
	r.t.Helper()
	got := r.do("POST", path, body)
	if got.status != http.StatusOK {
		r.t.Fatalf("%s %s: status %d: %s", path, body, got.status, got.body)
	}
	return parse[T](r.t, got.body)
}

type tokens struct{ Tokens []int32 }

// Texts become tokens and texts again, whatever they spell.
func TestTokenize(t *testing.T) {
	r := start(t, Options{})
	tok := r.model.Tokenizer()
	for _, text := range []string{"", "At night the", "2x^8 héllo 𝄞 <b>&", "a\u0000b", "<|im_end|>x"} {
		ids := told[tokens](r, "/tokenize", fmt.Sprintf(`{"content":%s}`, quoted(text))).Tokens
		if ids == nil || !slices.Equal(ids, tok.EncodeOrdinary(text)) {
			t.Errorf("%q: %v", text, ids)
		}
		back := told[struct{ Content string }](r, "/detokenize", fmt.Sprintf(`{"tokens":%s}`, strings.ReplaceAll(fmt.Sprint(ids), " ", ","))).Content
		if back != text {
			t.Errorf("%q came back as %q", text, back)
		}
	}
}

// quoted is a text as JSON.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\x00", `\u0000`).Replace(s) + `"`
}

// Content makes special tokens only if the request says so, and those come back by name.
func TestTokenizeSpecial(t *testing.T) {
	r := start(t, Options{})
	end := r.model.Tokenizer().Encode("<|im_end|>")
	if len(end) != 1 {
		t.Fatalf("<|im_end|> is %v", end)
	}
	for more, want := range map[string]bool{"": false, `,"parse_special":false`: false, `,"add_special":true`: false, `,"parse_special":true`: true} {
		ids := told[tokens](r, "/tokenize", `{"content":"x<|im_end|>"`+more+`}`).Tokens
		if slices.Contains(ids, end[0]) != want {
			t.Errorf("%s: %v", more, ids)
		}
		back := told[struct{ Content string }](r, "/detokenize", fmt.Sprintf(`{"tokens":%s}`, strings.ReplaceAll(fmt.Sprint(ids), " ", ","))).Content
		if back != "x<|im_end|>" {
			t.Errorf("%s: came back as %q", more, back)
		}
	}
}

// The token that begins a text comes if the vocabulary has one and it is asked for.
func TestTokenizeBegins(t *testing.T) {
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("tokenizer.ggml.add_bos_token", gguf.Bool(true))
	m.Set("tokenizer.ggml.bos_token_id", gguf.Uint32(318))
	r := listen(t, Options{})
	r.model = enginetest.Load(t, m.Bytes(), engine.Options{Threads: 1})
	if err := r.Serve(r.model, "tiny", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Drain(t.Context()) })
	for more, want := range map[string][]int32{
		"": {'x'}, `,"parse_special":true`: {'x'}, `,"add_special":true`: {318, 'x'}, `,"add_special":true,"parse_special":true`: {318, 'x'},
	} {
		ids := told[tokens](r, "/tokenize", `{"content":"x"`+more+`}`).Tokens
		if len(ids) != len(want) || len(want) == 2 && ids[0] != want[0] {
			t.Errorf("%s: %v, want %v", more, ids, want)
		}
	}
}

// A piece is a text, or a list of bytes where it is a part of a character.
func TestTokenizeWithPieces(t *testing.T) {
	r := start(t, Options{})
	got := told[struct {
		Tokens []struct {
			ID    int32
			Piece any
		}
	}](r, "/tokenize", `{"content":"aé","with_pieces":true,"model":"demo:a"}`).Tokens
	if len(got) != 3 || got[0].Piece != "a" || fmt.Sprint(got[1].Piece, got[2].Piece) != "[195] [169]" {
		t.Errorf("%+v", got)
	}
}

// A prompt is what the template makes of messages: what a chat's answer goes on with.
func TestApplyTemplate(t *testing.T) {
	r := templated(t)
	const think, not = `,"chat_template_kwargs":{"enable_thinking":true}`, `,"chat_template_kwargs":{"enable_thinking":false}`
	for more, want := range map[string]string{
		think:                                    "user: a<|im_end|>assistant:<think>",
		not:                                      "user: a<|im_end|>assistant:",
		think + `,"add_generation_prompt":false`: "user: a<|im_end|>",
		not + `,"tools":[{"type":"function","function":{"name":"f"}}]`:       `{"type": "function", "function": {"name": "f"}}` + "\n" + `user: a<|im_end|>assistant:`,
		not + `,"model":"tiny","temperature":1,"max_tokens":9,"stream":true`: "user: a<|im_end|>assistant:",
	} {
		if got := told[struct{ Prompt string }](r, "/apply-template", `{"messages":[{"role":"user","content":"a"}]`+more+`}`).Prompt; got != want {
			t.Errorf("%s: %q, want %q", more, got, want)
		}
	}
	if got := r.generated(); got != 0 {
		t.Errorf("%d tokens were generated", got)
	}
}

// What these routes do not know is refused by its name.
func TestTokenRoutesRefuse(t *testing.T) {
	r := start(t, Options{})
	for _, c := range []struct {
		status            int
		path, body, param string
	}{
		{400, "/tokenize", `{}`, "content"},
		{400, "/tokenize", `{"content":7}`, "content"},
		{400, "/tokenize", `{"content":["a",1]}`, "content"},
		{400, "/tokenize", `{"content":"x","with_piece":true}`, "with_piece"},
		{400, "/tokenize", `{"content":"x","add_special":1}`, "add_special"},
		{400, "/tokenize", `{"with_pieces":true,"content":"` + strings.Repeat("\\u0001", maxPieces+1) + `"}`, "with_pieces"},
		{404, "/tokenize", `{"content":"x","model":"other"}`, "model"},
		{400, "/detokenize", `{}`, "tokens"},
		{400, "/detokenize", `{"tokens":"x"}`, "tokens"},
		{400, "/detokenize", `{"tokens":[null]}`, "tokens"},
		{400, "/detokenize", `{"tokens":[1.5]}`, "tokens"},
		{400, "/detokenize", `{"tokens":[-1]}`, "tokens"},
		{400, "/detokenize", `{"tokens":[512]}`, "tokens"},
		{400, "/apply-template", `{}`, "messages"},
		{400, "/apply-template", `{"messages":[{"role":"king","content":"x"}]}`, "messages"},
		{400, "/apply-template", `{"messages":[{"role":"user","content":"x"}],"temprature":1}`, "temprature"},
		{404, "/apply-template", `{"messages":[{"role":"user","content":"x"}],"model":"demo:c"}`, "model"},
	} {
		if e := r.refuses(c.status, "POST", c.path, c.body); e.param() != c.param {
			t.Errorf("%s %s: %+v of %q", c.path, c.body, e, e.param())
		}
	}
	if got := told[struct{ Content string }](r, "/detokenize", `{"tokens":[]}`).Content; got != "" {
		t.Errorf("no tokens are %q", got)
	}
}
