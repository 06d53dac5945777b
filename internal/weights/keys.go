package weights

import (
	"fmt"
	"math"

	"bankai/internal/gguf"
)

// keys reads metadata with the checks that every number needs. The first error
// sticks: a key that must be there and is not, or has another type or an
// impossible value. The error names the key.
type keys struct {
	file *gguf.File
	err  error
}

// fail records the first error.
func (k *keys) fail(format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("metadata key "+format, args...)
	}
}

// has reports whether the key is there.
func (k *keys) has(key string) bool {
	_, ok := k.file.Value(key)
	return ok
}

// text reads a string, "" where there is none.
func (k *keys) text(key string) string {
	v, ok := k.file.Value(key)
	s, isText := v.Str()
	if ok && !isText {
		k.fail("%s is not a string", key)
	}
	return s
}

// flag reads a boolean, false where there is none.
func (k *keys) flag(key string) bool {
	v, ok := k.file.Value(key)
	b, isBool := v.Bool()
	if ok && !isBool {
		k.fail("%s is not a boolean", key)
	}
	return b
}

// maxSize bounds every size in the metadata, so that a product of two of them
// cannot overflow 64 bits.
const maxSize = 1 << 24

// size reads a number from 1 to maxSize that must be there.
func (k *keys) size(key string) int {
	if !k.has(key) {
		k.fail("%s is missing", key)
		return 0
	}
	return k.from(1, key)
}

// from reads a number from the least to maxSize that is there.
func (k *keys) from(least uint64, key string) int {
	v, _ := k.file.Value(key)
	n, ok := v.Uint()
	if !ok || n < least || n > maxSize {
		k.fail("%s is not a number from %d to %d", key, least, maxSize)
		return 0
	}
	return int(n)
}

// sizeOr reads a number from 1 to maxSize if there is one.
func (k *keys) sizeOr(key string, fallback int) int {
	if !k.has(key) {
		return fallback
	}
	return k.size(key)
}

// positive reads a finite number above 0 that must be there.
func (k *keys) positive(key string) float64 {
	v, ok := k.file.Value(key)
	if !ok {
		k.fail("%s is missing", key)
		return 0
	}
	x, ok := v.Float()
	if !ok || math.IsInf(x, 0) || !(x > 0) {
		k.fail("%s is not a number above 0", key)
		return 0
	}
	return x
}

// positiveOr reads a finite number above 0 if there is one.
func (k *keys) positiveOr(key string, fallback float64) float64 {
	if !k.has(key) {
		return fallback
	}
	return k.positive(key)
}

// flags reads a list of booleans, nil where there is none.
func (k *keys) flags(key string) []bool {
	v, ok := k.file.Value(key)
	list, isList := v.Bools()
	if ok && !isList {
		k.fail("%s is not a list of booleans", key)
	}
	return list
}

// count reads a number from 0 to maxSize, 0 where there is none.
func (k *keys) count(key string) int {
	if !k.has(key) {
		return 0
	}
	return k.from(0, key)
}
