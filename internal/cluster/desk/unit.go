package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"bankai"
	"bankai/engine"
)

// Unit is some questions, or some requests, that are answered by one machine in one go,
// all under the same patch. Its answers do not depend on what else is asked.
type Unit struct {
	overlay   *engine.Overlay // of all; nil: none
	questions []engine.Question
	requests  []engine.Request // that can be sent: see engine.Elsewhere
}

// sentUnit is a unit as JSON, to the bit: of a float64 the digits tell all.
type sentUnit struct {
	Patch     []byte         `json:"patch,omitempty"` // encoded, without metadata
	Questions []sentQuestion `json:"questions,omitempty"`
	Requests  []sentRequest  `json:"requests,omitempty"`
}

type sentQuestion struct {
	Prompt  []int32   `json:"prompt"`
	Answers [][]int32 `json:"answers"`
}

type sentRequest struct {
	Prompt    []int32         `json:"prompt"`
	Max       int             `json:"max"`
	Sampling  engine.Sampling `json:"sampling,omitzero"`
	Until     engine.Until    `json:"until,omitzero"`
	StopTexts []string        `json:"stop_texts,omitempty"`
}

// sentAnswer is an answer's numbers, as the bits of their floats, its rank and whether
// greedy decoding gives it.
type sentAnswer [5]uint64

type sentResult struct {
	IDs       []int32 `json:"ids"`
	Text      string  `json:"text"`
	Finish    string  `json:"finish"`
	StopText  string  `json:"stop_text,omitempty"`
	Prompted  int     `json:"prompted"`
	Generated int     `json:"generated"`
}

// Answers are those of a unit: of its questions or of its requests.
type Answers struct {
	Scores  [][]sentAnswer `json:"scores,omitempty"`
	Results []sentResult   `json:"results,omitempty"`
}

// Tokens is how many go through the model at least, for people and to balance by.
func (u Unit) Tokens() (n int) {
	for _, q := range u.questions {
		n += q.Tokens()
	}
	for _, r := range u.requests {
		n += len(r.Prompt)
	}
	return n
}

// generates is how many tokens its requests generate at most.
func (u Unit) generates() (n int) {
	for _, r := range u.requests {
		n += r.Max
	}
	return n
}

// What says what a unit is, for people.
func (u Unit) What() string {
	if n := len(u.requests); n > 0 {
		return fmt.Sprintf("generating %d texts", n)
	}
	return fmt.Sprintf("scoring %d questions", len(u.questions))
}

// encode writes a unit down. It fails on a patch that has no encoding.
func (u Unit) encode() ([]byte, error) {
	var s sentUnit
	if p := u.overlay.Patch(); p != nil {
		var err error
		if s.Patch, err = p.WithMeta(bankai.Meta{}).Encode(); err != nil {
			return nil, err
		}
	}
	for _, q := range u.questions {
		s.Questions = append(s.Questions, sentQuestion{q.Prompt, q.Answers})
	}
	for _, r := range u.requests {
		s.Requests = append(s.Requests, sentRequest{r.Prompt, r.Max, r.Sampling, r.Until, r.StopTexts})
	}
	return json.Marshal(s)
}

// Decode reads what encode wrote. overlay makes the overlay of a patch.
func Decode(text []byte, overlay func(encoded []byte) (*engine.Overlay, error)) (u Unit, err error) {
	var s sentUnit
	if err := json.Unmarshal(text, &s); err != nil {
		return u, fmt.Errorf("a unit of work makes no sense: %w", err)
	}
	if len(s.Patch) > 0 {
		if u.overlay, err = overlay(s.Patch); err != nil {
			return u, err
		}
	}
	for _, q := range s.Questions {
		u.questions = append(u.questions, engine.Question{Prompt: q.Prompt, Answers: q.Answers, Overlay: u.overlay})
	}
	for _, r := range s.Requests {
		u.requests = append(u.requests, engine.Request{
			Prompt: r.Prompt, Overlay: u.overlay, Max: r.Max, Sampling: r.Sampling, Until: r.Until, StopTexts: r.StopTexts,
		})
	}
	if len(u.questions)+len(u.requests) == 0 || len(u.questions) > 0 && len(u.requests) > 0 {
		return u, errors.New("a unit of work makes no sense: it has either questions or requests")
	}
	return u, nil
}

// Compute answers a unit with a model here.
func (u Unit) Compute(ctx context.Context, m *engine.Model) (a Answers, err error) {
	if len(u.requests) > 0 {
		results, err := m.Generate(ctx, u.requests, nil)
		if err != nil {
			return a, err
		}
		for _, r := range results {
			a.Results = append(a.Results, sentResult{r.IDs, r.Text, r.Finish, r.StopText, r.Prompted, r.Generated})
		}
		return a, nil
	}
	scores, err := m.Score(ctx, u.questions)
	if err != nil {
		return a, err
	}
	for _, of := range scores {
		sent := make([]sentAnswer, len(of))
		for i, s := range of {
			sent[i] = sentAnswer{bitsOfFloat(s.LogProb), bitsOfFloat(s.Margin), bitsOfFloat(s.KL), uint64(s.Rank), 0}
			if s.Greedy {
				sent[i][4] = 1
			}
		}
		a.Scores = append(a.Scores, sent)
	}
	return a, nil
}

// bitsOfFloat are a number's bits; those of all that is no number are the same, which
// processors write differently.
func bitsOfFloat(x float64) uint64 {
	if math.IsNaN(x) {
		x = math.NaN()
	}
	return math.Float64bits(x)
}

// fits refuses answers to something else than the unit, and those that no model of a
// vocabulary gives.
func (a Answers) fits(u Unit, vocab int) error {
	if len(a.Scores) != len(u.questions) || len(a.Results) != len(u.requests) {
		return errors.New("the answers are not those of the questions")
	}
	for i, of := range a.Scores {
		if len(of) != len(u.questions[i].Answers) {
			return errors.New("the answers are not those of the questions")
		}
		for _, s := range of {
			if s[3] >= uint64(vocab) || s[4] > 1 {
				return errors.New("an answer makes no sense: its rank is beyond the vocabulary")
			}
		}
	}
	for i, r := range a.Results {
		if err := r.fits(u.requests[i], vocab); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a result that no model gives to a request.
func (r sentResult) fits(q engine.Request, vocab int) error {
	switch {
	case len(r.IDs) > r.Generated || r.Generated > q.Max:
		return fmt.Errorf("a generated text makes no sense: it has %d tokens, of %d generated ones, where %d were asked for", len(r.IDs), r.Generated, q.Max)
	case slices.ContainsFunc(r.IDs, func(id int32) bool { return id < 0 || int(id) >= vocab }):
		return errors.New("a generated text makes no sense: it has tokens beyond the vocabulary")
	case r.Prompted < 0 || r.Prompted > len(q.Prompt):
		return errors.New("a generated text makes no sense: it has another prompt")
	case r.Finish != "stop" && r.Finish != "length", r.StopText != "" && !slices.Contains(q.StopTexts, r.StopText):
		return errors.New("a generated text makes no sense: it ends for no reason that there is")
	}
	return nil
}

// finite reports whether all numbers are.
func (a Answers) finite() bool {
	for _, of := range a.Scores {
		for _, s := range of {
			for _, bits := range s[:3] {
				if x := math.Float64frombits(bits); math.IsNaN(x) || math.IsInf(x, 0) {
					return false
				}
			}
		}
	}
	return true
}

// scores are the answers to questions.
func (a Answers) scores() [][]engine.Answer {
	all := make([][]engine.Answer, len(a.Scores))
	for i, of := range a.Scores {
		all[i] = make([]engine.Answer, len(of))
		for k, s := range of {
			all[i][k] = engine.Answer{
				LogProb: math.Float64frombits(s[0]), Margin: math.Float64frombits(s[1]), KL: math.Float64frombits(s[2]),
				Rank: int(s[3]), Greedy: s[4] == 1,
			}
		}
	}
	return all
}

// results are those of requests.
func (a Answers) results() []engine.Result {
	all := make([]engine.Result, len(a.Results))
	for i, r := range a.Results {
		all[i] = engine.Result{IDs: r.IDs, Text: r.Text, Finish: r.Finish, StopText: r.StopText, Prompted: r.Prompted, Generated: r.Generated}
	}
	return all
}

// encode writes answers down, to the bit.
func (a Answers) encode() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // numbers and texts alone are always to be written
	}
	return text
}

// same reports whether answers have the same bits.
func (a Answers) same(b Answers) bool { return bytes.Equal(a.encode(), b.encode()) }

// MaxBytes bounds a unit and its answers as they are sent, in bytes.
const MaxBytes = 512 << 10

// Sizes of units.
const (
	leastUnit = 4  // questions, if there are so many
	mostUnit  = 32 // more gain nothing in a batch
	// perWorker is how many units each machine gets of a call, so that a slow one does
	// fewer.
	perWorker = 3
	// mostUnitBytes bounds a unit as it is sent, and mostGenerated the tokens that its
	// requests may generate, so that the answers fit into a message.
	mostUnitBytes = MaxBytes / 2
	mostGenerated = MaxBytes / 64
)

// cut divides n things, of so many bytes and possibly generated tokens each, into runs of
// neighbours: about so many units, unless these were too small or too large.
func cut(n, units int, size func(i int) (bytes, generated int)) (runs [][2]int) {
	most := min(max((n+units-1)/units, leastUnit), mostUnit)
	for lo := 0; lo < n; {
		hi, bytes, generated := lo, 0, 0
		for hi < n && hi-lo < most {
			b, g := size(hi)
			if hi > lo && (bytes+b > mostUnitBytes || generated+g > mostGenerated) {
				break
			}
			bytes, generated = bytes+b, generated+g
			hi++
		}
		runs, lo = append(runs, [2]int{lo, hi}), hi
	}
	return runs
}
