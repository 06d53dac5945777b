package durable

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the program that is killed: it replaces a file and
// appends to a journal for ever.
func TestMain(m *testing.M) {
	dir := os.Getenv("DURABLE_TEST_FOLDER")
	if dir == "" {
		os.Exit(m.Run())
	}
	for n := 0; ; n++ {
		text := strings.Repeat(string(rune('a'+n%26)), 50_000)
		o := &Output{Path: filepath.Join(dir, "f"), Force: true}
		err := o.Check()
		if err == nil {
			err = o.Write(context.Background(), func(f File) error { _, err := f.Write([]byte(text)); return err })
		}
		if err == nil {
			_, err = record(disk{}, filepath.Join(dir, "j"), "x", true)
		}
		if err != nil && !strings.Contains(err.Error(), "another process is writing it") {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	}
}

// Two programs at once are killed at random moments, again and again: the file is
// always whole, the journal can always be read, and no unfinished file stays.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		var log strings.Builder
		var both []*exec.Cmd
		for range 2 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "DURABLE_TEST_FOLDER="+dir)
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			both = append(both, cmd)
			defer cmd.Process.Kill()
		}
		time.Sleep(time.Duration(10+r.IntN(60)) * time.Millisecond)
		for _, cmd := range both {
			cmd.Process.Kill()
		}
		for _, cmd := range both {
			if cmd.Wait(); cmd.ProcessState.ExitCode() == 1 {
				t.Fatalf("a program failed before it was killed: %s", log.String())
			}
		}
		data, err := os.ReadFile(filepath.Join(dir, "f"))
		if err == nil && (len(data) != 50_000 || strings.Count(string(data), string(data[:1])) != 50_000) {
			t.Fatalf("the file is torn: %d bytes", len(data))
		}
		var held []string
		j, err := OpenJournal(filepath.Join(dir, "j"), lines(&held), "head", true)
		if err != nil {
			t.Fatal(err)
		}
		for i, record := range held {
			if record[0] != 'x' {
				t.Fatalf("record %d is %q", i, record)
			}
		}
		j.Close()
	}
	if err := Write(t.Context(), filepath.Join(dir, "f"), func(f File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, tempPattern)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
