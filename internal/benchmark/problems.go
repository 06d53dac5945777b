package benchmark

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Problem is a question whose answer is a number, as GSM8K has them.
type Problem struct {
	Line     int    // of the file, from 1
	Question string // as in the file, without space around it
	Answer   string // the worked solution, which ends in "#### 42"
	Want     string // the number behind "####", as PlainNumber writes it
}

// ReadProblems reads a file of GSM8K's form: a JSON object a line with the texts
// "question" and "answer", where the number is what follows the last "####" of
// the answer. Errors tell the line.
func ReadProblems(r io.Reader) ([]Problem, error) {
	var all []Problem
	err := readLines(r, func(line int, object []byte) error {
		var p struct {
			Question *string `json:"question"`
			Answer   *string `json:"answer"`
		}
		if err := parseObject(object, &p); err != nil {
			return err
		}
		if p.Question == nil || strings.TrimSpace(*p.Question) == "" {
			return errors.New(`has no "question"`)
		}
		if p.Answer == nil {
			return errors.New(`has no "answer"`)
		}
		at := strings.LastIndex(*p.Answer, finalMark)
		if at < 0 {
			return fmt.Errorf(`"answer" has no %q: the number must follow it, as in "… #### 42"`, finalMark)
		}
		want, ok := firstNumber((*p.Answer)[at+len(finalMark):])
		if !ok {
			return fmt.Errorf(`"answer" has no number behind %q`, finalMark)
		}
		all = append(all, Problem{line, strings.TrimSpace(*p.Question), strings.TrimSpace(*p.Answer), want})
		return nil
	})
	return all, err
}
