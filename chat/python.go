package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ardanlabs/jinja"
)

// filter is a filter of Jinja: a function whose first argument is what it filters.
type filter = func(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error)

// pythonFilters do as Python does what the library does otherwise.
var pythonFilters = map[string]filter{
	"_string": func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
		return jinja.NewString(printed(args[0])), nil
	},
	"_tojson":   toJSON,
	"_join":     join,
	"_format":   format,
	"_rest":     rest,
	"_quotient": quotient,
	"_first":    func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) { return end(args[0], false) },
	"_last":     func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) { return end(args[0], true) },

	"_split": func(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
		return split(args, named, false)
	},
	"_rsplit": func(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
		return split(args, named, true)
	},
	"_startswith": affix(strings.HasPrefix),
	"_endswith":   affix(strings.HasSuffix),
	"_title":      changed(title),
	"_capitalize": changed(func(s string) string {
		_, n := utf8.DecodeRuneInString(s)
		return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
	}),
}

// printed is Python's str of a value.
func printed(v jinja.Value) string {
	switch {
	case v.IsUndefined():
		return ""
	case v.IsString():
		return v.AsString()
	}
	return represented(v)
}

// represented is Python's repr of a value.
func represented(v jinja.Value) string {
	switch {
	case v.IsFloat():
		return strings.Replace(pythonFloat(v.AsFloat()), "Infinity", "inf", 1)
	case v.IsString():
		return representedString(v.AsString())
	case v.IsList():
		items := make([]string, v.AsList().Len())
		for i, item := range v.AsList().Items {
			items[i] = represented(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.IsDict():
		d := v.AsDict()
		items := make([]string, len(d.Keys))
		for i, key := range d.Keys {
			items[i] = representedString(key) + ": " + represented(d.Data[key])
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return v.String()
}

// representedString is a text between single quotes, or between double ones if only
// single ones are in it.
func representedString(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	var b strings.Builder
	b.WriteString(quote)
	for _, r := range s {
		switch {
		case string(r) == quote || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + quote
}

// jsonStyle is how Python's json.dumps writes.
type jsonStyle struct {
	indent        string
	indented      bool
	ascii, sorted bool
	comma, colon  string
}

// toJSON is json.dumps with those of its arguments that Hugging Face's transformers has.
func toJSON(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
	given := map[string]jinja.Value{}
	for i, name := range []string{"ensure_ascii", "indent", "separators", "sort_keys"} {
		if i+1 < len(args) {
			given[name] = args[i+1]
		}
	}
	for name, v := range named {
		given[name] = v
	}
	s := jsonStyle{comma: ", ", colon: ": "}
	for name, v := range given {
		switch {
		case name == "ensure_ascii":
			s.ascii = v.IsTruthy()
		case name == "sort_keys":
			s.sorted = v.IsTruthy()
		case name == "indent" && v.IsNone():
		case name == "indent" && v.IsInt():
			s.indented, s.indent = true, strings.Repeat(" ", int(min(max(v.AsInt(), 0), 64)))
		case name == "indent" && v.IsString():
			s.indented, s.indent = true, v.AsString()
		case name == "separators" && v.IsNone():
		case name == "separators" && v.IsList() && v.AsList().Len() == 2:
		default:
			return jinja.Undefined(), fmt.Errorf("tojson: %s=%s is not supported", name, represented(v))
		}
	}
	if s.indented {
		s.comma = ","
	}
	if v := given["separators"]; v.IsList() {
		s.comma, s.colon = printed(v.AsList().Get(0)), printed(v.AsList().Get(1))
	}
	var b strings.Builder
	if err := s.write(&b, args[0], "\n"); err != nil {
		return jinja.Undefined(), err
	}
	return jinja.NewString(b.String()), nil
}

// write writes a value; line is what begins a line at its depth.
func (s *jsonStyle) write(b *strings.Builder, v jinja.Value, line string) error {
	switch {
	case v.IsUndefined() || v.IsCallable():
		return errors.New("tojson: what is not defined cannot be written as JSON")
	case v.IsNone():
		b.WriteString("null")
	case v.IsBool():
		b.WriteString(strings.ToLower(v.String()))
	case v.IsFloat():
		b.WriteString(pythonFloat(v.AsFloat()))
	case v.IsString():
		s.quoted(b, v.AsString())
	case v.IsList():
		return s.items(b, "[]", line, v.AsList().Len(), func(i int) jinja.Value { return v.AsList().Get(i) }, nil)
	case v.IsDict():
		d := v.AsDict()
		keys := slices.Clone(d.Keys)
		if s.sorted {
			slices.Sort(keys)
		}
		return s.items(b, "{}", line, len(keys), func(i int) jinja.Value { return d.Data[keys[i]] }, keys)
	default:
		b.WriteString(v.String())
	}
	return nil
}

func (s *jsonStyle) items(b *strings.Builder, brackets, line string, n int, item func(int) jinja.Value, keys []string) error {
	if n == 0 {
		b.WriteString(brackets)
		return nil
	}
	b.WriteByte(brackets[0])
	for i := range n {
		if i > 0 {
			b.WriteString(s.comma)
		}
		if s.indented {
			b.WriteString(line + s.indent)
		}
		if keys != nil {
			s.quoted(b, keys[i])
			b.WriteString(s.colon)
		}
		if err := s.write(b, item(i), line+s.indent); err != nil {
			return err
		}
	}
	if s.indented {
		b.WriteString(line)
	}
	b.WriteByte(brackets[1])
	return nil
}

func (s *jsonStyle) quoted(b *strings.Builder, text string) {
	if !s.ascii {
		appendQuoted(b, text)
		return
	}
	var q strings.Builder
	appendQuoted(&q, text)
	for _, r := range q.String() {
		switch {
		case r < 0x7f || isVeiled(r): // what stands behind the veil is put back as it is
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
}

// argument is one of a filter, given by its place or by its name.
func argument(args []jinja.Value, named map[string]jinja.Value, place int, name string) (v jinja.Value, given bool) {
	if place < len(args) {
		return args[place], true
	}
	v, given = named[name]
	return v, given
}

// join joins the items of a list, or one member of each.
func join(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
	between, member := "", ""
	if v, ok := argument(args, named, 1, "d"); ok {
		between = printed(v)
	}
	if v, ok := argument(args, named, 2, "attribute"); ok {
		member = printed(v)
	}
	var items []string
	switch v := args[0]; {
	case v.IsList():
		for _, item := range v.AsList().Items {
			for name := range strings.SplitSeq(member, ".") {
				if name != "" && item.IsDict() {
					item, _ = item.AsDict().Get(name)
				}
			}
			items = append(items, printed(item))
		}
	case v.IsDict():
		items = v.AsDict().Keys
	case v.IsString():
		items = strings.Split(v.AsString(), "")
	case !v.IsUndefined():
		return v, fmt.Errorf("join: %s is no list", represented(v))
	}
	return jinja.NewString(strings.Join(items, between)), nil
}

// rest is what Python's percent sign makes: of a text a format, of numbers the rest of a
// division, which has the sign of what is divided by.
func rest(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
	if args[0].IsString() {
		return format(args, named)
	}
	if len(args) != 2 || !args[0].IsInt() || !args[1].IsInt() || args[1].AsInt() == 0 {
		return jinja.Undefined(), fmt.Errorf("%s has no rest of a division", represented(args[0]))
	}
	n, by := args[0].AsInt(), args[1].AsInt()
	return jinja.NewInt((n%by + by) % by), nil
}

// quotient is Python's // of whole numbers, which rounds down.
func quotient(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	if len(args) != 2 || !args[0].IsInt() || !args[1].IsInt() || args[1].AsInt() == 0 {
		return jinja.Undefined(), fmt.Errorf("%s // is of whole numbers, and not by 0", represented(args[0]))
	}
	n, by := args[0].AsInt(), args[1].AsInt()
	q := n / by
	if n%by != 0 && (n < 0) != (by < 0) {
		q--
	}
	return jinja.NewInt(q), nil
}

// end is the first or the last item of a list, or character of a text; undefined if there
// is none.
func end(v jinja.Value, last bool) (jinja.Value, error) {
	var items []jinja.Value
	switch {
	case v.IsList():
		items = v.AsList().Items
	case v.IsDict():
		for _, key := range v.AsDict().Keys {
			items = append(items, jinja.NewString(key))
		}
	case v.IsString():
		for _, r := range v.AsString() {
			items = append(items, jinja.NewString(string(r)))
		}
	}
	switch {
	case len(items) == 0:
		return jinja.Undefined(), nil
	case last:
		return items[len(items)-1], nil
	}
	return items[0], nil
}

// split is Python's split, or rsplit, which takes the separators from the end.
func split(args []jinja.Value, named map[string]jinja.Value, fromEnd bool) (jinja.Value, error) {
	by, most := jinja.None(), -1
	if v, ok := argument(args, named, 1, "sep"); ok {
		by = v
	}
	if v, ok := argument(args, named, 2, "maxsplit"); ok && v.IsInt() {
		most = int(v.AsInt())
	}
	if !args[0].IsString() || by.IsString() && by.AsString() == "" || by.IsNone() && most >= 0 {
		return by, fmt.Errorf("split: %s cannot be split by %s", represented(args[0]), represented(by))
	}
	text := args[0].AsString()
	if by.IsNone() {
		return texts(strings.Fields(text)), nil
	}
	var behind []string // of rsplit, the last one first
	for ; fromEnd && most > 0; most-- {
		at := strings.LastIndex(text, by.AsString())
		if at < 0 {
			break
		}
		behind, text = append(behind, text[at+len(by.AsString()):]), text[:at]
	}
	if fromEnd && (most == 0 || len(behind) > 0) {
		slices.Reverse(behind)
		return texts(append([]string{text}, behind...)), nil
	}
	if most < 0 {
		return texts(strings.Split(text, by.AsString())), nil
	}
	return texts(strings.SplitN(text, by.AsString(), most+1)), nil
}

func texts(all []string) jinja.Value {
	items := make([]jinja.Value, len(all))
	for i, s := range all {
		items[i] = jinja.NewString(s)
	}
	return jinja.NewList(items)
}

// affix says whether a text has one of some texts at an end of it.
func affix(has func(s, affix string) bool) filter {
	return func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
		if len(args) != 2 || !args[0].IsString() {
			return jinja.Undefined(), fmt.Errorf("%s begins and ends with no text", represented(args[0]))
		}
		some := args[1:]
		if some[0].IsList() {
			some = some[0].AsList().Items
		}
		return jinja.NewBool(slices.ContainsFunc(some, func(a jinja.Value) bool { return a.IsString() && has(args[0].AsString(), a.AsString()) })), nil
	}
}

// changed is a filter of texts.
func changed(f func(string) string) filter {
	return func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
		if !args[0].IsString() {
			return args[0], fmt.Errorf("%s is no text", represented(args[0]))
		}
		return jinja.NewString(f(args[0].AsString())), nil
	}
}

// title is a text whose words begin with capital letters, and have no others.
func title(s string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		was := inside
		if inside = unicode.IsLetter(r); was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

// format is Python's text % values, for the conversions s, r, d and %.
func format(args []jinja.Value, named map[string]jinja.Value) (jinja.Value, error) {
	text, values := printed(args[0]), args[1:]
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			break
		}
		kind, name := "", ""
		if strings.HasPrefix(rest, "(") {
			name, rest, _ = strings.Cut(rest[1:], ")")
		}
		if rest != "" {
			kind, text = rest[:1], rest[1:]
		}
		if kind == "%" {
			b.WriteString(kind)
			continue
		}
		var v jinja.Value
		switch {
		case name != "":
			var ok bool
			if v, ok = named[name]; !ok && len(args) == 2 && args[1].IsDict() {
				v, ok = args[1].AsDict().Get(name)
			}
			if !ok {
				return v, fmt.Errorf("format: there is no value %s", name)
			}
		case len(values) == 0:
			return v, errors.New("format: there are too few values")
		default:
			v, values = values[0], values[1:]
		}
		switch {
		case kind == "s":
			b.WriteString(printed(v))
		case kind == "r":
			b.WriteString(represented(v))
		case kind == "d" && v.IsInt():
			b.WriteString(v.String())
		default:
			return v, fmt.Errorf("format: %%%s of %s is not supported", kind, represented(v))
		}
	}
	if len(values) > 0 && len(args) > 2 {
		return jinja.Undefined(), errors.New("format: there are too many values")
	}
	return jinja.NewString(b.String()), nil
}
