// Package recheck measures again what patches claim. A claim is its author's word until
// someone measures the same on the same questions; the engine gives every machine the same
// answers, so that the counts have to be equal.
package recheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bankai"
	"bankai/dataset"
	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/claims"
	"bankai/internal/progress"
	"bankai/internal/repair"
	"bankai/internal/source"
	"bankai/internal/watched"
	"bankai/measure"
)

// State is what became of a claim that was to be measured again.
type State string

// The states of a claim.
const (
	Confirmed State = "confirmed" // the same counts came out
	Differs   State = "differs"   // others did, or the claim contradicts itself
	Unchecked State = "unchecked" // something is missing for it
)

// Outcome is a claim, measured again.
type Outcome struct {
	Name      string         `json:"name"`
	Probes    *bankai.Digest `json:"probes"` // null if the claim does not name them
	Claimed   repair.Counts  `json:"claimed"`
	Measured  *repair.Counts `json:"measured"`  // null if it could not be measured
	Precision string         `json:"precision"` // it was measured in, "" if it was not
	Outcome   State          `json:"outcome"`
	Reason    string         `json:"reason"` // why it could not be checked, or how it differs; "" if confirmed
}

// Finder finds the file of probes with a SHA-256, and its name, of which the ending counts.
type Finder func(bankai.Digest) (data []byte, name string, ok bool)

// set finds the probes that a claim is about.
func (f Finder) set(c bankai.Claim) (source.Set, error) {
	if c.Probes.IsZero() {
		return source.Set{}, errors.New("it does not say on which questions it was measured: nobody can check it")
	}
	data, name, ok := f(c.Probes)
	if !ok {
		return source.Set{}, fmt.Errorf("the probe file with the SHA-256 %s is not at hand: give it with --set", c.Probes)
	}
	_, part, _ := strings.Cut(c.Name, "#")
	return source.ParseSet(name, data, part)
}

// Material is what claims can be measured on.
type Material struct {
	File Finder
	// Probes and Examples were given, and Known is there besides. A guard may stay away
	// from any that is known, or from some of those that were given. Claims on held-out
	// data are about some of the examples, taken together as a search had them.
	Probes, Known []source.Set
	Examples      []*dataset.Dataset
}

// Checker measures the claims of a patch again.
type Checker struct {
	Model    *engine.Model
	Patch    *bankai.Patch // that fits the model
	Material Material
	To       progress.Watcher

	overlay   *engine.Overlay
	probes    map[string]*measure.Result            // by the identity of the set
	questions []*asking.Questions                   // of the examples; nil until they are made
	data      map[bankai.Digest]*measure.DataResult // by the digest of the questions
}

// missing says what a claim cannot be checked without.
type missing struct{ string }

func (m missing) Error() string { return m.string }

func missingf(format string, args ...any) error { return missing{fmt.Sprintf(format, args...)} }

// Check measures a claim again, in the model's precision. What was measured for one claim
// is not measured again for another.
func (c *Checker) Check(ctx context.Context, claim bankai.Claim) (Outcome, error) {
	out := outcomeOf(claim)
	if wrong := claims.Contradiction(claim); wrong != "" {
		out.Outcome, out.Reason = Differs, "it contradicts itself: "+wrong
		return out, nil
	}
	again, note, err := c.measure(ctx, claim)
	var lacks missing
	switch {
	case errors.As(err, &lacks):
		return Unmeasured(claim, lacks.Error()), nil
	case err != nil:
		return out, err
	}
	measured := countsOf(again)
	out.Measured, out.Precision, out.Outcome = &measured, c.Model.Precision().String(), Confirmed
	switch {
	case note != "":
		out.Outcome, out.Reason = Differs, note
	case measured.Counts != out.Claimed.Counts:
		out.Outcome, out.Reason = Differs, fmt.Sprintf("it says %s; measured again: %s", claims.Text(claim), claims.Text(again))
	}
	return out, nil
}

// Unmeasured is the outcome of a claim that cannot be measured, and why.
func Unmeasured(claim bankai.Claim, why string) Outcome {
	out := outcomeOf(claim)
	out.Outcome, out.Reason = Unchecked, why
	return out
}

func outcomeOf(claim bankai.Claim) Outcome {
	out := Outcome{Name: claim.Name, Claimed: countsOf(claim)}
	if !claim.Probes.IsZero() {
		out.Probes = &claim.Probes
	}
	return out
}

func countsOf(c bankai.Claim) repair.Counts {
	return repair.Counts{
		Counts: measure.Counts{Total: c.Total, Before: c.Before, After: c.After, Fixed: c.Fixed, Broke: c.Broke},
		PValue: c.PValue,
	}
}

// measure measures what a claim is about. note says what else differs.
func (c *Checker) measure(ctx context.Context, claim bankai.Claim) (again bankai.Claim, note string, err error) {
	if c.overlay == nil {
		if c.overlay, err = c.Model.Overlay(c.Patch); err != nil {
			return again, "", err
		}
	}
	switch {
	case claims.KindOf(claim) == claims.Unchanged:
		return c.guard(ctx, claim)
	case strings.HasPrefix(claim.Name, claims.HeldOut):
		again, err = c.examples(ctx, claim)
	default:
		again, err = c.set(ctx, claim)
	}
	return again, "", err
}

// set measures a claim on a file of probes.
func (c *Checker) set(ctx context.Context, claim bankai.Claim) (bankai.Claim, error) {
	s, err := c.Material.File.set(claim)
	if err == nil {
		err = watched.Fit(c.Model, watched.Named(s)...)
	}
	if err != nil {
		return bankai.Claim{}, missing{err.Error()}
	}
	r := c.probes[s.Identity()]
	if r == nil {
		if r, err = watched.Compare(ctx, c.To, c.Model, c.overlay, s); err != nil {
			return bankai.Claim{}, err
		}
		if c.probes == nil {
			c.probes = map[string]*measure.Result{}
		}
		c.probes[s.Identity()] = r
	}
	return repair.Claim("", s, r), nil
}
