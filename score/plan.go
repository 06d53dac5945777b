package score

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/probe"
	"bankai/search"
)

// Method is the name of a strategy.
type Method string

// The methods there are.
const (
	MethodGuided  Method = "guided"  // [search.NewGuided]
	MethodSampled Method = "sampled" // [search.NewAccumulator], for many items
	MethodGreedy  Method = "greedy"  // [search.NewGreedy], the published one
	MethodEvolve  Method = "evolve"  // [search.NewEvolve]
	MethodVote    Method = "vote"    // [search.Vote] of several guided searches
	MethodRandom  Method = "random"  // [search.NewRandom]
)

var methods = []Method{MethodGuided, MethodSampled, MethodGreedy, MethodEvolve, MethodVote, MethodRandom}

// String returns the name.
func (m Method) String() string { return string(m) }

// ParseMethod is the inverse of String.
func ParseMethod(s string) (Method, error) {
	if slices.Contains(methods, Method(s)) {
		return Method(s), nil
	}
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = string(m)
	}
	last := len(names) - 1
	return "", fmt.Errorf("unknown strategy %q: use %s or %s", s, strings.Join(names[:last], ", "), names[last])
}

// Guided reports whether a strategy goes by predictions.
func (m Method) Guided() bool {
	return m == MethodGuided || m == MethodSampled || m == MethodVote || m == MethodEvolve
}

const (
	// ManyTokens is the number of tokens of targets from which on a search goes by
	// samples, if nothing else is said. A guided round costs about 11 passes over all
	// targets, with one granularity; on the 1.7B shape and two cores, where a pass over
	// so many tokens takes over 2 minutes, that is half an hour, and an overnight search has
	// 16 of them.
	ManyTokens = 32768
	// manyBlocks is how many blocks there must be: with fewer, samples save nothing.
	manyBlocks = 4
	// DefaultBlock is the usual number of targets in a block: fewer do not tell what
	// helps from chance, see [search.Accumulator].
	DefaultBlock = 64

	// MaxDraws bounds the draws of a vote, and MaxSizes the granularities that take turns:
	// each has memory of its own from the beginning.
	MaxDraws = 1000
	MaxSizes = 16
)

// MethodFor is the method that suits targets: by samples, where there are many.
func MethodFor(targets []Item) Method {
	tokens := 0
	for _, i := range targets {
		q := newQuestion(i)
		tokens += q.Tokens()
	}
	if tokens >= ManyTokens && len(targets) >= manyBlocks*DefaultBlock {
		return MethodSampled
	}
	return MethodGuided
}

// Plan says how to search a model for a patch.
type Plan struct {
	Method      Method
	Sizes       []search.Granularity // one; guided searches and votes take several, used in turn
	Layers      []int                // none: all
	Projections []string             // as [Matrices] takes them
	Objective   Objective
	Screen      int      // targets to screen candidates on; 0 for no screening
	Text        []string // lines to hold on to, see [Options]
	Keep        []Item   // likewise
	Seed        uint64
	Limits      search.Config // Steps, MaxFlips, MaxBytes, MaxCost and Prune
	Block       int           // of a search by samples: targets in a block
	Draws       int           // of a vote
	Votes       int           // that a flip needs
}

// NewPlan is the usual plan of a method, by rows of all layers, without limits:
// greedy and random searches as published, but for the metric; guided ones with
// what has helped them.
func NewPlan(m Method) Plan {
	p := Plan{
		Method: m, Sizes: []search.Granularity{search.Row}, Projections: []string{"gate", "up"}, Screen: DefaultScreen, Block: DefaultBlock, Draws: 3, Votes: 2,
		Objective: Objective{Metric: probe.AnswerLogprob, Reduce: Mean, Penalty: DefaultPenalty},
	}
	if m.Guided() {
		p.Projections = append(p.Projections, "v", "o")
		p.Objective.Slack, p.Screen, p.Limits.Prune = DefaultSlack, 0, true
	}
	return p
}

// Check reports what a strategy cannot do, and numbers that have no meaning, as a
// *search.OptionError. It does not ask how many probes there are.
func (p Plan) Check() error {
	if _, err := ParseMethod(string(p.Method)); err != nil {
		return err
	}
	several := p.Method == MethodGuided || p.Method == MethodSampled || p.Method == MethodVote
	switch {
	case len(p.Sizes) == 0, len(p.Sizes) > 1 && !several:
		return &search.OptionError{Field: "Sizes", Value: p.Sizes, Rule: fmt.Sprintf("%s searches by one granularity, not %d", p.Method, len(p.Sizes))}
	case slices.Contains(p.Sizes, search.Bit) && !p.Method.Guided():
		return &search.OptionError{Field: "Sizes", Value: p.Sizes, Rule: fmt.Sprintf("%s draws rows or groups: use guided for bits", p.Method)}
	case len(p.Sizes) > MaxSizes:
		return &search.OptionError{Field: "Sizes", Value: len(p.Sizes), Rule: fmt.Sprintf("at most %d can take turns", MaxSizes)}
	case p.Method == MethodSampled && p.Block < 1:
		return &search.OptionError{Field: "Block", Value: p.Block, Rule: "a block has at least 1 target"}
	case p.Method == MethodSampled && p.Block > math.MaxInt32:
		return &search.OptionError{Field: "Block", Value: p.Block, Rule: fmt.Sprintf("a block has at most %d targets", math.MaxInt32)}
	case p.Method == MethodVote && p.Draws > MaxDraws:
		return &search.OptionError{Field: "Draws", Value: p.Draws, Rule: fmt.Sprintf("must be at most %d", MaxDraws)}
	case p.Method == MethodVote && (p.Votes < 1 || p.Votes > p.Draws):
		return &search.OptionError{Field: "Votes", Value: p.Votes, Rule: "a flip can have from 1 vote to as many as there are draws"}
	}
	return p.Objective.Check()
}

// planned is a strategy that a journal can tell from others.
type planned interface {
	search.Strategy
	search.Describer
}

// samples are those that the plan needs.
func (p Plan) samples() Samples {
	if p.Method != MethodSampled {
		return Samples{}
	}
	return Samples{p.Block, p.Seed}
}

// strategy makes the strategy of a plan that was checked: of a vote, that of a draw.
// epoch is the number of blocks in which every target comes once.
func (p Plan) strategy(ms []search.Matrix, epoch int) (planned, error) {
	switch p.Method {
	case MethodSampled:
		return search.NewAccumulator(ms, epoch, p.Sizes...)
	case MethodGreedy:
		return search.NewGreedy(ms, p.Sizes[0], p.Seed)
	case MethodRandom:
		return search.NewRandom(ms, p.Sizes[0], p.Seed)
	case MethodEvolve:
		return search.NewEvolve(ms, p.Sizes[0], p.Seed)
	default:
		return search.NewGuided(ms, p.Seed, p.Sizes...)
	}
}
