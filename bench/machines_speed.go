//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bankai/internal/text"
)

// task is a command whose speed is measured.
type task struct {
	name  string
	args  []string
	model string // file, which the worker has, too; "": the built-in one
}

// demoTasks are a search, an evaluation and a vote, which is searches side by side.
var demoTasks = []task{
	{"search", []string{"search", "--probes", "demo:search", "--controls", "demo:control", "--guard", "none", "--steps", "20", "-o", "fix.bankai", "--force"}, ""},
	{"eval", []string{"eval", "--probes", "demo:heldout", "--guard", "none", "--patch", "fix.bankai"}, ""},
	{"vote", []string{"search", "--probes", "demo:search_few", "--controls", "demo:control_few", "--guard", "none", "--strategy", "vote", "--draws", "4", "--steps", "12", "-o", "vote.bankai", "--force"}, ""},
}

// randomTasks are a search and an evaluation on a random model, whose file and probes are
// written to dir.
func randomTasks(m model, dir string) ([]task, error) {
	cache, err := cacheFolder("")
	if err != nil {
		return nil, err
	}
	file, _, err := m.file(cache)
	if err != nil {
		return nil, err
	}
	const probes, words = 120, 9 // 4,000 tokens, with the answers
	draw := rand.New(rand.NewPCG(1, 0))
	word := func() string { return string(rune('a'+draw.IntN(26))) + string(rune('a'+draw.IntN(26))) }
	var set []byte
	for i := range probes {
		var prompt []string
		for range words {
			prompt = append(prompt, word())
		}
		line, err := json.Marshal(map[string]string{
			"name": fmt.Sprintf("probe %d", i), "category": "random",
			"prompt": strings.Join(prompt, " "), "correct": " " + word(), "wrong": fmt.Sprintf(" %d", draw.IntN(1000)),
		})
		if err != nil {
			return nil, err
		}
		set = append(append(set, line...), '\n')
	}
	path := filepath.Join(dir, "random.jsonl")
	if err := os.WriteFile(path, set, 0o666); err != nil {
		return nil, err
	}
	return []task{
		{"search", []string{"search", "--model", file, "--probes", path, "--guard", "none", "--steps", "10", "-o", "fix.bankai", "--force"}, file},
		{"eval", []string{"eval", "--model", file, "--probes", path, "--guard", "none"}, file},
	}, nil
}

// lap is a task that was run once.
type lap struct {
	took     float64 // seconds, from the start of the program to its end
	units    int     // that the worker did
	messages int64   // that came to the broker or left it
	bytes    int64
	broker   float64 // seconds that the broker computed
}

// speed measures every task in one process on one core, and in two on one core each, a
// coordinator and a worker, in turn; and, for what the machine's cores can do at best, in two
// that have nothing to do with each other. The broker is on neither's core alone.
func (r *rig) speed(ctx context.Context, rounds int, shape string, out io.Writer) error {
	dir := filepath.Join(r.dir, "speed")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	tasks := demoTasks
	if shape != "" {
		var err error
		if tasks, err = randomTasks(models[shape], dir); err != nil {
			return err
		}
	}
	b, err := r.newBroker(ctx, dir, filepath.Join(dir, "jetstream"))
	if err != nil {
		return err
	}
	defer b.process.kill()
	laps := make([]taskLaps, len(tasks))
	for range rounds {
		for i, t := range tasks {
			one, err := r.lap(ctx, dir, t, nil)
			if err != nil {
				return err
			}
			two, err := r.lap(ctx, dir, t, b)
			if err != nil {
				return err
			}
			apart, err := r.apart(ctx, dir, t)
			if err != nil {
				return err
			}
			l := &laps[i]
			l.alone, l.both, l.apart = append(l.alone, one), append(l.both, two), append(l.apart, apart)
			progress("%s: %.2f s alone, %.2f s with a worker, %.2f s for two apart", t.name, one.took, two.took, apart)
		}
	}
	table := text.Table{Right: []bool{false, true, true, true, true, true, true, true, true, true}}
	table.Add("", "alone, s", "two, s", "times as fast", "least to most", "two apart", "units sent", "messages a unit", "KB a unit", "ms a unit on 100 Mbit/s")
	for i, t := range tasks {
		table.Add(laps[i].row(t.name)...)
	}
	fmt.Fprint(out, table.String())
	for i, t := range tasks {
		fmt.Fprintf(out, "%s: the broker computes %.2f s\n", t.name, medianOf(laps[i].both, func(l lap) float64 { return l.broker }))
	}
	_, err = fmt.Fprintf(out, "%s model, %s, %d rounds, medians; a process with --threads 1 on a core; two apart: what two processes do that share nothing but the machine\n",
		cmp.Or(shape, "built-in"), cpuName(), rounds)
	return err
}

// taskLaps are those of a task, in order: alone, with a worker, and the seconds that two of
// them took side by side that share no work.
type taskLaps struct {
	alone, both []lap
	apart       []float64
}

// row is that of the table.
func (l *taskLaps) row(name string) []any {
	took := func(l lap) float64 { return l.took }
	var gains, limits []float64
	for i := range l.alone {
		gains = append(gains, l.alone[i].took/l.both[i].took)
		limits = append(limits, 2*l.alone[i].took/l.apart[i])
	}
	gain := newMeasured(name, nil, gains...)
	least, most := gain.span()
	units := medianOf(l.both, func(l lap) float64 { return float64(l.units) })
	each := max(1, units)
	messages := medianOf(l.both, func(l lap) float64 { return float64(l.messages) }) / each
	bytes := medianOf(l.both, func(l lap) float64 { return float64(l.bytes) }) / each
	return []any{
		name, fmt.Sprintf("%.2f", medianOf(l.alone, took)), fmt.Sprintf("%.2f", medianOf(l.both, took)), fmt.Sprintf("%.2f", gain.Median),
		fmt.Sprintf("%.2f to %.2f", least, most), fmt.Sprintf("%.2f", middle(limits)),
		int(units), fmt.Sprintf("%.1f", messages), fmt.Sprintf("%.1f", bytes/1000), fmt.Sprintf("%.2f", bytes*8/100e6*1000),
	}
}

func medianOf(laps []lap, of func(lap) float64) float64 {
	var values []float64
	for _, l := range laps {
		values = append(values, of(l))
	}
	return middle(values)
}

// lap runs a task: alone on core 0 without a broker, or else with a worker on core 1. The
// worker is there before the task begins, as workers are.
func (r *rig) lap(ctx context.Context, dir string, t task, b *broker) (l lap, err error) {
	args := append(r.pinned(0, t.args...), "--json")
	var before traffic
	var computed time.Duration
	if b != nil {
		joins := r.pinned(1, "worker", "--connect", "nats://"+b.address, "--token-file", "token")
		if t.model != "" {
			joins = append(joins, "--model", t.model)
		}
		w, err := command{"worker", dir, environment(dir), joins}.start()
		if err != nil {
			return l, err
		}
		defer w.end(patience)
		if err := w.says(ctx, "waits for work"); err != nil {
			return l, err
		}
		args = append(args, "--workers", "nats://"+b.address, "--token-file", "token")
		if before, err = b.traffic(ctx); err != nil {
			return l, err
		}
		computed = b.process.processor()
	}
	began := time.Now()
	p, err := command{t.name, dir, environment(dir), args}.start()
	if err != nil {
		return l, err
	}
	defer p.kill()
	if err := p.wait(ctx); err != nil {
		return l, err
	}
	l.took = time.Since(began).Seconds()
	if b == nil {
		return l, nil
	}
	after, err := b.traffic(ctx)
	if err != nil {
		return l, err
	}
	l.messages, l.bytes = after.messages()-before.messages(), after.bytes()-before.bytes()
	l.broker = (b.process.processor() - computed).Seconds()
	_, l.units, err = answer(p.out.Bytes())
	return l, err
}

// pinned is a command of bankai with one thread on a core.
func (r *rig) pinned(core int, args ...string) []string {
	return append(append([]string{"taskset", "-c", fmt.Sprint(core), r.bankai}, args...), "--threads", "1")
}

// apart runs a task twice at a time, on a core and in a folder each, and returns the seconds
// until both have ended.
func (r *rig) apart(ctx context.Context, dir string, t task) (seconds float64, err error) {
	began := time.Now()
	var both []*process
	for core := range 2 {
		own := dir
		if core > 0 {
			own = filepath.Join(dir, "apart")
			if err := os.MkdirAll(own, 0o777); err != nil {
				return 0, err
			}
			if patch, err := os.ReadFile(filepath.Join(dir, "fix.bankai")); err == nil { // that an evaluation needs
				if err := os.WriteFile(filepath.Join(own, "fix.bankai"), patch, 0o666); err != nil {
					return 0, err
				}
			}
		}
		p, err := command{t.name, own, environment(own), append(r.pinned(core, t.args...), "--json")}.start()
		if err != nil {
			return 0, err
		}
		defer p.kill()
		both = append(both, p)
	}
	for _, p := range both {
		if err := p.wait(ctx); err != nil {
			return 0, err
		}
	}
	return time.Since(began).Seconds(), nil
}

// says waits until a process has said something.
func (p *process) says(ctx context.Context, what string) error {
	return p.until(ctx, func() bool { return strings.Contains(p.said(), what) })
}

// traffic is what went through a NATS server, as it tells.
type traffic struct {
	InMsgs        int64 `json:"in_msgs"`
	OutMsgs       int64 `json:"out_msgs"`
	InBytes       int64 `json:"in_bytes"`
	OutBytes      int64 `json:"out_bytes"`
	Connections   int   `json:"connections"`
	Subscriptions int   `json:"subscriptions"`
}

func (t traffic) messages() int64 { return t.InMsgs + t.OutMsgs }

// bytes are those of both ways: a line between two machines has them once each.
func (t traffic) bytes() int64 { return t.InBytes + t.OutBytes }

func (b *broker) traffic(ctx context.Context) (t traffic, err error) {
	return t, b.tell(ctx, "/varz", &t)
}

// stores is what a NATS server keeps.
type stores struct {
	Storage   int64 `json:"storage"`
	Streams   int   `json:"streams"`
	Consumers int   `json:"consumers"`
	Messages  int64 `json:"messages"`
}

func (b *broker) stores(ctx context.Context) (s stores, err error) {
	return s, b.tell(ctx, "/jsz", &s)
}

// tell asks a NATS server about itself.
func (b *broker) tell(ctx context.Context, path string, doc any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.monitor+path, nil)
	if err != nil {
		return err
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("the NATS server answers %s with %s", path, a.Status)
	}
	return json.NewDecoder(a.Body).Decode(doc)
}
