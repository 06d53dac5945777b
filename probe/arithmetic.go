package probe

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// errNotWhole says that a combination of values has no whole result, as 1/2, 5/0
// and 2^-1 have none. Such a combination is left out.
var errNotWhole = errors.New("no whole number")

// maxBits bounds a number, so that 9^9^9 is an error and not the end of memory.
const maxBits = 4096

// change makes the expression of a sign before an operand.
func (p *parser) change(at int, sign string, x expression) expression {
	want := number
	if sign == "!" {
		want = truth
	}
	p.want(at, sign, x, want)
	eval := x.eval
	return expression{want, func(vars []value) (value, error) {
		v, err := eval(vars)
		if err != nil {
			return v, err
		}
		if want == truth {
			return value{b: !v.b}, nil
		}
		return value{n: new(big.Int).Neg(v.n)}, nil
	}}
}

// want checks the kind of an operand.
func (p *parser) want(at int, sign string, x expression, k kind) {
	if x.kind == k {
		return
	}
	hint := ""
	if x.kind == truth && strings.ContainsAny(sign, "<>") {
		hint = ": join comparisons with && or ||"
	}
	p.fail(at, "%s takes %s, not %s%s", sign, k, x.kind, hint)
}

// join makes the expression of two operands.
func (p *parser) join(at int, sign string, x, y expression) expression {
	if p.fault != nil {
		return expression{}
	}
	switch sign {
	case "&&", "||":
		p.want(at, sign, x, truth)
		p.want(at, sign, y, truth)
		return logical(sign == "&&", x, y)
	case "==", "!=":
		if x.kind != y.kind {
			p.fail(at, "%s compares %s with %s", sign, x.kind, y.kind)
		}
		return binary(truth, x, y, func(a, b value) (value, error) {
			return value{b: equal(x.kind, a, b) == (sign == "==")}, nil
		})
	}
	p.want(at, sign, x, number)
	p.want(at, sign, y, number)
	switch sign {
	case "<", "<=", ">", ">=":
		return binary(truth, x, y, func(a, b value) (value, error) {
			return value{b: ordered(sign, a.n.Cmp(b.n))}, nil
		})
	}
	tooLarge := faultAt(p.field, at, fmt.Sprintf("%s gives a number of more than %d bits", sign, maxBits))
	return binary(number, x, y, func(a, b value) (value, error) {
		n, err := calculate(sign, a.n, b.n)
		if errors.Is(err, errTooLarge) {
			err = tooLarge
		}
		return value{n: n}, err
	})
}

// logical evaluates its right side only where it matters, so that
// b != 0 && a/b > 2 can be said.
func logical(and bool, x, y expression) expression {
	return expression{truth, func(vars []value) (value, error) {
		a, err := x.eval(vars)
		if err != nil || a.b != and {
			return a, err
		}
		return y.eval(vars)
	}}
}

func binary(k kind, x, y expression, f func(a, b value) (value, error)) expression {
	return expression{k, func(vars []value) (value, error) {
		a, err := x.eval(vars)
		if err != nil {
			return a, err
		}
		b, err := y.eval(vars)
		if err != nil {
			return b, err
		}
		return f(a, b)
	}}
}

func equal(k kind, a, b value) bool {
	if k == number {
		return a.n.Cmp(b.n) == 0
	}
	return a.s == b.s && a.b == b.b
}

func ordered(sign string, cmp int) bool {
	switch sign {
	case "<":
		return cmp < 0
	case "<=":
		return cmp <= 0
	case ">":
		return cmp > 0
	}
	return cmp >= 0
}

var errTooLarge = errors.New("the number is too large")

// calculate is exact, or an error: errNotWhole, errTooLarge.
func calculate(sign string, a, b *big.Int) (*big.Int, error) {
	n, rest := new(big.Int), new(big.Int)
	switch sign {
	case "+":
		n.Add(a, b)
	case "-":
		n.Sub(a, b)
	case "*":
		n.Mul(a, b)
	case "/", "%":
		if b.Sign() == 0 {
			return nil, errNotWhole
		}
		n.DivMod(a, b, rest) // the remainder is never negative
		if sign == "%" {
			return rest, nil
		}
		if rest.Sign() != 0 {
			return nil, errNotWhole
		}
	case "^":
		return power(a, b)
	}
	return sized(n)
}

// power looks at the size of the result before it makes it.
func power(a, b *big.Int) (*big.Int, error) {
	switch {
	case b.Sign() < 0:
		return nil, errNotWhole
	case a.BitLen() <= 1 && b.Sign() > 0: // powers of 0, 1 and -1 depend on whether b is odd
		b = big.NewInt(2 - int64(b.Bit(0)))
	case !b.IsInt64() || b.Int64() > maxBits || int64(a.BitLen()-1)*b.Int64() > maxBits:
		return nil, errTooLarge
	}
	return sized(new(big.Int).Exp(a, b, nil))
}

func sized(n *big.Int) (*big.Int, error) {
	if n.BitLen() > maxBits {
		return nil, errTooLarge
	}
	return n, nil
}
