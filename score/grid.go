package score

import (
	"context"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/search"
)

// grid is a table of values in the making: one row a move, one column a
// question. What is wanted is collected first, so that it can share batches.
type grid struct {
	e      *Evaluator
	rows   []gridRow
	wanted []place
}

// gridRow is one move.
type gridRow struct {
	overlay  *engine.Overlay
	above    engine.Cut // nothing below is changed
	screened bool       // given up: nothing more is wanted
	values   []float64  // NaN where not scored yet
}

type place struct{ row, question int }

// newGrid has a row for each move, on the patch that is in place: what no move
// changes is known already.
func (e *Evaluator) newGrid(moves []search.Move) (*grid, error) {
	g := e.newRows(moves)
	for i, m := range moves {
		if len(m.Flips) == 0 {
			g.rows[i].values = e.answered()
			continue
		}
		overlay, err := e.model.Overlay(bankai.New(e.model.Digest(), bankai.Meta{}, m.Flips...))
		if err != nil {
			return nil, err
		}
		g.rows[i].overlay = overlay
	}
	return g, nil
}

// newRows has a row for each move, of which nothing is known.
func (e *Evaluator) newRows(moves []search.Move) *grid {
	g := &grid{e: e, rows: make([]gridRow, len(moves))}
	for i, m := range moves {
		g.rows[i].values = slices.Repeat([]float64{math.NaN()}, len(e.questions))
		if len(m.Flips) > 0 {
			g.rows[i].above = e.below(m.Flips)
		}
	}
	return g
}

// want asks for those values of some questions that are not there yet.
func (g *grid) want(questions []int) {
	for i, row := range g.rows {
		for _, q := range questions {
			if !row.screened && math.IsNaN(row.values[q]) {
				g.wanted = append(g.wanted, place{i, q})
			}
		}
	}
}

// fill computes what was asked for.
func (g *grid) fill(ctx context.Context) error {
	branches := make([]engine.Branch, len(g.wanted))
	for i, w := range g.wanted {
		branches[i] = engine.Branch{Question: w.question, Overlay: g.rows[w.row].overlay, Above: g.rows[w.row].above}
	}
	answers, err := g.e.trunk.Score(ctx, branches)
	if err != nil {
		return err
	}
	for i, w := range g.wanted {
		g.rows[w.row].values[w.question] = g.e.questions[w.question].value(answers[i])
	}
	g.wanted = g.wanted[:0]
	return nil
}

// fillThere asks elsewhere for the values of some questions of the moves that were not
// given up. Of a single move it asks for all at once, so that what follows from them is
// kept there in case the move is.
func (g *grid) fillThere(ctx context.Context, m Measurer, cur *bankai.Patch, moves []search.Move, questions []int) error {
	var left []search.Move
	var at []int
	for i, row := range g.rows {
		if !row.screened && slices.ContainsFunc(questions, func(q int) bool { return math.IsNaN(row.values[q]) }) {
			left, at = append(left, moves[i]), append(at, i)
		}
	}
	if len(left) == 0 {
		return nil
	}
	if len(questions) == len(g.e.questions) {
		questions = nil
	}
	values, err := g.e.valuesThere(ctx, m, cur, left, questions)
	if err != nil {
		return err
	}
	for k, i := range at {
		for q, x := range values[k] {
			if !math.IsNaN(x) {
				g.rows[i].values[q] = x
			}
		}
	}
	return nil
}
