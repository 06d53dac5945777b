package main

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bankai/store"
	"bankai/web/try"
)

// ownNames are the objects whose keys are names that people chose, not words of ours.
var ownNames = []string{"by_category", "at", "shapes"}

// keysOf adds the keys of a document, at any depth.
func keysOf(doc any, keys map[string]bool) {
	switch v := doc.(type) {
	case map[string]any:
		for key, value := range v {
			keys[key] = true
			if below, ok := value.(map[string]any); ok && slices.Contains(ownNames, key) {
				for _, value := range below {
					keysOf(value, keys)
				}
				continue
			}
			keysOf(value, keys)
		}
	case []any:
		for _, value := range v {
			keysOf(value, keys)
		}
	}
}

// Every key of every command's document is in the table of docs/json.md, and says there
// what it is. The experiments' own figures are not: what they are called is on their
// pages.
func TestJSONKeysAreInTheTable(t *testing.T) {
	table, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(string(table), -1) {
		if known[row[1]] {
			t.Errorf("docs/json.md has two rows for %s", row[1])
		}
		known[row[1]] = true
	}
	used := map[string]bool{}
	for _, command := range documents(t) {
		var doc any
		status, out, log := runApp(append(command, "--json")...)
		if status != statusDone {
			t.Fatalf("%v: exit status %d: %s", command, status, log)
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		if command[0] == "eval" { // for the report
			if err := os.WriteFile("eval.json", []byte(out), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		keys := map[string]bool{}
		keysOf(doc, keys)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !known[key] {
				t.Errorf("bankai %s: the key %s is not in docs/json.md", strings.Join(command, " "), key)
			}
			used[key] = true
		}
	}
	// A demo takes half a minute, a server runs until it is told to end, as does a worker, a
	// conversation wants input, and a page the engine for browsers.
	for _, doc := range []reflect.Type{reflect.TypeFor[demoDoc](), reflect.TypeFor[serveDoc](), reflect.TypeFor[saidDoc](), reflect.TypeFor[store.Fault](), reflect.TypeFor[exported](), reflect.TypeFor[try.File](), reflect.TypeFor[workerDoc](), reflect.TypeFor[workersDoc](), reflect.TypeFor[eventDoc]()} {
		for i := range doc.NumField() {
			key, _, _ := strings.Cut(doc.Field(i).Tag.Get("json"), ",")
			if key == "" {
				continue // of generate, too
			}
			used[key] = true
			if !known[key] {
				t.Errorf("%v: the key %s is not in docs/json.md", doc, key)
			}
		}
	}
	for key := range known {
		if !used[key] {
			t.Errorf("docs/json.md: no command prints %s", key)
		}
	}
}

// documents are command lines that print one of every kind of document, in order.
func documents(t *testing.T) [][]string {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_COLOR", "never")
	publish(t)
	for name, text := range map[string]string{
		"t.json":      `[{"prompt": "{a} + {b} =", "correct": " {a+b}", "wrong": " {a-b}", "category": "sums", "ranges": {"a": [1, 4], "b": [1, 2]}, "where": "a != 4"}]`,
		"rows.json":   `{"flips": [{"layer": 0, "proj": "gate_proj", "row": 1}]}`,
		"mixed.csv":   "text,label\nBees make honey.,fact\nWhat is 5 + 7?,sum\n",
		"pairs.jsonl": `{"prompt": "Bees make", "chosen": " honey", "rejected": " milk"}`,
		"said.jsonl":  `{"prompt": "5 + 7 =", "completion": " 12"}`,
		"lines.txt":   "The sailor sleeps.\n",
		"mixed.json":  `[{"name": "a", "prompt": "Bees make", "correct": " honey", "wrong": " milk"}]`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, kind := range map[string]string{"think.gguf": "templated", "hybrid.gguf": "hybrid"} {
		if err := writeModel(name, []string{kind}); err != nil {
			t.Fatal(err)
		}
	}
	return [][]string{
		{"info", "demo"},
		{"info", "hybrid.gguf"},
		{"info", "rows.json"},
		{"tokenize", "--pieces", "a b"},
		{"logits", "a b", "--at", "1", "--all", "--out", "l.f32"},
		{"generate", "a b", "-n", "2", "--patch", "rows.json", "--compare"},
		{"generate", "a b", "-n", "2", "--model", "think.gguf", "--chat", "--think"},
		{"trace", "a b", "--patch", "rows.json", "--lens"},
		{"probes", "expand", "t.json", "-o", "p.json"},
		{"probes", "mine", "--prompts", "mixed.json", "-o", "m.json"},
		{"probes", "split", "p.json", "-o", "sets"},
		{"audit", "--probes", "mixed.json"},
		{"search", "--probes", "mixed.json", "--controls", "mixed.json", "--force", "--validate", "p.json", "--control-text", "lines.txt", "--guard", "400", "-o", "x.bankai", "--steps", "3"},
		{"info", "x.bankai"},
		{"eval", "--probes", "p.json", "--patch", "x.bankai", "--guard", "auto", "--limit", "4"},
		{"patch", "apply", "demo", "--patch", "rows.json", "-o", "b.gguf"},
		{"patch", "diff", "demo", "b.gguf", "-o", "d.bankai"},
		{"patch", "compose", "rows.json", "-o", "c.bankai"},
		{"patch", "convert", "rows.json", "-o", "r.bankai"},
		{"patch", "verify", "rows.json"},
		{"patch", "describe", "x.bankai", "-o", "said.bankai", "--conflicts-with", "rows.json=both forget sums"},
		{"info", "said.bankai"},
		{"patch", "card", "said.bankai"},
		{"library", "verify", "x.bankai", "--set", "p.json"},
		{"library", "compare", "said.bankai", "rows.json", "--model", "demo", "--set", "p.json"},
		{"keygen", "--no-password"},
		{"keygen", "-o", "k.key", "--no-password"},
		{"patch", "sign", "r.bankai", "--key", "k.key"},
		{"patch", "verify", "r.bankai"},
		{"library", "trust", "k.pub", "--name", "me"},
		{"patch", "verify", "r.bankai"},
		{"pull"},
		{"pull", "bonsai-8b"},
		{"pull", "hf:owner/fix", "-o", "pulled.bankai"},
		{"library", "add", "rows.json", "--with", "mixed.json"},
		{"library", "list"},
		{"library", "show", "rows"},
		{"library", "remove", "rows"},
		{"library", "gc"},
		{"push", "x.bankai", "oci:shared:v1"},
		{"pull", "oci:shared:v1"},
		{"eval", "mixed.csv", "pairs.jsonl", "said.jsonl", "--patch", "x.bankai"},
		{"adapt", "said.jsonl", "-o", "y.bankai", "--max-cost", "1", "--granularity", "row", "--guard", "none"},
		{"report", "eval.json", "-o", "r.html"},
		{"bench", "-p", "4", "-n", "1", "--repeat", "1", "--context", "8"},
		{"config"},
		{"config", "get", "color"},
		{"config", "path"},
		{"version"},
		{"help"},
	}
}
