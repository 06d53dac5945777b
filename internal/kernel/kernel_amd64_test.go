package kernel

import "testing"

// A set is chosen only where the CPU has all that the generator found its kernels
// to use.
func TestRequires(t *testing.T) {
	for _, s := range assembly {
		if len(requires[s.Name]) == 0 {
			t.Errorf("%s: the generator does not say what it requires", s.Name)
		}
		for _, x := range requires[s.Name] {
			has, known := extensions[x]
			if !known {
				t.Errorf("%s requires %s, which kernel_amd64.go does not ask of the CPU", s.Name, x)
			}
			if s.runs() && !has {
				t.Errorf("%s is chosen, but this CPU has no %s", s.Name, x)
			}
		}
	}
}
