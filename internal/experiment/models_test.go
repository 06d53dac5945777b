package experiment

import (
	"bytes"
	"testing"

	"bankai/engine"
	"bankai/internal/weights"
	"bankai/measure"
	"bankai/models/demo"
	"bankai/probe"
)

// loaded is a model from the bytes of its file.
func loaded(t *testing.T, model []byte, o engine.Options) *engine.Model {
	t.Helper()
	f, err := weights.FromBytes("test", model)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// demoModel is the built-in model, which answers questions as a real one does.
func demoModel(t *testing.T, threads int) *engine.Model {
	t.Helper()
	return loaded(t, demo.Model(), engine.Options{Threads: threads})
}

// demoSet is an embedded set.
func demoSet(t *testing.T, name string) probe.Set {
	t.Helper()
	data, err := demo.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := probe.Read(bytes.NewReader(data), probe.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// drawn is n probes of an embedded set at random.
func drawn(t *testing.T, name string, n int) measure.Named {
	t.Helper()
	return measure.Named{Name: name, Set: demoSet(t, name).Draw(n, 1)}
}

// someProbes are n of an embedded set, spread over its categories.
func someProbes(t *testing.T, name string, n int) measure.Named {
	t.Helper()
	all := demoSet(t, name)
	var some probe.Set
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return measure.Named{Name: name, Set: some}
}
