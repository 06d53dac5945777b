package probe

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// kind is what an expression of a template gives. It is known before any
// variable has a value, so that a mistake shows at once and not in the millionth
// combination.
type kind uint8

const (
	number kind = iota // a whole number of any size
	text
	truth
)

func (k kind) String() string { return [...]string{"a number", "text", "true or false"}[k] }

// value is a variable's or an expression's; the field of its kind is set.
type value struct {
	n *big.Int
	s string
	b bool
}

// expression is a compiled formula over a template's variables, which it finds
// by their place.
type expression struct {
	kind kind
	eval func(vars []value) (value, error)
}

// maxFormula bounds an expression, in bytes, and with it how deep evaluating it
// recurses.
const maxFormula = 1000

// fault is a mistake in a field of a template.
type fault struct {
	char int // 1-based place in the field, 0 if the whole of it is meant
	msg  string
}

// faultAt makes a fault at a byte offset of a field.
func faultAt(field string, at int, msg string) *fault {
	return &fault{utf8.RuneCountInString(field[:at]) + 1, msg}
}

func (f *fault) Error() string { return f.msg }

// parser reads an expression out of a field of a template. The first fault
// sticks; after it nothing more is read.
type parser struct {
	field string
	start int // of the expression
	at    int // of the next byte
	vars  []variable
	used  []bool // by variable, may be nil
	fault *fault
}

func (p *parser) fail(at int, format string, args ...any) {
	if p.fault == nil {
		p.fault = faultAt(p.field, at, fmt.Sprintf(format, args...))
	}
}

// operators that stand between two operands, longest spellings first.
var operators = []struct {
	sign  string
	binds int // the tighter, the more
}{
	{"||", 1},
	{"&&", 2},
	{"==", 3},
	{"!=", 3},
	{"<=", 3},
	{">=", 3},
	{"<", 3},
	{">", 3},
	{"+", 4},
	{"-", 4},
	{"*", 5},
	{"/", 5},
	{"%", 5},
}

// operator is the next sign, if it is one of operators.
func (p *parser) operator() (sign string, binds int) {
	rest := p.rest()
	for _, o := range operators {
		if strings.HasPrefix(rest, o.sign) {
			return o.sign, o.binds
		}
	}
	return "", 0
}

// rest is what is left of the field, white space skipped.
func (p *parser) rest() string {
	if p.fault != nil {
		return ""
	}
	rest := strings.TrimLeft(p.field[p.at:], " \t")
	p.at = len(p.field) - len(rest)
	if p.at-p.start > maxFormula {
		p.fail(p.at, "the expression is longer than %d characters", maxFormula)
		return ""
	}
	return rest
}

func (p *parser) accept(sign string) bool {
	if !strings.HasPrefix(p.rest(), sign) {
		return false
	}
	p.at += len(sign)
	return true
}

// binary reads operands joined by operators that bind at least so tightly; equal
// ones from the left.
func (p *parser) binary(least int) expression {
	left := p.unary()
	for {
		sign, binds := p.operator()
		if binds == 0 || binds < least || p.fault != nil {
			return left
		}
		at := p.at
		p.at += len(sign)
		left = p.join(at, sign, left, p.binary(binds+1))
	}
}

// unary reads an operand with its signs. A power binds tighter than a sign:
// -2^2 is -4.
func (p *parser) unary() expression {
	rest := p.rest()
	at := p.at
	switch {
	case strings.HasPrefix(rest, "-"):
		p.at++
		return p.change(at, "-", p.unary())
	case strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "!="):
		p.at++
		return p.change(at, "!", p.unary())
	}
	base := p.operand()
	p.rest()
	at = p.at
	if p.accept("^") {
		return p.join(at, "^", base, p.unary())
	}
	return base
}

// operand reads a number, a text in quotes, a variable, or an expression in
// parentheses.
func (p *parser) operand() expression {
	rest := p.rest()
	at := p.at
	switch first, size := utf8.DecodeRuneInString(rest); {
	case p.fault != nil:
		return expression{}
	case first == '(':
		p.at++
		inner := p.binary(1)
		if !p.accept(")") {
			p.fail(at, "the parenthesis is not closed")
		}
		return inner
	case first == '"' || first == '\'':
		return p.quoted(rest)
	case isDigit(first):
		return p.literal(rest)
	case isLetter(first):
		return p.variable(rest)
	case rest == "":
		p.fail(at, "the expression ends too soon: want a number, a variable or (")
	default:
		p.fail(at, "%q is not part of an expression: want a number, a variable or (", rest[:size])
	}
	return expression{}
}

// quoted reads a text in single or double quotes, which has no escapes.
func (p *parser) quoted(rest string) expression {
	body, _, closed := strings.Cut(rest[1:], rest[:1])
	if !closed {
		p.fail(p.at, "the quote is not closed")
		return expression{}
	}
	p.at += len(body) + 2
	return constantOf(text, value{s: body})
}

// literal reads a whole number.
func (p *parser) literal(rest string) expression {
	digits := rest[:len(rest)-len(strings.TrimLeftFunc(rest, isDigit))]
	n, _ := new(big.Int).SetString(digits, 10)
	if tail := rest[len(digits):]; len(tail) > 1 && tail[0] == '.' && isDigit(rune(tail[1])) {
		p.fail(p.at, "numbers are whole: write a decimal point as text, outside the braces")
	} else if startsAlnum(tail) {
		p.fail(p.at+len(digits), "an operator is missing: write %s*%s", digits, clip(tail[:1]))
	}
	p.at += len(digits)
	return constantOf(number, value{n: n})
}

func constantOf(k kind, v value) expression {
	return expression{k, func([]value) (value, error) { return v, nil }}
}

// variable reads the name of one.
func (p *parser) variable(rest string) expression {
	name := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return isLetter(r) || isDigit(r) }))]
	i := slices.IndexFunc(p.vars, func(v variable) bool { return v.name == name })
	if i < 0 {
		p.fail(p.at, "%q has no range: give it one in \"ranges\"%s", clip(name), p.known())
		return expression{}
	}
	if p.used != nil {
		p.used[i] = true
	}
	p.at += len(name)
	return expression{p.vars[i].kind, func(vars []value) (value, error) { return vars[i], nil }}
}

// known lists the variables there are, for an error about one that is not.
func (p *parser) known() string {
	var names []string
	for _, v := range p.vars {
		names = append(names, v.name)
	}
	if len(names) == 0 {
		return ""
	}
	return " beside " + strings.Join(names, ", ")
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isLetter(r rune) bool { return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
