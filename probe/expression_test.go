package probe

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// someVars are a = 7, b = 3 and s = "cat".
func someVars() ([]variable, []value) {
	vars := []variable{{name: "a", kind: number}, {name: "b", kind: number}, {name: "s", kind: text}}
	return vars, []value{{n: big.NewInt(7)}, {n: big.NewInt(3)}, {s: "cat"}}
}

// fillText is what a text of a template becomes, or what is wrong with it.
func fillText(field string) string {
	vars, values := someVars()
	p, f := parsePattern(field, vars, nil)
	if f != nil {
		return fmt.Sprintf("%d: %s", f.char, f.msg)
	}
	out, err := p.fill(values)
	if err != nil {
		return "error: " + err.Error()
	}
	return out
}

func TestExpressions(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"plain", "plain"},
		{"{{a}} }}", "{a} }"},
		{"{a}x^{a-1} + {b}", "7x^6 + 3"},
		{"x^{{{a}}}", "x^{7}"},
		{"{ a }", "7"},
		{"{s}s", "cats"},

		{"{1 + 2*3 - 4}", "3"},
		{"{(1+2)*3}", "9"},
		{"{10 - 3 - 2}", "5"},
		{"{12/3/2}", "2"},
		{"{12/(3*2)}", "2"},
		{"{2^3^2}", "512"},
		{"{-2^2}", "-4"},
		{"{(-2)^3}", "-8"},
		{"{2*-a}", "-14"},
		{"{--a}", "7"},
		{"{a%b}", "1"},
		{"{-a % b}", "2"},
		{"{-a / -7}", "1"},
		{"{0^0}{(-1)^7}{(-1)^1000000000000000000000}{1^99999999999}{0^5}", "1-1110"},
		{"{2^100 + 1}", "1267650600228229401496703205377"},
		{"{123456789012345678901234567890 - 1}", "123456789012345678901234567889"},

		{"{a > b}", "true"},
		{"{a < b || s == 'cat' && !(b >= 4)}", "true"},
		{`{s == "dog"}`, "false"},
		{"{s != 'a } b'}", "true"},
		{"{a == 7 && b <= 3}", "true"},
		{"{(a > b) != (b > a)}", "true"},
		{"{b == 3 || 1/0 == 1}", "true"}, // the right side does not matter

		{"{a/b}", "error: no whole number"},
		{"{a/(b-3)}", "error: no whole number"},
		{"{a%(b-3)}", "error: no whole number"},
		{"{2^(b-a)}", "error: no whole number"},
		{"{9^9^9}", "error: ^ gives a number of more than 4096 bits"},
		{"{2^4095*4}", "error: * gives a number of more than 4096 bits"},
		{"{2^(2^100)}", "error: ^ gives a number of more than 4096 bits"},

		{"x}", "2: } closes nothing: write }} for a brace"},
		{"é {", "4: the expression ends too soon: want a number, a variable or ("},
		{"{}", "2: \"}\" is not part of an expression: want a number, a variable or ("},
		{"{a", "1: the brace is not closed: write {{ for a brace"},
		{"{a b}", "4: an operator or } is missing before \"b}\""},
		{"{2a}", "3: an operator is missing: write 2*a"},
		{"{1.5}", "2: numbers are whole: write a decimal point as text, outside the braces"},
		{"{a--}", "5: \"}\" is not part of an expression: want a number, a variable or ("},
		{"{(a}", "2: the parenthesis is not closed"},
		{"{c}", "2: \"c\" has no range: give it one in \"ranges\" beside a, b, s"},
		{"{s + 1}", "4: + takes a number, not text"},
		{"{-s}", "2: - takes a number, not text"},
		{"{!a}", "2: ! takes true or false, not a number"},
		{"{a == s}", "4: == compares a number with text"},
		{"{a && b}", "4: && takes true or false, not a number"},
		{"{1 < a < 9}", "8: < takes a number, not true or false: join comparisons with && or ||"},
		{"{s == 'x}", "7: the quote is not closed"},
		{"{" + strings.Repeat("(", 2000), "1003: the expression is longer than 1000 characters"},
		{"{a" + strings.Repeat(" ", 2000), "2003: the expression is longer than 1000 characters"},
	} {
		if got := fillText(c.field); got != c.want {
			t.Errorf("%.60s gives %q, want %q", c.field, got, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	vars, values := someVars()
	for _, c := range []struct {
		field string
		want  any
	}{
		{"a != b", true},
		{"a % 2 == 0", false},
		{"a + b", "is a number: want a comparison such as a != b"},
		{"a > b }", "an operator is missing before \"}\""},
		{"", "the expression ends too soon: want a number, a variable or ("},
	} {
		e, f := parseCondition(c.field, vars, nil)
		if f != nil {
			if f.msg != c.want {
				t.Errorf("%q: %s", c.field, f.msg)
			}
		} else if got, err := e.eval(values); err != nil || got.b != c.want {
			t.Errorf("%q is %v, %v", c.field, got.b, err)
		}
	}
}

// Sums, products, powers and remainders agree with int64 wherever that is enough.
func TestCalculate(t *testing.T) {
	for a := int64(-9); a <= 9; a++ {
		for b := int64(-9); b <= 9; b++ {
			for _, sign := range []string{"+", "-", "*", "/", "%", "^"} {
				var want int64
				whole := b != 0
				switch sign {
				case "+":
					want, whole = a+b, true
				case "-":
					want, whole = a-b, true
				case "*":
					want, whole = a*b, true
				case "/":
					if whole = whole && a%b == 0; whole {
						want = a / b
					}
				case "%":
					if whole {
						want = (a%b + max(b, -b)) % b
						want = (want%b + max(b, -b)) % max(b, -b)
					}
				case "^":
					want, whole = 1, b >= 0
					for range b {
						want *= a
					}
				}
				got, err := calculate(sign, big.NewInt(a), big.NewInt(b))
				if whole && (err != nil || got.Int64() != want) || !whole && !errors.Is(err, errNotWhole) {
					t.Errorf("%d %s %d = %v, %v; want %d, %v", a, sign, b, got, err, want, whole)
				}
			}
		}
	}
}
