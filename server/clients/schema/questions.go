package main

import (
	"encoding/json"
	"errors"
	"strings"
)

// question is a request, with the schema that the documents of its answer must fit if it
// is not refused. Refusals must fit ErrorResponse.
type question struct {
	what, path string
	body       string // "" for GET
	schema     string
	// mend changes a document where the description is known to be wrong.
	mend func(document any)
}

// questions are asked of every server. MODEL stands for the model's id, PATCHED for the
// last id that the server lists, which is one under a patch if it has any.
func (c *checker) questions() (all []question, err error) {
	var list struct{ Data []struct{ ID string } }
	_, documents, err := c.ask(question{path: "/v1/models"})
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(documents[0]); err != nil || json.Unmarshal(text, &list) != nil || len(list.Data) == 0 {
		return nil, errors.New("the server lists no models")
	}
	names := strings.NewReplacer("PATCHED", list.Data[len(list.Data)-1].ID, "MODEL", list.Data[0].ID)
	for _, q := range asked {
		q.path, q.body = names.Replace(q.path), names.Replace(q.body)
		all = append(all, q)
	}
	return all, nil
}

const (
	chats     = "/v1/chat/completions"
	texts     = "/v1/completions"
	responses = "/v1/responses"

	hello = `"model":"MODEL","messages":[{"role":"user","content":"2 + 3 ="}],"max_tokens":12`
	text  = `"model":"MODEL","prompt":"2 + 3 =","max_tokens":12`
	input = `"model":"MODEL","input":"2 + 3 =","max_output_tokens":64`
	usage = `,"stream":true,"stream_options":{"include_usage":true}`

	tools = `,"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}]`
	flat  = `,"tools":[{"type":"function","name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"}}},"strict":false}]`
)

var asked = []question{
	{"models", "/v1/models", "", "ListModelsResponse", nil},
	{"a model", "/v1/models/MODEL", "", "Model", nil},
	{"a model under a patch", "/v1/models/PATCHED", "", "Model", nil},
	{"a model that is not there", "/v1/models/none", "", "Model", nil},

	{"a chat", chats, `{` + hello + `}`, "CreateChatCompletionResponse", nil},
	{"a chat under a patch", chats, `{` + strings.Replace(hello, "MODEL", "PATCHED", 1) + `}`, "CreateChatCompletionResponse", nil},
	{"a chat of several choices", chats, `{` + hello + `,"n":3}`, "CreateChatCompletionResponse", nil},
	{"a chat with log-probabilities", chats, `{` + hello + `,"logprobs":true,"top_logprobs":3}`, "CreateChatCompletionResponse", nil},
	{"a chat with tools", chats, `{` + strings.Replace(hello, "12", "64", 1) + tools + `}`, "CreateChatCompletionResponse", nil},
	{"a chat that cannot be", chats, `{` + hello + `,"temperature":-1}`, "CreateChatCompletionResponse", nil},
	{"a chat with a model that is not there", chats, `{"model":"none","messages":[]}`, "CreateChatCompletionResponse", nil},
	{"no chat", chats, `[]`, "CreateChatCompletionResponse", nil},
	{"a streamed chat", chats, `{` + hello + `,"stream":true}`, "CreateChatCompletionStreamResponse", nil},
	{"a streamed chat with usage", chats, `{` + hello + usage + `}`, "CreateChatCompletionStreamResponse", nil},
	{"a streamed chat with log-probabilities", chats, `{` + hello + `,"stream":true,"logprobs":true,"top_logprobs":2}`, "CreateChatCompletionStreamResponse", nil},
	{"a streamed chat with tools", chats, `{` + strings.Replace(hello, "12", "64", 1) + `,"stream":true` + tools + `}`, "CreateChatCompletionStreamResponse", nil},

	{"a completion", texts, `{` + text + `}`, "CreateCompletionResponse", nil},
	{"completions with log-probabilities", texts, `{` + text + `,"n":2,"logprobs":2}`, "CreateCompletionResponse", nil},
	{"a scored prompt", texts, `{` + text + `,"echo":true,"logprobs":1,"temperature":0}`, "CreateCompletionResponse", dropFirst},
	{"a completion that cannot be", texts, `{"model":"MODEL"}`, "CreateCompletionResponse", nil},
	{"a streamed completion", texts, `{` + text + usage + `}`, "CreateCompletionResponse", endEach},

	{"a response", responses, `{` + input + `}`, "Response", nil},
	{"a response with tools", responses, `{` + input + flat + `}`, "Response", nil},
	{"a response that cannot be", responses, `{"model":"MODEL","input":7}`, "Response", nil},
	{"a streamed response", responses, `{` + input + `,"stream":true}`, "ResponseStreamEvent", nil},
	{"a streamed response with tools", responses, `{` + input + `,"stream":true` + flat + `}`, "ResponseStreamEvent", nil},

	{"embeddings", "/v1/embeddings", `{"model":"MODEL","input":"x"}`, "CreateEmbeddingResponse", nil},
	{"a route that is not there", "/v1/none", "", "Model", nil},
}

// choices are those of a completion.
func choices(document any) (all []map[string]any) {
	object, _ := document.(map[string]any)
	list, _ := object["choices"].([]any)
	for _, c := range list {
		if choice, ok := c.(map[string]any); ok {
			all = append(all, choice)
		}
	}
	return all
}

// endEach makes whole completions of chunks: the description has no schema for chunks. It
// allows for no null where a reason to end is not there yet, nor for the null usage that
// its own text promises.
func endEach(document any) {
	for _, c := range choices(document) {
		if c["finish_reason"] == nil {
			c["finish_reason"] = "stop"
		}
	}
	if object, ok := document.(map[string]any); ok && object["usage"] == nil {
		delete(object, "usage")
	}
}

// dropFirst takes the null away that stands for what nothing predicts, a prompt's first
// token: the description has numbers alone.
func dropFirst(document any) {
	for _, c := range choices(document) {
		p, _ := c["logprobs"].(map[string]any)
		for _, name := range []string{"token_logprobs", "top_logprobs"} {
			if list, ok := p[name].([]any); ok && len(list) > 0 && list[0] == nil {
				p[name] = list[1:]
			}
		}
	}
}
