package main

import (
	"math"
	"syscall/js"
	"time"
	"unicode/utf8"

	"bankai/engine"
)

// teller tells the page of the tokens of one answer.
type teller struct {
	engine      *engineOf
	set         int
	tell        js.Value
	first, last time.Time
}

// told is what the page hears of a token: its text, its log-probability, those of the
// likeliest, as [text, log-probability] each, and its bytes if they are no text.
type told struct {
	Set   int    `json:"set"`
	Token [4]any `json:"token"`
}

// token tells of a token, and then lets the worker hear what the page has to say. Text that
// had been held back comes with the answer.
func (t *teller) token(happened engine.Event) {
	if happened.ID == engine.NoToken {
		return
	}
	if t.last = time.Now(); t.first.IsZero() {
		t.first = t.last
	}
	likeliest := make([][2]any, len(happened.Top))
	for i, p := range happened.Top {
		likeliest[i] = [2]any{t.text(p.ID), finite(p.LogProb)}
	}
	v, err := valueOf(told{t.set, [4]any{t.text(happened.ID), finite(happened.LogProb), likeliest, t.part(happened.ID)}})
	if err != nil {
		panic(err) // it holds texts and numbers
	}
	t.tell.Invoke(v)
	t.engine.yield.pause()
}

func (t *teller) text(id int32) string { return t.engine.model.Tokenizer().Text(id) }

// part are the bytes of a token that is a part of a character, nil of another.
func (t *teller) part(id int32) (bytes []int) {
	raw := t.engine.model.Tokenizer().Bytes(id)
	if utf8.Valid(raw) {
		return nil
	}
	for _, b := range raw {
		bytes = append(bytes, int(b))
	}
	return bytes
}

// finite is a log-probability as JSON can hold it, by the rule that the server has, too: the
// page knows what is so small for nothing.
func finite(p float64) float64 {
	if math.IsNaN(p) {
		return -9999
	}
	return max(p, -9999)
}
