package bankai_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the structure of the project: a package imports only packages of
// lower layers.
var layers = map[string]int{
	"internal/durable":          -1, // files whole or not at all, journals
	"internal/mapped":           -1, // files as memory
	"internal/program":          -1, // what the running program is, and its memory
	"internal/rng":              -1, // random numbers: streams by name
	"internal/strictjson":       0,  // JSON documents of which every member counts
	"internal/text":             -1, // numbers, words and tables for people
	"internal/progress":         -1, // how far work is: who is told, and the time left
	"internal/parts":            -1, // long work part by part, of several machines ahead
	"bankai":                    0,  // the vocabulary: digests, flips, patches
	"probe":                     0,  // what is asked, and when an answer is right
	"judge":                     1,  // when a free answer is right
	"judge/external":            2,  // a program of the user's that judges
	"internal/kernel":           0,  // arithmetic on packed 1-bit rows
	"internal/gguf":             0,  // the file format
	"internal/safetensors":      0,  // the file format of MLX models
	"internal/bpe":              0,  // the tokenizer
	"internal/chart":            0,  // pictures of figures
	"internal/stats":            0,  // tests, intervals, correlations
	"internal/terminal":         0,  // results, progress and warnings for people
	"models/demo":               0,  // the embedded model
	"internal/weights":          1,  // a model file as named tensors: check, bake, diff
	"engine":                    2,  // forward passes, scoring, generation
	"internal/modelref":         1,  // names of models in results
	"internal/source":           2,  // models, probes and texts by name: files, or the demo's
	"internal/flagtype":         3,  // values of flags that need reading: counts, lists, sizes
	"internal/config":           3,  // the file of the defaults of flags
	"store":                     2,  // where patches come from, and their provenance
	"store/hub":                 1,  // published models and patches: Hugging Face, Ollama
	"store/oci":                 1,  // patches in OCI registries and layouts
	"store/signature":           1,  // who signed a patch, in minisign's format
	"search":                    2,  // finds patches: strategies, runs, journals
	"chat":                      3,  // from messages to prompts, and back
	"dataset":                   4,  // examples from the files that people have, divided without leaks
	"score":                     3,  // measures patches on a model
	"measure":                   3,  // audits, measurements
	"internal/anatomy":          4,  // what a model or a patch holds, as a document
	"server":                    6,  // answers over HTTP, with a patch set for each request
	"internal/guard":            4,  // what a model says now and should go on saying
	"internal/dialog":           4,  // a conversation: history, patches, answers
	"internal/splitting":        4,  // probes divided into sets that share no prompt
	"internal/asking":           5,  // people's data as what a model is asked
	"internal/watched":          4,  // what takes long on probes, told to a watcher
	"internal/outputs":          5,  // what the files that a run writes may replace
	"internal/repair":           6,  // audit, search, measure, write: the main job
	"internal/claims":           5,  // what patches claim: in words, and as figures
	"internal/recheck":          7,  // what patches claim, measured again
	"internal/card":             8,  // the page that a patch is shared with
	"internal/adapt":            8,  // the main job with the files that people have
	"internal/look":             1,  // how pages look
	"web":                       7,  // the page that a server shows
	"web/try":                   8,  // the page that needs no server
	"web/try/wasm":              5,  // the engine for browsers
	"internal/cluster/division": 4,  // who measures which block
	"internal/cluster/desk":     3,  // units of questions and requests, and their answers
	"internal/cluster":          5,  // work on many machines, through NATS
	"internal/report":           4,  // pages, tables and sentences for people
	"internal/evaluation":       5,  // what probes show of a patch, as a document
	"internal/speed":            4,  // how fast a model runs here
	"internal/lora":             4,  // trains an adapter, to compare patches with
	"internal/experiment":       5,  // repeats the published experiments
	"internal/benchmark":        6,  // asks the questions of text benchmarks
	"cmd/bankai":                9,  // the command line
	"internal/enginetest":       7,  // models and probe sets for tests
	"internal/reporttest":       7,  // what the results of experiments must do, for tests
	"internal/testmodel":        6,  // models with random weights: for tests, and for
	"internal/hubtest":          -1, // a hub to download from, for tests
	"bench":                     7,  // measuring against llama.cpp, but for nothing else
	"internal/release":          7,  // the archives that are published: make release
}

func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (isModule(path) || d.Name() == "gen" || d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = "bankai"
		}
		layer, ok := layers[pkg]
		if !ok {
			t.Errorf("%s: package %s has no layer: give it one in layers_test.go", path, pkg)
			return nil
		}
		seen[pkg] = true
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasPrefix(name, natsModules) && !slices.Contains(usesNATS, pkg) {
				t.Errorf("%s imports %s: only %v may", path, name, usesNATS)
			}
			name, ours := strings.CutPrefix(name, "bankai/")
			if ours && inCluster(name) && !inCluster(pkg) && !slices.Contains(usesCluster, pkg) {
				t.Errorf("%s imports %s: only %v may", path, name, usesCluster)
			}
			if !ours && name != "bankai" {
				continue
			}
			if low, ok := layers[name]; !ok || low >= layer {
				t.Errorf("%s (layer %d) imports %s: only lower layers may be imported", path, layer, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(layers) {
		t.Errorf("%d packages found, %d listed", len(seen), len(layers))
	}
}

// natsModules are the client, the server and its keys.
const natsModules = "github.com/nats-io/"

// usesNATS are the packages that may talk to others through NATS.
var usesNATS = []string{"internal/cluster"}

// inCluster says whether a package is one of those that many machines work by.
func inCluster(pkg string) bool {
	return pkg == "internal/cluster" || strings.HasPrefix(pkg, "internal/cluster/")
}

// usesCluster are the packages that may work on many machines: all others get what they
// need of that by interfaces of their own.
var usesCluster = []string{"cmd/bankai", "bench"}

// What decides and what measures a search needs no NATS, in all that it is built of; nor
// does the program with the tag nocluster.
func TestSearchIsFreeOfNATS(t *testing.T) {
	for _, list := range [][]string{{"./search", "./score", "./engine"}, {"-tags", "nocluster", "./cmd/bankai"}} {
		out, err := exec.Command("go", slices.Concat([]string{"list", "-deps"}, list)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Fields(string(out))
		if !slices.Contains(all, "bankai/search") {
			t.Fatalf("%v: the list of what it is built of lacks bankai/search", list)
		}
		for _, name := range all {
			if strings.HasPrefix(name, natsModules) || inCluster(strings.TrimPrefix(name, "bankai/")) {
				t.Errorf("%v is built of %s", list, name)
			}
		}
	}
}

// isModule says whether a folder is a module of its own, whose packages are no part of
// the structure.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil && dir != "."
}
