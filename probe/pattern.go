package probe

import "strings"

// pattern is a text with expressions in braces. {{ and }} stand for braces.
type pattern []piece

// piece is a literal text, or an expression where eval is set.
type piece struct {
	literal string
	expression
}

// parsePattern reads a pattern. It marks the variables that occur in used, unless
// that is nil.
func parsePattern(field string, vars []variable, used []bool) (pattern, *fault) {
	var out pattern
	var literal strings.Builder
	for at := 0; at < len(field); {
		c := field[at]
		switch {
		case strings.HasPrefix(field[at:], "{{"), strings.HasPrefix(field[at:], "}}"):
			literal.WriteByte(c)
			at += 2
		case c == '}':
			return nil, faultAt(field, at, "} closes nothing: write }} for a brace")
		case c == '{':
			p := &parser{field: field, start: at + 1, at: at + 1, vars: vars, used: used}
			e := p.binary(1)
			if rest := p.rest(); !p.accept("}") {
				if rest == "" {
					p.fail(at, "the brace is not closed: write {{ for a brace")
				}
				p.fail(p.at, "an operator or } is missing before %q", clip(rest))
			}
			if p.fault != nil {
				return nil, p.fault
			}
			out = append(out, piece{literal: literal.String()}, piece{expression: e})
			literal.Reset()
			at = p.at
		default:
			literal.WriteByte(c)
			at++
		}
	}
	return append(out, piece{literal: literal.String()}), nil
}

// parseCondition reads an expression that is true or false.
func parseCondition(field string, vars []variable, used []bool) (expression, *fault) {
	p := &parser{field: field, vars: vars, used: used}
	e := p.binary(1)
	if rest := p.rest(); rest != "" {
		p.fail(p.at, "an operator is missing before %q", clip(rest))
	}
	if p.fault == nil && e.kind != truth {
		p.fail(0, "is %s: want a comparison such as a != b", e.kind)
	}
	return e, p.fault
}

// fill puts values in for the variables.
func (p pattern) fill(vars []value) (string, error) {
	var b strings.Builder
	for _, piece := range p {
		b.WriteString(piece.literal)
		if piece.eval == nil {
			continue
		}
		v, err := piece.eval(vars)
		if err != nil {
			return "", err
		}
		b.WriteString(v.format(piece.kind))
	}
	return b.String(), nil
}

// format writes a value: numbers in decimal digits.
func (v value) format(k kind) string {
	switch k {
	case number:
		return v.n.String()
	case text:
		return v.s
	}
	if v.b {
		return "true"
	}
	return "false"
}
