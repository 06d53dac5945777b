package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"bankai/chat"
	"bankai/internal/text"
)

// converter makes examples of the records of one file.
type converter struct {
	file    *File
	ignored func(string)
	tally   func(what string, line int)
	labels  func([]string) // that there are, as a record says
}

// convert returns the examples of a record, and what is wrong with it or with some of its
// answers.
func (c *converter) convert(r record) (out []Example, faults []error) {
	base, err := c.base(r)
	if err != nil {
		return nil, []error{err}
	}
	switch c.file.Format {
	case Outputs, Pairs:
		out, err = c.preference(r, base)
	case Messages, Conversations:
		return c.conversation(r, base)
	case Judged, Completion:
		return c.completion(r, base)
	case Instruction, Question:
		return c.instruction(r, base)
	case Probes:
		out, err = c.probe(r, base)
	case Labelled:
		out, err = c.label(r, base)
	case PlainText:
		out, err = c.text(r, base)
	}
	if err != nil {
		return nil, []error{err}
	}
	return out, nil
}

// base is an example with what any format may say.
func (c *converter) base(r record) (Example, error) {
	e := Example{Source: c.file.Path, Line: r.line, Kind: Answer, Weight: 1}
	if err := firstText(r, &e.Category, "category"); err != nil {
		return e, err
	}
	if err := firstText(r, &e.Group, "group"); err != nil {
		return e, err
	}
	for _, key := range []string{"name", "id", "custom_id"} {
		if id, err := content(r.fields[key]); err == nil && id != "" {
			e.Name = text.Clip(text.Line(id), 80)
			break
		}
	}
	if err := firstText(r, &e.Match, "match", "judge"); err != nil {
		return e, err
	}
	if err := checkMatch(e.Match); err != nil {
		return e, err
	}
	if raw := r.fields["weight"]; !isNull(raw) {
		s, _ := content(raw)
		w, err := strconv.ParseFloat(s, 64)
		if err != nil || !(w >= 0 && w <= 1e6) {
			return e, fmt.Errorf("weight is %s: give a number from 0 on", text.Clip(text.Printable(string(raw)), 20))
		}
		e.Weight = w
	}
	var err error
	e.Tools, err = tools(first(r, "tools", "functions"))
	return e, err
}

// checkMatch says whether a way of judging is known.
func checkMatch(match string) error {
	if expr, ok := strings.CutPrefix(match, "regex:"); ok {
		if _, err := regexp.Compile(expr); err != nil {
			return fmt.Errorf("match: %w", err)
		}
		return nil
	}
	if !slices.Contains([]string{"", "exact", "contains", "number", "choice", "json", "tool"}, match) {
		return fmt.Errorf("match %q is not known: give exact, contains, number, choice, json, tool or regex:EXPRESSION", text.Clip(text.Printable(match), 40))
	}
	return nil
}

// conversation makes an example of every answer in it.
func (c *converter) conversation(r record, base Example) ([]Example, []error) {
	key := pick(r.keys, "messages|conversations|conversation")
	ts, err := turns(r.fields[key], key, c.ignored)
	if err == nil {
		ts, err = withSystem(r, ts)
	}
	if err != nil {
		return nil, []error{err}
	}
	return c.answers(base, ts, 0)
}

// withSystem puts what stands under the key system before the messages.
func withSystem(r record, ts []turn) ([]turn, error) {
	var s string
	if err := firstText(r, &s, "system"); err != nil || strings.TrimSpace(s) == "" {
		return ts, err
	}
	return append([]turn{{Message: chat.Message{Role: "system", Content: s}}}, ts...), nil
}

// answers makes an example of every message of an assistant from a place on.
func (c *converter) answers(base Example, ts []turn, from int) (out []Example, faults []error) {
	messages := make([]chat.Message, len(ts))
	for i, t := range ts {
		messages[i] = t.Message
	}
	found := false
	for i, t := range ts {
		if i > 0 && t.Role == ts[i-1].Role && t.Role != "tool" {
			c.tally("has two messages of one role in a row, and is taken as it is", base.Line)
		}
		if t.Role != "assistant" || i < from {
			continue
		}
		if !slices.ContainsFunc(messages[:i], func(m chat.Message) bool { return m.Role == "user" || m.Role == "tool" }) {
			c.tally("begins with the assistant: that answers nothing, and is not learnt", base.Line)
			continue
		}
		found = true
		if t.weight == 0 {
			c.file.Left++
			continue
		}
		if err := checkAnswer(t.Message); err != nil {
			faults = append(faults, fmt.Errorf("messages[%d]: %w", i, err))
			continue
		}
		e := base
		e.Messages, e.Want, e.Weight = messages[:i:i], t.Message, base.Weight*t.weight
		out = append(out, e)
	}
	if !found {
		faults = append(faults, errors.New("no message of an assistant answers one of a user: there is nothing to learn"))
	}
	return out, faults
}

// checkAnswer says why an answer cannot be learnt.
func checkAnswer(m chat.Message) error {
	if strings.TrimSpace(m.Content) == "" && len(m.ToolCalls) == 0 {
		return errors.New("the answer is empty: give one, or leave the record out")
	}
	return nil
}

// isList says whether a value is a list of messages.
func isList(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }

// completion reads a prompt and what follows it: texts, or lists of messages.
func (c *converter) completion(r record, base Example) ([]Example, []error) {
	key := pick(r.keys, "completion|response|answer|output")
	if c.file.Format == Judged {
		wanted, err := isWanted(r.fields["label"])
		if err != nil {
			return nil, []error{err}
		}
		if !wanted {
			c.file.Left++
			return nil, nil
		}
	}
	if isList(r.fields["prompt"]) || isList(r.fields[key]) {
		return c.messagesAndAnswer(r, base, key)
	}
	prompt, answer, err := promptAndAnswer(r, "prompt", key)
	if err != nil {
		return nil, []error{err}
	}
	system, err := withSystem(r, nil)
	if err != nil {
		return nil, []error{err}
	}
	if system != nil {
		return c.answers(base, exchange(system, prompt, answer), 0)
	}
	base.Prompt, base.Want = prompt, said(answer)
	c.checkBorder(prompt, answer, base.Line)
	return []Example{base}, nil
}

// isWanted reads the mark of an answer.
func isWanted(raw json.RawMessage) (bool, error) {
	s, err := content(raw)
	if wanted, bad := strconv.ParseBool(s); err == nil && bad == nil {
		return wanted, nil
	}
	return false, fmt.Errorf("label is %s: beside prompt and completion it is true or false", text.Clip(text.Printable(string(raw)), 40))
}

// messagesAndAnswer reads a prompt and an answer of which at least one is a list.
func (c *converter) messagesAndAnswer(r record, base Example, key string) ([]Example, []error) {
	ts, err := asTurns(r, "prompt", "user", c.ignored)
	if err != nil {
		return nil, []error{err}
	}
	answer, err := asTurns(r, key, "assistant", c.ignored)
	if err != nil {
		return nil, []error{err}
	}
	if ts, err = withSystem(r, ts); err != nil {
		return nil, []error{err}
	}
	return c.answers(base, append(ts, answer...), len(ts))
}

// asTurns reads a list of messages, or a text that someone of the role says.
func asTurns(r record, key, role string, ignored func(string)) ([]turn, error) {
	raw := r.fields[key]
	if isList(raw) || len(raw) > 0 && raw[0] == '{' {
		return turns(raw, key, ignored)
	}
	s, err := content(raw)
	if err == nil && strings.TrimSpace(s) == "" {
		err = errors.New("is empty: give one, or leave the record out")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return []turn{{chat.Message{Role: role, Content: s}, 1}}, nil
}

// promptAndAnswer reads two texts, neither of which may be empty.
func promptAndAnswer(r record, promptKey, answerKey string) (prompt, answer string, err error) {
	if err = firstText(r, &prompt, promptKey); err == nil {
		err = firstText(r, &answer, answerKey)
	}
	if err != nil {
		return "", "", err
	}
	for _, x := range []struct{ key, value string }{{promptKey, prompt}, {answerKey, answer}} {
		if strings.TrimSpace(x.value) == "" {
			return "", "", fmt.Errorf("%s is empty: give one, or leave the record out", x.key)
		}
	}
	return prompt, answer, nil
}

// checkBorder counts prompts whose answer follows without white space between words.
func (c *converter) checkBorder(prompt, answer string, line int) {
	p, a := []rune(prompt[max(0, len(prompt)-4):]), []rune(answer[:min(len(answer), 4)])
	if len(p) == 0 || len(a) == 0 || unicode.IsSpace(p[len(p)-1]) || unicode.IsSpace(a[0]) {
		return
	}
	c.tally("has no white space between the prompt and the answer, which is said just so: begin answers with a space if one belongs there", line)
}

// said is a message of the assistant.
func said(answer string) chat.Message { return chat.Message{Role: "assistant", Content: answer} }

func exchange(ts []turn, prompt, answer string) []turn {
	return append(ts, turn{chat.Message{Role: "user", Content: prompt}, 1}, turn{said(answer), 1})
}

// instruction reads what a user asks, with what belongs to it on the next line, and the
// answer; earlier exchanges come first.
func (c *converter) instruction(r record, base Example) ([]Example, []error) {
	prompt, answer, err := promptAndAnswer(r, pick(r.keys, "instruction|question"), pick(r.keys, "output|response|completion|answer"))
	var more string
	if err == nil {
		err = firstText(r, &more, "input", "context")
	}
	if err != nil {
		return nil, []error{err}
	}
	if strings.TrimSpace(more) != "" {
		prompt += "\n" + more
	}
	ts, err := withSystem(r, nil)
	if err != nil {
		return nil, []error{err}
	}
	var history [][]string
	if raw := r.fields["history"]; !isNull(raw) {
		if json.Unmarshal(raw, &history) != nil {
			return nil, []error{errors.New("history is not a list of pairs of texts")}
		}
	}
	for _, pair := range history {
		if len(pair) != 2 {
			return nil, []error{errors.New("history is not a list of pairs of texts")}
		}
		ts = exchange(ts, pair[0], pair[1])
	}
	return c.answers(base, exchange(ts, prompt, answer), 0)
}

// probe reads a prompt with a right and, as a rule, a wrong answer. What is to be learnt is
// the right one; how it does against the wrong one may be measured.
func (c *converter) probe(r record, base Example) ([]Example, error) {
	prompt, answer, err := promptAndAnswer(r, "prompt", "correct")
	var wrong string
	if err == nil {
		err = firstText(r, &wrong, "wrong")
	}
	if err != nil {
		return nil, err
	}
	base.Prompt, base.Want = prompt, said(answer)
	if wrong != "" {
		m := said(wrong)
		base.Rejected = &m
	}
	if raw := r.fields["alternates"]; !isNull(raw) && json.Unmarshal(raw, &base.Alternates) != nil {
		return nil, errors.New("alternates is not a list of texts")
	}
	return []Example{base}, nil
}

func (c *converter) label(r record, base Example) ([]Example, error) {
	prompt, label, err := promptAndAnswer(r, pick(r.keys, "text|sentence"), "label")
	if err != nil {
		return nil, err
	}
	label = strings.TrimSpace(label)
	if raw := unwrapped(r.fields["labels"]); !isNull(raw) {
		var all []string
		if json.Unmarshal(raw, &all) != nil {
			return nil, errors.New("labels is not a list of texts: give all labels there are, or leave the key out")
		}
		c.labels(all)
	}
	base.Kind, base.Prompt, base.Label, base.Want = Label, prompt, label, said(label)
	return []Example{base}, nil
}

func (c *converter) text(r record, base Example) ([]Example, error) {
	var s string
	if err := firstText(r, &s, "text"); err != nil {
		return nil, err
	}
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("the text is empty: leave the record out")
	}
	base.Kind, base.Want = Text, said(s)
	return []Example{base}, nil
}
