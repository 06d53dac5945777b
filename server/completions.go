package server

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/text"
)

// The choices of /v1/completions, whole and in chunks.
type (
	textChoice struct {
		Index int `json:"index"`
		madeUnder
		Text         string        `json:"text"`
		LogProbs     *textLogProbs `json:"logprobs"`
		FinishReason *string       `json:"finish_reason"`
	}
	// textLogProbs are log-probabilities in the form of completions: lists of equal length,
	// an item for each token.
	textLogProbs struct {
		Tokens  []string             `json:"tokens"`
		OfToken []*float64           `json:"token_logprobs"` // null for the first of a prompt, which nothing predicts
		Top     []map[string]float64 `json:"top_logprobs"`
		Offset  []int                `json:"text_offset"` // characters of the text before it
	}
)

// completionTokens is how many tokens a completion has at most if it does not say: as
// with OpenAI.
const completionTokens = 16

// completionRequest is what a completion asks for beside its job.
type completionRequest struct {
	*job
	echo bool // the text begins with the prompt
	how  streaming
}

// complete answers POST /v1/completions.
func (s *Server) complete(x *exchange) error {
	c, err := x.completionRequest()
	if err != nil {
		return err
	}
	r, err := x.begin(c.job)
	if err != nil {
		return err
	}
	defer func() { x.used = r.end() }()
	if c.how.on {
		return x.streamTexts(r, c)
	}
	return x.wholeTexts(r, c)
}

func (x *exchange) completionRequest() (*completionRequest, error) {
	f, err := x.read()
	if err != nil {
		return nil, err
	}
	c := &completionRequest{echo: f.bool("echo"), how: f.streaming()}
	prompts := f.prompts(x.loaded)
	least := 1
	if c.echo {
		least = 0 // a prompt may be asked about alone
	}
	limit := f.limit(least, completionTokens, "max_completion_tokens", "max_tokens")
	top := f.logProbsNumber()
	f.only("best_of", "ask for n choices, and choose", "1")
	f.only("suffix", "the model continues texts, it does not fill gaps", `""`)
	f.only("response_format", "answers are plain text", `{"type":"text"}`)
	c.job, err = x.common(f, x.s.o)
	if err == nil {
		err = x.compare(f, c.job, x.s.o)
	}
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return nil, err
	}
	if n := len(prompts) * c.choices; n > maxSequence {
		return nil, invalid("n", "%s with %s each: at most %d answers at once", text.Count(len(prompts), "prompt"), text.Count(c.choices, "choice"), maxSequence)
	}
	c.prompts, c.max, c.logProbs, c.top = prompts, limit, top >= 0, max(top, 0)
	c.promptLogProbs = c.echo && c.logProbs
	return c, x.fitContext(prompts, "prompt", min(limit, 1))
}

// logProbsNumber takes "logprobs" of a completion: how many of the likeliest tokens are to
// be told of beside each; −1 if none are, nor the tokens' own.
func (f *fields) logProbsNumber() int {
	const most = maxTop
	if raw := f.members["logprobs"]; string(raw) == "true" || string(raw) == "false" {
		f.fail(invalid("logprobs", "logprobs is %s: here it is a number from 0 to %d, as in OpenAI's completions; chats have true and false", raw, most))
	}
	return f.whole("logprobs", 0, most, -1)
}

// prompts takes "prompt": a text, token ids, or a list of several of one of them.
func (f *fields) prompts(l *loaded) (all [][]int32) {
	value := f.raw("prompt")
	var one string
	var texts []string
	var ids []tokenID
	var many [][]tokenID
	switch {
	case value == nil:
		f.fail(invalid("prompt", "there is no prompt: give a text, or a list of token ids"))
	case json.Unmarshal(value, &one) == nil:
		texts = []string{one}
	case json.Unmarshal(value, &texts) == nil && len(texts) > 0:
	case json.Unmarshal(value, &ids) == nil && len(ids) > 0:
		many = [][]tokenID{ids}
	case json.Unmarshal(value, &many) == nil && len(many) > 0:
	default:
		f.fail(invalid("prompt", "prompt must be a text, a list of texts, a list of token ids, or a list of such lists, and have something in it"))
	}
	if len(many) > 0 {
		return f.inVocabulary(l, "prompt", many)
	}
	for _, text := range texts {
		all = append(all, l.model.Tokenizer().Encode(text))
	}
	return all
}

// tokenID is an id that is written as one: null is none.
type tokenID int32

func (t *tokenID) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(string(data), 10, 32)
	*t = tokenID(n)
	return err
}

func (f *fields) inVocabulary(l *loaded, name string, prompts [][]tokenID) (all [][]int32) {
	vocab := l.model.Config().Vocab
	for _, p := range prompts {
		ids := make([]int32, len(p))
		for i, id := range p {
			if ids[i] = int32(id); id < 0 || int(id) >= vocab {
				f.fail(invalid(name, "%v", &engine.TokenError{ID: int32(id), Vocab: vocab}))
				return nil
			}
		}
		all = append(all, ids)
	}
	return all
}

// part is a piece of a completion's text, with the log-probabilities of its tokens.
type part struct {
	text     string
	logProbs *textLogProbs
}

// position is how far the text of a choice has come.
type position struct {
	characters int
	decoder    *engine.Decoder // nil before the first token
}

// add counts what a token adds to the text, and returns how many characters come before.
// A character that is spread over several tokens comes with the last of them. Of a prompt,
// control tokens are a part.
func (p *position) add(t *engine.Tokenizer, id int32, prompt bool) (at int) {
	if p.decoder == nil {
		p.decoder = t.Decoder()
		p.decoder.ShowControl = prompt
	}
	at = p.characters
	text, own := p.decoder.Push(id), string(t.Bytes(id))
	p.characters += utf8.RuneCountInString(text)
	if before, whole := strings.CutSuffix(text, own); whole && utf8.ValidString(own) { // what comes before was held back until now
		at += utf8.RuneCountInString(before)
	}
	return at
}

// part is what an event adds to a choice.
func (x *exchange) part(r *run, at []position, choice int, e engine.Event) part {
	p := part{text: e.Text}
	if !r.logProbs {
		return p
	}
	p.logProbs = newTextLogProbs()
	switch {
	case e.Prompt != nil:
		p.text = x.echoed(r, &at[choice], choice, p.logProbs, e.Prompt)
	case e.ID != engine.NoToken:
		x.addTextLogProbs(p.logProbs, at[choice].add(x.model.Tokenizer(), e.ID, false), e.ID, &e.LogProb, e.Top)
	}
	return p
}

// echo is the text that a choice begins with: its prompt, control tokens among it.
func (x *exchange) echo(r *run, choice int) string {
	return x.spelled(r.prompts[choice/r.choices])
}

// echoed is the same with the log-probabilities of its tokens, the first of which nothing
// predicts.
func (x *exchange) echoed(r *run, at *position, choice int, to *textLogProbs, probs []engine.TokenLogProb) string {
	for i, id := range r.prompts[choice/r.choices] {
		before := at.add(x.model.Tokenizer(), id, true)
		if i == 0 {
			x.addTextLogProbs(to, before, id, nil, nil)
		} else {
			x.addTextLogProbs(to, before, id, &probs[i-1].LogProb, probs[i-1].Top)
		}
	}
	text := x.echo(r, choice)
	*at = position{characters: utf8.RuneCountInString(text)}
	return text
}

func newTextLogProbs() *textLogProbs {
	return &textLogProbs{Tokens: []string{}, OfToken: []*float64{}, Top: []map[string]float64{}, Offset: []int{}}
}

// addTextLogProbs adds one token. p is nil for the first one of a prompt.
func (l *loaded) addTextLogProbs(to *textLogProbs, at int, id int32, p *float64, likeliest []engine.LogProb) {
	text := l.tokenText(id)
	to.Tokens, to.Offset = append(to.Tokens, text), append(to.Offset, at)
	if p == nil {
		to.OfToken, to.Top = append(to.OfToken, nil), append(to.Top, nil)
		return
	}
	own := finite(*p)
	top := map[string]float64{}
	for _, t := range likeliest {
		top[l.tokenText(t.ID)] = finite(t.LogProb)
	}
	if len(top) > 0 {
		top[text] = own // as with OpenAI, the token itself is among them
	} else {
		top = nil
	}
	to.OfToken, to.Top = append(to.OfToken, &own), append(to.Top, top)
}

// append adds tokens behind those that are there.
func (t *textLogProbs) append(more *textLogProbs) {
	t.Tokens, t.OfToken = append(t.Tokens, more.Tokens...), append(t.OfToken, more.OfToken...)
	t.Top, t.Offset = append(t.Top, more.Top...), append(t.Offset, more.Offset...)
}

// wholeTexts sends the answer when all of it is there.
func (x *exchange) wholeTexts(r *run, c *completionRequest) error {
	head, choices := x.head(r.job, "cmpl-", "text_completion"), make([]textChoice, len(r.streams))
	texts, at := make([]strings.Builder, len(r.streams)), make([]position, len(r.streams))
	for i := range choices {
		choices[i].Index, choices[i].madeUnder = i, x.madeUnder(r.job, i)
		if r.logProbs {
			choices[i].LogProbs = newTextLogProbs()
		}
		if c.echo && !r.logProbs {
			texts[i].WriteString(x.echo(r, i))
		}
	}
	results, err := r.collect(x.r.Context(), func(choice int, e engine.Event) {
		x.token(r)
		p := x.part(r, at, choice, e)
		texts[choice].WriteString(p.text)
		if p.logProbs != nil {
			choices[choice].LogProbs.append(p.logProbs)
		}
	})
	if err != nil {
		return err
	}
	for i, result := range results {
		x.finished(result)
		choices[i].Text, choices[i].FinishReason = texts[i].String(), &result.Finish
	}
	sendWhole(x, r, head, choices)
	return nil
}

// streamTexts sends the answer as it comes.
func (x *exchange) streamTexts(r *run, c *completionRequest) error {
	out := beginChunks[textChoice](x, x.head(r.job, "cmpl-", "text_completion"), c.how)
	at, under := make([]position, len(r.streams)), make([]madeUnder, len(r.streams))
	for i := range under {
		under[i] = x.madeUnder(r.job, i)
		if !c.echo || r.logProbs {
			continue
		}
		if err := out.choice(textChoice{Index: i, madeUnder: under[i], Text: x.echo(r, i)}); err != nil {
			return err
		}
	}
	whole, err := out.each(r, func(choice int, e engine.Event) error {
		p := x.part(r, at, choice, e)
		if p.text == "" && (p.logProbs == nil || len(p.logProbs.Tokens) == 0) {
			return nil
		}
		return out.choice(textChoice{Index: choice, madeUnder: under[choice], Text: p.text, LogProbs: p.logProbs})
	}, func(choice int, result engine.Result) error {
		return out.choice(textChoice{Index: choice, madeUnder: under[choice], FinishReason: &result.Finish})
	})
	if !whole {
		return err
	}
	return out.finish(r)
}
