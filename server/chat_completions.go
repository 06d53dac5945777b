package server

import (
	"strings"

	"bankai/chat"
	"bankai/engine"
)

// The choices of /v1/chat/completions.
type (
	chatChoice struct {
		Index int `json:"index"`
		madeUnder
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
	chunkChoice struct {
		Index int `json:"index"`
		madeUnder
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

// chatTokens is how many tokens an answer has at most if a chat does not say: the keys
// and values of that many are held for it while it runs.
const chatTokens = 1024

// chat answers POST /v1/chat/completions.
func (s *Server) chat(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	how := f.streaming()
	j, err := x.chatRequest(f)
	if err != nil {
		return err
	}
	ids, err := x.prompt(j.talk)
	if err != nil {
		return err
	}
	j.prompts = [][]int32{ids}
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

// chatRequest takes the fields of a chat: all but how its answer is sent.
func (x *exchange) chatRequest(f *fields) (*job, error) {
	talk := f.conversation()
	x.effort(f, "reasoning_effort", talk)
	limit := f.limit(1, chatTokens, "max_completion_tokens", "max_tokens")
	logProbs, top := f.logProbs()
	f.only("response_format", "answers are plain text", `{"type":"text"}`)
	f.only("modalities", "answers are text", `["text"]`)
	f.only("audio", "answers are text")
	f.only("verbosity", "say in a message how long the answer is to be", `"medium"`)
	f.only("web_search_options", "the model has no access to a network")
	j, err := x.common(f, x.s.o)
	if err == nil {
		err = x.compare(f, j, x.s.o)
	}
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return nil, err
	}
	j.talk, j.max, j.logProbs, j.top = talk, limit, logProbs, top
	return j, nil
}

// wholeChat sends the answer when all of it is there.
func (x *exchange) wholeChat(r *run) error {
	head, choices := x.head(r.job, "chatcmpl-", "chat.completion"), make([]chatChoice, len(r.streams))
	for i := range choices {
		choices[i] = chatChoice{Index: i, madeUnder: x.madeUnder(r.job, i), LogProbs: r.noLogProbs()}
	}
	speakers := x.speakers(r, head.ID)
	said := make([]spoken, len(r.streams))
	results, err := r.collect(x.r.Context(), func(choice int, e engine.Event) {
		x.token(r)
		said[choice].add(speakers[choice].says(e))
		x.addLogProbs(choices[choice].LogProbs, e)
	})
	if err != nil {
		return err
	}
	for i, result := range results {
		x.finished(result)
		said[i].add(speakers[i].rest())
		choices[i].Message, choices[i].FinishReason = said[i].message(), speakers[i].reason(result)
	}
	sendWhole(x, r, head, choices)
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

func (s *spoken) empty() bool {
	return s.reasoning.Len() == 0 && s.content.Len() == 0 && len(s.calls) == 0
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
	out := beginChunks[chunkChoice](x, x.head(r.job, "chatcmpl-", "chat.completion.chunk"), how)
	under := make([]madeUnder, len(r.streams))
	for i := range under {
		under[i] = x.madeUnder(r.job, i)
		if err := out.choice(chunkChoice{Index: i, madeUnder: under[i], Delta: delta{Role: "assistant", Content: new(string)}}); err != nil {
			return err
		}
	}
	// A token that nothing can be said of yet is told of if its log-probability is wanted.
	say := func(choice int, all []delta, of *chatLogProbs) error {
		if len(all) == 0 && of != nil && len(of.Content) > 0 {
			all = []delta{{Content: new(string)}}
		}
		for i, d := range all {
			c := chunkChoice{Index: choice, madeUnder: under[choice], Delta: d, LogProbs: of}
			if i > 0 {
				c.LogProbs = r.noLogProbs()
			}
			if err := out.choice(c); err != nil {
				return err
			}
		}
		return nil
	}
	speakers := x.speakers(r, out.head.ID)
	whole, err := out.each(r, func(choice int, e engine.Event) error {
		of := r.noLogProbs()
		x.addLogProbs(of, e)
		return say(choice, deltas(speakers[choice].says(e)), of)
	}, func(choice int, result engine.Result) error {
		if err := say(choice, deltas(speakers[choice].rest()), r.noLogProbs()); err != nil {
			return err
		}
		reason := speakers[choice].reason(result)
		return out.choice(chunkChoice{Index: choice, madeUnder: under[choice], FinishReason: &reason})
	})
	if !whole {
		return err
	}
	return out.finish(r)
}
