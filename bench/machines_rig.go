//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"bankai"
)

// rig is what schedules, measures and soaks run.
type rig struct {
	dir    string
	bankai string // the program, built with the tag cluster_faults
	nats   string // nats-server
	alone  [stages]outcome
}

// stage is a command whose work is shared.
type stage int

const (
	searching stage = iota
	evaluating
	stages
)

func (s stage) String() string { return [...]string{"search", "eval"}[s] }

// args are the command's, run in a folder of its own.
func (s stage) args() []string {
	if s == searching {
		return []string{
			"search", "--probes", "demo:search_few", "--controls", "demo:control_few", "--guard", "none",
			"--steps", "20", "-o", "fix.bankai", "--threads", "1", "--json",
		}
	}
	return []string{"eval", "--probes", "demo:heldout", "--limit", "160", "--guard", "none", "--patch", "fix.bankai", "--all", "--threads", "1", "--json"}
}

// newRig builds the programs.
func newRig(ctx context.Context, dir string) (*rig, error) {
	r := &rig{dir: dir, bankai: filepath.Join(dir, "bankai"), nats: filepath.Join(dir, "nats-server")}
	for _, b := range [][]string{
		{"-tags", "cluster_faults", "-o", r.bankai, "bankai/cmd/bankai"},
		{"-o", r.nats, "github.com/nats-io/nats-server/v2"},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, b...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cannot build %s: %w\n%s", b[len(b)-1], err, out)
		}
	}
	return r, nil
}

// outcome is what must not depend on how many machines there are, or what became of them.
type outcome struct {
	content string // of the patch; "" of an evaluation
	flips   []bankai.Flip
	journal string // less its times
	answer  []byte // what the command printed, less what may differ
	took    time.Duration
	units   int // that workers did for it
}

// refer runs every stage in one process.
func (r *rig) refer(ctx context.Context) error {
	dir := filepath.Join(r.dir, "alone")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	for s := range stages {
		began := time.Now()
		p, err := command{s.String(), dir, environment(dir), append([]string{r.bankai}, s.args()...)}.start()
		if err != nil {
			return err
		}
		defer p.kill()
		if err := p.wait(ctx); err != nil {
			return err
		}
		if r.alone[s], err = s.outcome(dir, p.out.Bytes()); err != nil {
			return err
		}
		r.alone[s].took = time.Since(began)
	}
	return nil
}

// folderVariable marks the processes of a folder.
const folderVariable = "BANKAI_BENCH_FOLDER"

// environment keeps a process in its folder: no file of the user's counts.
func environment(dir string) []string {
	return []string{
		folderVariable + "=" + dir, "BANKAI_CONFIG=" + filepath.Join(dir, "none.toml"),
		"BANKAI_HOME=" + filepath.Join(dir, "home"), "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "TMPDIR=" + dir, "GOTRACEBACK=all",
	}
}

// outcome reads what a stage left in a folder and printed.
func (s stage) outcome(dir string, printed []byte) (out outcome, err error) {
	if out.answer, out.units, err = answer(printed); err != nil || s != searching {
		return out, err
	}
	p, err := bankai.ReadFile(filepath.Join(dir, "fix.bankai"))
	if err != nil {
		return out, err
	}
	out.content, out.flips = p.ContentDigest().String(), p.Flips()
	out.journal, err = decisions(filepath.Join(dir, "fix.bankai.journal"))
	return out, err
}

// seconds are what a journal says of time; a line ends with its checksum, which has them
// in it.
var seconds = regexp.MustCompile(`"seconds":[0-9.e+-]+,?|\t"[0-9a-f]+"$`)

// decisions is a journal without its times, and without the notes of what was written:
// who is interrupted writes what there is, and notes it.
func decisions(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `,"written":`) })
	for i, line := range lines {
		lines[i] = seconds.ReplaceAllString(line, "")
	}
	return strings.Join(lines, "\n"), nil
}

// answer is what a command printed without times, and who helped, and how many units of
// work those did.
func answer(printed []byte) (rest []byte, units int, err error) {
	var doc map[string]any
	if err := json.Unmarshal(printed, &doc); err != nil {
		return nil, 0, fmt.Errorf("what it printed: %w: %.200s", err, printed)
	}
	var helped struct{ Workers []struct{ Units int } }
	if err := json.Unmarshal(printed, &helped); err != nil {
		return nil, 0, err
	}
	for _, w := range helped.Workers {
		units += w.Units
	}
	delete(doc, "workers")
	delete(doc, "command") // which says --workers
	rest, err = json.MarshalIndent(timeless(doc), "", " ")
	return rest, units, err
}

// timeless is a document without the times in it.
func timeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "seconds")
		for k, e := range v {
			v[k] = timeless(e)
		}
	case []any:
		for i, e := range v {
			v[i] = timeless(e)
		}
	}
	return v
}

// differs says in what a result is not as it is of one process.
func (a outcome) differs(alone outcome) error {
	switch {
	case a.content != alone.content || !slices.Equal(a.flips, alone.flips):
		return fmt.Errorf("the patch is another: %d flips, %s, instead of %d, %s", len(a.flips), a.content, len(alone.flips), alone.content)
	case a.journal != alone.journal:
		return fmt.Errorf("the journal is another, %s", firstDifference(a.journal, alone.journal))
	case !bytes.Equal(a.answer, alone.answer):
		return fmt.Errorf("what it printed is another, %s", firstDifference(string(a.answer), string(alone.answer)))
	}
	return nil
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			at := 0
			for at < min(len(x[i]), len(y[i])) && x[i][at] == y[i][at] {
				at++
			}
			at = max(0, at-40)
			return fmt.Sprintf("from line %d: …%.100s instead of …%.100s", i+1, x[i][at:], y[i][at:])
		}
	}
	return fmt.Sprintf("with %d lines instead of %d", len(x), len(y))
}

// ports are given in turn, below those that systems give to whoever connects: nothing
// else takes one while what listens there is down.
var ports atomic.Uint32

// freePort is a port of this machine on which nothing listens.
func freePort() (string, error) {
	const low, high = 10000, 32000
	if ports.Load() == 0 {
		ports.CompareAndSwap(0, low+uint32(os.Getpid())*16%(high-low))
	}
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", low+ports.Add(1)%(high-low))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port from %d to %d", low, high)
}

// broker is a NATS server that runs for itself.
type broker struct {
	rig     *rig
	dir     string // its log and the token
	store   string
	address string
	monitor string // where it tells of itself
	process *process
}

// newBroker starts one with a token, in file "token" of dir.
func (r *rig) newBroker(ctx context.Context, dir, store string) (*broker, error) {
	b := &broker{rig: r, dir: dir, store: store}
	var err error
	if b.address, err = freePort(); err != nil {
		return nil, err
	}
	if b.monitor, err = freePort(); err != nil {
		return nil, err
	}
	token, err := newToken(dir)
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listen: %q\nhttp: %q\nauthorization { token: %q }\njetstream { store_dir: %q }\n", b.address, b.monitor, token, store)
	if err := os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return b, b.start(ctx)
}

// newToken writes a token into file "token" of dir.
func newToken(dir string) (string, error) {
	token := rand.Text()
	return token, os.WriteFile(filepath.Join(dir, "token"), []byte(token+"\n"), 0o600)
}

// start starts it, also again, and waits until it listens.
func (b *broker) start(ctx context.Context) (err error) {
	b.process, err = command{"broker", b.dir, environment(b.dir), []string{b.rig.nats, "-c", filepath.Join(b.dir, "nats.conf")}}.start()
	if err != nil {
		return err
	}
	return b.process.listens(ctx, b.address)
}

// listens waits until a process listens at an address.
func (p *process) listens(ctx context.Context, address string) error {
	return p.until(ctx, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// until waits for something that a process does while it is alive.
func (p *process) until(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-p.done:
			return cmp.Or(p.failure(), fmt.Errorf("%s has ended: %s", p.name, p.last()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
