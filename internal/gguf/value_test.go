package gguf

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// lookups collects what every lookup says about a value; nil where it has none.
func lookups(v Value) map[string]any {
	m := map[string]any{}
	put := func(name string, x any, ok bool) {
		if ok {
			m[name] = x
		}
	}
	u, ok := v.Uint()
	put("Uint", u, ok)
	f, ok := v.Float()
	put("Float", f, ok)
	b, ok := v.Bool()
	put("Bool", b, ok)
	s, ok := v.Str()
	put("Str", s, ok)
	list, ok := v.Strings()
	put("Strings", list, ok)
	ints, ok := v.Int32s()
	put("Int32s", ints, ok)
	bools, ok := v.Bools()
	put("Bools", bools, ok)
	return m
}

// A value answers exactly the lookups that its type and content allow.
func TestValueLookups(t *testing.T) {
	tests := []struct {
		name string
		v    Value
		want map[string]any
	}{
		{"uint8", Value{TypeUint8, "\xff"}, map[string]any{"Uint": uint64(255)}},
		{"int8", Value{TypeInt8, "\x7f"}, map[string]any{"Uint": uint64(127)}},
		{"negative int8", Value{TypeInt8, "\xff"}, nil},
		{"uint16", Uint16(65535), map[string]any{"Uint": uint64(65535)}},
		{"negative int16", Value{TypeInt16, "\x00\x80"}, nil},
		{"uint32", Uint32(math.MaxUint32), map[string]any{"Uint": uint64(math.MaxUint32)}},
		{"int32", Int32(1), map[string]any{"Uint": uint64(1)}},
		{"negative int32", Int32(-1), nil},
		{"uint64", Value{TypeUint64, "\xff\xff\xff\xff\xff\xff\xff\xff"}, map[string]any{"Uint": uint64(math.MaxUint64)}},
		{"negative int64", Value{TypeInt64, "\xff\xff\xff\xff\xff\xff\xff\xff"}, nil},
		{"float32", Float32(1e-6), map[string]any{"Float": float64(float32(1e-6))}},
		{"float64", Value{TypeFloat64, "\x00\x00\x00\x00\x00\x00\xf8\x3f"}, map[string]any{"Float": 1.5}},
		{"true", Bool(true), map[string]any{"Bool": true}},
		{"false", Bool(false), map[string]any{"Bool": false}},
		{"string", String("Ġthe"), map[string]any{"Str": "Ġthe"}},
		{"empty string", String(""), map[string]any{"Str": ""}},
		{"strings", Strings([]string{"a", "", "bc"}), map[string]any{"Strings": []string{"a", "", "bc"}}},
		{"no strings", Strings(nil), map[string]any{"Strings": []string{}}},
		{"int32s", Int32s([]int32{1, -3}), map[string]any{"Int32s": []int32{1, -3}}},
		{"bools", Bools([]bool{true, false}), map[string]any{"Bools": []bool{true, false}}},
		{"uint8s", Value{TypeArray, string(appendArray(nil, TypeUint8, 2)) + "\x01\xff"}, map[string]any{"Int32s": []int32{1, 255}}},
		{"uint32s too large", Value{TypeArray, string(appendArray(nil, TypeUint32, 1)) + "\xff\xff\xff\xff"}, nil},
		{"uint64s too large", Value{TypeArray, string(appendArray(nil, TypeUint64, 1)) + "\xff\xff\xff\xff\xff\xff\xff\xff"}, nil},
		{"floats", Value{TypeArray, string(appendArray(nil, TypeFloat32, 1)) + "\x00\x00\x80\x3f"}, nil},
		{"nothing", Value{}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lookups(test.v)
			if len(got) != len(test.want) || len(got) > 0 && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// A value in a message is short and in one line.
func TestValueString(t *testing.T) {
	for want, v := range map[string]Value{
		`"a\nb"`:                             String("a\nb"),
		"true":                               Bool(true),
		"40":                                 Uint32(40),
		"-3":                                 Int32(-3),
		"1e-06":                              Float32(1e-6),
		"a list of 2":                        Strings([]string{"a", "b"}),
		"nothing":                            {},
		`"` + strings.Repeat("x", 40) + `"…`: String(strings.Repeat("x", 41)),
	} {
		if got := v.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
