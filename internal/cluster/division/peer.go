package division

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// Peer is a machine that measures blocks: it answers what it is asked with the bits that
// any other gives. Requests of one peer may overlap; it may do one after another. It
// begins with the first part and goes on in their order, or does all of them side by side.
//
// got is called one at a time, and its error ends the request; a peer must return soon
// after ctx ends. busy is what the machine spent on the request, without waiting for
// others or the network; 0 if it cannot tell. An error means that the machine can no
// longer be relied on.
type Peer interface {
	// Name is for people.
	Name() string
	// Values gives [move][question] for every part, in any order.
	Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (busy time.Duration, err error)
	// Effects gives, for every block, its effects tensor by tensor from the top, then nil.
	// The numbers are the receiver's from then on.
	Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(i int, e *score.Effects) error) (busy time.Duration, err error)
}

// Query is what a call asks of every part: the values of moves, or what is predicted of
// flips.
type Query struct {
	Patch *bankai.Patch // that is there before
	Moves []search.Move
	Want  *search.Want          // nil: values of the moves
	Flips map[score.Subject]int // what effects are wanted of, and of how many flips
}

// Here is the coordinator's own machine.
type Here struct{ Evaluator Evaluator }

// Name implements [Peer].
func (h Here) Name() string { return "this machine" }

// Values implements [Peer].
func (h Here) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (time.Duration, error) {
	return Values(ctx, h.Evaluator, Query{Patch: cur, Moves: moves}, parts, got)
}

// Effects implements [Peer].
func (h Here) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(i int, e *score.Effects) error) (time.Duration, error) {
	return Effects(ctx, h.Evaluator, Query{Patch: cur, Want: &w}, blocks, got)
}

// Evaluator is what measures blocks on this machine: a *score.Evaluator.
type Evaluator interface {
	Values(ctx context.Context, cur *bankai.Patch, b score.Block, moves []search.Move, Querys []int) ([][]float64, error)
	Effects(ctx context.Context, cur *bankai.Patch, b score.Block, w search.Want, emit func(score.Effects) error) error
}

// Values measures the moves of a query on parts, one after another; got is told [move][question]
// in nats. busy is without the time that got takes. A panic becomes an error.
func Values(ctx context.Context, e Evaluator, q Query, parts []score.Part, got func(i int, values [][]float64) error) (busy time.Duration, err error) {
	defer recovered(&err)
	for i, p := range parts {
		began := time.Now()
		values, err := e.Values(ctx, q.Patch, p.Block, q.Moves, p.Questions)
		busy += time.Since(began)
		if err != nil {
			return busy, err
		}
		if err := got(i, values); err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// Effects predicts the flips that a query wants on blocks, one after another, each tensor by
// tensor from the top; got is told nil behind the last. busy is without the time that got
// takes. A panic becomes an error.
func Effects(ctx context.Context, e Evaluator, q Query, blocks []score.Block, got func(i int, e *score.Effects) error) (busy time.Duration, err error) {
	defer recovered(&err)
	for i, b := range blocks {
		began := time.Now()
		var elsewhere time.Duration
		err := e.Effects(ctx, q.Patch, b, *q.Want, func(said score.Effects) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			waits := time.Now()
			defer func() { elsewhere += time.Since(waits) }()
			return got(i, &said)
		})
		busy += time.Since(began) - elsewhere
		if err == nil {
			err = got(i, nil)
		}
		if err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// recovered makes an error of a panic: what a request asks must not end the program of the
// one who answers.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("a fault in the program: %v\n%s", p, debug.Stack())
	}
}
