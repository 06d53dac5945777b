package server

import (
	"net/http"
	"slices"
	"time"

	"bankai/engine"
)

// response is the document of /v1/responses. Nothing is stored: a conversation goes on
// when the client sends all of it.
type response struct {
	ID             string             `json:"id"`
	Object         string             `json:"object"`
	Created        int64              `json:"created_at"`
	Completed      *int64             `json:"completed_at"`
	Status         string             `json:"status"`
	Error          *responseError     `json:"error"`
	Incomplete     *incompleteDetails `json:"incomplete_details"`
	Model          string             `json:"model"`
	Fingerprint    string             `json:"system_fingerprint"`
	Output         []any              `json:"output"`
	Usage          *responseUsage     `json:"usage,omitempty"` // when it is at its end
	Instructions   *string            `json:"instructions"`
	MaxTokens      int                `json:"max_output_tokens"`
	Temperature    float64            `json:"temperature"`
	TopP           float64            `json:"top_p"`
	TopLogProbs    int                `json:"top_logprobs"`
	Tools          []responseTool     `json:"tools"`
	ToolChoice     string             `json:"tool_choice"`
	Parallel       bool               `json:"parallel_tool_calls"`
	Reasoning      reasoningMode      `json:"reasoning"`
	Text           textMode           `json:"text"`
	Metadata       map[string]string  `json:"metadata"`
	Truncation     string             `json:"truncation"`
	Store          bool               `json:"store"`
	Background     bool               `json:"background"`
	Previous       *string            `json:"previous_response_id"`
	AccessPrograms *string            `json:"access_programs"` // of OpenAI's models; clients' types have it
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type textMode struct {
	Format textFormat `json:"format"`
}

type textFormat struct {
	Type string `json:"type"`
}

// responseUsage counts tokens as responses do.
type responseUsage struct {
	Input         int            `json:"input_tokens"`
	InputDetails  inputDetails   `json:"input_tokens_details"`
	Output        int            `json:"output_tokens"`
	OutputDetails thoughtDetails `json:"output_tokens_details"`
	Total         int            `json:"total_tokens"`
}

type inputDetails struct {
	Cached  int `json:"cached_tokens"`
	Written int `json:"cache_write_tokens"` // that OpenAI charges for: none
}

type thoughtDetails struct {
	Reasoning int `json:"reasoning_tokens"`
}

// respond answers POST /v1/responses.
func (s *Server) respond(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	stream := f.streaming().on
	j, doc, err := x.responseRequest(f)
	if err != nil {
		return err
	}
	r, err := x.begin(j)
	if err != nil {
		return err
	}
	defer func() { x.used = r.end() }()
	out := &output{loaded: x.loaded, speaker: x.speakers(r, doc.ID)[0], logProbs: j.logProbs}
	if stream {
		return x.streamResponse(r, doc, out)
	}
	return x.wholeResponse(r, doc, out)
}

// responseRequest takes the fields of a response: what is to be generated, and the
// document that tells so before anything is.
func (x *exchange) responseRequest(f *fields) (*job, *response, error) {
	doc := &response{
		ID: newID("resp_"), Object: "response", Created: time.Now().Unix(), Status: inProgress, Output: []any{},
		Truncation: "disabled", Text: textMode{textFormat{"text"}}, Metadata: map[string]string{},
	}
	talk := f.input()
	if len(talk.places) > 0 && talk.places[0] == "instructions" {
		doc.Instructions = &talk.messages[0].Content
	}
	doc.Tools, talk.Tools = f.responseTools()
	doc.ToolChoice, doc.Parallel = f.calling(talk)
	f.take("chat_template_kwargs", &talk.Kwargs, "an object")
	doc.Reasoning = x.reasoning(f, talk)
	f.take("metadata", &doc.Metadata, "an object of texts")
	logProbs := f.include()
	doc.TopLogProbs = f.whole("top_logprobs", 0, maxTop, 0)
	if doc.TopLogProbs > 0 && !logProbs {
		f.fail(invalid("top_logprobs", `top_logprobs needs "include": [%q]`, includeLogProbs))
	}
	doc.MaxTokens = f.limit(1, chatTokens, "max_output_tokens")
	f.refuseState()
	j, err := x.common(f, x.s.o)
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return nil, nil, err
	}
	j.talk, j.max, j.logProbs, j.top = talk, doc.MaxTokens, logProbs, doc.TopLogProbs
	ids, err := x.prompt(talk)
	if err != nil {
		return nil, nil, err
	}
	j.prompts = [][]int32{ids}
	doc.Model, doc.Fingerprint = j.model, x.fingerprint(j.set)
	doc.Temperature, doc.TopP = j.sampling.Temperature, j.sampling.TopP
	return j, doc, x.fitContext(j.prompts, "input", 1)
}

// includeLogProbs is what a request includes that asks for log-probabilities.
const includeLogProbs = "message.output_text.logprobs"

// include takes what the answer shall have beside what it has always. Reasoning needs no
// encryption: it comes as it is.
func (f *fields) include() (logProbs bool) {
	var all []string
	f.take("include", &all, "a list of texts")
	for _, s := range all {
		if s != includeLogProbs && s != "reasoning.encrypted_content" {
			f.fail(unsupported("include", "include %q is not supported: leave it out", s))
		}
	}
	return slices.Contains(all, includeLogProbs)
}

// refuseState takes what needs a store of earlier answers, or other answers than a text.
func (f *fields) refuseState() {
	const stored = "nothing is stored, so send the whole conversation as input"
	f.only("previous_response_id", stored)
	f.only("conversation", stored)
	f.only("prompt", "no prompts are stored: send it as instructions and input")
	f.only("background", "nothing is stored, so no answer can be fetched later", "false")
	f.only("truncation", "an input that is too long is refused, never cut", `"disabled"`)
	f.only("n", "a response is one: ask again, with another seed", "1")
	f.within("text", func(in *fields) {
		in.only("format", "answers are plain text", `{"type":"text"}`)
		in.only("verbosity", "the model says as much as it likes", `"medium"`)
	})
	f.ignore("max_tool_calls") // it counts calls that the server itself makes, which are none
}

// finish fills in how the response ended.
func (d *response) finish(out *output, result engine.Result, used usage) {
	now := time.Now().Unix()
	d.Status, d.Completed = completed, &now
	if result.Finish == "length" {
		d.Status, d.Completed, d.Incomplete = incomplete, nil, &incompleteDetails{"max_output_tokens"}
	}
	d.Output = out.docs()
	d.Usage = &responseUsage{
		used.prompt, inputDetails{Cached: used.cached}, used.generated, thoughtDetails{out.reasoning}, used.prompt + used.generated,
	}
}

// wholeResponse sends the response when all of it is there.
func (x *exchange) wholeResponse(r *run, doc *response, out *output) error {
	out.tell = func(event) error { return nil }
	results, err := r.collect(x.r.Context(), func(_ int, e engine.Event) {
		x.token(r)
		out.token(e)
	})
	if err != nil {
		return err
	}
	x.finished(results[0])
	out.end(results[0])
	x.used = r.end()
	doc.finish(out, results[0], x.used.all())
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// streamResponse sends the response as it comes, step by step.
func (x *exchange) streamResponse(r *run, doc *response, out *output) error {
	s, sequence := x.stream(events), 0
	out.tell = func(e event) error {
		e.Sequence = sequence
		sequence++
		return s.event(e.Type, e)
	}
	about := func(step string) error { return out.tell(event{Type: "response." + step, Response: doc}) }
	s.failed = func(f *failure) error {
		doc.Status, doc.Output, doc.Error = failed, out.docs(), &responseError{kindServer, f.message}
		return about(failed)
	}
	for _, step := range []string{"created", inProgress} {
		if err := about(step); err != nil {
			return err
		}
	}
	var result engine.Result
	whole, err := s.each(r, func(_ int, e engine.Event) error { return out.token(e) }, func(_ int, end engine.Result) error {
		result = end
		return out.end(end)
	})
	if !whole {
		return err
	}
	x.used = r.end()
	doc.finish(out, result, x.used.all())
	return about(doc.Status)
}
