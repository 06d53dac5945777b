package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/probe"
	"bankai/store"
)

// searchAsk is the body of POST /api/searches: what becomes flags of "bankai search", and
// nothing else. What is left out is as there.
type searchAsk struct {
	Probes      askedSet `json:"probes"`
	Validate    askedSet `json:"validate,omitzero"`
	Controls    askedSet `json:"controls,omitzero"`
	Name        string   `json:"name"` // of the patch
	Strategy    string   `json:"strategy,omitempty"`
	Granularity string   `json:"granularity,omitempty"` // "row", "bit", "row,bit", …
	Steps       int      `json:"steps,omitempty"`
	MaxCost     float64  `json:"max_cost,omitempty"`
	Minutes     float64  `json:"minutes,omitempty"`
	MaxFlips    int      `json:"max_flips,omitempty"`
	Projections []string `json:"proj,omitempty"`
	Layers      string   `json:"layers,omitempty"` // "0,3,8-11"
	Guard       string   `json:"guard,omitempty"`  // "auto", "none" or a number of tokens
	Threads     int      `json:"threads,omitempty"`
	Force       bool     `json:"force,omitempty"` // in spite of fatal findings in the probes
}

// askedSet is a set of probes: the name of one that is part of the program, "demo:search", or
// a file that comes with the request. Of what was asked, only the name and size are told.
type askedSet struct {
	Name   string
	Data   *string // of a file
	Of     string  // an earlier search, which has the file
	Probes int
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *askedSet) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &a.Name) == nil {
		return nil
	}
	var file struct {
		Name   string  `json:"name"`
		Data   *string `json:"data"`
		Of     string  `json:"of"`
		Probes int     `json:"probes"`
	}
	if json.Unmarshal(b, &file) != nil {
		return errors.New(`a set of probes is a name such as "demo:search", {"name": a file's, "data": its text}, or {"of": the id of a search that had the file}`)
	}
	*a = askedSet{file.Name, file.Data, file.Of, file.Probes}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (a askedSet) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name   string `json:"name"`
		Probes int    `json:"probes"`
	}{a.Name, a.Probes})
}

// IsZero is for the members of a request that were left out.
func (a askedSet) IsZero() bool { return a.Name == "" && a.Data == nil && a.Of == "" }

// isBuiltIn says whether the set is part of the program.
func (a askedSet) isBuiltIn() bool { return strings.HasPrefix(a.Name, source.Demo) }

// file is what a set is called in the folder of a search: the part that it has there, with the
// ending that says what it holds. What the file was called is only shown.
func (a askedSet) file(part string) string {
	if a.isBuiltIn() {
		return a.Name
	}
	return part + setEnding(a.Name)
}

// setEnding is the ending of a file of probes.
func setEnding(name string) string {
	return strings.ToLower(path.Ext(name))
}

// searchAsked is what a search was asked, as its folder keeps it.
type searchAsked struct {
	searchAsk
	Base    bankai.Digest `json:"base"` // of the model
	Started time.Time     `json:"started"`
}

// parts are the sets.
func (a *searchAsk) parts() []askedPart {
	return []askedPart{{"probes", &a.Probes}, {"validate", &a.Validate}, {"controls", &a.Controls}}
}

// askedPart is a set, and what it is in requests, as flags and in the folder of a search.
type askedPart struct {
	name string
	*askedSet
}

// checked refuses what cannot be searched, and returns the rest and the files for its folder.
func (a *searchAsk) checked(m *engine.Model, threads threadsDoc) (*searchAsked, map[string]string, error) {
	if a.Probes.IsZero() {
		return nil, nil, refused("probes", "a search needs probes: choose a set, or give a file")
	}
	if a.Name == "" {
		a.Name = "found"
	}
	if err := store.CheckName(a.Name); err != nil {
		return nil, nil, refused("name", "%v", err)
	}
	if a.Threads < 0 || a.Threads > threads.Most {
		return nil, nil, refused("threads", "%d threads: give 1 to %d", a.Threads, threads.Most)
	}
	if a.Threads == 0 {
		a.Threads = threads.Usual
	}
	files := map[string]string{}
	for _, set := range a.parts() {
		if set.IsZero() {
			continue
		}
		if err := set.read(set.name); err != nil {
			return nil, nil, err
		}
		if set.Data != nil {
			files[set.file(set.name)] = *set.Data
		}
	}
	if err := a.checkPlan(m); err != nil {
		return nil, nil, err
	}
	return &searchAsked{searchAsk: *a, Base: m.Digest()}, files, nil
}

// read looks whether there are probes in a set.
func (a *askedSet) read(part string) error {
	var set source.Set
	var err error
	switch {
	case a.Data != nil:
		a.Name = text.Clip(text.Line(path.Base(strings.ReplaceAll(a.Name, `\`, "/"))), 100)
		if a.isBuiltIn() { // a file that is called so
			a.Name = "_" + a.Name
		}
		if probe.FormatOf(a.Name) == probe.Auto {
			return refused(part, "the file %q: its name ends in none of .json, .jsonl and .csv", a.Name)
		}
		set, err = source.ParseSet(a.Name, []byte(*a.Data), "")
	case slices.ContainsFunc(builtInSets(), func(b builtIn) bool { return b.Name == a.Name }):
		set, err = source.ReadSet(a.Name)
	default:
		err = fmt.Errorf("there is no set %q in the program: give its file", text.Clip(a.Name, 100))
	}
	if err != nil {
		return refused(part, "%v", err)
	}
	a.Probes = len(set.Set)
	return nil
}
