package store

import (
	"strings"
	"testing"
)

// What may be the name of a patch: no path, no name that a file system or Unicode may
// take for another (gpustack#5449, vllm#34186).
func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "7", "math-2", "v1.2_x", strings.Repeat("a", 64)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	bad := []string{
		"", ".", "..", "-a", "_a", ".a", "A", "a b", "a:b", "a+b", "a@b", "a/b", "org/patch", "a/../b", "%2e%2e", `a\b`,
		"é", "e\u0301", "a\x00", "a\n", "latest", strings.Repeat("a", 65), strings.Repeat("a", 300),
	}
	for _, name := range bad {
		if CheckName(name) == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}
