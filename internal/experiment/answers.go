package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"bankai"
	"bankai/engine"
	"bankai/internal/report"
	"bankai/measure"
	"bankai/probe"
)

// answerPart is how many probes are answered in one piece of work.
const answerPart = 32

// job is a piece of work of an experiment that has pieces of several kinds. The
// key holds all that decides the piece, so a journal answers it whatever
// other patches and sets are measured in the same run.
type job struct {
	key string
	do  func(ctx context.Context) (piece, error)
}

// piece is what a job found: one of its fields is set.
type piece struct {
	Answers *measure.Measurement `json:"answers,omitempty"`
	Bits    *orderBits           `json:"bits,omitempty"`
}

// doJobs does every job once, also where two have the same key, and returns what
// they found by key; so many at once.
func doJobs(ctx context.Context, r *Run, atOnce int, jobs []job) (map[string]piece, error) {
	var keys []string
	var once []job
	done := map[string]piece{}
	for _, j := range jobs {
		if _, seen := done[j.key]; !seen {
			done[j.key] = piece{}
			keys, once = append(keys, j.key), append(once, j)
		}
	}
	pieces, err := each(ctx, r, atOnce, keys, func(ctx context.Context, i int) (piece, error) { return once[i].do(ctx) })
	for i, p := range pieces {
		done[keys[i]] = p
	}
	return done, err
}

// answering is the answers of a model, under each of some patches, to each of
// some sets. An empty patch is the model as it is.
type answering struct {
	model   *engine.Model
	patches []*bankai.Patch
	sets    []measure.Named
}

// jobs cuts the answers into pieces.
func (a answering) jobs() (jobs []job) {
	for _, p := range a.patches {
		for _, s := range a.sets {
			for lo := 0; lo < len(s.Set); lo += answerPart {
				part := s.Set[lo:min(lo+answerPart, len(s.Set))]
				jobs = append(jobs, job{answerKey(a.model, p, part), func(ctx context.Context) (piece, error) {
					return answer(ctx, a.model, p, part)
				}})
			}
		}
	}
	return jobs
}

// answer lets the patched model answer some probes.
func answer(ctx context.Context, m *engine.Model, p *bankai.Patch, part probe.Set) (piece, error) {
	overlay, err := m.Overlay(p)
	if err != nil {
		return piece{}, err
	}
	got, err := measure.Measure(ctx, m, overlay, part, nil)
	if err != nil {
		return piece{}, err
	}
	for i, text := range got.Texts {
		got.Texts[i] = string([]rune(text)) // bytes that are no text would not go through JSON
	}
	return piece{Answers: got}, nil
}

// answerKey is by content, so that neither a file's name nor what else stands in
// it matters.
func answerKey(m *engine.Model, p *bankai.Patch, part probe.Set) string {
	who := "unpatched"
	if p.Len() > 0 {
		who = fmt.Sprintf("patch %.16s", p.WithBase(m.Digest()).ContentDigest())
	}
	return fmt.Sprintf("%s, %d probes %.8x", who, len(part), setDigest(part))
}

// setDigest identifies probes by all that is known of them.
func setDigest(set probe.Set) [sha256.Size]byte {
	data, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return sha256.Sum256(data)
}

// collect puts the pieces together: the answers by patch and set. They are
// marked by today's rules, whatever program filled the journal.
func (a answering) collect(done map[string]piece) [][]*measure.Measurement {
	all := make([][]*measure.Measurement, len(a.patches))
	for i, p := range a.patches {
		for _, s := range a.sets {
			whole := &measure.Measurement{}
			for lo := 0; lo < len(s.Set); lo += answerPart {
				got := done[answerKey(a.model, p, s.Set[lo:min(lo+answerPart, len(s.Set))])].Answers
				whole.Texts = append(whole.Texts, got.Texts...)
				whole.SeqLogprob = append(whole.SeqLogprob, got.SeqLogprob...)
			}
			for k, text := range whole.Texts {
				whole.Right = append(whole.Right, s.Set[k].Match(text))
			}
			all[i] = append(all[i], whole)
		}
	}
	return all
}

// checkSets refuses sets that nothing can be measured on, and prompts that stand
// in two of them. The rule that two prompts are the same is the audit's.
func checkSets(ctx context.Context, m *engine.Model, sets []measure.Named) error {
	for i, s := range sets {
		if len(s.Set) == 0 {
			return fmt.Errorf("%s: has no probes: give a file that has some", s.Name)
		}
		for _, p := range s.Set {
			if _, err := p.Tokens(m.Tokenizer()); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		found, err := measure.Audit(ctx, s.Set, probe.SeqLogprob, sets[:i], nil, nil)
		if err != nil {
			return err
		}
		if leaks := found.Of(measure.Leakage, measure.Fatal); len(leaks) > 0 {
			return fmt.Errorf("%s: %d of its prompts stand in another set, too (%s: %s): take them out of one of the two",
				s.Name, len(leaks), leaks[0].Probe, leaks[0].Detail)
		}
	}
	return nil
}

// Generated is every text that was generated for an experiment, so that it can be
// marked again without the model.
type Generated struct {
	By      []string     `json:"by"`      // who generated: the model as it is, then the patched ones
	Answers []Generation `json:"answers"` // in the order of the sets

	// Match is the experiment's rule by which a text is right; nil is
	// probe.Probe.Match.
	Match func(g Generation, text string) bool `json:"-"`
	// ByRules is such a rule made of named ones that find an answer in a text; nil
	// where answers are not looked for.
	ByRules func(names []string) (func(g Generation, text string) bool, error) `json:"-"`
}

// Generation is the texts that answer one question, with what was asked.
type Generation struct {
	Set        string   `json:"set"` // what it stands in
	Name       string   `json:"name"`
	Category   string   `json:"category,omitempty"`
	Prompt     string   `json:"prompt"`
	Correct    string   `json:"correct"`
	Alternates []string `json:"alternates,omitempty"` // other right answers
	Texts      []string `json:"texts"`                // in the order of Generated.By
	Right      []bool   `json:"right"`                // as it was marked
}

// Rescorable is a result that kept what was generated.
type Rescorable interface {
	report.Result
	Texts() Generated
}

// Base is what the model without a patch is called.
const Base = "base"

// keep adds the answers to a set, those of the model as it is first.
func (g *Generated) keep(s measure.Named, by []*measure.Measurement) {
	for i, p := range s.Set {
		a := Generation{Set: s.Name, Name: p.Name, Category: p.Category, Prompt: p.Prompt, Correct: p.Correct, Alternates: p.Alternates}
		for _, m := range by {
			a.Texts, a.Right = append(a.Texts, m.Texts[i]), append(a.Right, m.Right[i])
		}
		g.Answers = append(g.Answers, a)
	}
}
