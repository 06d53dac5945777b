package web

import (
	"errors"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
	"bankai/server"
)

var (
	projections = regexp.MustCompile(`^[a-z]{1,8}$`)
	guards      = regexp.MustCompile(`^(auto|none|[1-9][0-9]{0,5})$`)
)

// checkPlan refuses what "bankai search" would.
func (a *searchAsk) checkPlan(m *engine.Model) error {
	method, sizes, layers := score.MethodGuided, flagtype.SizeList{search.Row}, flagtype.IntList{Ranges: true}
	var err error
	if a.Strategy != "" {
		if method, err = score.ParseMethod(a.Strategy); err != nil {
			return refused("strategy", "%v", err)
		}
	}
	if method == score.MethodVote {
		return refused("strategy", "a vote has a journal for each draw, which the page does not follow: run it on the command line, or choose another strategy")
	}
	if a.Granularity != "" {
		if err := sizes.Set(a.Granularity); err != nil {
			return refused("granularity", "%v", err)
		}
	}
	if a.Layers != "" {
		if err := layers.Set(a.Layers); err != nil {
			return refused("layers", "%v", err)
		}
	}
	if a.Guard != "" && !guards.MatchString(a.Guard) {
		return refused("guard", "the guard %q: want auto, none or a number of tokens", a.Guard)
	}
	p := score.NewPlan(method)
	p.Sizes, p.Layers, p.Limits = sizes, layers.Ints(), a.limits()
	for _, name := range a.Projections {
		if !projections.MatchString(name) {
			return refused("proj", "there is no projection %q", text.Clip(name, 40))
		}
	}
	if err := a.checkOptions(p); err != nil {
		return err
	}
	if len(a.Projections) > 0 {
		if _, err := score.Matrices(m.Weights(), p.Layers, a.Projections); err != nil {
			return refused("proj", "%v", err)
		}
	} else if _, err := score.Matrices(m.Weights(), p.Layers, score.ProjectionsOf(m.Weights(), p.Layers)); err != nil {
		return refused("layers", "%v", err)
	}
	return nil
}

// checkOptions names the member of a request that a plan does not allow.
func (a *searchAsk) checkOptions(p score.Plan) error {
	for _, n := range []struct {
		member string
		value  float64
	}{{"steps", float64(a.Steps)}, {"max_flips", float64(a.MaxFlips)}, {"max_cost", a.MaxCost}, {"minutes", a.Minutes}} {
		if !(n.value >= 0) || n.value > math.MaxInt32 {
			return refused(n.member, "%s is %v: want a number from 0 to %d", n.member, n.value, math.MaxInt32)
		}
	}
	err := p.Check()
	if err == nil {
		err = p.Limits.Check()
	}
	if wrong := (*search.OptionError)(nil); errors.As(err, &wrong) && wrong.Field == "Sizes" {
		return refused("granularity", "%s", wrong.Rule)
	} else if err != nil {
		return refused("", "%v", err)
	}
	return nil
}

// usualSteps are the candidates that a search tries where nothing is said.
const usualSteps = 300

// limits are those of the search.
func (a *searchAsk) limits() search.Config {
	c := search.Config{Steps: usualSteps, MaxFlips: a.MaxFlips, MaxCost: a.MaxCost, MaxSeconds: float64(60 * a.Minutes)}
	if a.Steps != 0 {
		c.Steps = a.Steps
	}
	return c
}

// words are the arguments of the program: every value is a part of the word of its flag, so
// that none is taken for a flag.
func (a *searchAsk) words(o Options, resume bool) []string {
	words := []string{"search", "--json", "--quiet=false", "--model=" + o.Model, "--threads=" + strconv.Itoa(a.Threads), "-o", a.Name + ".bankai"}
	number := func(x float64) string {
		if x == 0 {
			return ""
		}
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	for _, set := range a.parts() {
		if !set.IsZero() {
			words = append(words, "--"+set.name+"="+set.file(set.name))
		}
	}
	for _, f := range []struct{ flag, value string }{
		{"precision", o.Precision},
		{"strategy", a.Strategy},
		{"granularity", a.Granularity},
		{"steps", strconv.Itoa(a.limits().Steps)},
		{"max-cost", number(a.MaxCost)},
		{"minutes", number(a.Minutes)},
		{"max-flips", number(float64(a.MaxFlips))},
		{"proj", strings.Join(a.Projections, ",")},
		{"layers", a.Layers},
		{"guard", a.Guard},
	} {
		if f.value != "" {
			words = append(words, "--"+f.flag+"="+f.value)
		}
	}
	if a.Force {
		words = append(words, "--force")
	}
	if resume {
		words = append(words, "--resume")
	}
	return words
}

// refused is the error of a member of a request.
func refused(member, format string, args ...any) error {
	return server.Refuse(http.StatusBadRequest, member, "invalid_value", format, args...)
}
