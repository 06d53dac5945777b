package benchmark

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestReadProblems(t *testing.T) {
	const file = "\ufeff" + `{"question": " How many? ", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"}

{"id": 5, "question": "And?", "answer": "#### 1\n#### $1,200.00"}
`
	got, err := ReadProblems(strings.NewReader(file))
	want := []Problem{
		{1, "How many?", "3 + 4 = <<3+4=7>>7\n#### 7", "7"},
		{3, "And?", "#### 1\n#### $1,200.00", "1200"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReadProblemsRefuses(t *testing.T) {
	const good = `{"question": "q", "answer": "#### 1"}` + "\n"
	for _, c := range []struct{ file, want string }{
		{"", "is empty: give one JSON object a line"},
		{"\n \n", "is empty"},
		{good + "oops\n", "line 2: is no JSON object"},
		{good + "\n[1]\n", "line 3: is a JSON array: want an object"},
		{`{"answer": "#### 1"}`, `line 1: has no "question"`},
		{`{"question": " ", "answer": "#### 1"}`, `line 1: has no "question"`},
		{`{"question": "q"}`, `line 1: has no "answer"`},
		{`{"question": "q", "answer": 42}`, `line 1: "answer" is a JSON number: want a string`},
		{`{"question": "q", "answer": "42"}`, `line 1: "answer" has no "####"`},
		{`{"question": "q", "answer": "7 #### seven"}`, `line 1: "answer" has no number behind "####"`},
		{good + `{"question": "q`, "line 2: is no JSON object"},
		{good + "{\"question\": \"\xff\", \"answer\": \"#### 1\"}", "line 2: is not valid UTF-8"},
	} {
		if got, err := ReadProblems(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, %v, want …%s…", c.file, got, err, c.want)
		}
	}
}

// The problems that come with the documentation.
func TestCommittedProblems(t *testing.T) {
	for name, n := range map[string]int{"sums": 60, "words": 10} {
		f, err := os.Open("../../models/demo/" + name + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		problems, err := ReadProblems(f)
		if err != nil || len(problems) != n {
			t.Errorf("%s: %d problems, %v", name, len(problems), err)
		}
		seen := map[string]bool{}
		for _, p := range problems {
			if seen[p.Question] {
				t.Errorf("%s, line %d: %q stands there twice", name, p.Line, p.Question)
			}
			seen[p.Question] = true
		}
	}
}

// Whatever a file holds, reading it ends with problems that can be put and marked,
// or with an error of one line.
func FuzzReadProblems(f *testing.F) {
	f.Add(`{"question": "q", "answer": "#### 1"}`)
	f.Add("\n\n[]")
	f.Add(`{"question": "q", "answer": "####-,$.5"}`)
	f.Fuzz(func(t *testing.T, file string) {
		problems, err := ReadProblems(strings.NewReader(file))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of two lines: %v", err)
			}
			return
		}
		for _, p := range problems {
			if p.Question == "" || p.Line < 1 || PlainNumber(p.Want) != p.Want {
				t.Errorf("got %+v", p)
			}
			s := Solution{Text: "#### " + p.Want}
			if s.mark(p.Want, AnswerRules); !s.Right {
				t.Errorf("the right answer %q is marked wrong: %+v", p.Want, s)
			}
		}
	})
}
