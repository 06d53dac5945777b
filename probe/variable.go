package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// variable is a name in a template and the values it may take: those of a list,
// or the whole numbers from low on.
type variable struct {
	name  string
	kind  kind
	list  []value
	low   int64
	count uint64 // of values, at least one
}

// at is the i-th value.
func (v *variable) at(i uint64) value {
	if v.list != nil {
		return v.list[i]
	}
	n := new(big.Int).SetUint64(i)
	return value{n: n.Add(n, big.NewInt(v.low))}
}

// decodeRanges reads the object "ranges" in the order it is written in.
func decodeRanges(data []byte) ([]variable, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf(`is no object: want one such as {"a": [2, 9]}`)
	}
	var vars []variable
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		v := variable{name: t.(string)} // the decoder gives nothing else at this place
		if v.name == "" || isDigit(rune(v.name[0])) || strings.ContainsFunc(v.name, func(r rune) bool { return !isLetter(r) && !isDigit(r) }) {
			return nil, fmt.Errorf("%q is no name for a variable: use letters, digits and _", clip(v.name))
		}
		if slices.ContainsFunc(vars, func(w variable) bool { return w.name == v.name }) {
			return nil, fmt.Errorf("%q is given twice", v.name)
		}
		var values []any
		if err := d.Decode(&values); err != nil {
			return nil, fmt.Errorf("%q is no list: write [2, 9] for the numbers from 2 to 9, or a list of values", v.name)
		}
		if err := v.take(values); err != nil {
			return nil, fmt.Errorf("%q %w", v.name, err)
		}
		vars = append(vars, v)
	}
	return vars, nil
}

// take sets the values: two whole numbers are a range, both ends included, any
// other list is meant as it stands, repetitions aside.
func (v *variable) take(values []any) error {
	if len(values) == 0 {
		return fmt.Errorf("has no values")
	}
	seen := map[string]bool{}
	for i, x := range values {
		w, k, err := valueOf(x)
		if err != nil {
			return err
		}
		if i > 0 && k != v.kind {
			return fmt.Errorf("mixes numbers and text: put quotes around all or none")
		}
		v.kind = k
		if s := w.format(k); !seen[s] {
			seen[s] = true
			v.list = append(v.list, w)
		}
	}
	v.count = uint64(len(v.list))
	if v.kind == number && len(values) == 2 {
		return v.span(v.list[0].n, v.list[len(v.list)-1].n)
	}
	return nil
}

// span makes v the range of whole numbers from low to high.
func (v *variable) span(low, high *big.Int) error {
	const limit = 1 << 53 // what JSON numbers are exact to everywhere
	size := new(big.Int).Sub(high, low)
	switch {
	case size.Sign() < 0:
		return fmt.Errorf("runs from %s down to %s: write [%s, %s]", low, high, high, low)
	case low.CmpAbs(big.NewInt(limit)) > 0 || high.CmpAbs(big.NewInt(limit)) > 0:
		return fmt.Errorf("goes beyond ±2^53: reckon with smaller numbers in an expression")
	}
	v.list, v.low, v.count = nil, low.Int64(), size.Uint64()+1
	return nil
}

func valueOf(x any) (value, kind, error) {
	switch x := x.(type) {
	case string:
		return value{s: x}, text, nil
	case json.Number:
		if n, ok := new(big.Int).SetString(x.String(), 10); ok && n.BitLen() <= maxBits {
			return value{n: n}, number, nil
		}
		return value{}, 0, fmt.Errorf("has the value %s: numbers are whole; put others in quotes", clip(x.String()))
	}
	return value{}, 0, fmt.Errorf("has a value that is neither a number nor text")
}
