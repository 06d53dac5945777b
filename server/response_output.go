package server

import (
	"strings"

	"bankai/chat"
	"bankai/engine"
)

// item is a part of a response: what the model thinks, says, or calls. One comes after
// the other.
type item struct {
	id, kind string // "reasoning", "message" or "function_call"
	status   string
	text     strings.Builder
	logProbs []chatToken // of the text
	call     *chat.CallDelta
}

// itemPrefixes begin the ids of items, by their kinds.
var itemPrefixes = map[string]string{"reasoning": "rs_", "message": "msg_", "function_call": "fc_"}

// States of items, and of responses.
const (
	inProgress = "in_progress"
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
)

// The forms of items.
type (
	reasoningItem struct {
		ID      string     `json:"id"`
		Type    string     `json:"type"`
		Status  string     `json:"status"`
		Summary []textPart `json:"summary"`
		Content []textPart `json:"content"`
	}
	messageItem struct {
		ID      string     `json:"id"`
		Type    string     `json:"type"`
		Status  string     `json:"status"`
		Role    string     `json:"role"`
		Content []textPart `json:"content"`
	}
	callItem struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		CallID    string `json:"call_id"`
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	// textPart is a text: of type reasoning_text without annotations, of output_text with.
	textPart struct {
		Type        string       `json:"type"`
		Text        string       `json:"text"`
		Annotations *[]string    `json:"annotations,omitempty"` // none, but they have to be there
		LogProbs    *[]chatToken `json:"logprobs,omitempty"`
	}
)

// part is the text of an item.
func (i *item) part() textPart {
	if i.kind == "reasoning" {
		return textPart{Type: "reasoning_text", Text: i.text.String()}
	}
	return textPart{Type: "output_text", Text: i.text.String(), Annotations: &[]string{}, LogProbs: &i.logProbs}
}

// doc is the item as far as it is there; of one that has just begun nothing is.
func (i *item) doc() any {
	content := []textPart{}
	if i.status != inProgress {
		content = append(content, i.part())
	}
	switch i.kind {
	case "reasoning":
		return reasoningItem{i.id, i.kind, i.status, []textPart{}, content}
	case "message":
		return messageItem{i.id, i.kind, i.status, "assistant", content}
	}
	arguments := i.call.Arguments
	if i.status == inProgress {
		arguments = ""
	}
	return callItem{i.id, i.kind, i.status, i.call.ID, i.call.Name, arguments}
}

// event is a step of a response, as streams tell it. Each kind has some of the members.
type event struct {
	Type      string       `json:"type"`
	Sequence  int          `json:"sequence_number"`
	Response  *response    `json:"response,omitempty"`
	Output    *int         `json:"output_index,omitempty"`
	ItemID    string       `json:"item_id,omitempty"`
	Content   *int         `json:"content_index,omitempty"`
	Item      any          `json:"item,omitempty"`
	Part      *textPart    `json:"part,omitempty"`
	Delta     *string      `json:"delta,omitempty"`
	Text      *string      `json:"text,omitempty"`
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitempty"`
	LogProbs  *[]chatToken `json:"logprobs,omitempty"`
}

// output makes items of what the model generates, and tells each step.
type output struct {
	*loaded
	*speaker
	logProbs bool
	tell     func(event) error

	items     []*item
	since     []chatToken // that came since the last step, with their log-probabilities
	unsaid    int         // how many did
	reasoning int         // tokens until the last of the reasoning
}

// open is the item that goes on, nil if there is none.
func (o *output) open() *item {
	if len(o.items) == 0 || o.items[len(o.items)-1].status != inProgress {
		return nil
	}
	return o.items[len(o.items)-1]
}

// token adds what comes of a token.
func (o *output) token(e engine.Event) error {
	if e.ID != engine.NoToken {
		o.unsaid++
	}
	if o.logProbs && !o.model.Tokenizer().IsEnd(e.ID) {
		of := &chatLogProbs{}
		o.addLogProbs(of, e)
		o.since = append(o.since, of.Content...)
	}
	return o.add(o.says(e))
}

// end adds what comes after the last token.
func (o *output) end(result engine.Result) error {
	if err := o.add(o.rest()); err != nil {
		return err
	}
	if len(o.items) == 0 { // clients look for a message
		if err := o.begin("message", nil); err != nil {
			return err
		}
	}
	if result.Finish == "length" {
		return o.close(incomplete)
	}
	return o.close(completed)
}

func (o *output) add(all []chat.Delta) error {
	for _, d := range all {
		var err error
		switch {
		case d.Call != nil:
			err = o.begin("function_call", d.Call)
		case d.Reasoning != "":
			o.reasoning += o.unsaid
			err = o.write("reasoning", d.Reasoning)
		default:
			err = o.write("message", d.Content)
		}
		if err != nil {
			return err
		}
		o.since, o.unsaid = nil, 0
	}
	return nil
}

// begin ends the open item, if there is one, and begins another.
func (o *output) begin(kind string, call *chat.CallDelta) error {
	if err := o.close(completed); err != nil {
		return err
	}
	i := &item{id: newID(itemPrefixes[kind]), kind: kind, status: inProgress, logProbs: []chatToken{}, call: call}
	o.items = append(o.items, i)
	if err := o.say(event{Type: "response.output_item.added", Item: i.doc()}); err != nil {
		return err
	}
	if call != nil {
		return o.step(event{Type: "response.function_call_arguments.delta", Delta: &call.Arguments})
	}
	part := i.part()
	return o.step(event{Type: "response.content_part.added", Content: new(int), Part: &part})
}

// write adds text to the open item, or to another if it is of another kind.
func (o *output) write(kind, text string) error {
	if i := o.open(); i == nil || i.kind != kind {
		if err := o.begin(kind, nil); err != nil {
			return err
		}
	}
	i := o.open()
	i.text.WriteString(text)
	e := event{Type: i.textEvent("delta"), Content: new(int), Delta: &text}
	if kind == "message" {
		of := lastOf(o.since, len(text))
		i.logProbs = append(i.logProbs, of...)
		e.LogProbs = &of
	}
	return o.step(e)
}

// lastOf are the last tokens that make up size bytes of text: those before them were
// tags, which are no part of it.
func lastOf(tokens []chatToken, size int) []chatToken {
	from := len(tokens)
	for ; from > 0 && size > 0; from-- {
		size -= len(tokens[from-1].Bytes)
	}
	return append([]chatToken{}, tokens[from:]...)
}

// textEvent is what a step of an item's text is called.
func (i *item) textEvent(step string) string {
	if i.kind == "reasoning" {
		return "response.reasoning_text." + step
	}
	return "response.output_text." + step
}

// close ends the open item, if there is one.
func (o *output) close(status string) error {
	i := o.open()
	if i == nil {
		return nil
	}
	i.status = status
	var steps []event
	if i.call != nil {
		steps = []event{{Type: "response.function_call_arguments.done", Name: i.call.Name, Arguments: &i.call.Arguments}}
	} else {
		part := i.part()
		steps = []event{
			{Type: i.textEvent("done"), Content: new(int), Text: &part.Text, LogProbs: part.LogProbs},
			{Type: "response.content_part.done", Content: new(int), Part: &part},
		}
	}
	for _, e := range steps {
		if err := o.step(e); err != nil {
			return err
		}
	}
	return o.say(event{Type: "response.output_item.done", Item: i.doc()})
}

// step tells a step inside the last item.
func (o *output) step(e event) error {
	e.ItemID = o.items[len(o.items)-1].id
	return o.say(e)
}

// say tells a step of the last item.
func (o *output) say(e event) error {
	last := len(o.items) - 1
	e.Output = &last
	return o.tell(e)
}

// docs are the items as they are.
func (o *output) docs() []any {
	all := make([]any, len(o.items))
	for i, item := range o.items {
		all[i] = item.doc()
	}
	return all
}
