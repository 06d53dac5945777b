package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Delta is a piece of an answer. One of its fields is set.
type Delta struct {
	Reasoning string
	Content   string
	Call      *CallDelta
}

// CallDelta is a tool call. A call comes whole, in one delta.
type CallDelta struct {
	Index     int // of the call in the answer, from 0
	ID        string
	Name      string
	Arguments string // a JSON object
}

// Parser tells reasoning, content and tool calls of a generated text apart, as it
// comes. However the text is cut into pieces, the deltas joined are the same.
//
// Reasoning is what stands in <think> tags at the beginning. A tool call is what
// stands in <tool_call> tags, as a JSON object (Qwen3) or as XML (Qwen3.5), if the
// request has tools. Tags, and the line breaks that set them off, belong to the
// template and are left out; a call that cannot be read is content, to the letter.
type Parser struct {
	// Salt makes the ids of calls differ between answers that call the same. It is set
	// before the first Push.
	Salt string

	functions map[string]parameters // by name; nil if there are no tools
	plain     bool                  // a model without a template: all is content
	state     parserState
	held      string // text that is not decided yet
	space     string // white space before the call that is being read
	from      int    // where in held to look for the call's end tag
	calls     int
	called    bool // nothing came since the last call
}

type parserState byte

const (
	atStart       parserState = iota // nothing but white space came
	atThought                        // the prompt opened the think tag, and nothing came
	beforeThought                    // the tag is open, and only line breaks came
	inThought
	afterThought // the tag is closed, and only line breaks came
	inContent
	inCall
)

const (
	thinkOpen = "<think>"
	thinkEnd  = "</think>"
	callOpen  = "<tool_call>"
	callEnd   = "</tool_call>"
)

const whiteSpace = " \t\r\n"

// Parser returns a parser of the answer to a prompt that was rendered with o.
func (t *Template) Parser(o Options) *Parser {
	o.Generate = true
	p := &Parser{plain: t.jinja == nil}
	if len(o.Tools) > 0 {
		p.functions = functions(o.Tools)
	}
	if t.ThinkOpen(o) {
		p.state = atThought
	}
	return p
}

// Push takes the next piece of the text and returns what is certain now. Part of a
// tag is never returned.
func (p *Parser) Push(text string) []Delta { return p.read(text, false) }

// Flush ends the text and returns what was held back.
func (p *Parser) Flush() []Delta { return p.read("", true) }

func (p *Parser) read(text string, last bool) []Delta {
	if p.plain {
		if text == "" {
			return nil
		}
		return []Delta{{Content: text}}
	}
	p.held += text
	var out []Delta
	for more := true; more; {
		switch p.state {
		case atStart, atThought:
			more = p.start(last)
		case inThought:
			out, more = p.thought(out, last)
		case beforeThought:
			more = p.skipBreaks(inThought)
		case afterThought:
			more = p.skipBreaks(inContent)
		case inContent:
			out, more = p.content(out, last)
		case inCall:
			out, more = p.call(out, last)
		}
	}
	return out
}

// start finds out whether the text begins with a think tag. Some models write the tag
// even though the prompt has opened it.
func (p *Parser) start(last bool) (more bool) {
	text := strings.TrimLeft(p.held, whiteSpace)
	if rest, ok := strings.CutPrefix(text, thinkOpen); ok {
		p.held, p.state = rest, beforeThought
		return true
	}
	if !last && strings.HasPrefix(thinkOpen, text) {
		return false
	}
	if p.state == atThought {
		p.state = beforeThought
	} else {
		p.state = inContent
	}
	return true
}

// skipBreaks leaves out the line breaks that follow a think tag.
func (p *Parser) skipBreaks(next parserState) (more bool) {
	p.held = strings.TrimLeft(p.held, "\n")
	if p.held == "" {
		return false
	}
	p.state = next
	return true
}

// thought reads reasoning. Line breaks at its ends belong to the tags.
func (p *Parser) thought(out []Delta, last bool) ([]Delta, bool) {
	text, rest, ended := strings.Cut(p.held, thinkEnd)
	switch {
	case ended:
		p.held, p.state = rest, afterThought
		text = strings.TrimRight(text, "\n")
	case last:
		p.held = ""
	default:
		text = strings.TrimRight(p.held[:len(p.held)-overlap(p.held, thinkEnd)], "\n")
		p.held = p.held[len(text):]
	}
	if text != "" {
		out = append(out, Delta{Reasoning: text})
	}
	return out, ended
}

// content reads text up to the next call.
func (p *Parser) content(out []Delta, last bool) ([]Delta, bool) {
	if p.functions == nil {
		out, p.held = p.emit(out, p.held), ""
		return out, false
	}
	text, rest, found := strings.Cut(p.held, callOpen)
	if last && !found {
		if p.called && strings.Trim(p.held, whiteSpace) == "" {
			p.held = ""
		}
		out, p.held = p.emit(out, p.held), ""
		return out, false
	}
	if !found {
		text = p.held[:len(p.held)-overlap(p.held, callOpen)]
	}
	// White space stays behind: it is left out if a call follows.
	sure := strings.TrimRight(text, whiteSpace)
	out = p.emit(out, sure)
	if !found {
		p.held = p.held[len(sure):]
		return out, false
	}
	p.space, p.held, p.from, p.state = text[len(sure):], rest, 0, inCall
	return out, true
}

// call reads a call up to an end tag that ends it. A tag inside a string or a value
// does not.
func (p *Parser) call(out []Delta, last bool) ([]Delta, bool) {
	for {
		if !mayBeCall(p.held) {
			return p.refuse(out), true
		}
		at := strings.Index(p.held[p.from:], callEnd)
		if at < 0 {
			break
		}
		at += p.from
		c, err := readCall(p.held[:at], p.functions)
		switch err {
		case nil:
			p.held = p.held[at+len(callEnd):]
			return p.accept(out, c), true
		case errUnfinished:
			p.from = at + len(callEnd)
			continue
		}
		return p.refuse(out), true
	}
	if !last {
		p.from = max(p.from, len(p.held)-len(callEnd)+1)
		return out, false
	}
	if c, err := readCall(p.held, p.functions); err == nil {
		p.held = ""
		return p.accept(out, c), true
	}
	return p.refuse(out), true
}

func (p *Parser) accept(out []Delta, c call) []Delta {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s", p.Salt, p.calls, c.name, c.arguments))
	out = append(out, Delta{Call: &CallDelta{
		Index: p.calls, ID: "call_" + hex.EncodeToString(h[:12]), Name: c.name, Arguments: c.arguments,
	}})
	p.calls++
	p.state, p.called, p.space = inContent, true, ""
	return out
}

// refuse makes content of the tag; what follows it is read anew.
func (p *Parser) refuse(out []Delta) []Delta {
	out = p.emit(out, p.space+callOpen)
	p.state, p.space = inContent, ""
	return out
}

func (p *Parser) emit(out []Delta, text string) []Delta {
	if text == "" {
		return out
	}
	p.called = false
	return append(out, Delta{Content: text})
}

// overlap is how many bytes at the end of a text may be the beginning of a tag.
func overlap(text, tag string) int {
	for n := min(len(tag)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, tag[:n]) {
			return n
		}
	}
	return 0
}
