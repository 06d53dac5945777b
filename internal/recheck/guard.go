package recheck

import (
	"context"
	"fmt"
	"slices"

	"bankai"
	"bankai/internal/claims"
	"bankai/internal/guard"
	"bankai/internal/source"
)

// mostTokens bounds the guard that is made because a patch, which anybody may have written,
// says so.
const mostTokens = 1 << 20

// guard makes the guard that the patch records again, and measures on it.
func (c *Checker) guard(ctx context.Context, claim bankai.Claim) (again bankai.Claim, note string, err error) {
	record := guard.RecordOf(c.Patch.Meta())
	switch {
	case record == nil:
		return again, "", missingf("the patch does not record how the guard is made: nobody can check it")
	case record.Edition != guard.Edition:
		return again, "", missingf("the guard is of edition %d, and this program makes those of edition %d: use another version of it", record.Edition, guard.Edition)
	case record.Tokens > mostTokens:
		return again, "", missingf("the guard is of %d tokens, and up to %d are made again", record.Tokens, mostTokens)
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
	case !claims.Alike(r.HeldOut.KL, record.KL):
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
	var given [][]string
	for _, s := range c.Material.Probes {
		given = append(given, promptsOf(s))
	}
	for _, q := range questions {
		given = append(given, q.Prompts())
	}
	all := together(given)
	for _, s := range c.Material.Known {
		all = append(all, promptsOf(s))
	}
	for _, prompts := range all {
		if guard.DigestOf(prompts) == d {
			return prompts, nil
		}
	}
	return nil, missingf("the guard stays away from what the search asked (prompts with the digest %s), which is not at hand: give the probes of the search, or all the files that adapt --keep-splits wrote, with --set", d)
}

func promptsOf(s source.Set) (prompts []string) {
	for _, p := range s.Set {
		prompts = append(prompts, p.Prompt)
	}
	return prompts
}

// mostTogether is up to how many lists any of them may be taken together.
const mostTogether = 8

// together is every list, and all that some of them make together, if they are few; else
// all of them together.
func together(lists [][]string) (all [][]string) {
	if len(lists) > mostTogether {
		return append(slices.Clone(lists), slices.Concat(lists...))
	}
	for some := 1; some < 1<<len(lists); some++ {
		var prompts []string
		for i, list := range lists {
			if some>>i&1 == 1 {
				prompts = append(prompts, list...)
			}
		}
		all = append(all, prompts)
	}
	return all
}
