package judge

import (
	"strings"
	"testing"
)

// cases are wanted answers, given ones, and whether they are right.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		rule, want, have string
		right            bool
		reason           string // part of it
	}{
		{"exact", "New  York", " New York\n", true, ""},
		{"exact", "caf\u00e9", "cafe\u0301", true, ""}, // composed or not
		{"exact", "Paris", "paris", false, "only upper and lower case"},
		{"exact:fold", "Straße", "STRASSE", true, ""},
		{"exact", "Paris", "Paris.", false, `goes on: "."`},
		{"exact", "a long way", "a long", false, `ends before`},
		{"exact", "Paris", "", false, "nothing was said"},

		{"contains", "no", "Nobody, nor anyone: no one", true, ""},
		{"contains", "no", "nobody", false, "inside of a longer word"},
		{"contains", "7", "17 and 70", false, "inside"},
		{"contains", "Paris", "It is PARIS", false, "other case"},
		{"contains:fold", "Paris", "It is PARIS!", true, ""},
		{"contains", "C++", "I like C++17", true, ""},

		{"begins", " 7x^6", "7 x^6 by the power rule", true, ""},
		{"begins", "7x^6", "7x^65", false, `begins with "7x^65"`},
		{"begins", "Yes", "\nYes, it is", true, ""},
		{"begins", "Yes", "No. Yes is wrong", false, ""},

		{"label", "positive", "Positive.", true, ""},
		{"label", "positive", "**positive**", true, ""},
		{"label", "positive", "very positive", false, `names "very positive"`},
		{"label", "very positive", "Very positive!", true, ""},
		{"label", "positive", "not positive", false, "begins with no label"},
		{"label", "positive", "Sentiment: positive", true, ""},
		{"label", "positive", "The sentiment is negative", false, `names "negative"`},
		{"label", "positive", "positively awful", false, "no label"},

		{"regex:^\\d{3}$", "", "123", true, ""},
		{"regex:^\\d{3}$", "", "1234", false, "does not match"},
		{"regex:(?i)sorry", "", "I am Sorry", true, ""},
	} {
		r, err := Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != c.rule {
			t.Errorf("%s is written %s", c.rule, r)
		}
		w := Wanted{Text: c.want}
		if r.Kind == Label {
			w.Labels = []string{"positive", "negative", "very positive"}
		}
		v := r.Judge(w, Answer{Text: c.have})
		if v.Right != c.right || !strings.Contains(v.Reason, c.reason) || v.Reason == "" {
			t.Errorf("%s: %q for %q: %v", c.rule, c.have, c.want, v)
		}
	}
}

// An alternate is as right; the reason of a wrong answer is about the text that is wanted.
func TestAlternates(t *testing.T) {
	w := Wanted{Text: "7x^6", Alternates: []string{"x^6*7"}}
	if v := (Rule{Kind: Exact}).Judge(w, Answer{Text: "x^6*7"}); !v.Right {
		t.Error(v)
	}
	if v := (Rule{Kind: Begins}).Judge(w, Answer{Text: "6x^7"}); v.Right || !strings.Contains(v.Reason, `wanted "7x^6"`) {
		t.Error(v)
	}
}

// GSM8K's answers and what people and models write for them.
func TestNumber(t *testing.T) {
	for _, c := range []struct {
		want, have string
		right      bool
	}{
		{"#### 24", "24", true},
		{"5*4=20\n#### 1,234", "So it is $1234.00.", true},
		{"24", "18 + 6 = **24**.", true},
		{"24", "It is 24, not 25", false}, // the last number counts
		{"24", "#### 24\nIs it 25?", true},
		{"24", "####\nnothing", false},
		{"24", "24th of 12", false},
		{"24", "twenty-four", false},
		{"24", "", false},
		{"-5", "−5", true},
		{"-5", "x = -5.", true},
		{"-5", "10-5", false},
		{"5", "10-5", true},
		{"-5", "-$5", true},
		{"-1000", "−1,000 €", true},
		{"1234567", "1 234 567", false}, // a plain space does not group
		{"1234567", "1\u202f234\u202f567", true},
		{"1234567", "1'234'567", true},
		{"3.5", "3,5", false}, // no decimal comma: 1,234 would have two meanings
		{"0.75", "3/4", true},
		{"3/4", ".75", true},
		{"1/3", "0.333", false},
		{"0.5", "1⁄2", true},
		{"2020", "1/2/2020", true},
		{"3", "3/0", false}, // the last number is 0
		{"50%", "50", true},
		{"50%", "0.5", true},
		{"50", "50 %", true},
		{"50%", "50 percent", true},
		{"50%", "0.5%", false},
		{"50", "0.5", false},
		{"1e3", "1000", true},
		{"1000", "1E3", true},
		{"2", "CO2", false},
		{"2", "x_2", false},
		{"24", "２４", true}, // full width
		{"24", `\boxed{24}`, true},
		{"24", "24.0000", true},
		{"24", "24.0001", false},
		{"1", "1e99999", false},
		{"100", "1,00", false},
	} {
		v := Rule{Kind: Number}.Judge(Wanted{Text: c.want}, Answer{Text: c.have})
		if v.Right != c.right {
			t.Errorf("%q for %q: %v", c.have, c.want, v)
		}
	}
	v := Rule{Kind: Number}.Judge(Wanted{Text: "24"}, Answer{Text: "I say 42", Cut: true})
	if v.Reason != "number 42, wanted 24 (the answer was cut off)" {
		t.Errorf("%q", v.Reason)
	}
}

func TestChoice(t *testing.T) {
	for _, c := range []struct {
		have string
		want string // the letter, or "" for none
	}{
		{"B", "B"},
		{" b", "B"},
		{"B.", "B"},
		{"(B)", "B"},
		{"(b) Paris", "B"},
		{"B) Paris", "B"},
		{"**B**", "B"},
		{"B: because A is wrong", "B"},
		{"B\nbecause", "B"},
		{"The answer is (B).", "B"},
		{"The correct answer is **B**", "B"},
		{"Answer: B", "B"},
		{"the answer is b.", "B"},
		{"the answer is option B", "B"},
		{`The answer is $\boxed{B}$`, "B"},
		{"I think (A) is wrong and (C) as well. The answer is (B).", "B"},
		{"The answer is A. No, wait: the answer is B.", "B"},
		{"B. On reflection the answer is C.", "C"},
		{"The answer is not A, the answer is B", "B"},
		{"It must be C", "C"},
		{"A dog is an animal", ""},
		{"I do not know", ""},
		{"the answer is a matter of taste", ""},
		{"The answer is A dog", ""},
		{"The answer is A or B", ""},
		{"The answer is (A) and (B)", ""},
		{"A, B", ""},
		{"Either (A) or (C)", ""},
		{"ABBA", ""},
		{"", ""},
		{"K", ""},
	} {
		got := ""
		if p := chosen(c.have); p.letter != 0 {
			got = string(p.letter)
		}
		if got != c.want {
			t.Errorf("%q: chose %q, want %q", c.have, got, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		want, have string
		reason     string // of the wrong ones
	}{
		{`{"a":1,"b":[true,null]}`, `{ "b": [true, null], "a": 1.0 }`, ""},
		{`{"a":1}`, "```json\n{\"a\":1e0}\n```", ""},
		{`{"a":1}`, "Here you are:\n```\n{\"a\":1}\n```\nAnything else?", ""},
		{`1`, `1.00`, ""},
		{`"é"`, `"\u00e9"`, ""},
		{`{"a":1}`, `{"a":"1"}`, `a is "1", wanted 1`},
		{`{"a":{"b":[1,2]}}`, `{"a":{"b":[1,3]}}`, "a.b[1] is 3, wanted 2"},
		{`[1,2]`, `[2,1]`, "[0] is 2, wanted 1"},
		{`[1,2]`, `[1,2,3]`, "the value has 3 items, wanted 2"},
		{`{"a":1}`, `{"a":1,"b":2}`, "b is not wanted"},
		{`{"a":1,"b":2}`, `{"a":1}`, "b is missing"},
		{`{"a":null}`, `{}`, "a is missing"},
		{`{"a":1}`, `{"a":1,"a":1}`, "twice"},
		{`{"a":1}`, `{"a":1}}`, "more behind"},
		{`{"a":1}`, `Sure: {"a":1}`, "no JSON"},
		{`{"a":1}`, `{"a":1`, "does not end"},
		{`{"a":1}`, ``, "empty"},
		{`{"a":1}`, "```\n{\"a\":1}\n```\n```\n{\"a\":2}\n```", "2 blocks"},
		{`[]`, `{}`, "the value is {}, wanted []"},
		{`false`, `null`, "the value is null, wanted false"},
		{`1e400`, `1e4000000000`, "wanted"},
		{`12345678901234567890`, `12345678901234567891`, "wanted"}, // beyond a float64
		{`1`, strings.Repeat("[", 5000), ""},
	} {
		v := Rule{Kind: JSON}.Judge(Wanted{Text: c.want}, Answer{Text: c.have})
		deep := strings.HasPrefix(c.have, "[[[")
		if v.Right != (c.reason == "" && !deep) || !strings.Contains(v.Reason, c.reason) {
			t.Errorf("%.60q for %q: %v", c.have, c.want, v)
		}
	}
}

func TestTool(t *testing.T) {
	call := func(name, args string) Call { return Call{name, []byte(args)} }
	a, b := call("add", `{"x":1,"y":2}`), call("say", `{"text":"hi"}`)
	for _, c := range []struct {
		rule       string
		want, have []Call
		reason     string // of the wrong ones
	}{
		{"tool", []Call{a}, []Call{call("add", `{"y":2.0,"x":1}`)}, ""},
		{"tool", []Call{a}, []Call{call("add", `"{\"x\":1,\"y\":2}"`)}, ""},
		{"tool", []Call{call("now", "")}, []Call{call("now", "{}")}, ""},
		{"tool", []Call{a, b}, []Call{b, a}, ""},
		{"tool:ordered", []Call{a, b}, []Call{a, b}, ""},
		{"tool:ordered", []Call{a, b}, []Call{b, a}, "calls say, wanted add"},
		{"tool", []Call{a}, []Call{call("add", `{"x":1,"y":3}`)}, "add: y is 3, wanted 2"},
		{"tool", []Call{a}, []Call{call("sub", `{"x":1,"y":2}`)}, "calls sub, wanted add"},
		{"tool", []Call{a}, []Call{a, a}, "add is called, too"},
		{"tool", []Call{a, a}, []Call{a}, "is missing"},
		{"tool", []Call{a}, nil, "no tool is called, wanted add"},
		{"tool", []Call{a}, []Call{call("add", `[1]`)}, "add: the value is [1]"},
		{"tool", []Call{a}, []Call{call("add", `{"x":1`)}, "does not end"},
	} {
		r, err := Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		v := r.Judge(Wanted{Calls: c.want}, Answer{Text: "Let me see.", Calls: c.have})
		if v.Right != (c.reason == "") || !strings.Contains(v.Reason, c.reason) {
			t.Errorf("%v for %v: %v", c.have, c.want, v)
		}
	}
	// A model without tags for calls may write them as JSON.
	if v := (Rule{Kind: Tool}).Judge(Wanted{Calls: []Call{a}}, Answer{Text: `{"name":"add","arguments":{"x":1,"y":2}}`}); !v.Right {
		t.Error(v)
	}
}

func TestDefault(t *testing.T) {
	for _, c := range []struct {
		want Wanted
		rule string // "": no right or wrong
	}{
		{Wanted{Text: "spam", Labels: []string{"spam", "ham"}}, "label"},
		{Wanted{Calls: []Call{{Name: "now"}}}, "tool"},
		{Wanted{Text: ` {"a": 1}`}, "json"},
		{Wanted{Text: "[see below]"}, "begins"},
		{Wanted{Text: "-1,234.5"}, "number"},
		{Wanted{Text: "$5"}, "number"},
		{Wanted{Text: "50%"}, "number"},
		{Wanted{Text: "2+2=4\n#### 4"}, "number"},
		{Wanted{Text: "5 apples"}, "begins"},
		{Wanted{Text: "7x^6"}, "begins"},
		{Wanted{Text: strings.Repeat("x", 61)}, ""},
		{Wanted{Text: "two\nlines"}, ""},
		{Wanted{Text: " "}, ""},
	} {
		r, ok := Default(c.want)
		if ok != (c.rule != "") || ok && r.String() != c.rule {
			t.Errorf("%.40v: %v, %v, want %s", c.want, r, ok, c.rule)
		}
	}
}

// A right answer is right by the rule that is chosen for it.
func TestDefaultAcceptsTheWanted(t *testing.T) {
	for _, w := range []Wanted{
		{Text: "yes", Labels: []string{"no", "yes"}},
		{Text: `{"a":[1,2]}`},
		{Text: "1,000"},
		{Text: "-3/4"},
		{Text: "Paris"},
		{Text: "x^2 + C"},
		{Calls: []Call{{"f", []byte(`{"a":1}`)}}},
	} {
		r, ok := Default(w)
		if v := r.Judge(w, Answer{Text: w.Text, Calls: w.Calls}); !ok || !v.Right {
			t.Errorf("%v: %v: %v", w, r, v)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for s, want := range map[string]string{
		"":            "is not known: give exact",
		"exakt":       "is not known",
		"exact:x":     `only "fold"`,
		"number:fold": "nothing may stand",
		"regex:":      "give the expression",
		"regex:(":     "RE2",
	} {
		if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, c := range []struct {
		rule string
		w    Wanted
	}{
		{"exact", Wanted{}},
		{"begins", Wanted{Text: "**"}},
		{"number", Wanted{Text: "many"}},
		{"choice", Wanted{Text: "Paris"}},
		{"json", Wanted{Text: "{"}},
		{"tool", Wanted{Text: "hello"}},
		{"label", Wanted{Text: "x"}},
	} {
		r, err := Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if r.Check(c.w) == nil {
			t.Errorf("%s takes %v", c.rule, c.w)
		}
	}
}

// No text makes a rule panic, and what a rule says of two equal texts is that they are
// equal, if the text can be wanted at all.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{"", "24", "#### -1,000.5%", "(B)", "The answer is A or B", `{"a":[1,{"b":null}]}`, "```json\n[1]\n```", `{"name":"f","arguments":{}}`, "1/0", "1e999", "x²½", "\xff"} {
		f.Add(s, s)
	}
	rules := []Rule{{Kind: Exact}, {Kind: Exact, Variant: "fold"}, {Kind: Contains}, {Kind: Begins}, {Kind: Number}, {Kind: Choice}, {Kind: JSON}, {Kind: Tool}}
	f.Fuzz(func(t *testing.T, want, have string) {
		for _, r := range rules {
			w := Wanted{Text: want}
			if v := r.Judge(w, Answer{Text: have}); v.Reason == "" {
				t.Errorf("%s: no reason", r.Kind)
			}
			if r.Kind == Begins || r.Check(w) != nil {
				continue
			}
			if v := r.Judge(w, Answer{Text: want}); !v.Right {
				t.Errorf("%s: %q is not %q: %s", r.Kind, want, want, v.Reason)
			}
		}
		Default(Wanted{Text: want})
	})
}
