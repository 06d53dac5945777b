package recheck

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"bankai"
	"bankai/internal/asking"
	"bankai/internal/claims"
	"bankai/judge"
	"bankai/measure"
)

// judging is how the answers to examples were judged, as far as the command tells which
// made a patch.
type judging struct {
	rule *judge.Rule // of all; nil: the examples' own
	most int         // tokens of an answer; 0: what suits the examples
	lost string      // the flag that cannot be followed, "" if all can
}

// judgingOf reads the flags of a recorded command line. What had to be quoted there, such as
// most expressions and every program that judges, is not followed.
func judgingOf(command string) (j judging) {
	words := strings.Fields(command)
	for i, word := range words {
		flag, value, whole := strings.Cut(word, "=")
		if !whole && i+1 < len(words) {
			value = words[i+1]
		}
		ok := !strings.ContainsAny(value, `'"\`)
		switch flag {
		case "--judge":
			ok = false
		case "--match":
			r, err := judge.Parse(value)
			if ok = ok && err == nil; ok {
				j.rule = &r
			}
		case "--max-tokens":
			n, err := strconv.Atoi(value)
			j.most, ok = n, ok && err == nil
		default:
			continue
		}
		if !ok {
			j.lost = flag
		}
	}
	return j
}

// examples measures a claim on examples that were held out.
func (c *Checker) examples(ctx context.Context, claim bankai.Claim) (bankai.Claim, error) {
	how := judgingOf(c.Patch.Meta().Command)
	if claims.KindOf(claim) == claims.Answers && how.lost != "" {
		return bankai.Claim{}, missingf("its answers were judged in another way than the examples say (%s): bankai eval with that flag measures them", how.lost)
	}
	q, err := c.asked(claim.Probes)
	if err != nil {
		return bankai.Claim{}, err
	}
	r := c.data[claim.Probes]
	if r == nil {
		e := &asking.Evaluation{Model: c.Model, Overlay: c.overlay, Questions: *q, MaxTokens: cmp.Or(how.most, measure.Room(q.Free)), Watch: c.To}
		e.Answers = asking.NewAnswers(c.Model, q.Free, e.MaxTokens) // in memory alone
		if r, err = e.Run(ctx); err != nil {
			return bankai.Claim{}, err
		}
		if c.data == nil {
			c.data = map[bankai.Digest]*measure.DataResult{}
		}
		c.data[claim.Probes] = r
	}
	for _, again := range claims.OfData(claim.Probes, r) {
		if again.Name == claim.Name {
			return again, nil
		}
	}
	return bankai.Claim{}, missingf("the examples have nothing by which %q could be counted", strings.TrimPrefix(claim.Name, claims.HeldOut))
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
	rule := judgingOf(c.Patch.Meta().Command).rule
	for _, d := range c.Material.Examples {
		q, err := asking.New(c.Model, r, d, asking.Options{Rule: rule})
		if err != nil {
			continue // the rule of all cannot judge some of these, so that they were not asked
		}
		c.questions = append(c.questions, q)
	}
	return c.questions, nil
}
