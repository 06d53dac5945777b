package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/internal/hubtest"
	"bankai/models/demo"

	"github.com/spf13/cobra"
)

// runApp runs one command line inside the test.
func runApp(args ...string) (status int, stdout, stderr string) {
	var out, log strings.Builder
	status = doMain(args, strings.NewReader(""), &out, &log)
	return status, out.String(), log.String()
}

// TestExamples runs the examples of the help, in one folder, so that each finds
// what those before it wrote. Only the demo's are left out: they take a minute, and
// its script runs one. As that audits the large sets and answers all held-out
// questions, other commands have fewer here, and a search without controls makes a
// smaller guard, whose usual size has a script of its own.
func TestExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_HOME", t.TempDir())
	const old = `{"flips": [{"layer": 2, "proj": "gate_proj", "row": 7}]}`
	const sums = `{"prompt": "{a} + {b} =", "correct": " {a+b}", "ranges": {"a": [1, 9], "b": [1, 9]}}`
	for name, text := range map[string]string{"texts.jsonl": "\"Bees make honey\"\n", "old.json": old, "other.json": old, "sums.json": sums} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	publish(t)
	root := newApp(nil, nil, os.Stdout, os.Stderr).root()
	firstPage := root.Long
	for _, name := range []string{
		"search", "patch apply", "patch remove", "patch diff", "patch compose", "patch convert", "patch describe", "patch card", "keygen", "patch sign", "patch verify", "library verify", "library compare", "probes expand", "probes mine",
		"probes split", "info", "tokenize", "logits", "generate", "trace", "audit", "eval", "bench", "version",
		"config set", "config get", "config list", "config unset", "config path",
		"experiment perplexity", "report", "experiment lora",
		"experiment variations", "experiment stack", "experiment compare", "experiment rescore",
		"experiment ablate",
		"experiment robustness", "experiment layers", "experiment scale",
		"experiment gsm8k", "experiment choice",
		"library add", "library list", "library show", "library remove", "library trust", "library gc",
		"push", "pull",
	} {
		cmd, _, err := root.Find(strings.Fields(name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSpace(line)
			t.Run(line, func(t *testing.T) {
				switch name {
				case "eval":
					line = strings.ReplaceAll(line, "demo:heldout", "demo:control_heldout")
				case "audit":
					line = strings.ReplaceAll(line, "demo:search ", "demo:search_few ")
				case "search":
					if !strings.Contains(line, "--controls") {
						line += " --guard 200"
					}
				}
				line = strings.ReplaceAll(line, "demo:validate", "demo:control_heldout")
				status, out, log := runApp(shellWords(t, line)[1:]...)
				if status != statusDone || out == "" || strings.Contains(out, firstPage) {
					t.Errorf("exit status %d, %d bytes on stdout, and on stderr: %s", status, len(out), log)
				}
			})
		}
	}
}

// publish has a hub with a published model, whose file is the embedded one, and a patch.
func publish(t *testing.T) {
	h := hubtest.New()
	t.Cleanup(h.Close)
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_HOME", t.TempDir())
	commit := strings.Repeat("c0ffee12", 5)
	h.Put("prism-ml/Bonsai-8B-gguf", hubtest.Repo{Commit: commit, Files: map[string]string{"Bonsai-8B-Q1_0.gguf": string(demo.Model())}})
	h.Put("owner/fix", hubtest.Repo{Commit: commit, Files: map[string]string{"fix.bankai": `{"flips": [{"layer": 0, "proj": "gate_proj", "row": 1}]}`}})
}

// shellWords splits a command line whose only quotes are single ones.
func shellWords(t *testing.T, line string) (words []string) {
	t.Helper()
	for i, part := range strings.Split(line, "'") {
		switch {
		case i%2 == 1:
			words = append(words, part)
		case strings.ContainsAny(part, "\"\\$`"):
			t.Fatalf("an example must be quoted with single quotes only: %s", line)
		default:
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// Every command has a page that fits a terminal, an example, and a script that
// runs it.
func TestPagesAreComplete(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var tested strings.Builder
	for _, s := range scripts {
		data, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		tested.Write(data)
	}
	checkPage(t, newApp(nil, nil, os.Stdout, os.Stderr).root(), tested.String())
}

func checkPage(t *testing.T, c *cobra.Command, tested string) {
	t.Helper()
	path := c.CommandPath()
	if c.Short == "" || c.Long == "" {
		t.Errorf("%s has no description", path)
	}
	for line := range strings.Lines(c.Short + "\n" + c.Long) {
		if len([]rune(line)) > 82 {
			t.Errorf("%s: a line is too long for a terminal: %s", path, line)
		}
	}
	if c.HasSubCommands() {
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				checkPage(t, sub, tested)
			}
		}
		return
	}
	if !strings.HasPrefix(c.Example, "  "+path) {
		t.Errorf("%s has no example", path)
	}
	if !strings.Contains(tested, path+" ") {
		t.Errorf("no script runs %s", path)
	}
}
