package probe

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tree is a formula with its value, made beside the parser: nothing of the package
// computes it.
type tree struct {
	text  string // without parentheses that precedence makes needless
	full  string // with all parentheses
	value int64
	binds int // of its outermost operator: 4 a sum, 5 a product, 6 a sign, 9 an operand
}

// inside is a tree as an operand that has to bind at least so tightly.
func (t tree) inside(least int) string {
	if t.binds < least {
		return "(" + t.text + ")"
	}
	return t.text
}

// formulas draws trees of sums, differences, products and signs over small numbers and
// the variables of someVars.
func formulas(t *rapid.T, depth int) tree {
	sign := rapid.SampledFrom([]string{"", "", "+", "-", "*", "~"})
	switch s := sign.Draw(t, "sign"); {
	case depth == 0 || s == "":
		if rapid.Bool().Draw(t, "variable") {
			name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
			return tree{name, name, map[string]int64{"a": 7, "b": 3}[name], 9}
		}
		n := rapid.Int64Range(0, 9).Draw(t, "n")
		return tree{fmt.Sprint(n), fmt.Sprint(n), n, 9}
	case s == "~":
		x := formulas(t, depth-1)
		return tree{"-" + x.inside(6), "(-" + x.full + ")", -x.value, 6}
	default:
		x, y := formulas(t, depth-1), formulas(t, depth-1)
		binds := 4
		value := x.value + y.value
		switch s {
		case "-":
			value = x.value - y.value
		case "*":
			binds, value = 5, x.value*y.value
		}
		space := rapid.SampledFrom([]string{"", " "}).Draw(t, "space")
		return tree{
			x.inside(binds) + space + s + space + y.inside(binds+1),
			"(" + x.full + s + y.full + ")", value, binds,
		}
	}
}

// A formula has the value that it has on paper, whether its parentheses are all
// written or only those that precedence does not imply.
func TestFormulasAreAsOnPaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := formulas(t, 4)
		want := fmt.Sprint(f.value)
		for _, formula := range []string{f.text, f.full} {
			if got := fillText("{" + formula + "}"); got != want && len(formula) <= maxFormula {
				t.Errorf("%s is %s, want %s", formula, got, want)
			}
		}
	})
}

// Division undoes multiplication, a power is a product, a remainder is what division
// leaves; comparisons are as the numbers are; and or and not are as in De Morgan's
// laws.
func TestFormulasObeyLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string) string {
			return "(" + rapid.StringMatching(`-?[1-9][0-9]{0,30}`).Draw(t, name) + ")"
		}
		x, y, n := number("x"), number("y"), rapid.IntRange(0, 12).Draw(t, "n")
		p := fmt.Sprintf("(%s < %s)", x, y)
		q := fmt.Sprintf("(%s %% 2 == 0)", y)
		product := "1" + strings.Repeat("*"+x, n)
		for _, law := range []string{
			x + "*" + y + "/" + y + " == " + x,
			fmt.Sprintf("%s^%d == %s", x, n, product),
			fmt.Sprintf("(%s - %s %% %s) / %s * %s + %s %% %s == %s", x, x, y, y, y, x, y, x),
			fmt.Sprintf("%s %% %s >= 0 && %s %% %s < %s*%s", x, y, x, y, y, y+" || "+y+"*"+y+" == 1"),
			fmt.Sprintf("(%s <= %s) == !(%s > %s)", x, y, x, y),
			fmt.Sprintf("%s == (%s - %s < 0)", p, x, y),
			fmt.Sprintf("!(%s && %s) == (!%s || !%s)", p, q, p, q),
			fmt.Sprintf("!(%s || %s) == (!%s && !%s)", p, q, p, q),
		} {
			if got := fillText("{" + law + "}"); got != "true" {
				t.Errorf("%s: %s", law, got)
			}
		}
	})
}

// A set reads the same from every format, and the format is told from the text.
func TestFormatsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -{}~√é,"']{0,8}[a-z]`) // not |, which parts alternates in CSV
		var list, lines, table bytes.Buffer
		rows := csv.NewWriter(&table)
		rows.Write([]string{"wrong", "prompt", "alternates", "correct", "name", "category"})
		var set Set
		for i := range rapid.IntRange(1, 6).Draw(t, "n") {
			p := Probe{
				Name: fmt.Sprint("p", i), Category: text.Draw(t, "category"), Prompt: text.Draw(t, "prompt"),
				Correct: text.Draw(t, "correct"), Wrong: text.Draw(t, "wrong"),
				Alternates: rapid.SliceOfN(text, 1, 3).Draw(t, "alternates"),
			}
			set = append(set, p)
			rows.Write([]string{p.Wrong, p.Prompt, strings.Join(p.Alternates, "|"), p.Correct, p.Name, p.Category})
			line, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(line, "\n\n"[:1+i%2]...))
		}
		rows.Flush()
		if err := set.WriteJSON(&list); err != nil {
			t.Fatal(err)
		}
		for format, data := range map[Format]string{JSON: list.String(), JSONL: lines.String(), CSV: table.String()} {
			for _, f := range []Format{format, Auto} {
				got, err := Read(strings.NewReader(data), f)
				if err != nil || !reflect.DeepEqual(got, set) {
					t.Errorf("from %s, read as %q: %+v, %v; want %+v", format, f, got, err, set)
				}
			}
		}
	})
}

// What a condition lets through and what its opposite does is all that there is, each
// once; and a sample has nothing else.
func TestConditionsDivide(t *testing.T) {
	const plain = `{"prompt": "{a} and {b} and {s}", "correct": " {a*10+b}", "ranges": {"a": [0, 9], "b": [1, 7], "s": ["x", "y"]}`
	expand := func(where string, n int) (*Expansion, map[string]string) {
		x, err := Expand(context.Background(), templates(t, "["+plain+where+"}]"), n, 5, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers := map[string]string{}
		for _, p := range x.Set {
			answers[p.Prompt] = p.Correct
		}
		if len(answers) != len(x.Set) {
			t.Errorf("%q: %d probes, of them %d different", where, len(x.Set), len(answers))
		}
		return x, answers
	}
	_, all := expand("", 0)
	if len(all) != 10*7*2 {
		t.Fatalf("%d combinations", len(all))
	}
	for _, condition := range []string{"a > b", "a % b == 0", "s == 'x' || a == b", "a == 0 && b == 1 && s == 'y'"} {
		x, fits := expand(fmt.Sprintf(`, "where": %q`, condition), 0)
		y, others := expand(fmt.Sprintf(`, "where": %q`, "!("+condition+")"), 0)
		if x.Unfit != len(others) || y.Unfit != len(fits) || len(fits)+len(others) != len(all) {
			t.Errorf("%s: %d fit and %d do not, the opposite: %d and %d", condition, len(fits), x.Unfit, len(others), y.Unfit)
		}
		both := maps.Clone(fits)
		maps.Copy(both, others)
		if !maps.Equal(both, all) {
			t.Errorf("%s and its opposite: not what there is in all", condition)
		}
		_, some := expand(fmt.Sprintf(`, "where": %q`, condition), max(1, len(fits)/2))
		for prompt, answer := range some {
			if fits[prompt] != answer {
				t.Errorf("%s: the sample has %q, %q", condition, prompt, answer)
			}
		}
		if want := max(1, len(fits)/2); len(some) != want {
			t.Errorf("%s: a sample of %d, want %d", condition, len(some), want)
		}
	}
}

// Names are made distinct, those that were distinct stay, and doing so again changes
// nothing.
func TestDistinguish(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a_2", "a_3", "b", "a_2_2"}), 1, 9).Draw(t, "names")
		var set Set
		for _, n := range names {
			set = append(set, Probe{Name: n})
		}
		set.Distinguish()
		seen := map[string]bool{}
		for i, p := range set {
			if seen[p.Name] || !strings.HasPrefix(p.Name, names[i]) {
				t.Errorf("%q of %v is called %q", names[i], names, p.Name)
			}
			if !seen[names[i]] && !slices.Contains(names[:i], names[i]) && p.Name != names[i] {
				t.Errorf("%q of %v was distinct and is called %q", names[i], names, p.Name)
			}
			seen[p.Name] = true
		}
		again := slices.Clone(set)
		again.Distinguish()
		if !reflect.DeepEqual(again, set) {
			t.Errorf("%+v, again %+v", set, again)
		}
	})
}
