package web

import (
	"net/http"
	"path/filepath"
	"sync"

	"bankai/internal/source"
	"bankai/models/demo"
	"bankai/server"
)

// builtIn describes an embedded set of probes.
type builtIn struct {
	Name   string `json:"name"`  // "demo:heldout"
	About  string `json:"about"` // what it is for
	Probes int    `json:"probes"`
}

// builtInSets are the embedded sets of probes.
var builtInSets = sync.OnceValue(func() []builtIn {
	list := []builtIn{}
	for _, s := range demo.Sets() {
		if filepath.Ext(s.File()) != ".json" {
			continue // texts, and the questions of benchmarks
		}
		if set, err := source.ReadSet(source.Demo + s.Name); err == nil {
			list = append(list, builtIn{set.Source, s.About, len(set.Set)})
		}
	}
	return list
})

// sets are those that were made for the model. Those of the built-in model are embedded, and
// of other models none is known.
func (o Options) sets() []builtIn {
	if o.Model == source.DemoModel {
		return builtInSets()
	}
	return []builtIn{}
}

// probes answers GET /api/probes.
func (e *evaluations) probes(x *server.Exchange) error {
	return x.Document(http.StatusOK, map[string]any{"probes": e.w.o.sets()})
}
