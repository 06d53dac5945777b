package benchmark

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ChoiceQuestion is a question with answers to choose from.
type ChoiceQuestion struct {
	Line     int // of the file, from 1
	Question string
	Choices  []string // 2 to 26
	Answer   int      // index of the right one
	Subject  string   // may be empty
}

// ReadChoices reads a file of multiple-choice questions in the form of MMLU: a JSON
// object a line with the text "question", the list "choices", "answer" and, if
// wanted, "subject". The answer is the index of the right choice from 0, its letter
// as "B", or its text. Errors tell the line.
func ReadChoices(r io.Reader) ([]ChoiceQuestion, error) {
	var all []ChoiceQuestion
	err := readLines(r, func(line int, object []byte) error {
		var c struct {
			Question *string         `json:"question"`
			Choices  []string        `json:"choices"`
			Answer   json.RawMessage `json:"answer"`
			Subject  string          `json:"subject"`
		}
		if err := parseObject(object, &c); err != nil {
			return err
		}
		if c.Question == nil || strings.TrimSpace(*c.Question) == "" {
			return errors.New(`has no "question"`)
		}
		if err := checkChoices(c.Choices); err != nil {
			return err
		}
		answer, err := choiceMeant(c.Answer, c.Choices)
		if err != nil {
			return err
		}
		all = append(all, ChoiceQuestion{line, strings.TrimSpace(*c.Question), c.Choices, answer, c.Subject})
		return nil
	})
	return all, err
}

// letters name the choices.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func checkChoices(choices []string) error {
	if n := len(choices); n < 2 || n > len(letters) {
		return fmt.Errorf(`"choices" has %d of them: must be 2 to %d`, n, len(letters))
	}
	for i, c := range choices {
		if strings.TrimSpace(c) == "" {
			return fmt.Errorf("choice %c is empty", letters[i])
		}
		if at := slices.Index(choices, c); at < i {
			return fmt.Errorf("choices %c and %c are the same: %q", letters[at], letters[i], c)
		}
	}
	return nil
}

// choiceMeant is the index of the choice that an answer in a file means.
func choiceMeant(answer json.RawMessage, choices []string) (int, error) {
	if len(answer) == 0 || bytes.Equal(answer, []byte("null")) {
		return 0, errors.New(`has no "answer"`)
	}
	if i, err := strconv.Atoi(string(answer)); err == nil {
		if i < 0 || i >= len(choices) {
			return 0, fmt.Errorf(`"answer" %d is no index of %d choices: the first one is 0`, i, len(choices))
		}
		return i, nil
	}
	var s string
	if json.Unmarshal(answer, &s) != nil {
		return 0, errors.New(`"answer" must be an index from 0, a letter or the text of a choice`)
	}
	byText, byLetter := slices.Index(choices, s), -1
	if len(s) == 1 {
		byLetter = strings.Index(letters[:len(choices)], s)
	}
	switch {
	case byText >= 0 && byLetter >= 0 && byText != byLetter:
		return 0, fmt.Errorf(`"answer" %q is the letter of one choice and the text of another: give the index from 0`, s)
	case byText < 0 && byLetter < 0:
		return 0, fmt.Errorf(`"answer" %q is no letter and no text of the choices`, s)
	}
	return max(byText, byLetter), nil
}
