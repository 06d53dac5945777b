package benchmark

import (
	"strings"
	"testing"
)

// Which rule finds what: the first rule that finds a number counts.
func TestExtract(t *testing.T) {
	for _, c := range []struct{ text, answer, rule string }{
		// "####": the first number behind the first mark.
		{"3 + 4 = 7\n#### 7", "7", "####"},
		{"#### The answer is 12 apples, not 13", "12", "####"},
		{"#### 5\n\nQuestion: and 6?\n#### 6", "5", "####"},
		{"The answer is 4.\n#### 5", "5", "####"},
		{"####", "", ""},
		{"The answer is 4.\n#### none", "4", "answer"},

		// "answer": the first number behind the last statement, on its line.
		{"The answer is 42.", "42", "answer"},
		{"the ANSWER IS: $1,234.50 in all 7 weeks", "1234.5", "answer"},
		{"Answer: 6 * 7 = 42", "6", "answer"},
		{"Is the answer is 4? No, the answer is 5. I have 6 of them.", "5", "answer"},
		{`So \boxed{18} metres in 3 hours`, "18", "answer"},
		{`The answer is $\boxed{\frac{3}{4}}$.`, "3/4", "answer"},
		{`\boxed{x = -2{,}500}`, "-2500", "answer"},
		{"My answer is:\nten, or 10", "10", "last"},
		{"The answer is unknown. There were 9.", "9", "answer"},
		{"Answers vary: 3", "3", "last"},
		{"The answer isn't 3 but 4", "4", "last"},

		// "last": the last number of all.
		{"7 apples and 5 pears make 12 fruits.", "12", "last"},
		{" 24", "24", "last"},
		{"It costs $3.50.", "3.5", "last"},
		{"no number at all", "", ""},
		{"", "", ""},
	} {
		if answer, rule := Extract(c.text, AnswerRules); answer != c.answer || rule != c.rule {
			t.Errorf("%q: got %q by %q, want %q by %q", c.text, answer, rule, c.answer, c.rule)
		}
	}
}

// What is a number, and how it is written plainly.
func TestNumbers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"42", "42"},
		{"42.", "42"},
		{"42.0", "42"},
		{"42.50", "42.5"},
		{"0.50", "0.5"},
		{".5", "0.5"},
		{"007", "7"},
		{"0", "0"},
		{"-0.0", "0"},
		{"+7", "7"},
		{"-7", "-7"},
		{"−7", "-7"}, // the minus sign
		{"x = -7", "-7"},
		{"9-4", "4"},   // an operator
		{"5-10", "10"}, // a range
		{"(3)-4", "4"},
		{"$1,234,567", "1234567"},
		{"-$20", "-20"},
		{"$-20", "-20"},
		{`\$20`, "20"},
		{"€3.10", "3.1"},
		{"£9", "9"},
		{"25%", "25"},
		{`25\%`, "25"},
		{"1,2", "2"},        // a list
		{"12,345", "12345"}, // groups of three
		{"12,3456", "3456"},
		{"1/2", "1/2"},
		{"-1/2", "-1/2"},
		{"2/4", "2/4"}, // as it is written
		{`\dfrac{12}{5}`, "12/5"},
		{"42 km", "42"},
		{"42km", "42"},
		{"10 000", "0"}, // no space parts a number
		{"10\u00a0000", "0"},
		{"10\u202f000", "10000"}, // but for a narrow one
	} {
		if got, ok := lastNumber(c.text); got != c.want || !ok {
			t.Errorf("the last number of %q is %q, %v, want %q", c.text, got, ok, c.want)
		}
	}
}

func TestRulesNamed(t *testing.T) {
	rules, err := RulesNamed([]string{"last", "####"})
	if err != nil {
		t.Fatal(err)
	}
	if answer, rule := Extract("#### 4 of 5", rules); answer != "5" || rule != "last" {
		t.Errorf("got %q by %q: the order given counts", answer, rule)
	}
	if _, err := RulesNamed([]string{"last", "first"}); err == nil || !strings.Contains(err.Error(), `no rule "first" for answers: choose among ####, answer, last`) {
		t.Errorf("got %v", err)
	}
}

// Whatever is generated, an answer found is a plain number: written plainly again
// it is the same, and it is found again as it stands.
func FuzzExtract(f *testing.F) {
	for _, text := range []string{"#### -$1,234.50%", `\boxed{\frac{3}{4}}`, "the answer is .5.", "9-4−3+2", "00/00", "1/2/3.4.5", "-\u221200"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		answer, rule := Extract(text, AnswerRules)
		if (answer == "") != (rule == "") {
			t.Fatalf("answer %q by rule %q", answer, rule)
		}
		if answer == "" {
			return
		}
		if again := PlainNumber(answer); again != answer {
			t.Errorf("%q is written plainly as %q", answer, again)
		}
		if again, _ := firstNumber(answer); again != answer {
			t.Errorf("in %q the first number is %q", answer, again)
		}
	})
}
