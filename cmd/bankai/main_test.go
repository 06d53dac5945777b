package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bankai/internal/hubtest"

	"github.com/rogpeppe/go-internal/testscript"
)

// isolated keeps the settings of whoever runs the tests out of them.
type isolated struct{ m *testing.M }

func (i isolated) Run() int {
	for _, s := range settings {
		os.Unsetenv(s.Variable())
	}
	dir, err := os.MkdirTemp("", "bankai-config-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("BANKAI_CONFIG", filepath.Join(dir, "config.toml"))
	os.Setenv("BANKAI_HOME", filepath.Join(dir, "library"))
	os.Setenv(threadsVariable, oneThread)
	for name, value := range noModels(dir) {
		os.Setenv(name, value)
	}
	return i.m.Run()
}

// Programs compute with one thread if they are not told otherwise: as many run side by side
// as there are cores, and threads that wait for each other's parts keep those busy. A
// script says --threads where a result must not depend on it, and config.txtar has commands
// that take all cores, as is usual.
const threadsVariable, oneThread = "BANKAI_THREADS", "1"

// noModels is an environment in which no model was downloaded to a folder, and no hub can
// be reached.
func noModels(dir string) map[string]string {
	return map[string]string{
		"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HOME": filepath.Join(dir, ".hub"), "HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "",
		"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "", "HF_TOKEN_PATH": "", "HF_HUB_OFFLINE": "", "OLLAMA_MODELS": filepath.Join(dir, ".ollama"),
	}
}

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"bankai": main})
}

// TestScripts runs testdata/*.txtar. Each drives the real program; beside the
// usual commands of testscript there are
//
//	model NAME KIND...   write a small model, see writeModel
//	mlx NAME SHAPE K=N   write one as an MLX folder, see writeFolder
//	fails N ARGS...      run bankai and expect exit status N, with one line on stderr
//	json FILE CHECK...   check a JSON document, see checkJSON
//	same A B             two files have equal bytes
//	alike A B KEY...     two JSON documents are equal but for members of these names
//	size FILE N          a file has N bytes
//	cut FILE N           cut a file off after N bytes
//	await FILE N         wait until a file, as of a pattern, has at least N bytes
//	hub REPO FILE...     have a hub with a repository, see addToHub
//	latin1 FILE         write a text that is no UTF-8
//	damage DIR           cut a byte off every file of a folder
//	registry NAME        start an OCI registry; $NAME is its host and port
//	engine DIR           write the smallest engine for browsers
//	rows P L PROJ N      write a patch of the first N rows of a projection of layer L
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOURCE_DATE_EPOCH", "1700000000")
			e.Setenv("BANKAI_HOME", filepath.Join(e.WorkDir, ".library"))
			e.Setenv("BANKAI_KERNEL", os.Getenv("BANKAI_KERNEL"))
			e.Setenv(threadsVariable, oneThread)
			for name, value := range noModels(e.WorkDir) {
				e.Setenv(name, value)
			}
			e.Values[hubOf{}] = new(hubOf)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"model": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeModel(ts.MkAbs(args[0]), args[1:]))
			},
			"mlx": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeFolder(ts.MkAbs(args[0]), args[1], args[2:]))
			},
			"fails":    fails,
			"registry": startRegistry,
			"json":     checkJSON,
			"alike":    alike,
			"size": func(ts *testscript.TestScript, _ bool, args []string) {
				if n := strconv.Itoa(len(ts.ReadFile(args[0]))); n != args[1] {
					ts.Fatalf("%s has %s bytes", args[0], n)
				}
			},
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.ParseInt(args[1], 10, 64)
				ts.Check(errors.Join(err, os.Truncate(ts.MkAbs(args[0]), n)))
			},
			"await": await,
			"damage": func(ts *testscript.TestScript, _ bool, args []string) {
				files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
				ts.Check(err)
				for _, f := range files {
					info, err := os.Stat(f)
					ts.Check(err)
					ts.Check(errors.Join(os.Chmod(f, 0o644), os.Truncate(f, info.Size()-1)))
				}
			},
			"engine": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeBrowserEngine(ts.MkAbs(args[0])))
			},
			"hub": addToHub,
			"latin1": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("caf \xe9\n"), 0o666))
			},
			"rows": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeRows(ts.MkAbs(args[0]), args[1], args[2], args[3]))
			},
			"same": func(ts *testscript.TestScript, _ bool, args []string) {
				if a, b := ts.ReadFile(args[0]), ts.ReadFile(args[1]); a != b {
					ts.Fatalf("%s and %s differ", args[0], args[1])
				}
			},
		},
	})
}

// writeBrowserEngine writes a folder as "make wasm" would, with a program that does nothing.
func writeBrowserEngine(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("\x00asm\x01\x00\x00\x00"))
	return errors.Join(err, w.Close(),
		os.WriteFile(filepath.Join(dir, "bankai.wasm.gz"), packed.Bytes(), 0o666),
		os.WriteFile(filepath.Join(dir, "wasm_exec.js"), []byte("// starts it\n"), 0o666))
}

// hubOf is the hub of a script, which is started when it is wanted.
type hubOf struct{ *hubtest.Hub }

// addToHub has the hub of a script have a repository of files, NAME=FILE, or all of a
// folder, DIR/. With -gated before it the repository has terms to accept; with -stall the
// hub sends 1000 bytes of a large file, and no more until it is asked for the rest.
func addToHub(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(hubOf{}).(*hubOf)
	if h.Hub == nil {
		h.Hub = hubtest.New()
		ts.Defer(h.Close)
	}
	ts.Setenv("HF_ENDPOINT", h.URL)
	repo := hubtest.Repo{Commit: strings.Repeat("c0ffee12", 5), Files: map[string]string{}}
	switch args[0] {
	case "-gated":
		repo.Gated, args = true, args[1:]
	case "-stall":
		h.Stall(1000)
		args = args[1:]
	}
	for _, arg := range args[1:] {
		name, file, named := strings.Cut(arg, "=")
		if named {
			repo.Files[name] = ts.ReadFile(file)
			continue
		}
		entries, err := os.ReadDir(ts.MkAbs(arg))
		ts.Check(err)
		for _, e := range entries {
			repo.Files[e.Name()] = ts.ReadFile(arg + e.Name())
		}
	}
	h.Put(args[0], repo)
}

// fails runs bankai and expects an exit status, nothing half-done on stdout and
// one line on stderr, which may be followed by a pointer to the help.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("bankai", args[1:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("want exit status %d, got %v", want, err)
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	if want == statusUsage {
		if n := len(lines) - 1; n < 1 || !strings.HasPrefix(lines[n], `Run "bankai`) {
			ts.Fatalf("stderr does not end with a pointer to the help: %q", lines)
		}
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 1 && strings.HasPrefix(lines[0], "bankai: warning: ") {
		lines = lines[1:]
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "bankai: ") || strings.HasPrefix(lines[0], "bankai: warning") {
		ts.Fatalf("want one line that begins with \"bankai: \", got %q", lines)
	}
}

// await waits, at most three minutes, for another command to write a file.
func await(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	for range 1800 { // emulated and busy machines take long
		files, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, file := range files {
			if info, err := os.Stat(file); err == nil && info.Size() >= size {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s does not get %d bytes", args[0], size)
}

// writeRows writes a patch as the first tool of this kind would have.
func writeRows(path, layer, proj, rows string) error {
	n, err := strconv.Atoi(rows)
	if err != nil {
		return err
	}
	var flips []string
	for row := range n {
		flips = append(flips, fmt.Sprintf(`{"layer": %s, "proj": %q, "row": %d}`, layer, proj, row))
	}
	return os.WriteFile(path, []byte(`{"flips": [`+strings.Join(flips, ",")+`]}`), 0o666)
}
