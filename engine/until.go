package engine

import (
	"slices"
	"strings"
)

// Until says where a generation ends, besides at an end token of the model and at the
// stop texts: it is Request.Stop for what is often wanted, and can be sent to another
// machine. The zero value ends nothing.
type Until struct {
	Line LineBreak
	// Tokens end it as soon as one of them is generated, which is part of the result.
	Tokens []int32
}

// LineBreak says which line break ends a generation. The token that has it is part of the
// result, with what it has behind the break.
type LineBreak uint8

const (
	NoLine    LineBreak = iota // none
	AnyLine                    // the first
	FirstLine                  // the first behind something else than spaces, tabs and line breaks
)

// blank is what may stand before the first line.
const blank = " \t\r\n"

// Reached says whether ids, which a generation has so far, end it. There is at least one.
func (u Until) Reached(tok *Tokenizer, ids []int32) bool {
	last := ids[len(ids)-1]
	if slices.Contains(u.Tokens, last) {
		return true
	}
	if u.Line == NoLine || !strings.Contains(tok.Decode([]int32{last}), "\n") {
		return false
	}
	return u.Line == AnyLine || strings.Contains(strings.TrimLeft(tok.Decode(ids), blank), "\n")
}
