// Package flagtype has the types of flags: whole numbers, sizes, choices, lists, granularities.
package flagtype

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/text"
	"bankai/search"
)

// Count is a flag that takes a whole number from 0.
type Count int

func (c *Count) String() string { return strconv.Itoa(int(*c)) }
func (c *Count) Type() string   { return "N" }

func (c *Count) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if errors.Is(err, strconv.ErrRange) && n > 0 {
		return fmt.Errorf("%q is more than %d", s, math.MaxInt32)
	}
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a whole number from 0", s)
	}
	*c = Count(n)
	return nil
}

// Size is a flag that takes a size in bytes, such as 512MB or 2GB, of units of 1,024.
type Size int64

func (b *Size) String() string {
	if *b == 0 {
		return "0"
	}
	return text.Size(int64(*b))
}

func (b *Size) Type() string { return "SIZE" }

func (b *Size) Set(s string) error {
	units := []struct {
		name  string
		bytes float64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToUpper(strings.ReplaceAll(s, "i", "")), u.name)
		if !ok {
			continue
		}
		var n float64
		if _, err := fmt.Sscanf(strings.TrimSpace(number)+"\n", "%g\n", &n); err != nil || !(n >= 0) || n*u.bytes > 1<<60 {
			break
		}
		*b = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 512MB or 2GB", s)
}

// Choice is a flag whose text parse turns into one of a few values.
type Choice[T fmt.Stringer] struct {
	Value T
	kind  string // what help calls the value
	parse func(string) (T, error)
}

// NewChoice is the flag with a default, what help calls its value, and what reads it.
func NewChoice[T fmt.Stringer](value T, kind string, parse func(string) (T, error)) Choice[T] {
	return Choice[T]{value, kind, parse}
}

func (c *Choice[T]) String() string { return c.Value.String() }
func (c *Choice[T]) Type() string   { return c.kind }

func (c *Choice[T]) Set(s string) (err error) {
	v, err := c.parse(s)
	if err == nil {
		c.Value = v
	}
	return err
}

// IntList is a flag that takes whole numbers and ranges of them, "0,3-5", or a
// JSON list.
type IntList struct {
	Values []int32
	Ranges bool // "3-5" is allowed
}

func (l *IntList) String() string {
	text := make([]string, len(l.Values))
	for i, v := range l.Values {
		text[i] = strconv.Itoa(int(v))
	}
	return strings.Join(text, ",")
}

func (l *IntList) Type() string { return "N,N" }

// maxList bounds what a range may ask for.
const maxList = 1 << 20

func (l *IntList) Set(s string) error {
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
		if !isRange || !l.Ranges {
			from, to = part, part
		}
		a, errA := strconv.ParseInt(from, 10, 32)
		b, errB := strconv.ParseInt(to, 10, 32)
		if errors.Join(errA, errB) != nil || a < 0 || b < a || int(b-a)+len(l.Values) >= maxList {
			return fmt.Errorf("%q is not a list such as %s", part, l.example())
		}
		for v := a; v <= b; v++ {
			l.Values = append(l.Values, int32(v))
		}
	}
	return nil
}

func (l *IntList) example() string {
	if l.Ranges {
		return "0,3,8-11"
	}
	return "12,7,450"
}

// Ints are the values as int, nil for none.
func (l *IntList) Ints() []int {
	var out []int
	for _, v := range l.Values {
		out = append(out, int(v))
	}
	return out
}

// Optional is a flag that takes a number, and knows whether it was given one.
type Optional struct {
	value float64
	set   bool
}

func (o *Optional) String() string {
	if !o.set {
		return ""
	}
	return strconv.FormatFloat(o.value, 'g', -1, 64)
}

func (o *Optional) Type() string { return "NATS" }

func (o *Optional) Set(s string) (err error) {
	o.value, err = strconv.ParseFloat(s, 64)
	o.set = err == nil
	return err
}

// Or is the number, or another one if none was given.
func (o *Optional) Or(other float64) float64 {
	if o.set {
		return o.value
	}
	return other
}

// SizeList is a flag that takes granularities, "row,bit".
type SizeList []search.Granularity

func (l *SizeList) String() string {
	var names []string
	for _, s := range *l {
		names = append(names, s.String())
	}
	return strings.Join(names, ",")
}

func (l *SizeList) Type() string { return "SIZES" }

func (l *SizeList) Set(s string) error {
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

// NumberList is a flag that takes numbers, "1,0.5".
type NumberList []float64

func (l *NumberList) String() string {
	text := make([]string, len(*l))
	for i, v := range *l {
		text[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(text, ",")
}

func (l *NumberList) Type() string { return "NUMBERS" }

func (l *NumberList) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", part)
		}
		*l = append(*l, v)
	}
	return nil
}
