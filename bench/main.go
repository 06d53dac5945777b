// Command bench measures bankai against llama.cpp on random models of the shapes
// that 1-bit models have, and prints the result as a Markdown table.
//
//	go run ./bench
//	go run ./bench serve
//	go run ./bench cluster
//	go run ./bench machines -schedules 200
//
// The engines take turns, so that both meet the same moods of the machine, and
// the medians over the rounds count. Figures of different runs compare badly:
// read the ratios and the shares of the machine's limits. llama.cpp comes from
// npm, as the prebuilt CPU library in node-llama-cpp; without node or network the
// table has bankai alone.
//
// With the word serve it measures the server, bankai serve, instead: patches for each
// user, patches that are added, long prompts beside streams, and users against
// llama.cpp's.
//
// With the word cluster it times the units of a search, and simulates with them what
// machines gain that search together, and what keeps them from gaining more.
//
// With the word machines it runs them, as processes of this one, on Linux: -schedules
// shows that what comes out is what one process finds, whatever fails, -speed how much
// sooner, and -soak that their memory does not grow.
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
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run, args := bench, os.Args[1:]
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			run, args = benchServe, args[1:]
		case "cluster":
			run, args = benchCluster, args[1:]
		case "machines":
			run, args = benchMachines, args[1:]
		}
	}
	if err := run(ctx, args, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	dir             string // as in cacheFolder
	models          []model
	rounds, threads int
	rivals          []rival
	short, json     bool
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "`folder` for the models (1.9 GB; 27b has 3.8 GB) and llama.cpp, kept for the next time (default: bankai-bench among the user's caches)")
	names := flags.String("shapes", "1.7b,8b,27b/8", "`names` of the models, of "+shapeNames())
	flags.IntVar(&o.rounds, "rounds", 2, "how often every engine has its turn")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "of both engines")
	flags.BoolVar(&o.short, "short", false, "leave out the long context and the steps of a search, which take most of the time")
	quick := flags.Bool("quick", false, "the same as -shapes 1.7b -rounds 1")
	flags.Func("rival", "`path` of a llama-bench, of llama.cpp or a fork, that takes turns too; may be repeated", func(path string) error {
		o.rivals = append(o.rivals, rival(path))
		_, err := exec.LookPath(path)
		return err
	})
	flags.BoolVar(&o.json, "json", false, "print every run as JSON instead of the table")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		*names, o.rounds = "1.7b", 1
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.threads < 1 {
		return o, errors.New("want flags alone, and at least one round and one thread: see -help")
	}
	for name := range strings.SplitSeq(*names, ",") {
		m, ok := models[name]
		if !ok {
			return o, fmt.Errorf("there is no shape %q: %s are known", name, shapeNames())
		}
		o.models = append(o.models, m)
	}
	return o, nil
}

func bench(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := cacheFolder(o.dir)
	if err != nil {
		return err
	}
	r, err := measure(ctx, dir, o)
	if err != nil {
		return err
	}
	if !o.json {
		_, err = io.WriteString(out, r.table())
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// cacheFolder makes dir, or if that is empty the usual folder, and returns its
// absolute path.
func cacheFolder(dir string) (string, error) {
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w: name a folder with -dir", err)
		}
		dir = filepath.Join(caches, "bankai-bench")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o777)
}

// progress tells the user what takes so long.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// cpuName is what the CPU calls itself, or its architecture.
func cpuName() string {
	switch runtime.GOOS {
	case "linux":
		text, _ := os.ReadFile("/proc/cpuinfo")
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	case "darwin":
		if name, err := exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output(); err == nil {
			return strings.TrimSpace(string(name))
		}
	case "windows":
		if name := os.Getenv("PROCESSOR_IDENTIFIER"); name != "" {
			return name
		}
	}
	return runtime.GOARCH
}
