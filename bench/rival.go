package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
)

// rival is a llama-bench of llama.cpp or of one of its forks, by its path. Forks
// have kernels of their own for 1-bit weights: ik_llama.cpp, for one, on AVX2.
type rival string

// run times a prompt and, apart from it, as many tokens as the others generate.
func (p rival) run(ctx context.Context, path string, threads int) (run, error) {
	cmd := exec.CommandContext(ctx, string(p), "-m", path, "-o", "json", "-r", "1", "-ngl", "0",
		"-p", strconv.Itoa(promptTokens), "-n", strconv.Itoa(generatedTokens), "-t", strconv.Itoa(threads))
	text, err := output(cmd)
	if err != nil {
		return run{}, err
	}
	out, err := parseRival(text)
	out.Engine = string(p)
	return out, err
}

// parseRival reads the JSON of llama-bench: a list of tests, each of a prompt or of
// generation.
func parseRival(text []byte) (out run, err error) {
	var tests []struct {
		Prompt    int     `json:"n_prompt"`
		Generated int     `json:"n_gen"`
		Speed     float64 `json:"avg_ts"` // tokens a second
	}
	if err := json.Unmarshal(text, &tests); err != nil {
		return out, fmt.Errorf("llama-bench -o json printed something else: %w", err)
	}
	for _, t := range tests {
		switch {
		case t.Prompt > 0 && t.Generated == 0:
			out.PP = t.Speed
		case t.Generated > 0 && t.Prompt == 0:
			out.TG = t.Speed
		}
	}
	if out.PP <= 0 || out.TG <= 0 {
		return out, fmt.Errorf("no speeds in %s", text)
	}
	return out, nil
}
