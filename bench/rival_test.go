package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// rivalOutput is what llama-bench -o json prints, without the fields that are not
// read here.
const rivalOutput = `[
  {"build_commit": "b1", "model_type": "qwen3 1.7B Q1_0", "n_threads": 2, "n_prompt": 128, "n_gen": 0, "avg_ns": 2976744186, "avg_ts": 43.0, "stddev_ts": 0.0},
  {"build_commit": "b1", "model_type": "qwen3 1.7B Q1_0", "n_threads": 2, "n_prompt": 0, "n_gen": 32, "avg_ns": 1306122448, "avg_ts": 24.5, "stddev_ts": 0.0}
]`

// TestMain makes the test's binary a llama-bench where a test asks for one.
func TestMain(m *testing.M) {
	if os.Getenv("BANKAI_TEST_RIVAL") == "" {
		os.Exit(m.Run())
	}
	if !slices.Equal(os.Args[1:], strings.Fields("-m model.gguf -o json -r 1 -ngl 0 -p 128 -n 32 -t 2")) {
		fmt.Fprintln(os.Stderr, "called with", os.Args[1:])
		os.Exit(1)
	}
	fmt.Println(rivalOutput)
	os.Exit(0)
}

func TestRival(t *testing.T) {
	t.Setenv("BANKAI_TEST_RIVAL", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := rival(self).run(context.Background(), "model.gguf", 2)
	if err != nil || out.PP != 43 || out.TG != 24.5 || out.Engine != self {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := rival(self).run(context.Background(), "model.gguf", 3); err == nil || !strings.Contains(err.Error(), "called with") {
		t.Errorf("a rival that fails: %v", err)
	}
}

func TestParseRival(t *testing.T) {
	for _, bad := range []string{"", "[]", "llama-bench: unknown model architecture", `[{"n_prompt": 128, "n_gen": 0, "avg_ts": 43}]`} {
		if out, err := parseRival([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, out)
		}
	}
}
