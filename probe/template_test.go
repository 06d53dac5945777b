package probe

import (
	"context"
	"strings"
	"testing"
)

// Faults are named by line, template, field and character.
func TestTemplateFaults(t *testing.T) {
	const fine = `{"prompt": "{a} =", "correct": " {a}", "ranges": {"a": [1, 2]}}`
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the JSON ends too soon"},
		{"[]", "line 1: no templates: the list is empty"},
		{"7", "line 1: want a list of templates, [{…}, …]"},
		{fine + fine, "line 1: { follows the templates: nothing may, and several stand in a list, [{…}, …]"},
		{"[" + fine + ",\n7]", `line 2: template 2: want an object such as {"prompt": "{a} + {b} =", "correct": " {a+b}", "ranges": {"a": [2, 9], "b": [2, 9]}}`},
		{"[" + fine + ",\n{\"prompt\": \"x\"", "line 2: template 2: the JSON ends too soon"},
		{"[" + fine, "line 1: the JSON ends too soon"},
		{"{\"prompt\": \"\xff\"}", "line 1: byte 0xff is not valid UTF-8: save the file as UTF-8"},
		{`{"promt": "x"}`, `line 1: template 1: unknown key "promt": did you mean "prompt"?`},
		{`{"answer": "x"}`, `line 1: template 1: unknown key "answer": a template has prompt, correct, wrong, name, category, alternates, ranges, where`},
		{`{"prompt": "x", "prompt": "y"}`, `line 1: template 1: "prompt" is given twice`},
		{`{"prompt": 7}`, `line 1: template 1: "prompt" is no text: put it in quotes`},
		{`{"where": true}`, `line 1: template 1: "where" is no text: put it in quotes, as in "a != b"`},
		{`{"alternates": "x"}`, `line 1: template 1: "alternates" is no list of strings`},
		{`{"prompt": "x"}`, `line 1: template 1: "correct" is missing or empty`},
		{`{"prompt": "x", "correct": " "}`, `line 1: template 1: "correct" is missing or empty`},
		{`{"prompt": "x", "correct": "y", "alternates": [""]}`, `line 1: template 1: "alternates" has an empty entry: leave it out`},
		{"{\n\"prompt\": \"é{a\",\n\"correct\": \"x\", \"ranges\": {\"a\": [1, 2]}}", `line 2: template 1: "prompt", character 2: the brace is not closed: write {{ for a brace`},
		{`{"prompt": "x", "correct": "y", "alternates": ["z", "{z}"]}`, `line 1: template 1: "alternates", character 2: "z" has no range: give it one in "ranges" in "{z}"`},
		{`{"prompt": "x", "correct": "y", "where": "1 = 2"}`, `line 1: template 1: "where", character 3: an operator is missing before "= 2"`},
		{`{"prompt": "x", "correct": "y", "ranges": {"a": [1, 2]}}`, `line 1: template 1: "ranges" has "a", which no text uses: write {a} or take it out`},
		{`{"prompt": "{a}{b}{c}", "correct": "y", "ranges": {"a": [1, 9007199254740992], "b": [1, 1024], "c": [1, 2]}}`, `line 1: template 1: "ranges" has more than 2^62 combinations: narrow it`},
		{`{"ranges": [1, 2]}`, `line 1: template 1: "ranges" is no object: want one such as {"a": [2, 9]}`},
		{`{"ranges": {"2a": [1, 2]}}`, `line 1: template 1: "ranges" "2a" is no name for a variable: use letters, digits and _`},
		{`{"ranges": {"a": [1, 2], "a": [1, 2]}}`, `line 1: template 1: "ranges" "a" is given twice`},
		{`{"ranges": {"a": 7}}`, `line 1: template 1: "ranges" "a" is no list: write [2, 9] for the numbers from 2 to 9, or a list of values`},
		{`{"ranges": {"a": []}}`, `line 1: template 1: "ranges" "a" has no values`},
		{`{"ranges": {"a": [9, 2]}}`, `line 1: template 1: "ranges" "a" runs from 9 down to 2: write [2, 9]`},
		{`{"ranges": {"a": [1, "x"]}}`, `line 1: template 1: "ranges" "a" mixes numbers and text: put quotes around all or none`},
		{`{"ranges": {"a": [0.5, 2]}}`, `line 1: template 1: "ranges" "a" has the value 0.5: numbers are whole; put others in quotes`},
		{`{"ranges": {"a": [null]}}`, `line 1: template 1: "ranges" "a" has a value that is neither a number nor text`},
		{`{"ranges": {"a": [0, 9007199254740993]}}`, `line 1: template 1: "ranges" "a" goes beyond ±2^53: reckon with smaller numbers in an expression`},
	} {
		_, err := ReadTemplates(strings.NewReader(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// Whatever the text, reading it ends, and what was read makes probes that a
// probe file can hold, or an error.
func FuzzTemplates(f *testing.F) {
	for _, s := range []string{
		`{"prompt": "d/dx [x^{a} + {b}x] =", "correct": " {a}x^{a-1} + {b}", "wrong": " {a}x^{a-1}", "category": "c", "name": "n{a}", "alternates": ["{a}*x^{a-1}"], "ranges": {"a": [2, 9], "b": [2, 3, 5]}, "where": "a != b"}`,
		`[{"prompt": "{s}?", "correct": "{s == 'x' || !(s != \"y\")}", "ranges": {"s": ["x", "y"]}}, {"prompt": "{{}}", "correct": "1"}]`,
		`{"prompt": "{a/b} {a%b} {-a^b}", "correct": "{(a+1)*2}", "ranges": {"a": [-3, 3], "b": [0, 9]}}`,
		`{"prompt": "{9^9^a}", "correct": "1", "ranges": {"a": [0, 9007199254740992]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ReadTemplates(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, tpl := range list {
			if tpl.count > 1000 {
				return // where may exclude all of them
			}
		}
		x, err := Expand(context.Background(), list, 5, 1, nil)
		if err != nil {
			return
		}
		var out strings.Builder
		if err := x.Set.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadPrompts(strings.NewReader(out.String()), JSON); err != nil || len(again) != len(x.Set) || len(again) > 5 {
			t.Errorf("%d probes read again as %d: %v", len(x.Set), len(again), err)
		}
	})
}
