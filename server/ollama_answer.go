package server

import (
	"encoding/json"
	"time"

	"bankai/chat"
	"bankai/engine"
)

// ollamaDoc is a document of Ollama's chats and texts: a whole answer, or a piece of one.
type ollamaDoc struct {
	Model    string         `json:"model"`
	Created  string         `json:"created_at"`
	Message  *ollamaMessage `json:"message,omitempty"`  // of a chat
	Response *string        `json:"response,omitempty"` // of a text, with what was thought
	Thinking string         `json:"thinking,omitempty"`
	Done     bool           `json:"done"`
	Reason   string         `json:"done_reason,omitempty"`
	*ollamaTimes
	LogProbs []chatToken `json:"logprobs,omitempty"`
}

type ollamaMessage struct {
	Role      string       `json:"role"`
	Content   string       `json:"content"`
	Thinking  string       `json:"thinking,omitempty"`
	ToolCalls []ollamaCall `json:"tool_calls,omitempty"`
}

type ollamaCall struct {
	ID       string         `json:"id"`
	Function ollamaFunction `json:"function"`
}

type ollamaFunction struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

// ollamaTimes are counts of tokens, and nanoseconds.
type ollamaTimes struct {
	Total      time.Duration `json:"total_duration"`
	Load       time.Duration `json:"load_duration"` // until the request was read and its patches were there
	PromptEval int           `json:"prompt_eval_count"`
	Prompt     time.Duration `json:"prompt_eval_duration"` // until the first token, with the time in the queue
	Eval       int           `json:"eval_count"`
	Answer     time.Duration `json:"eval_duration"`
}

// ollamaAnswer is an answer that is being made.
type ollamaAnswer struct {
	*ollamaRequest
	x   *exchange
	run *run
	teller
	ready time.Duration // until it was handed to the engine
	calls int           // of functions, so far
}

// teller finds out what a model says with its tokens.
type teller interface {
	says(e engine.Event) []chat.Delta
	rest() []chat.Delta
}

// asWritten takes all that is generated for text.
type asWritten struct{}

func (asWritten) says(e engine.Event) []chat.Delta {
	if e.Text == "" {
		return nil
	}
	return []chat.Delta{{Content: e.Text}}
}

func (asWritten) rest() []chat.Delta { return nil }

// loadOnly answers a request without a prompt, which only wants the model to be there,
// or to go. It is there and stays.
func (x *exchange) loadOnly(q *ollamaRequest) error {
	x.asked, x.sets = q.model, q.sets()
	a := ollamaAnswer{ollamaRequest: q, x: x}
	doc := a.doc(&spoken{}, nil)
	doc.Done, doc.Reason = true, "load"
	if q.unload {
		doc.Reason = "unload"
	}
	return x.document(doc)
}

// answerOllama goes on with a prompt, which is made of the field of that name.
func (x *exchange) answerOllama(q *ollamaRequest, prompt []int32, field string) error {
	q.prompts = [][]int32{prompt}
	if err := x.fitContext(q.prompts, field, 1); err != nil {
		return err
	}
	ready := time.Since(x.began)
	r, err := x.begin(q.job)
	if err != nil {
		return err
	}
	defer func() { x.used = r.end() }()
	a := &ollamaAnswer{ollamaRequest: q, x: x, run: r, teller: asWritten{}, ready: ready}
	if q.talk != nil {
		a.teller = x.speakers(r, newID("call-"))[0]
	}
	if q.stream {
		return a.sendPieces()
	}
	return a.sendWhole()
}

// sendWhole sends the answer when all of it is there.
func (a *ollamaAnswer) sendWhole() error {
	var said spoken
	probs := a.noLogProbs()
	results, err := a.run.collect(a.x.r.Context(), func(_ int, e engine.Event) {
		a.x.token(a.run)
		said.add(a.says(e))
		a.x.addLogProbs(probs, e)
	})
	if err != nil {
		return err
	}
	a.x.finished(results[0])
	said.add(a.rest())
	return a.x.document(a.last(&said, probs, results[0]))
}

// sendPieces sends the answer as it comes.
func (a *ollamaAnswer) sendPieces() error {
	ping, err := json.Marshal(a.doc(&spoken{}, nil))
	if err != nil {
		return err
	}
	out := a.x.stream(lines(string(ping) + "\n"))
	var result engine.Result
	whole, err := out.each(a.run, func(_ int, e engine.Event) error {
		var said spoken
		said.add(a.says(e))
		probs := a.noLogProbs()
		a.x.addLogProbs(probs, e)
		if said.empty() && (probs == nil || len(probs.Content) == 0) {
			return nil
		}
		return out.send(a.doc(&said, probs))
	}, func(_ int, r engine.Result) error {
		result = r
		var said spoken
		if said.add(a.rest()); said.empty() {
			return nil
		}
		return out.send(a.doc(&said, nil))
	})
	if !whole {
		return err
	}
	return out.send(a.last(&spoken{}, nil, result))
}

// doc is a document that tells what was said.
func (a *ollamaAnswer) doc(said *spoken, probs *chatLogProbs) *ollamaDoc {
	doc := &ollamaDoc{Model: a.model, Created: time.Now().UTC().Format(time.RFC3339Nano)}
	if probs != nil {
		doc.LogProbs = probs.Content
	}
	content, thinking := said.content.String(), said.reasoning.String()
	if !a.chat {
		doc.Response, doc.Thinking = &content, thinking
		return doc
	}
	doc.Message = &ollamaMessage{Role: "assistant", Content: content, Thinking: thinking}
	for _, c := range said.calls {
		f := ollamaFunction{a.calls, c.Function.Name, json.RawMessage(c.Function.Arguments)}
		doc.Message.ToolCalls = append(doc.Message.ToolCalls, ollamaCall{c.ID, f})
		a.calls++
	}
	return doc
}

// last is the document with which the answer ends, and the run.
func (a *ollamaAnswer) last(said *spoken, probs *chatLogProbs, result engine.Result) *ollamaDoc {
	used := a.run.end().all()
	total := time.Since(a.x.began)
	first, latest := a.run.streams[0].Times()
	times := &ollamaTimes{Total: total, Load: a.ready, PromptEval: used.prompt, Prompt: total - a.ready, Eval: used.generated}
	if !first.IsZero() {
		times.Prompt = first.Sub(a.x.began) - a.ready
		times.Answer = max(latest.Sub(first), time.Microsecond) // clients divide by it, also if there is one token
	}
	doc := a.doc(said, probs)
	doc.Done, doc.Reason = true, result.Finish
	doc.ollamaTimes = times
	return doc
}
