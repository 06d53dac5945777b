// Package claims is what patches say was measured of them: in words, and as figures with
// their intervals.
package claims

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"bankai"
	"bankai/internal/guard"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
)

// Kind is what a claim counts.
type Kind int

// The kinds of claims, which their names tell.
const (
	Answers     Kind = iota // right answers, by greedy generation
	Preferences             // pairs of which the chosen answer is the likelier one
	Labels                  // texts whose label is the likeliest
	Likelier                // wanted answers that became likelier (Fixed) and less likely (Broke)
	Unchanged               // greedy answers on a guard that stayed the same
)

// HeldOut begins the names of claims on examples that no search saw, and likelier ends that
// of the claim on their likelihood.
const (
	HeldOut  = "held out, "
	likelier = "likelier answers"
)

// KindOf is the kind of a claim.
func KindOf(c bankai.Claim) Kind {
	switch {
	case c.Name == guard.ClaimName:
		return Unchanged
	case strings.HasSuffix(c.Name, likelier):
		return Likelier
	case strings.HasSuffix(c.Name, "preferences"):
		return Preferences
	case strings.HasSuffix(c.Name, "labels"):
		return Labels
	}
	return Answers
}

// OfData are the results on examples that no search saw, as a patch records them. The
// digest is that of the questions.
func OfData(questions bankai.Digest, r *measure.DataResult) (list []bankai.Claim) {
	for _, p := range r.Parts() {
		list = append(list, bankai.Claim{
			Name: HeldOut + p.Name, Probes: questions, Total: p.Total, Before: p.Before, After: p.After,
			Fixed: len(p.Fixed), Broke: len(p.Broke), PValue: p.PValue,
		})
	}
	if l := r.Likelihood; l != nil {
		// Of the two models, the one under which an answer is likelier is right.
		list = append(list, bankai.Claim{
			Name: HeldOut + likelier, Probes: questions, Total: l.Examples, Before: l.Worse, After: l.Better,
			Fixed: l.Better, Broke: l.Worse, PValue: l.SignP,
		})
	}
	return list
}

// Text is what a claim counts, in words.
func Text(c bankai.Claim) string {
	how := ""
	switch KindOf(c) {
	case Likelier:
		return fmt.Sprintf("of %s %d became likelier and %d less likely", text.Count(c.Total, "wanted answer"), c.Fixed, c.Broke)
	case Unchanged:
		return fmt.Sprintf("%d of %d", c.After, c.Total)
	case Preferences:
		how = " (the chosen answer is the likelier one)"
	case Labels:
		how = " (the label is the likeliest one)"
	}
	return fmt.Sprintf("%d of %d right before, %d after; %d fixed, %d broke%s", c.Before, c.Total, c.After, c.Fixed, c.Broke, how)
}

// Contradiction says in what a claim cannot be true, whatever the model is; "" if it can.
func Contradiction(c bankai.Claim) string { return cmp.Or(miscounted(c), improbable(c)) }

// miscounted is the contradiction between the counts of a claim.
func miscounted(c bankai.Claim) string {
	switch {
	case max(c.Before, c.After, c.Fixed, c.Broke) > c.Total:
		return fmt.Sprintf("it counts more than the %d that there are", c.Total)
	case c.Broke > c.Before || c.Fixed > c.Total-c.Before && KindOf(c) != Likelier:
		return "more were fixed or broken than could be"
	case c.Before-c.Broke+c.Fixed != c.After:
		return fmt.Sprintf("%d before, %d fixed and %d broken make %d, not %d", c.Before, c.Fixed, c.Broke, c.Before-c.Broke+c.Fixed, c.After)
	}
	return ""
}

// mostTested bounds the changed answers for which p is worked out: a patch that says it has
// more must not keep whoever reads it busy for ever, and no set has a million questions.
const mostTested = 1_000_000

// improbable is the contradiction between the counts of a claim and its p. It takes a time
// that grows with the square of what changed.
func improbable(c bankai.Claim) string {
	if c.Fixed+c.Broke > mostTested {
		return ""
	}
	p := stats.McNemar(c.Fixed, c.Broke)
	if Alike(p, c.PValue) {
		return ""
	}
	is, says := text.Probability(p), text.Probability(c.PValue)
	if is == says {
		is, says = fmt.Sprintf("%.3g", p), fmt.Sprintf("%.3g", c.PValue)
	}
	return fmt.Sprintf("of %d fixed and %d broken p is %s, not %s", c.Fixed, c.Broke, is, says)
}

// Alike reports whether two figures are equal but for how they were rounded: other tools
// compute logarithms where this one counts.
func Alike(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b)) }
