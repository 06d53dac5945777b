package server

import (
	"net/http"
	"strings"
	"time"

	"bankai/chat"
	"bankai/engine"
)

// The documents of /v1/chat/completions.
type (
	chatCompletion struct {
		answerHead
		Choices []chatChoice `json:"choices"`
		Usage   usageDoc     `json:"usage"`
	}
	chatChoice struct {
		Index        int           `json:"index"`
		Message      chatMessage   `json:"message"`
		LogProbs     *chatLogProbs `json:"logprobs"`
		FinishReason string        `json:"finish_reason"`
	}
	chatMessage struct {
		Role      string     `json:"role"`
		Content   *string    `json:"content"` // null beside calls, if there is no text
		Reasoning string     `json:"reasoning_content,omitempty"`
		ToolCalls []toolCall `json:"tool_calls,omitempty"`
		Refusal   *string    `json:"refusal"`
	}
	chatChunk struct {
		answerHead
		Choices []chunkChoice `json:"choices"`
		Usage   any           `json:"usage,omitempty"`
	}
	chunkChoice struct {
		Index        int           `json:"index"`
		Delta        delta         `json:"delta"`
		LogProbs     *chatLogProbs `json:"logprobs"`
		FinishReason *string       `json:"finish_reason"`
	}
	delta struct {
		Role      string     `json:"role,omitempty"`
		Content   *string    `json:"content,omitempty"`
		Reasoning string     `json:"reasoning_content,omitempty"`
		ToolCalls []toolCall `json:"tool_calls,omitempty"`
	}
)

// answerHead is what all documents of one answer have alike.
type answerHead struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
}

func (x *exchange) head(j *job, prefix, object string) answerHead {
	return answerHead{newID(prefix), object, time.Now().Unix(), j.model, x.fingerprint(j.set)}
}

// usageDoc counts tokens as OpenAI does.
type usageDoc struct {
	Prompt  int           `json:"prompt_tokens"`
	Answer  int           `json:"completion_tokens"`
	Total   int           `json:"total_tokens"`
	Details promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	Cached int `json:"cached_tokens"`
}

func (u usage) doc() usageDoc {
	return usageDoc{u.prompt, u.generated, u.prompt + u.generated, promptDetails{u.cached}}
}

// chatTokens is how many tokens an answer has at most if a chat does not say: the keys
// and values of that many are held for it while it runs.
const chatTokens = 1024

// streaming is how an answer is to be sent.
type streaming struct{ on, usage bool }

// streaming takes it.
func (f *fields) streaming() (s streaming) {
	s.on = f.bool("stream")
	var o struct {
		IncludeUsage       bool  `json:"include_usage"`
		IncludeObfuscation *bool `json:"include_obfuscation"` // noise of no meaning
	}
	if f.take("stream_options", &o, "an object such as {\"include_usage\": true}") && !s.on {
		f.fail(invalid("stream_options", "stream_options needs \"stream\": true"))
	}
	s.usage = o.IncludeUsage
	return s
}

// chat answers POST /v1/chat/completions.
func (s *Server) chat(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	talk := f.conversation()
	how := f.streaming()
	limit := f.limit(1, chatTokens, "max_completion_tokens", "max_tokens")
	logProbs := f.bool("logprobs")
	top := f.whole("top_logprobs", 0, maxTop, 0)
	if top > 0 && !logProbs {
		f.fail(invalid("top_logprobs", "top_logprobs needs \"logprobs\": true"))
	}
	f.only("response_format", "answers are plain text", `{"type":"text"}`)
	f.only("modalities", "answers are text", `["text"]`)
	j, err := x.common(f, s.o)
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return err
	}
	j.talk, j.max, j.logProbs, j.top = talk, limit, logProbs, top
	ids, marks, err := x.prompt(talk)
	if err != nil {
		return err
	}
	j.prompts, j.marks = [][]int32{ids}, marks
	if err := x.fitContext(j.prompts, "messages", 1); err != nil {
		return err
	}
	r, err := x.begin(j)
	if err != nil {
		return err
	}
	defer func() { x.used = r.end() }()
	if how.on {
		return x.streamChat(r, how)
	}
	return x.wholeChat(r)
}

// wholeChat sends the answer when all of it is there.
func (x *exchange) wholeChat(r *run) error {
	doc := chatCompletion{answerHead: x.head(r.job, "chatcmpl-", "chat.completion")}
	doc.Choices = make([]chatChoice, len(r.streams))
	for i := range doc.Choices {
		doc.Choices[i] = chatChoice{Index: i, LogProbs: r.noLogProbs()}
	}
	speakers := x.speakers(r, doc.ID)
	said := make([]spoken, len(r.streams))
	results, err := r.collect(x.r.Context(), func(choice int, e engine.Event) {
		x.token()
		said[choice].add(speakers[choice].says(e))
		x.addLogProbs(doc.Choices[choice].LogProbs, e)
	})
	if err != nil {
		return err
	}
	for i, result := range results {
		x.finished(result)
		said[i].add(speakers[i].rest())
		doc.Choices[i].Message, doc.Choices[i].FinishReason = said[i].message(), speakers[i].reason(result)
	}
	x.used = r.end()
	doc.Usage = x.used.doc()
	x.deadline()
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// spoken gathers what a choice says.
type spoken struct {
	reasoning, content strings.Builder
	calls              []toolCall
}

func (s *spoken) add(all []chat.Delta) {
	for _, d := range all {
		s.reasoning.WriteString(d.Reasoning)
		s.content.WriteString(d.Content)
		if d.Call != nil {
			s.calls = append(s.calls, newToolCall(d.Call))
		}
	}
}

func (s *spoken) message() chatMessage {
	m := chatMessage{Role: "assistant", Reasoning: s.reasoning.String(), ToolCalls: s.calls}
	if content := s.content.String(); content != "" || len(s.calls) == 0 {
		m.Content = &content
	}
	return m
}

// deltas are chunks' pieces of what a choice says.
func deltas(all []chat.Delta) []delta {
	out := make([]delta, len(all))
	for i, d := range all {
		switch {
		case d.Call != nil:
			call := newToolCall(d.Call)
			call.Index = &d.Call.Index
			out[i].ToolCalls = []toolCall{call}
		case d.Reasoning != "":
			out[i].Reasoning = d.Reasoning
		default:
			out[i].Content = &d.Content
		}
	}
	return out
}

// streamChat sends the answer as it comes.
func (x *exchange) streamChat(r *run, how streaming) error {
	out, head := x.stream(), x.head(r.job, "chatcmpl-", "chat.completion.chunk")
	send := func(c chunkChoice) error {
		chunk := chatChunk{answerHead: head, Choices: []chunkChoice{c}}
		if how.usage {
			chunk.Usage = noUsage
		}
		return out.send(chunk)
	}
	for i := range r.streams {
		if err := send(chunkChoice{Index: i, Delta: delta{Role: "assistant", Content: new(string)}}); err != nil {
			return err
		}
	}
	// A token that nothing can be said of yet is told of if its log-probability is wanted.
	say := func(choice int, all []delta, of *chatLogProbs) error {
		if len(all) == 0 && of != nil && len(of.Content) > 0 {
			all = []delta{{Content: new(string)}}
		}
		for i, d := range all {
			c := chunkChoice{Index: choice, Delta: d, LogProbs: of}
			if i > 0 {
				c.LogProbs = r.noLogProbs()
			}
			if err := send(c); err != nil {
				return err
			}
		}
		return nil
	}
	speakers := x.speakers(r, head.ID)
	whole, err := out.each(r, func(choice int, e engine.Event) error {
		of := r.noLogProbs()
		x.addLogProbs(of, e)
		return say(choice, deltas(speakers[choice].says(e)), of)
	}, func(choice int, result engine.Result) error {
		if err := say(choice, deltas(speakers[choice].rest()), r.noLogProbs()); err != nil {
			return err
		}
		reason := speakers[choice].reason(result)
		return send(chunkChoice{Index: choice, FinishReason: &reason})
	})
	if !whole {
		return err
	}
	if how.usage {
		x.used = r.end()
		if err := out.send(chatChunk{answerHead: head, Choices: []chunkChoice{}, Usage: x.used.doc()}); err != nil {
			return err
		}
	}
	return out.done()
}

// noUsage is the usage in chunks before the last one, if it is asked for.
var noUsage = (*usageDoc)(nil)
