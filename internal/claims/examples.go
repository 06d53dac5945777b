package claims

import (
	"context"
	"strings"

	"bankai"
	"bankai/internal/asking"
	"bankai/measure"
)

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
