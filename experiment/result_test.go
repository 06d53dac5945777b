package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// readOrRefused holds that a file is read and can be shown, or is an error.
func readOrRefused(t *testing.T, what string, doc any) {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if fault := recover(); fault != nil {
			t.Errorf("%s: %v", what, fault)
		}
	}()
	r, err := Read(bytes.NewReader(data))
	if err != nil {
		return
	}
	shown := r.Present()
	err = shown.WriteText(io.Discard)
	for _, table := range shown.Tables {
		err = errors.Join(err, table.WriteCSV(io.Discard))
	}
	if kept, ok := r.(Rescorable); ok {
		if g := kept.Texts(); g.check() == nil {
			_, failed := Rescore(r.Head(), &g, RescoreOptions{})
			err = errors.Join(err, failed)
		}
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// A file with nothing but the name of its experiment is refused, or shown as one
// without figures where that can be.
func TestReadOfAHeadAlone(t *testing.T) {
	refused := 0
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		head := map[string]any{"experiment": name}
		readOrRefused(t, name, head)
		_, err := Read(strings.NewReader(asJSON(t, head)))
		if err == nil {
			continue
		}
		refused++
		if s := err.Error(); !strings.HasPrefix(s, "is not a whole result of "+name+": ") || !strings.HasSuffix(s, ", give the file as it was written") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if refused == 0 {
		t.Error("every head alone is taken for a result")
	}
}

// partial calls f with a document that lacks a member, and with one that has null
// in its place: each at the top, and each of the first element of a list there.
func partial(doc map[string]any, f func(what string, doc map[string]any)) {
	for key, value := range doc {
		if key == "experiment" {
			continue
		}
		without := maps.Clone(doc)
		delete(without, key)
		f("without "+key, without)
		without[key] = nil
		f("null "+key, without)
		list, _ := value.([]any)
		if len(list) == 0 {
			continue
		}
		first, _ := list[0].(map[string]any)
		partial(first, func(what string, element map[string]any) {
			changed := maps.Clone(doc)
			changed[key] = append([]any{element}, list[1:]...)
			f(what+" of the first of "+key, changed)
		})
	}
}

// shorten leaves the first of what makes most of a file: rows a probe, and texts.
func shorten(doc map[string]any) {
	const most = 64
	for key, value := range doc {
		switch v := value.(type) {
		case []any:
			doc[key] = v[:min(len(v), most)]
		case map[string]any:
			shorten(v)
		}
	}
}

// The results of docs/experiments are whole; what is left of them when a part is
// taken away is refused or shown, and nothing panics.
func TestReadOfPartialResults(t *testing.T) {
	for _, name := range []string{
		"layers/layers", "robustness/robustness", "scale/scale", "variations-6/variations", "stack/stack", "ablate-published/ablate",
		"gsm8k-words/gsm8k", "choice/choice", "perplexity-rows-64/perplexity", "lora-one/lora", "rescore/rescore",
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("../docs/experiments/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Read(bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			var doc map[string]any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			shorten(doc)
			if _, err := Read(strings.NewReader(asJSON(t, doc))); err != nil {
				t.Fatalf("shortened: %v", err)
			}
			partial(doc, func(what string, doc map[string]any) { readOrRefused(t, what, doc) })
		})
	}
}
