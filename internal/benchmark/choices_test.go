package benchmark

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"bankai/models/demo"
)

func TestReadChoices(t *testing.T) {
	const file = `{"question": "q ", "choices": ["x", "y", "z"], "answer": 2, "subject": "s"}
{"question": "q", "choices": ["x", "y"], "answer": "B"}

{"question": "q", "choices": ["x", "y"], "answer": "x", "source": "book"}
{"question": "q", "choices": ["A", "C"], "answer": "A"}
{"question": "q", "choices": ["C", "D"], "answer": "C"}
`
	got, err := ReadChoices(strings.NewReader(file))
	want := []ChoiceQuestion{
		{1, "q", []string{"x", "y", "z"}, 2, "s"},
		{2, "q", []string{"x", "y"}, 1, ""},
		{4, "q", []string{"x", "y"}, 0, ""},
		{5, "q", []string{"A", "C"}, 0, ""},
		{6, "q", []string{"C", "D"}, 0, ""},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReadChoicesRefuses(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"choices": ["x", "y"], "answer": 0}`, `has no "question"`},
		{`{"question": "q", "answer": 0}`, `"choices" has 0 of them: must be 2 to 26`},
		{`{"question": "q", "choices": ["x"], "answer": 0}`, `"choices" has 1 of them`},
		{`{"question": "q", "choices": "xy", "answer": 0}`, `"choices" is a JSON string: want a list of strings`},
		{`{"question": "q", "choices": ["x", " "], "answer": 0}`, "choice B is empty"},
		{`{"question": "q", "choices": ["x", "y", "x"], "answer": 0}`, `choices A and C are the same: "x"`},
		{`{"question": "q", "choices": ["x", "y"]}`, `has no "answer"`},
		{`{"question": "q", "choices": ["x", "y"], "answer": null}`, `has no "answer"`},
		{`{"question": "q", "choices": ["x", "y"], "answer": 2}`, `"answer" 2 is no index of 2 choices: the first one is 0`},
		{`{"question": "q", "choices": ["x", "y"], "answer": -1}`, `"answer" -1 is no index`},
		{`{"question": "q", "choices": ["x", "y"], "answer": 0.5}`, `"answer" must be an index from 0, a letter or the text`},
		{`{"question": "q", "choices": ["x", "y"], "answer": "C"}`, `"answer" "C" is no letter and no text of the choices`},
		{`{"question": "q", "choices": ["B", "A"], "answer": "A"}`, `"answer" "A" is the letter of one choice and the text of another`},
	} {
		if got, err := ReadChoices(strings.NewReader("\n" + c.line)); err == nil || !strings.HasPrefix(err.Error(), "line 2: "+c.want) {
			t.Errorf("%s: got %v, %v, want …%s…", c.line, got, err, c.want)
		}
	}
}

// The questions that come with the documentation are of facts and sums that no
// control set of the embedded model has.
func TestCommittedChoices(t *testing.T) {
	f, err := os.Open("../../models/demo/choices.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	questions, err := ReadChoices(f)
	if err != nil || len(questions) != 70 {
		t.Errorf("%d questions, %v", len(questions), err)
	}
	for _, name := range []string{"control", "control_heldout"} {
		set, err := demo.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range questions {
			if strings.Contains(string(set), `"`+q.Question+`"`) {
				t.Errorf("line %d: %q stands in %s", q.Line, q.Question, name)
			}
		}
	}
}

// Whatever a file holds, reading it ends with questions that have their answer, or
// with an error of one line.
func FuzzReadChoices(f *testing.F) {
	f.Add(`{"question": "q", "choices": ["x", "y"], "answer": "B"}`)
	f.Add(`{"question": "q", "choices": ["B", "A"], "answer": "A"}`)
	f.Add(`{"question": "q", "choices": [], "answer": 9223372036854775808}`)
	f.Fuzz(func(t *testing.T, file string) {
		questions, err := ReadChoices(strings.NewReader(file))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of two lines: %v", err)
			}
			return
		}
		for _, q := range questions {
			if q.Question == "" || q.Answer < 0 || q.Answer >= len(q.Choices) || len(q.Choices) < 2 {
				t.Errorf("got %+v", q)
			}
		}
	})
}
