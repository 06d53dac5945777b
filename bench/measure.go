package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// The work of a run: a prompt, and tokens generated after it.
const (
	promptTokens    = 128
	longTokens      = 2048 // of the prompt in the run with a long context
	generatedTokens = 32
)

// report is everything measured.
type report struct {
	CPU     string   `json:"cpu"`
	Threads int      `json:"threads"`
	Peer    string   `json:"peer"` // llama.cpp's version, or why it is not in the table
	Models  []result `json:"models"`
}

// result is what was measured with one model.
type result struct {
	Model     string `json:"model"`
	FileBytes int64  `json:"file_bytes"`
	Runs      []run  `json:"runs"`          // in the order they were made
	Long      run    `json:"long,omitzero"` // bankai with a prompt of longTokens, and a search
}

// run is one turn of an engine: what `bankai bench --json` and peer.mjs print.
type run struct {
	Engine string  `json:"engine"`           // peerName, or bankai and its kernel set
	Kernel string  `json:"kernel,omitempty"` // bankai's
	PP     float64 `json:"pp"`               // prompt tokens a second
	TG     float64 `json:"tg"`               // generated tokens a second
	Load   float64 `json:"load_s"`           // seconds
	RSS    int64   `json:"rss_bytes"`        // most resident memory, 0 if unknown
	Limits limits  `json:"limits,omitzero"`
	Search struct {
		Measured *searched `json:"measured,omitempty"`
	} `json:"search,omitzero"`
}

// searched is what steps of a search took, in seconds.
type searched struct {
	Pass     float64 `json:"pass_s"` // over all probes, as the published search needs for a candidate
	Steps    []step  `json:"steps"`
	Gradient float64 `json:"gradient_s"`
}

// step is a candidate of a search: a gate row of a layer.
type step struct {
	Layer   int     `json:"layer"`
	Cost    float64 `json:"forward_equivalents"`
	Seconds float64 `json:"seconds"`
}

// limits is what the machine allows, as bankai measures it.
type limits struct {
	PP        float64 `json:"pp"`         // prompt tokens a second, 0 if unknown
	TG        float64 `json:"tg"`         // generated tokens a second
	GMACs     float64 `json:"gmac_per_s"` // 0 if unknown
	Bandwidth float64 `json:"gb_per_s"`
}

// engines is what takes turns.
type engines struct {
	bankai  string // the binary's path
	peer    *peer  // nil if there is none
	rivals  []rival
	threads int
}

// measure measures all models in turn. It fails if bankai does; a llama.cpp that
// cannot be had or fails is left out from then on.
func measure(ctx context.Context, dir string, o options) (*report, error) {
	r := &report{CPU: cpuName(), Threads: o.threads, Peer: peerVersion}
	e := engines{threads: o.threads, rivals: o.rivals}
	var err error
	if e.bankai, err = build(ctx, dir); err != nil {
		return nil, err
	}
	if e.peer, err = installPeer(ctx, dir); err != nil {
		r.without(err)
	}
	for _, m := range o.models {
		path, size, err := m.file(dir)
		if err != nil {
			return nil, err
		}
		res := result{Model: m.name, FileBytes: size}
		for i := range o.rounds {
			progress("%s, round %d of %d", m.name, i+1, o.rounds)
			if err := e.round(ctx, r, &res, path); err != nil {
				return nil, err
			}
		}
		if !o.short {
			progress("%s, a context of %d tokens, and the steps of a search", m.name, longTokens)
			if res.Long, err = e.runBankai(ctx, path, longTokens, "", "--search"); err != nil {
				return nil, err
			}
		}
		r.Models = append(r.Models, res)
	}
	return r, nil
}

// round gives every engine one turn. Where AVX-512 is the default, AVX2 has a
// turn of its own.
func (e *engines) round(ctx context.Context, r *report, res *result, path string) error {
	if e.peer != nil {
		out, err := e.peer.run(ctx, path, e.threads)
		if err == nil {
			res.Runs = append(res.Runs, out)
		} else {
			r.without(err)
			e.peer = nil
		}
	}
	for _, p := range e.rivals {
		out, err := p.run(ctx, path, e.threads)
		if err != nil {
			return err
		}
		res.Runs = append(res.Runs, out)
	}
	out, err := e.runBankai(ctx, path, promptTokens, "")
	if err != nil {
		return err
	}
	res.Runs = append(res.Runs, out)
	if !strings.HasPrefix(out.Kernel, "avx512") {
		return nil
	}
	if out, err = e.runBankai(ctx, path, promptTokens, "avx2"); err != nil {
		return err
	}
	res.Runs = append(res.Runs, out)
	return nil
}

// without notes and says why llama.cpp is missing.
func (r *report) without(err error) {
	r.Peer = "left out: " + err.Error()
	progress("llama.cpp is %s", r.Peer)
}

// build compiles bankai into dir and returns the binary's path.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "bankai")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "bankai/cmd/bankai")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build bankai: %w\n%s", err, out)
	}
	return path, nil
}

// runBankai times a prompt and what is generated after it, once. The kernel set
// is the default if kernel is empty.
func (e *engines) runBankai(ctx context.Context, path string, prompt int, kernel string, more ...string) (run, error) {
	args := []string{
		"bench", "--json", "--model", path, "--repeat", "1",
		"-p", strconv.Itoa(prompt), "-n", strconv.Itoa(generatedTokens), "--threads", strconv.Itoa(e.threads),
	}
	cmd := exec.CommandContext(ctx, e.bankai, append(args, more...)...)
	if kernel != "" {
		cmd.Env = append(os.Environ(), "BANKAI_KERNEL="+kernel)
	}
	out, err := runJSON(cmd)
	out.Engine = "bankai, " + out.Kernel
	return out, err
}

// runJSON runs an engine, which prints its figures as JSON.
func runJSON(cmd *exec.Cmd) (out run, err error) {
	text, err := output(cmd)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	if out.PP <= 0 || out.TG <= 0 {
		return out, fmt.Errorf("%s: no speeds in %s", filepath.Base(cmd.Path), text)
	}
	return out, nil
}

// output runs an engine and returns what it prints; an error has its complaints.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, complaint.Bytes())
	}
	return text, err
}
