package dialog

import "testing"

// A patch is called as its file, or as it is in the library, where a tag tells it from
// what the name alone is.
func TestNameOf(t *testing.T) {
	t.Chdir(t.TempDir())
	for ref, want := range map[string]string{
		"x/Fix.bankai": "fix", "math": "math", "math:v2": "math:v2", "math:v2@sha256:0123456789ab": "math:v2", "./math:v2.json": "math:v2",
	} {
		if got := NameOf(ref); got != want {
			t.Errorf("%s is called %q, want %q", ref, got, want)
		}
	}
}
