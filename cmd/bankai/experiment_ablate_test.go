package main

import (
	"encoding/json"
	"testing"

	"bankai"
	"bankai/internal/experiment"
	"bankai/internal/source"
)

// A search of the experiment is that of the search command, to the patch.
func TestAblateSearches(t *testing.T) {
	t.Chdir(t.TempDir())
	run := func(args ...string) string {
		status, out, log := runApp(args...)
		if status != statusDone {
			t.Fatalf("exit status %d: %s", status, log)
		}
		return out
	}
	for _, args := range [][]string{
		{"--strategy", "guided"},
		{"--strategy", "greedy", "--metric", "seq_logprob"},
	} {
		common := append([]string{"--controls", "demo:control_few", "--max-cost", "4", "--seed", "5"}, args...)
		var x experiment.Ablate
		flags := append([]string{"experiment", "ablate", "--json", "--vary", "probes", "--counts", "8", "--base-count", "8", "--held", "2", "--seeds", "1"}, common...)
		if err := json.Unmarshal([]byte(run(flags...)), &x); err != nil {
			t.Fatal(err)
		}
		pool, err := source.ReadSet("demo:search")
		if err != nil {
			t.Fatal(err)
		}
		if err := writeProbes("own.json", pool.Draw(8, 5)); err != nil {
			t.Fatal(err)
		}
		run(append([]string{"search", "--probes", "own.json", "-o", "p.bankai", "--steps", "1000", "--force"}, common...)...)
		p, err := bankai.ReadFile("p.bankai")
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Settings[0].Runs[0].Patch; got != p.ContentDigest().String() {
			t.Errorf("%v: %d flips, the search command finds %d others", args, x.Settings[0].Runs[0].Flips, p.Len())
		}
	}
}
