package claims

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bankai"
	"bankai/dataset"
	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/guard"
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
	// Probes and Examples are what a search may have used, each for itself, and what is
	// to be taken together as one: a guard stays away from it. Examples are also what
	// claims on held-out data are about.
	Probes   []source.Set
	Examples []*dataset.Dataset
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
	if wrong := Contradiction(claim); wrong != "" {
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
		out.Outcome, out.Reason = Differs, fmt.Sprintf("it says %s; measured again: %s", Text(claim), Text(again))
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
	case KindOf(claim) == Unchanged:
		return c.guard(ctx, claim)
	case strings.HasPrefix(claim.Name, heldOut):
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

// judgedBy are the flags of the search on examples by which answers are right that the
// examples' own rules call wrong, or the other way round.
var judgedBy = []string{"--judge", "--match", "--max-tokens"}

// examples measures a claim on examples that were held out.
func (c *Checker) examples(ctx context.Context, claim bankai.Claim) (bankai.Claim, error) {
	if KindOf(claim) == Answers {
		for _, flag := range judgedBy {
			if command := c.Patch.Meta().Command; strings.Contains(command+" ", " "+flag+" ") || strings.Contains(command, " "+flag+"=") {
				return bankai.Claim{}, missingf("its answers were judged in another way than the examples say (%s): bankai eval with that flag measures them", flag)
			}
		}
	}
	q, err := c.asked(claim.Probes)
	if err != nil {
		return bankai.Claim{}, err
	}
	r := c.data[claim.Probes]
	if r == nil {
		e := &asking.Evaluation{Model: c.Model, Overlay: c.overlay, Questions: *q, MaxTokens: measure.Room(q.Free), Watch: c.To}
		e.Answers = asking.NewAnswers(c.Model, q.Free, e.MaxTokens) // in memory alone
		if r, err = e.Run(ctx); err != nil {
			return bankai.Claim{}, err
		}
		if c.data == nil {
			c.data = map[bankai.Digest]*measure.DataResult{}
		}
		c.data[claim.Probes] = r
	}
	for _, again := range OfData(claim.Probes, r) {
		if again.Name == claim.Name {
			return again, nil
		}
	}
	return bankai.Claim{}, missingf("the examples have nothing by which %q could be counted", strings.TrimPrefix(claim.Name, heldOut))
}

// asked are the questions with a digest, of the examples at hand.
func (c *Checker) asked(d bankai.Digest) (*asking.Questions, error) {
	all, err := c.allQuestions()
	if err != nil {
		return nil, err
	}
	for _, q := range all {
		if q.Digest() == d {
			return q, nil
		}
	}
	return nil, missingf("the examples that were held out (digest %s) are not at hand: give the files that adapt --keep-splits wrote with --set", d)
}

// allQuestions are those of the examples at hand.
func (c *Checker) allQuestions() ([]*asking.Questions, error) {
	if c.questions != nil || len(c.Material.Examples) == 0 {
		return c.questions, nil
	}
	r, err := asking.NewRenderer(c.Model)
	if err != nil {
		return nil, err
	}
	for _, d := range c.Material.Examples {
		q, err := asking.New(c.Model, r, d, asking.Options{})
		if err != nil {
			return nil, err
		}
		c.questions = append(c.questions, q)
	}
	return c.questions, nil
}

// guard makes the guard that the patch records again, and measures on it.
func (c *Checker) guard(ctx context.Context, claim bankai.Claim) (again bankai.Claim, note string, err error) {
	record := guard.RecordOf(c.Patch.Meta())
	switch {
	case record == nil:
		return again, "", missingf("the patch does not record how the guard is made: nobody can check it")
	case record.Edition != guard.Edition:
		return again, "", missingf("the guard is of edition %d, and this program makes those of edition %d: use another version of it", record.Edition, guard.Edition)
	case record.Digest != claim.Probes:
		return again, "", missingf("the claim is on another guard than the one that the patch records")
	}
	avoid, err := c.avoided(record.Avoid)
	if err != nil {
		return again, "", err
	}
	g, err := guard.Make(ctx, c.Model, guard.Options{Seed: record.Seed, Tokens: record.Tokens, Avoid: avoid, To: c.To})
	if err != nil {
		return again, "", err
	}
	r, err := g.Measure(ctx, c.Model, c.overlay, false, c.To)
	if err != nil {
		return again, "", err
	}
	switch {
	case r.Digest != record.Digest:
		note = "the guard that is made of the model is another one than the patch records"
	case !alike(r.HeldOut.KL, record.KL):
		note = fmt.Sprintf("the patch says that the model's words diverge by %.3g nats a token on its guard; measured again: %.3g", record.KL, r.HeldOut.KL)
	}
	return r.Claim(), note, nil
}

// avoided are the prompts with a digest, of what is at hand.
func (c *Checker) avoided(d bankai.Digest) ([]string, error) {
	if d.IsZero() {
		return nil, nil
	}
	questions, err := c.allQuestions()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for _, s := range c.Material.Probes {
		var prompts []string
		for _, p := range s.Set {
			prompts = append(prompts, p.Prompt)
		}
		all = append(all, prompts)
	}
	for _, q := range questions {
		all = append(all, q.Prompts())
	}
	for _, prompts := range all {
		if guard.DigestOf(prompts) == d {
			return prompts, nil
		}
	}
	return nil, missingf("the guard stays away from what the search asked (prompts with the digest %s), which is not at hand: give the probes of the search, or all the files that adapt --keep-splits wrote, with --set", d)
}
