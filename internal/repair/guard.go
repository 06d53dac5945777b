package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"bankai"
	"bankai/engine"
	"bankai/internal/guard"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/probe"
	"bankai/score"
)

// Guarding says what holds a search back where nobody gave anything that does.
type Guarding struct {
	Wanted bool // a guard is made of the model
	Tokens int  // of it; 0: as many as the targets have, see [guard.Fitting]
}

// guardKey is the member of a patch's metadata that says how its guard can be made again,
// and what was measured on it.
const guardKey = "guard"

// GuardRecord is what a patch records of the guard that it was searched and measured with.
type GuardRecord struct {
	guard.Definition
	Digest bankai.Digest `json:"sha256"` // of what was held out
	KL     float64       `json:"kl"`     // there: mean over the items, nats a token
}

// makeGuard makes the guard of a repair, and lets the plan hold on to its part for
// searches.
func (r *run) makeGuard(ctx context.Context) (err error) {
	if !r.Guarding.Wanted {
		return nil
	}
	if r.guard, err = GuardBeside(ctx, r.Model, r.Sets.all().Set, guard.Options{Seed: r.Plan.Seed, Tokens: r.Guarding.Tokens, To: r.To}); err != nil {
		return err
	}
	r.Plan.Keep = guard.Keep(r.guard.Used)
	r.To.Note("guard: %s of the model's own to hold on to, %s of which no search sees; %s left out, being like the probes",
		text.Count(len(r.guard.Used), "answer"), text.Count(len(r.guard.HeldOut), "more"), text.Count(r.guard.LeftOut, "line"))
	return nil
}

// GuardBeside makes a guard that fits probes, and stays away from their prompts.
func GuardBeside(ctx context.Context, m *engine.Model, set probe.Set, o guard.Options) (*guard.Guard, error) {
	n := 0
	for _, p := range set {
		o.Avoid = append(o.Avoid, p.Prompt)
		t, err := p.Tokens(m.Tokenizer())
		if err != nil {
			return nil, err
		}
		n += len(t.Prompt) + len(t.Correct) + len(t.Wrong)
	}
	return MakeGuard(ctx, m, o, n)
}

// MakeGuard is [guard.Make] with a size that fits targets of so many tokens, unless one is
// given, and that fits into the memory for what a model says.
func MakeGuard(ctx context.Context, m *engine.Model, o guard.Options, targets int) (*guard.Guard, error) {
	if o.Tokens == 0 {
		o.Tokens = min(guard.Fitting(targets), score.KeptTokens(m))
	}
	return guard.Make(ctx, m, o)
}

// measureGuard measures the patch on the guard, and records it.
func (r *run) measureGuard(ctx context.Context, overlay *engine.Overlay) (err error) {
	if r.guard == nil {
		return nil
	}
	r.result.Guard, err = r.guard.Measure(ctx, r.Model, overlay, true, r.To)
	return err
}

// GuardClaim is what a report says as a patch records it: of how many greedy answers how
// many stayed the same.
func GuardClaim(g *guard.Report) bankai.Claim {
	p := g.HeldOut
	return bankai.Claim{
		Name: "guard, the same answers", Probes: g.Digest, Total: p.Greedy, Before: p.Greedy, After: p.Same,
		Broke: p.Greedy - p.Same, PValue: stats.McNemar(0, p.Greedy-p.Same),
	}
}

// recordGuard adds the claim, and the record by which the guard can be made again.
func recordGuard(m bankai.Meta, g *guard.Report) (bankai.Meta, error) {
	data, err := json.Marshal(GuardRecord{g.Definition, g.Digest, g.HeldOut.KL})
	if err != nil {
		return m, err
	}
	m.Claims = append(m.Claims, GuardClaim(g))
	m.Metadata = map[string]json.RawMessage{guardKey: data}
	return m, nil
}

// RecordedGuard reads the record of a guard from a patch's metadata; nil if there is none
// that can be read.
func RecordedGuard(m bankai.Meta) *GuardRecord {
	data, ok := m.Metadata[guardKey]
	var g GuardRecord
	if !ok || json.Unmarshal(data, &g) != nil {
		return nil
	}
	return &g
}

// GuardText says in a line what became of a guard.
func GuardText(g *guard.Report) string {
	p := g.HeldOut
	if p.Items == 0 {
		return "nothing is held out: give it more tokens"
	}
	interval := ""
	if p.Interval != nil {
		interval = fmt.Sprintf(" (%s to %s)", nats(max(0, p.Interval.Low)), nats(p.Interval.High))
	}
	return fmt.Sprintf("%d of %s that no search saw are the same; the model's words diverge by %s nats a token%s", p.Same, text.Count(p.Greedy, "answer"), nats(p.KL), interval)
}

// nats is a divergence with two digits.
func nats(x float64) string { return strconv.FormatFloat(x, 'g', 2, 64) }
