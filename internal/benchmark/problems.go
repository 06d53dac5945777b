package benchmark

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bankai/internal/text"
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

// ReadWithExamples reads the first n problems of a file, 0 for all, and as many worked
// examples as shots: from another file or, if there is none, from the end of the same
// one. A problem that is scored is never an example.
func ReadWithExamples(file, examplesFile string, n, shots int) (problems, examples []Problem, err error) {
	if problems, err = ReadFile(file, ReadProblems); err != nil {
		return nil, nil, err
	}
	from := file
	if examplesFile == "" {
		at := max(0, len(problems)-shots)
		problems, examples = problems[:at], problems[at:]
	} else {
		from = examplesFile
		if examples, err = ReadFile(from, ReadProblems); err != nil {
			return nil, nil, err
		}
	}
	if n > 0 {
		problems = problems[:min(n, len(problems))]
	}
	examples = slices.DeleteFunc(slices.Clone(examples), func(e Problem) bool {
		return slices.ContainsFunc(problems, func(p Problem) bool { return p.Question == e.Question })
	})
	if len(examples) < shots || len(problems) == 0 {
		return nil, nil, fmt.Errorf("%s: has not %s beside a problem to score: give fewer --shots, or --examples from another file", from, text.Count(shots, "example"))
	}
	return problems, examples[:shots], nil
}
