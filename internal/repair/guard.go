package repair

import (
	"context"
	"fmt"
	"strconv"

	"bankai/engine"
	"bankai/internal/guard"
	"bankai/internal/text"
	"bankai/probe"
	"bankai/score"
)

// Guarding says what holds a search back where nobody gave anything that does.
type Guarding struct {
	Wanted bool // a guard is made of the model
	Tokens int  // of it; 0: as many as the targets have, see [guard.Fitting]
}

// makeGuard makes the guard of a repair, and lets the plan hold on to its part for
// searches.
func (r *run) makeGuard(ctx context.Context) (err error) {
	prompts, n, err := r.Avoid()
	if err != nil {
		return err
	}
	if r.guard, err = MakeGuard(ctx, r.Model, guard.Options{Seed: r.Plan.Seed, Tokens: r.Guarding.Tokens, Avoid: prompts, To: r.To}, n); err != nil {
		return err
	}
	if len(r.guard.Used) == 0 {
		return fmt.Errorf("guard: in %s the model says nothing of its own that can be held on to: give more with --guard N, or probes of what must hold with --controls, or search without with --guard none",
			text.Count(r.guard.Tokens, "token"))
	}
	r.Plan.Keep = guard.Keep(r.guard.Used)
	r.To.Note("guard: %s of the model's own to hold on to, and %d that the search does not see, %d of them greedy answers; %s left out, being like the %ss",
		text.Count(len(r.guard.Used), "text"), len(r.guard.HeldOut), guard.Greedy(r.guard.HeldOut), text.Count(r.guard.LeftOut, "line"), r.Noun())
	return nil
}

// GuardBeside makes a guard that fits probes, and stays away from their prompts.
func GuardBeside(ctx context.Context, m *engine.Model, set probe.Set, o guard.Options) (*guard.Guard, error) {
	prompts, n, err := promptsOf(m, set)
	if err != nil {
		return nil, err
	}
	o.Avoid = prompts
	return MakeGuard(ctx, m, o, n)
}

// promptsOf are the prompts of probes, and the tokens of these with both answers.
func promptsOf(m *engine.Model, set probe.Set) (prompts []string, tokens int, err error) {
	for _, p := range set {
		prompts = append(prompts, p.Prompt)
		t, err := p.Tokens(m.Tokenizer())
		if err != nil {
			return nil, 0, err
		}
		tokens += len(t.Prompt) + len(t.Correct) + len(t.Wrong)
	}
	return prompts, tokens, nil
}

// MakeGuard is [guard.Make] with a size that fits the tokens of the targets, unless one is
// given, and the memory for what a model says.
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
	all := ""
	if drawn := p.Items - p.Greedy; drawn > 0 {
		all = fmt.Sprintf(", and on %s besides", text.Count(drawn, "drawn text"))
	}
	return fmt.Sprintf("%d of %s that no search saw are the same; there%s, the model's words diverge by %s nats a token%s", p.Same, text.Count(p.Greedy, "greedy answer"), all, nats(p.KL), interval)
}

// nats is a divergence with two digits.
func nats(x float64) string { return strconv.FormatFloat(x, 'g', 2, 64) }
