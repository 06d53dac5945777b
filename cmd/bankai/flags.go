package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bankai/probe"
	"bankai/search"
)

// count is a flag that takes a whole number from 0.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }
func (c *count) Type() string   { return "N" }

func (c *count) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if errors.Is(err, strconv.ErrRange) && n > 0 {
		return fmt.Errorf("%q is more than %d", s, math.MaxInt32)
	}
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a whole number from 0", s)
	}
	*c = count(n)
	return nil
}

// choice is a flag whose text parse turns into one of a few values.
type choice[T fmt.Stringer] struct {
	value T
	kind  string // what help calls the value
	parse func(string) (T, error)
}

func (c *choice[T]) String() string { return c.value.String() }
func (c *choice[T]) Type() string   { return c.kind }

func (c *choice[T]) Set(s string) (err error) {
	v, err := c.parse(s)
	if err == nil {
		c.value = v
	}
	return err
}

// intList is a flag that takes whole numbers and ranges of them, "0,3-5", or a
// JSON list.
type intList struct {
	values []int32
	ranges bool // "3-5" is allowed
}

func (l *intList) String() string {
	text := make([]string, len(l.values))
	for i, v := range l.values {
		text[i] = strconv.Itoa(int(v))
	}
	return strings.Join(text, ",")
}

func (l *intList) Type() string { return "N,N" }

// maxList bounds what a range may ask for.
const maxList = 1 << 20

func (l *intList) Set(s string) error {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSuffix(rest, "]")
	}
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("the list is empty: give one such as %s", l.example())
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		from, to, isRange := strings.Cut(part, "-")
		if !isRange || !l.ranges {
			from, to = part, part
		}
		a, errA := strconv.ParseInt(from, 10, 32)
		b, errB := strconv.ParseInt(to, 10, 32)
		if errors.Join(errA, errB) != nil || a < 0 || b < a || int(b-a)+len(l.values) >= maxList {
			return fmt.Errorf("%q is not a list such as %s", part, l.example())
		}
		for v := a; v <= b; v++ {
			l.values = append(l.values, int32(v))
		}
	}
	return nil
}

func (l *intList) example() string {
	if l.ranges {
		return "0,3,8-11"
	}
	return "12,7,450"
}

// ints are the values as int, nil for none.
func (l *intList) ints() []int {
	var out []int
	for _, v := range l.values {
		out = append(out, int(v))
	}
	return out
}

// metricFlag declares --metric, which is about what a search climbs, or what is measured
// of a probe.
func metricFlag(cmd *cobra.Command, about string, value probe.Metric) *choice[probe.Metric] {
	c := &choice[probe.Metric]{value, "METRIC", probe.ParseMetric}
	cmd.Flags().Var(c, "metric", about+": answer_logprob, answer_margin, seq_logprob or token_gap")
	return c
}

// What --metric is about.
const (
	climbed  = "what a search climbs"
	measures = "what is measured of a probe"
)

// badFlag words the errors of pflag as this program words its own.
func badFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if word := firstWord(cmd); word != "" && cmd.HasSubCommands() && errors.As(err, &unknown) {
		return noCommand(cmd, word) // whose flag it would be
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	f := invalid.GetFlag()
	cause := errors.Unwrap(invalid)
	if errors.As(cause, new(*strconv.NumError)) {
		what := "a number"
		switch f.Value.Type() {
		case "uint64":
			what = "a whole number from 0"
		case "int":
			what = "a whole number"
		case "bool":
			what = "true or false"
		}
		cause = fmt.Errorf("%q is not %s", invalid.GetValue(), what)
	}
	return fmt.Errorf("--%s: %w", f.Name, cause)
}

// firstWord is the first argument behind a command's name that is no flag.
func firstWord(cmd *cobra.Command) string {
	for _, arg := range cmd.Flags().Args() {
		return arg
	}
	return ""
}

// mayBeNone marks a flag for a file that may be given empty, for none.
const mayBeNone = "bankai_none"

// checkEmpty refuses lists and names of files that were given empty: left out, they
// mean the default, and an empty one, of a variable that is not set, is hardly meant
// to. An empty --model says that there is none, where a setting would give one.
func checkEmpty(flags *pflag.FlagSet) (err error) {
	files := fileValues()
	flags.Visit(func(f *pflag.Flag) {
		if _, ok := f.Annotations[mayBeNone]; ok {
			return
		}
		if _, ok := files[f.Name]; ok && f.Name != "model" && f.Value.String() == "" {
			err = usagef("--%s is empty: give it a file, or leave the flag out", f.Name)
		}
		if list, ok := f.Value.(pflag.SliceValue); ok && len(list.GetSlice()) == 0 {
			err = usagef("--%s is an empty list: give it a value, or leave the flag out", f.Name)
		}
	})
	return err
}

// optional is a flag that takes a number, and knows whether it was given one.
type optional struct {
	value float64
	set   bool
}

func (o *optional) String() string {
	if !o.set {
		return ""
	}
	return strconv.FormatFloat(o.value, 'g', -1, 64)
}

func (o *optional) Type() string { return "NATS" }

func (o *optional) Set(s string) (err error) {
	o.value, err = strconv.ParseFloat(s, 64)
	o.set = err == nil
	return err
}

// or is the number, or another one if none was given.
func (o *optional) or(other float64) float64 {
	if o.set {
		return o.value
	}
	return other
}

// sizeList is a flag that takes granularities, "row,bit".
type sizeList []search.Granularity

func (l *sizeList) String() string {
	var names []string
	for _, s := range *l {
		names = append(names, s.String())
	}
	return strings.Join(names, ",")
}

func (l *sizeList) Type() string { return "SIZES" }

func (l *sizeList) Set(s string) error {
	*l = nil
	for name := range strings.SplitSeq(s, ",") {
		g, err := search.ParseGranularity(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if slices.Contains(*l, g) {
			return fmt.Errorf("%s is named twice", g)
		}
		*l = append(*l, g)
	}
	return nil
}

// numberList is a flag that takes numbers, "1,0.5".
type numberList []float64

func (l *numberList) String() string {
	text := make([]string, len(*l))
	for i, v := range *l {
		text[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(text, ",")
}

func (l *numberList) Type() string { return "NUMBERS" }

func (l *numberList) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", part)
		}
		*l = append(*l, v)
	}
	return nil
}
