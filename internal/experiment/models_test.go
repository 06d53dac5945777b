package experiment

import (
	"testing"

	"bankai/internal/enginetest"
	"bankai/measure"
	"bankai/probe"
)

// drawn is n probes of an embedded set at random.
func drawn(t *testing.T, name string, n int) measure.Named {
	t.Helper()
	return measure.Named{Name: name, Set: enginetest.DemoSet(t, name).Draw(n, 1)}
}

// someProbes are n of an embedded set, spread over its categories.
func someProbes(t *testing.T, name string, n int) measure.Named {
	t.Helper()
	all := enginetest.DemoSet(t, name)
	var some probe.Set
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return measure.Named{Name: name, Set: some}
}
