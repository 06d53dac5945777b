package server

import (
	"net/http"
	"time"
)

// answer is a document of chats and completions: a whole answer, or a chunk of one. C is
// the API's form of a choice.
type answer[C any] struct {
	answerHead
	Choices []C `json:"choices"`
	Usage   any `json:"usage,omitempty"`
}

// answerHead is what all documents of one answer have alike.
type answerHead struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
}

func (x *exchange) head(j *job, prefix, object string) answerHead {
	return answerHead{newID(prefix), object, time.Now().Unix(), j.model, x.fingerprint(j.sets()...)}
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

// sendWhole ends a run and sends its answer, of which all choices are there.
func sendWhole[C any](x *exchange, r *run, head answerHead, choices []C) {
	x.used = r.end()
	writeJSON(x.w, http.StatusOK, answer[C]{head, choices, x.used.all().doc()})
}

// chunks sends an answer choice by choice, as it comes.
type chunks[C any] struct {
	*stream
	head  answerHead
	usage bool // the last chunk counts tokens
}

func beginChunks[C any](x *exchange, head answerHead, how streaming) *chunks[C] {
	return &chunks[C]{x.stream(events), head, how.usage}
}

// noUsage is the usage in chunks before the last one, if it is asked for.
var noUsage = (*usageDoc)(nil)

// choice sends what one choice has to tell.
func (c *chunks[C]) choice(choice C) error {
	doc := answer[C]{answerHead: c.head, Choices: []C{choice}}
	if c.usage {
		doc.Usage = noUsage
	}
	return c.send(doc)
}

// finish ends a run and its answer.
func (c *chunks[C]) finish(r *run) error {
	if c.usage {
		c.x.used = r.end()
		if err := c.send(answer[C]{c.head, []C{}, c.x.used.all().doc()}); err != nil {
			return err
		}
	}
	return c.done()
}
