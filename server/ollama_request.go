package server

import (
	"encoding/json"
	"errors"
	"time"

	"bankai/chat"
)

// ollamaRequest is what a request for text of Ollama's API asks for beside its job.
type ollamaRequest struct {
	*job
	chat   bool // messages are answered with a message, and not a text with a text
	stream bool
	unload bool // the model would not be needed any more
}

// ollamaStops bounds the texts that end an answer: editors send more of them than
// OpenAI's API takes.
const ollamaStops = 64

// ollamaRequest takes the fields that chats and texts have alike, and sees that no others
// are left.
func (x *exchange) ollamaRequest(f *fields) (q *ollamaRequest, err error) {
	q = &ollamaRequest{stream: f.boolOr("stream", true), unload: f.unload()}
	f.within("options", func(in *fields) { q.job = x.ollamaOptions(in) })
	q.logProbs, q.top = f.logProbs()
	f.only("format", "answers are plain text", `""`)
	// What to do about a prompt or an answer that is too long: here the one is refused
	// and the other ends, and the client is told.
	f.bool("truncate")
	f.bool("shift")
	if q.set, q.model, err = x.under(f, x.s.o); err != nil && f.fault == nil {
		return nil, err
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	return q, nil
}

// ollamaOptions takes the members of "options". Those that are passed over say how Ollama
// computes, and do not change an answer: memory for the context is taken as it is needed.
func (l *loaded) ollamaOptions(f *fields) *job {
	j := l.drawn(f, ollamaStops)
	j.max = f.whole("num_predict", -2, maxTokens, chatTokens)
	switch {
	case j.max == 0:
		f.fail(invalid("num_predict", "num_predict is 0: must be a number of tokens, or -1 for as many as the context holds"))
	case j.max < 0:
		j.max = maxTokens
	}
	f.only("typical_p", "it is none of the server's ways to choose tokens", "1", "1.0")
	f.only("tfs_z", "it is none of the server's ways to choose tokens", "1", "1.0")
	f.only("mirostat", "it is none of the server's ways to choose tokens", "0")
	f.only("penalize_newline", "penalties are for all tokens", "true")
	f.ignore("mirostat_tau", "mirostat_eta", "num_keep", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "numa",
		"low_vram", "f16_kv", "use_mmap", "use_mlock", "logits_all", "vocab_only", "embedding_only")
	return j
}

// unload takes how long the model is to stay in memory, and says whether that is not at
// all. It stays in any case.
func (f *fields) unload() bool {
	stay := keepAlive(1)
	f.take("keep_alive", &stay, `a number of seconds, or a duration such as "5m"`)
	return stay == 0
}

// keepAlive is a time as Ollama reads it; of a number only matters whether it is none.
type keepAlive time.Duration

func (k *keepAlive) UnmarshalJSON(data []byte) error {
	var seconds float64
	var duration string
	if json.Unmarshal(data, &seconds) == nil {
		if *k = 1; seconds == 0 {
			*k = 0
		}
		return nil
	}
	if json.Unmarshal(data, &duration) != nil {
		return errors.New("neither a number nor a text")
	}
	d, err := time.ParseDuration(duration)
	*k = keepAlive(d)
	return err
}

// think takes whether the model shall think before it answers; nil leaves it to the
// template.
func (f *fields) think(l *loaded) (think *bool) {
	f.take("think", &think, "true or false: this model has no levels of thinking")
	switch {
	case think == nil:
	case *think && !l.abilities.thinking:
		f.fail(unsupported("think", "%q does not support thinking: leave think out", l.name))
	case !*think && l.abilities.thinking && !l.abilities.obeys:
		f.fail(unsupported("think", "%q always thinks: think cannot be false", l.name))
	}
	return think
}

// ollamaConversation takes the messages of a chat, and what the template makes of it.
func (f *fields) ollamaConversation(l *loaded) *conversation {
	c := &conversation{messages: f.ollamaMessages(), Options: chat.Options{Generate: true, Thinking: f.think(l)}}
	if f.take("tools", &c.Tools, "a list of functions"); len(c.Tools) > 0 && !l.abilities.tools {
		f.fail(unsupported("tools", "%q does not support tools: leave them out", l.name))
	}
	return c
}

// ollamaMessages takes messages that are OpenAI's but for some names.
func (f *fields) ollamaMessages() []chat.Message {
	var all []map[string]json.RawMessage
	if !f.take("messages", &all, "a list of messages") {
		return nil
	}
	for i, m := range all {
		in := &fields{members: m}
		in.alias("reasoning_content", "thinking")
		in.alias("name", "tool_name")
		if in.only("images", "the model reads only text", "[]"); in.fault != nil {
			f.fail(invalid("messages", "messages[%d]: %v", i, in.fault))
			return nil
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		f.fail(invalid("messages", "messages: %v", err))
		return nil
	}
	messages, err := chat.DecodeMessages(data)
	if err != nil {
		f.fail(invalid("messages", "%v", err))
	}
	return messages
}

// ollamaChat answers POST /api/chat.
func (s *Server) ollamaChat(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	talk := f.ollamaConversation(x.loaded)
	q, err := x.ollamaRequest(f)
	if err != nil {
		return err
	}
	q.chat, q.talk = true, talk
	if len(talk.messages) == 0 {
		return x.loadOnly(q)
	}
	ids, err := x.prompt(talk)
	if err != nil {
		return err
	}
	return x.answerOllama(q, ids, "messages")
}

// ollamaGenerate answers POST /api/generate.
func (s *Server) ollamaGenerate(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	prompt, _ := f.text("prompt")
	talk := f.monologue(x.loaded, prompt)
	f.only("suffix", "the model continues texts, it does not fill gaps", `""`)
	f.only("template", `the model has its own, and "raw": true uses none`, `""`)
	f.only("images", "the model reads only text", "[]")
	f.only("context", "send the whole conversation to /api/chat", "[]")
	q, err := x.ollamaRequest(f)
	if err != nil {
		return err
	}
	q.talk = talk
	var ids []int32
	switch {
	case prompt == "":
		return x.loadOnly(q)
	case talk == nil:
		ids = x.loaded.model.Tokenizer().Encode(prompt)
	default:
		if ids, err = x.prompt(talk); err != nil {
			return err
		}
	}
	return x.answerOllama(q, ids, "prompt")
}

// monologue takes how a text becomes a conversation of one question; nil if it stays as it
// is.
func (f *fields) monologue(l *loaded, prompt string) *conversation {
	c := &conversation{Options: chat.Options{Generate: true, Thinking: f.think(l)}}
	system, _ := f.text("system")
	if system != "" {
		c.messages = append(c.messages, chat.Message{Role: "system", Content: system})
	}
	c.messages = append(c.messages, chat.Message{Role: "user", Content: prompt})
	switch raw := f.bool("raw"); {
	case !raw:
		return c
	case system != "":
		f.fail(invalid("system", `system is for the template, and "raw": true uses none: put it into the prompt`))
	case c.Thinking != nil:
		f.fail(invalid("think", `think is for the template, and "raw": true uses none: leave it out`))
	}
	return nil
}
