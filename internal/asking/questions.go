package asking

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"bankai"
	"bankai/chat"
	"bankai/dataset"
	"bankai/engine"
	words "bankai/internal/text"
	"bankai/judge"
	"bankai/measure"
)

// Questions are what a model is asked of a dataset, by what can be said of the answers.
type Questions struct {
	Free       []measure.Asked  // answers that are right or wrong, by generating them
	Preferred  []measure.Scored // chosen, rejected: by likelihood
	Labelled   []measure.Scored // the wanted label first, then the others: by likelihood
	Labels     []string
	Likely     []measure.Scored // wanted answers and texts: how likely they are
	Undecided  int              // answers among Likely for which there is no right or wrong
	TooLong    []string         // examples that do not fit into the model's context
	Unrendered []string         // and those that cannot be written for it, or judged: why, by name
}

// Digest identifies questions by what is asked and wanted, in tokens.
func (q *Questions) Digest() bankai.Digest {
	h := sha256.New()
	for _, s := range slices.Concat(q.Preferred, q.Labelled, q.Likely) {
		fmt.Fprintln(h, s.Prompt, s.Answers) // a hash does not fail
	}
	return bankai.Digest(h.Sum(nil))
}

// Prompts are what is asked, as people read it. One that follows itself is there once.
func (q *Questions) Prompts() (prompts []string) {
	for _, s := range slices.Concat(q.Preferred, q.Labelled, q.Likely) {
		if len(prompts) == 0 || prompts[len(prompts)-1] != s.Shown {
			prompts = append(prompts, s.Shown)
		}
	}
	return prompts
}

// Options say how questions are made.
type Options struct {
	Rule  *judge.Rule // for all answers; nil: what the data say, else [judge.Default]
	Other bool        // someone else judges, so that every answer is right or wrong
}

// New makes the questions of examples for a model. An example whose own rule cannot judge
// what is wanted is left out; if the rule is that of all, it is an error that names it.
func New(m *engine.Model, r *Renderer, d *dataset.Dataset, o Options) (*Questions, error) {
	q := &Questions{Labels: d.Labels}
	for _, e := range d.Examples {
		if err := q.add(m, r, e, o); err != nil {
			return nil, fmt.Errorf("%s:%d (%s): %w", e.Source, e.Line, e.Name, err)
		}
	}
	return q, nil
}

func (q *Questions) add(m *engine.Model, r *Renderer, e dataset.Example, o Options) error {
	s, err := scored(r, e, q.Labels)
	if err != nil {
		q.Unrendered = append(q.Unrendered, e.Name+": "+err.Error())
		return nil
	}
	for _, a := range s.Answers {
		// The last token is predicted, not read.
		if m.Context() > 0 && len(s.Prompt)+len(a)-1 > m.Context() {
			q.TooLong = append(q.TooLong, e.Name)
			return nil
		}
	}
	if e.Kind == dataset.Answer && o.Rule == nil {
		if _, _, err := ruleOf(e, o); err != nil { // its own match is wrong for it
			q.Unrendered = append(q.Unrendered, e.Name+": "+err.Error())
			return nil
		}
	}
	switch e.Kind {
	case dataset.Preference:
		q.Preferred = append(q.Preferred, s)
	case dataset.Label:
		q.Labelled = append(q.Labelled, s)
		return nil
	}
	one := s
	one.Answers, one.Texts = s.Answers[:1], s.Texts[:1]
	q.Likely = append(q.Likely, one)
	if e.Kind != dataset.Answer {
		return nil
	}
	return q.addFree(r, e, s, o)
}

// addFree adds the question of an example whose answer can be right.
func (q *Questions) addFree(r *Renderer, e dataset.Example, s measure.Scored, o Options) error {
	rule, w, err := ruleOf(e, o)
	if err != nil {
		return err
	}
	if rule.Kind == "" && !o.Other {
		q.Undecided++
		return nil
	}
	prompt, err := r.Prompt(e)
	if err != nil {
		return err
	}
	q.Free = append(q.Free, measure.Asked{
		Name: e.Name, Category: e.Category, Shown: s.Shown, Prompt: prompt, Line: r.isLine(e),
		Wanted: w, WantedTokens: len(s.Answers[0]), Rule: rule, Read: r.reader(e),
	})
	return nil
}

// ruleOf is how an answer is judged; without a kind if it is neither right nor wrong, or
// someone else judges.
func ruleOf(e dataset.Example, o Options) (rule judge.Rule, w judge.Wanted, err error) {
	w = judge.Wanted{Text: e.Want.Content, Alternates: e.Alternates}
	for _, c := range e.Want.ToolCalls {
		w.Calls = append(w.Calls, judge.Call{Name: c.Name, Arguments: c.Arguments})
	}
	switch {
	case o.Other:
		return judge.Rule{}, w, nil
	case o.Rule != nil:
		rule = *o.Rule
	case e.Match != "":
		if rule, err = judge.Parse(e.Match); err != nil {
			return rule, w, err
		}
	default:
		rule, ok := judge.Default(w)
		if !ok {
			rule = judge.Rule{}
		}
		return rule, w, nil
	}
	return rule, w, rule.Check(w)
}

// scored is an example's prompt with the answers whose likelihood is asked for.
func scored(r *Renderer, e dataset.Example, labels []string) (s measure.Scored, err error) {
	answers := []chat.Message{e.Want}
	switch e.Kind {
	case dataset.Preference:
		answers = append(answers, *e.Rejected)
	case dataset.Label:
		for _, l := range labels {
			if l != e.Label {
				answers = append(answers, chat.Message{Content: l})
			}
		}
	case dataset.Text:
		return text(r, e)
	}
	s = measure.Scored{Name: e.Name, Category: e.Category, Shown: shown(e)}
	for _, a := range answers {
		s.Texts = append(s.Texts, a.Content)
	}
	if e.Kind == dataset.Label {
		s.Texts[0] = e.Label
	}
	s.Prompt, s.Answers, err = r.Scored(e, answers...)
	return s, err
}

// text is a text of which all but the first token is to be likely.
func text(r *Renderer, e dataset.Example) (s measure.Scored, err error) {
	ids := r.tok.EncodeOrdinary(e.Prompt + e.Want.Content)
	if len(ids) < 2 {
		return s, fmt.Errorf("it is a text of %s, and two are needed: the first is given, the others are predicted", words.Count(len(ids), "token"))
	}
	return measure.Scored{
		Name: e.Name, Category: e.Category, Shown: shown(e),
		Prompt: ids[:1], Answers: [][]int32{slices.Clone(ids[1:])}, Texts: []string{e.Want.Content},
	}, nil
}
