package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// ValueType is GGUF's number for the type of a metadata value.
type ValueType uint32

// The types of metadata values.
const (
	TypeUint8 ValueType = iota
	TypeInt8
	TypeUint16
	TypeInt16
	TypeUint32
	TypeInt32
	TypeFloat32
	TypeBool
	TypeString
	TypeArray
	TypeUint64
	TypeInt64
	TypeFloat64
)

// width returns the bytes of a value of a fixed size, and 0 for strings, arrays
// and numbers that name no type.
func (t ValueType) width() int {
	switch t {
	case TypeUint8, TypeInt8, TypeBool:
		return 1
	case TypeUint16, TypeInt16:
		return 2
	case TypeUint32, TypeInt32, TypeFloat32:
		return 4
	case TypeUint64, TypeInt64, TypeFloat64:
		return 8
	}
	return 0
}

// KV is one key of a file's metadata with its value.
type KV struct {
	Key   string
	Value Value
}

// Value is a metadata value of any type. It keeps the bytes of the file as they
// were, so that what this package does not interpret (nested arrays, say) is
// still written back unchanged. It does not refer to the mapping: values live on
// after Close. The zero Value has no content; every lookup on it fails.
type Value struct {
	typ ValueType
	raw string // as encoded in the file; arrays begin with element type and count
}

// Type returns the type of the value.
func (v Value) Type() ValueType { return v.typ }

// String shows the value in a message, in one short line.
func (v Value) String() string {
	if s, ok := v.Str(); ok {
		if len(s) > 40 {
			return fmt.Sprintf("%q…", s[:40])
		}
		return strconv.Quote(s)
	}
	if b, ok := v.Bool(); ok {
		return strconv.FormatBool(b)
	}
	if x, ok := v.Float(); ok {
		return strconv.FormatFloat(x, 'g', -1, 8*v.typ.width())
	}
	if n, ok := v.Uint(); ok {
		return strconv.FormatUint(n, 10)
	}
	if n, ok := integer(v.typ, v.raw); ok {
		return strconv.FormatInt(int64(n), 10)
	}
	if _, n, _, ok := v.array(); ok {
		return fmt.Sprintf("a list of %d", n)
	}
	return "nothing"
}

// Uint returns a non-negative integer of any width.
func (v Value) Uint() (uint64, bool) {
	n, ok := integer(v.typ, v.raw)
	if !ok || v.typ != TypeUint64 && int64(n) < 0 {
		return 0, false
	}
	return n, true
}

// Float returns a float32 or float64.
func (v Value) Float() (float64, bool) {
	switch {
	case v.typ == TypeFloat32 && len(v.raw) == 4:
		return float64(math.Float32frombits(uint32(little(v.raw)))), true
	case v.typ == TypeFloat64 && len(v.raw) == 8:
		return math.Float64frombits(little(v.raw)), true
	}
	return 0, false
}

// Bool returns a boolean.
func (v Value) Bool() (value, ok bool) {
	if v.typ != TypeBool || len(v.raw) != 1 {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Str returns a string; its bytes are as in the file, not necessarily UTF-8.
func (v Value) Str() (string, bool) {
	if v.typ != TypeString || len(v.raw) < 8 {
		return "", false
	}
	return v.raw[8:], true
}

// Strings returns an array of strings.
func (v Value) Strings() ([]string, bool) {
	elem, n, rest, ok := v.array()
	if !ok || elem != TypeString {
		return nil, false
	}
	out := make([]string, n)
	for i := range out {
		end := 8 + little(rest[:8])
		out[i], rest = rest[8:end], rest[end:]
	}
	return out, true
}

// Int32s returns an array of integers of any width whose values all fit.
func (v Value) Int32s() ([]int32, bool) {
	elem, n, rest, ok := v.array()
	w := elem.width()
	if !ok || w == 0 {
		return nil, false
	}
	out := make([]int32, n)
	for i := range out {
		u, ok := integer(elem, rest[i*w:(i+1)*w])
		if n := int64(u); !ok || n < math.MinInt32 || n > math.MaxInt32 || n < 0 && elem == TypeUint64 {
			return nil, false
		}
		out[i] = int32(u)
	}
	return out, true
}

// Bools returns an array of booleans.
func (v Value) Bools() ([]bool, bool) {
	elem, n, rest, ok := v.array()
	if !ok || elem != TypeBool {
		return nil, false
	}
	out := make([]bool, n)
	for i := range out {
		out[i] = rest[i] != 0
	}
	return out, true
}

// array splits an array into its element type, its length and its elements.
func (v Value) array() (elem ValueType, n int, rest string, ok bool) {
	if v.typ != TypeArray || len(v.raw) < 12 {
		return 0, 0, "", false
	}
	return ValueType(little(v.raw[:4])), int(little(v.raw[4:12])), v.raw[12:], true
}

// integer decodes an integer, sign-extended to 64 bits.
func integer(t ValueType, raw string) (uint64, bool) {
	if w := t.width(); w == 0 || len(raw) != w {
		return 0, false
	}
	u := little(raw)
	switch t {
	case TypeInt8:
		u = uint64(int8(u))
	case TypeInt16:
		u = uint64(int16(u))
	case TypeInt32:
		u = uint64(int32(u))
	case TypeFloat32, TypeFloat64, TypeBool:
		return 0, false
	}
	return u, true
}

// little decodes up to 8 bytes, least significant first.
func little(s string) uint64 {
	var u uint64
	for i := len(s) - 1; i >= 0; i-- {
		u = u<<8 | uint64(s[i])
	}
	return u
}

// Uint16 makes a value.
func Uint16(x uint16) Value {
	return Value{TypeUint16, string(binary.LittleEndian.AppendUint16(nil, x))}
}

// Uint32 makes a value.
func Uint32(x uint32) Value {
	return Value{TypeUint32, string(binary.LittleEndian.AppendUint32(nil, x))}
}

// Int32 makes a value.
func Int32(x int32) Value {
	return Value{TypeInt32, string(binary.LittleEndian.AppendUint32(nil, uint32(x)))}
}

// Float32 makes a value.
func Float32(x float32) Value {
	return Value{TypeFloat32, string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))}
}

// Bool makes a value.
func Bool(x bool) Value {
	if x {
		return Value{TypeBool, "\x01"}
	}
	return Value{TypeBool, "\x00"}
}

// String makes a value.
func String(s string) Value {
	return Value{TypeString, string(appendString(nil, s))}
}

// Strings makes an array.
func Strings(list []string) Value {
	b := appendArray(nil, TypeString, len(list))
	for _, s := range list {
		b = appendString(b, s)
	}
	return Value{TypeArray, string(b)}
}

// Int32s makes an array.
func Int32s(list []int32) Value {
	b := appendArray(nil, TypeInt32, len(list))
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return Value{TypeArray, string(b)}
}

// Bools makes an array.
func Bools(list []bool) Value {
	b := appendArray(nil, TypeBool, len(list))
	for _, x := range list {
		b = append(b, Bool(x).raw...)
	}
	return Value{TypeArray, string(b)}
}

func appendArray(b []byte, elem ValueType, n int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(elem))
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
