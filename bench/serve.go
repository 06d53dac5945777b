package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"bankai/internal/text"
	"bankai/models/demo"
)

// serveOptions are what the command line of `bench serve` says.
type serveOptions struct {
	dir             string // as in cacheFolder
	models          []string
	rounds, threads int
	llama           string // a llama-server's path; "": there is none
	only            string // the name of a measure; "": all
	json            bool
}

func parseServe(args []string) (o serveOptions, err error) {
	flags := flag.NewFlagSet("bench serve", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "`folder` for the models (0.3 GB) and llama.cpp, kept for the next time (default: bankai-bench among the user's caches)")
	names := flags.String("models", "demo,1.7b", "`names` of the models: demo is the built-in one, the others are as in bench")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each measure is taken")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "of both servers")
	flags.StringVar(&o.llama, "llama-server", "", "`path` of llama.cpp's server; without it, llama.cpp runs as a library under node")
	flags.StringVar(&o.only, "only", "", "take one `measure` alone: patches, adding, overhead, llama or long")
	flags.BoolVar(&o.json, "json", false, "print every value as JSON instead of the table")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.threads < 1 {
		return o, errors.New("want flags alone, and at least one round and one thread: see serve -help")
	}
	if o.only != "" && !slices.Contains(measureNames, o.only) {
		return o, fmt.Errorf("there is no measure %q: %s are known", o.only, strings.Join(measureNames, ", "))
	}
	if o.llama != "" {
		if _, err := exec.LookPath(o.llama); err != nil {
			return o, err
		}
	}
	o.models = strings.Split(*names, ",")
	for _, name := range o.models {
		if _, err := loadOf(name); err != nil {
			return o, err
		}
	}
	return o, nil
}

// load is what users ask of a model.
type load struct {
	users  int // at once
	prompt int // tokens that each of them sends
	tokens int // that each of them gets
	long   int // tokens of the long prompt beside short ones; 0: the context has no room
}

// loadOf is what a model is asked: as much as takes some seconds.
func loadOf(model string) (load, error) {
	if model == "demo" {
		return load{users: 16, prompt: 32, tokens: 96}, nil
	}
	if _, ok := models[model]; !ok {
		return load{}, fmt.Errorf("there is no model %q: demo, %s are known", model, shapeNames())
	}
	return load{users: 16, prompt: 32, tokens: 24, long: 4000}, nil
}

// servedFile is the path of a model's file in dir.
func servedFile(name, dir string) (string, error) {
	if name == "demo" {
		path := filepath.Join(dir, "demo.gguf")
		return path, os.WriteFile(path, demo.Model(), 0o666)
	}
	path, _, err := models[name].file(dir)
	return path, err
}

// served is everything measured of servers.
type served struct {
	CPU     string        `json:"cpu"`
	Threads int           `json:"threads"`
	Rounds  int           `json:"rounds"`
	Peer    string        `json:"peer"` // what llama.cpp runs in, or why it is not in the table
	Models  []servedModel `json:"models"`
}

// servedModel is what was measured with one model.
type servedModel struct {
	Model    string     `json:"model"`
	Measures []measured `json:"measures"`
}

// benchServe measures `bankai serve`.
func benchServe(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseServe(args)
	if err != nil {
		return err
	}
	dir, err := cacheFolder(o.dir)
	if err != nil {
		return err
	}
	binary, err := build(ctx, dir)
	if err != nil {
		return err
	}
	r := served{CPU: cpuName(), Threads: o.threads, Rounds: o.rounds}
	var p *peer
	if r.Peer = o.llama; o.llama == "" {
		r.Peer = peerVersion + ", sequences of one batch under node, no server"
		if p, err = installPeer(ctx, dir); err != nil {
			r.Peer = "left out: " + err.Error()
			progress("llama.cpp is %s", r.Peer)
		}
	}
	for _, name := range o.models {
		path, err := servedFile(name, dir)
		if err != nil {
			return err
		}
		l, err := loadOf(name)
		if err != nil {
			return err
		}
		s := &site{load: l, name: name, path: path, threads: o.threads, rounds: o.rounds, only: o.only, binary: binary, llamaServer: o.llama, peer: p}
		m := servedModel{Model: name}
		if m.Measures, err = s.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.Models = append(r.Models, m)
	}
	if !o.json {
		_, err = io.WriteString(out, r.table())
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// table is the report in Markdown: a row for every measure, with the median and the
// range of its values.
func (r *served) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| model | measure | to reach | median | least to most | |\n|---|---|---|---|---|---|\n")
	for _, m := range r.Models {
		for _, v := range m.Measures {
			goal, verdict := "", ""
			if v.Goal != nil {
				goal = v.Goal.String()
				verdict = map[bool]string{true: "reached", false: "missed"}[*v.Reached]
			}
			least, most := v.span()
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s to %s | %s |\n", m.Model, v.Name, goal,
				text.ThreeDigits(v.Median), text.ThreeDigits(least), text.ThreeDigits(most), verdict)
		}
	}
	peer, _, _ := strings.Cut(r.Peer, "\n")
	fmt.Fprintf(&b, "\n%s, %d threads, %d rounds; llama.cpp: %s\n", r.CPU, r.Threads, r.Rounds, peer)
	return b.String()
}
