package asking

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"bankai/engine"
	"bankai/internal/durable"
	"bankai/measure"
)

// Answers are what models were asked and said, by patch and question. They may be kept in
// a file as they come, so that no failure, of a judge or of the power, loses one: a line of
// JSON each, behind a header that says what they depend on besides the patch.
type Answers struct {
	of      header
	file    *durable.Journal // nil: kept in memory alone
	known   map[answerKey]measure.Given
	Resumed int // answers that the file had
}

// answerKey is whose answer to what.
type answerKey struct {
	patch string // digest of the patched model; "" for the base
	name  string
}

// header is what answers depend on.
type header struct {
	Answers   int    `json:"answers"` // version
	Model     string `json:"model"`   // digest
	Precision string `json:"precision"`
	MaxTokens int    `json:"max_tokens"`
	Questions string `json:"questions"` // digest of names and prompts
}

const answersVersion = 1

// answerLine is an answer in the file.
type answerLine struct {
	Name  string `json:"name"`
	Patch string `json:"patch"`
	measure.Given
}

// NewAnswers holds the answers of a model to questions, of at most most tokens each.
func NewAnswers(m *engine.Model, asked []measure.Asked, most int) *Answers {
	sum := sha256.New()
	word := func(n int) { _ = binary.Write(sum, binary.LittleEndian, int64(n)) }
	for _, q := range asked {
		word(len(q.Name))
		sum.Write([]byte(q.Name))
		word(len(q.Prompt))
		for _, id := range q.Prompt {
			word(int(id))
		}
		if q.Line {
			word(1)
		}
	}
	return &Answers{
		of:    header{answersVersion, m.Digest().String(), m.Precision().String(), most, hex.EncodeToString(sum.Sum(nil))},
		known: map[answerKey]measure.Given{},
	}
}

// Keep reads what a file has of these answers, adds what it lacks, and will add what
// comes. There need be no file. One of other answers is refused by what differs.
func (a *Answers) Keep(path string) error {
	had := map[answerKey]measure.Given{}
	file, err := durable.OpenJournal(path, durable.Format{
		What: "the answers of an eval", Begin: `{"answers":`,
		Header: a.check,
		Record: func(line []byte) error {
			var l answerLine
			if err := json.Unmarshal(line, &l); err != nil || l.Name == "" {
				return errors.New("is no answer")
			}
			had[answerKey{l.Patch, l.Name}] = l.Given
			return nil
		},
	}, a.of, true)
	if err != nil {
		return err
	}
	var lacking []any
	for key, given := range a.known {
		if _, ok := had[key]; !ok {
			lacking = append(lacking, answerLine{key.name, key.patch, given})
		}
	}
	for key, given := range had {
		a.known[key] = given
	}
	a.file, a.Resumed = file, len(had)
	if len(lacking) > 0 {
		return file.Append(lacking...)
	}
	return nil
}

// check refuses the header of other answers.
func (a *Answers) check(line []byte) error {
	var h header
	if json.Unmarshal(line, &h) != nil || h.Answers != answersVersion {
		return errors.New("is of another version: choose another name with --answers")
	}
	for _, c := range []struct {
		what string
		same bool
	}{
		{"another model", h.Model == a.of.Model},
		{"another precision", h.Precision == a.of.Precision},
		{"other questions", h.Questions == a.of.Questions},
		{fmt.Sprintf("another --max-tokens (%d, now %d)", h.MaxTokens, a.of.MaxTokens), h.MaxTokens == a.of.MaxTokens},
	} {
		if !c.same {
			return fmt.Errorf("has the answers of %s: choose another name with --answers", c.what)
		}
	}
	return nil
}

// Close closes the file, if there is one.
func (a *Answers) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// lacking are the questions that a model has not answered.
func (a *Answers) lacking(patch string, asked []measure.Asked) (left []measure.Asked) {
	for _, q := range asked {
		if _, ok := a.known[answerKey{patch, q.Name}]; !ok {
			left = append(left, q)
		}
	}
	return left
}

// add takes in answers, in the order of their questions.
func (a *Answers) add(patch string, asked []measure.Asked, given []measure.Given) error {
	var lines []any
	for i, g := range given {
		a.known[answerKey{patch, asked[i].Name}] = g
		lines = append(lines, answerLine{asked[i].Name, patch, g})
	}
	if a.file == nil || len(lines) == 0 {
		return nil
	}
	return a.file.Append(lines...)
}

// list are the answers to questions, all of which must have been answered.
func (a *Answers) list(patch string, asked []measure.Asked) []measure.Given {
	out := make([]measure.Given, len(asked))
	for i, q := range asked {
		out[i] = a.known[answerKey{patch, q.Name}]
	}
	return out
}
