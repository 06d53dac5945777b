package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The library that runs templates differs from Jinja2 in white space around tags, and in
// how it writes numbers, none and JSON. So what it compiles is a template written anew:
// all text as expressions, from which it takes no white space, and every value that is
// printed through a filter that writes it as Python does.

// ownFilters stand in for filters of the library, by name.
var ownFilters = map[string]string{
	"tojson": "_tojson", "string": "_string", "join": "_join", "format": "_format", "first": "_first", "last": "_last",
}

// ownMethods are filters that stand in for methods of texts, by name.
var ownMethods = map[string]string{
	"split": "_split", "rsplit": "_rsplit", "startswith": "_startswith", "endswith": "_endswith", "title": "_title", "capitalize": "_capitalize",
}

// ownOperators are filters that stand in for operators.
var ownOperators = map[string]string{"%": "_rest", "//": "_quotient"}

// rewrite returns a template that the library renders as Jinja2 renders the given one.
func rewrite(text string) (string, error) {
	segments, err := lex(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, s := range segments {
		if err := s.supported(); err != nil {
			return "", fmt.Errorf("line %d: %w", s.line, err)
		}
		switch {
		case s.kind == '"':
			b.WriteString("{{" + literal(s.text) + "}}")
		case s.kind == '{':
			b.WriteString("{{(" + expression(s.tokens) + ")|_string}}")
		case s.begins("for"):
			set := setInLoop(segments[i:])
			for _, name := range set {
				fmt.Fprintf(&b, "{%% set _%s_%d = %s %%}", name, i, name)
			}
			b.WriteString("{% " + expression(s.tokens) + " %}")
			for _, name := range set {
				fmt.Fprintf(&b, "{%% set %s = _%s_%d %%}", name, name, i)
			}
		default:
			b.WriteString("{% " + expression(s.tokens) + " %}")
		}
	}
	return b.String(), nil
}

// begins says whether a segment is a statement that begins with a word.
func (s *segment) begins(word string) bool {
	return s.kind == '%' && len(s.tokens) > 0 && s.tokens[0].named(word)
}

// setInLoop are the variables that the body of a loop sets, where the segments begin with
// the loop. With Jinja2 each round begins with their values from outside, and in the
// library with those of the round before, unless they are set to the former.
func setInLoop(segments []segment) (names []string) {
	head := segments[0].tokens
	in := slices.IndexFunc(head, func(t token) bool { return t.named("in") })
	depth := 0 // of what has variables of its own
	for _, s := range segments {
		switch {
		case s.begins("for"), s.begins("macro"), s.begins("call"):
			depth++
		case s.begins("endfor"), s.begins("endmacro"), s.begins("endcall"):
			if depth--; depth == 0 {
				return names
			}
		case s.begins("set") && depth == 1 && len(s.tokens) > 1 && (len(s.tokens) == 2 || !s.tokens[2].is(".")):
			name := s.tokens[1]
			if !slices.Contains(head[:max(in, 0)], name) && !slices.Contains(names, name.text) {
				names = append(names, name.text)
			}
		}
	}
	return names
}

// supported refuses what the library would take for something else.
func (s *segment) supported() error {
	for i := range s.tokens {
		switch rest := s.tokens[i:]; {
		case len(rest) > 3 && rest[0].is("|") && rest[1].named("map") && rest[3].kind == '"':
			return errors.New("map by a filter is not supported: go through the list with for")
		case len(rest) > 3 && rest[0].is("|") && rest[1].named("sum") && rest[3].named("start"):
			return errors.New("sum from a start is not supported")
		case len(rest) > 2 && rest[0].named("loop") && rest[1].is(".") && (rest[2].named("depth") || rest[2].named("depth0")):
			return errors.New("loop.depth is not supported")
		}
	}
	switch {
	case s.begins("for") && s.tokens[len(s.tokens)-1].named("recursive"):
		return errors.New("recursive loops are not supported")
	case s.begins("set"):
		equals := slices.IndexFunc(s.tokens, func(t token) bool { return t.is("=") })
		if before := s.tokens[:max(equals, 0)]; slices.ContainsFunc(before, func(t token) bool { return t.is(",") }) {
			return errors.New("setting several variables at once is not supported: set them one by one")
		}
		if equals < 0 && len(s.tokens) > 2 {
			return errors.New("setting a variable to a filtered text is not supported: filter it where it is used")
		}
	case s.begins("macro") && len(s.tokens) > 3:
		for _, t := range s.tokens[3:] {
			if t.kind == '"' && strings.Contains(t.text, ",") || t.is("(") || t.is("[") || t.is("{") {
				return errors.New("defaults of macros that are lists, calls or texts with commas are not supported")
			}
		}
	}
	return nil
}

// literal writes a text between quotes as the library reads them.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// words that stand between operands, or before them.
var keywords = strings.Fields("and or not in is if else elif for set recursive")

// rewriter writes tokens as the library reads them.
type rewriter struct {
	tokens []token
	at     int
}

// expression writes the tokens of a tag, or of what stands between brackets.
func expression(tokens []token) string {
	r := &rewriter{tokens: tokens}
	var b strings.Builder
	for r.at < len(tokens) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		t := r.tokens[r.at]
		begins := t.kind != '+' && !slices.Contains(keywords, t.text) || t.kind == '"' ||
			r.next(0, "( [ {") || r.next(0, "+ -") && !r.ended() && r.at+1 < len(tokens)
		if !begins {
			b.WriteString(t.text)
			r.at++
			continue
		}
		b.WriteString(r.operand())
	}
	return b.String()
}

// next says whether one of some operators comes, here or at an offset.
func (r *rewriter) next(offset int, operators string) bool {
	i := r.at + offset
	return i >= 0 && i < len(r.tokens) && r.tokens[i].kind == '+' && slices.Contains(strings.Fields(operators), r.tokens[i].text)
}

// ended says whether an operand ends here, so that what follows is no sign of one.
func (r *rewriter) ended() bool {
	if r.at == 0 {
		return false
	}
	t := r.tokens[r.at-1]
	return t.kind != '+' && (t.kind != 'a' || !slices.Contains(keywords, t.text)) || r.next(-1, ") ] }")
}

// operand writes a value with its members, calls and filters, divided if it is. What a
// percent sign follows may be a format, too, and what is joined by a tilde is a text.
func (r *rewriter) operand() string {
	product, joined := r.next(-1, "* / // % **"), r.next(-1, "~")
	s := r.value()
	for !product && r.next(0, "% //") {
		here, own := r.at, ownOperators[r.tokens[r.at].text]
		r.at++
		values := r.arguments()
		if r.next(0, "**") {
			r.at = here // the power comes first
			break
		}
		s += "|" + own + "(" + values + ")"
	}
	is := r.at < len(r.tokens) && r.tokens[r.at].named("is")
	if !product && !is && (joined || r.next(0, "~")) && !r.next(0, "* / // % **") {
		s += "|_string"
	}
	return s
}

// arguments writes what is behind such an operator: the values of a tuple, or the only one.
func (r *rewriter) arguments() string {
	if r.at == len(r.tokens) {
		return ""
	}
	begin := r.at
	s := r.value()
	inside := r.tokens[begin:r.at]
	if inside[0].is("(") && closing(inside) == len(inside)-1 && topComma(inside[1:len(inside)-1]) {
		return expression(inside[1 : len(inside)-1])
	}
	return s
}

// topComma says whether a comma stands outside of inner brackets.
func topComma(tokens []token) bool {
	for i := 0; i < len(tokens); i++ {
		if tokens[i].is(",") {
			return true
		}
		if tokens[i].kind == '+' && strings.Contains("([{", tokens[i].text) {
			i += closing(tokens[i:])
		}
	}
	return false
}

// closing is the place of the bracket that closes the first one.
func closing(tokens []token) int {
	open := 0
	for i, t := range tokens {
		if t.kind != '+' {
			continue
		}
		if strings.Contains("([{", t.text) {
			open++
		} else if strings.Contains(")]}", t.text) {
			open--
		}
		if open == 0 {
			return i
		}
	}
	return len(tokens) - 1
}

// value writes a value: what has a sign, members or calls, and then its filters.
func (r *rewriter) value() string {
	s := r.member()
	for r.next(0, "|") && r.at+1 < len(r.tokens) {
		name := r.tokens[r.at+1].text
		if own := ownFilters[name]; own != "" {
			name = own
		}
		s += "|" + name
		r.at += 2
		if r.next(0, "(") {
			s += r.bracket()
		}
	}
	return s
}

func (r *rewriter) member() string {
	var s string
	switch t := r.tokens[r.at]; {
	case r.next(0, "+ -") && r.at+1 < len(r.tokens):
		r.at++
		return "(" + t.text + r.member() + ")"
	case r.next(0, "( [ {"):
		s = r.bracket()
	case t.kind == '"':
		s = literal(t.text)
		r.at++
	default:
		s = t.text
		r.at++
	}
	for {
		switch {
		case r.next(0, ".") && r.at+1 < len(r.tokens):
			name := r.tokens[r.at+1]
			own := ownMethods[name.text]
			switch {
			case name.kind == '1':
				s += "[" + name.text + "]"
			case own != "" && r.next(2, "("):
				s += "|" + own
			default:
				s += "." + name.text
			}
			r.at += 2
		case r.next(0, "( ["):
			s += r.bracket()
		default:
			return s
		}
	}
}

// bracket writes what stands between brackets, with them.
func (r *rewriter) bracket() string {
	n := closing(r.tokens[r.at:])
	inside := r.tokens[r.at : r.at+n+1]
	r.at += n + 1
	if n == 0 {
		return inside[0].text
	}
	return inside[0].text + " " + expression(inside[1:n]) + " " + inside[n].text
}
