package engine

import (
	"errors"
	"fmt"
)

// The errors in this file are those that a request can cause. They come wrapped in the
// place where the fault is, so find them with errors.Is and errors.As. Of a context that
// ends, the error is that of the context.
var (
	// ErrEmptyPrompt says that there is nothing to continue.
	ErrEmptyPrompt = errors.New("the prompt has no tokens")
	// ErrStaleOverlay says that a workbench's overlay is older than a patch applied there.
	ErrStaleOverlay = errors.New("the overlay was made before the model was patched in place: make it anew")
)

// TooLongError says that a sequence would have more tokens than the model's context.
type TooLongError struct{ Tokens, Limit int }

// Error gives both numbers.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("%d tokens exceed the model's context of %d", e.Tokens, e.Limit)
}

// TokenError says that there is no token with this ID: those of the model are 0 to
// Vocab-1.
type TokenError struct {
	ID    int32
	Vocab int
}

// Error gives both numbers.
func (e *TokenError) Error() string {
	return fmt.Sprintf("token id %d is outside the vocabulary of %d", e.ID, e.Vocab)
}

// OtherModelError says that something was made for another model or workbench.
type OtherModelError struct{ What string } // "overlay" or "adapter"

// Error says what it is.
func (e *OtherModelError) Error() string {
	return fmt.Sprintf("the %s belongs to another model", e.What)
}

// SamplingError says that a parameter of a Sampling is outside its range.
type SamplingError struct {
	// Field is "temperature", "top-k", "top-p", "min-p", "presence penalty", "frequency
	// penalty", "repeat penalty", "repeat last" or "bias".
	Field string
	Value any    // of the field: a float64, or the int of top-k and repeat last
	Range string // what is allowed, for people
}

// Error says which parameter it is, and what is allowed.
func (e *SamplingError) Error() string {
	return fmt.Sprintf("%s %v: must be %s", e.Field, e.Value, e.Range)
}

// StopTextError refuses a stop text that every text has, the empty one, or that none can
// have, because it is not UTF-8.
type StopTextError struct {
	Index int // in the request
	Text  string
}

// Error says what is wrong with it.
func (e *StopTextError) Error() string {
	if e.Text == "" {
		return "a stop text is empty: give it some text, or leave it out"
	}
	return fmt.Sprintf("stop text %q is not UTF-8, so no text can hold it: give it as UTF-8", e.Text)
}

// TopLogProbsError refuses to tell of fewer than 0 tokens, or of more than there are.
type TopLogProbsError struct{ N, Vocab int }

// Error gives both numbers.
func (e *TopLogProbsError) Error() string {
	return fmt.Sprintf("log-probabilities of %d tokens wanted: must be between 0 and the vocabulary's %d", e.N, e.Vocab)
}
