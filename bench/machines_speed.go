//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bankai/internal/text"
)

// task is a command whose speed is measured.
type task struct {
	name string
	args []string
}

// tasks are a search, an evaluation and a vote, which is searches side by side.
var tasks = []task{
	{"search", []string{"search", "--probes", "demo:search", "--controls", "demo:control", "--guard", "none", "--steps", "20", "-o", "fix.bankai", "--force"}},
	{"eval", []string{"eval", "--probes", "demo:heldout", "--guard", "none", "--patch", "fix.bankai"}},
	{"vote", []string{"search", "--probes", "demo:search_few", "--controls", "demo:control_few", "--guard", "none", "--strategy", "vote", "--draws", "4", "--steps", "12", "-o", "vote.bankai", "--force"}},
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
// coordinator and a worker, in turn. The broker is on neither's core alone.
func (r *rig) speed(ctx context.Context, rounds int, out io.Writer) error {
	dir := filepath.Join(r.dir, "speed")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	b, err := r.newBroker(ctx, dir, filepath.Join(dir, "jetstream"))
	if err != nil {
		return err
	}
	defer b.process.kill()
	alone, both := make([][]lap, len(tasks)), make([][]lap, len(tasks))
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
			alone[i], both[i] = append(alone[i], one), append(both[i], two)
			progress("%s: %.2f s alone, %.2f s with a worker", t.name, one.took, two.took)
		}
	}
	table := text.Table{Right: []bool{false, true, true, true, true, true, true, true, true}}
	table.Add("", "alone, s", "two, s", "times as fast", "least to most", "units sent", "messages a unit", "KB a unit", "ms a unit on 100 Mbit/s")
	for i, t := range tasks {
		table.Add(speedRow(t.name, alone[i], both[i])...)
	}
	fmt.Fprint(out, table.String())
	for i, t := range tasks {
		fmt.Fprintf(out, "%s: the broker computes %.2f s\n", t.name, medianOf(both[i], func(l lap) float64 { return l.broker }))
	}
	_, err = fmt.Fprintf(out, "%s, %d rounds, medians; a process with --threads 1 on a core\n", cpuName(), rounds)
	return err
}

// speedRow is a task's row of the table.
func speedRow(name string, alone, both []lap) []any {
	took := func(l lap) float64 { return l.took }
	var gains []float64
	for i := range alone {
		gains = append(gains, alone[i].took/both[i].took)
	}
	gain := newMeasured(name, nil, gains...)
	least, most := gain.span()
	units := medianOf(both, func(l lap) float64 { return float64(l.units) })
	each := max(1, units)
	messages := medianOf(both, func(l lap) float64 { return float64(l.messages) }) / each
	bytes := medianOf(both, func(l lap) float64 { return float64(l.bytes) }) / each
	return []any{
		name, fmt.Sprintf("%.2f", medianOf(alone, took)), fmt.Sprintf("%.2f", medianOf(both, took)), fmt.Sprintf("%.2f", gain.Median),
		fmt.Sprintf("%.2f to %.2f", least, most), int(units), fmt.Sprintf("%.1f", messages), fmt.Sprintf("%.1f", bytes/1000), fmt.Sprintf("%.2f", bytes*8/100e6*1000),
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
	args := append([]string{"taskset", "-c", "0", r.bankai}, t.args...)
	args = append(args, "--threads", "1", "--json")
	var before traffic
	var computed time.Duration
	if b != nil {
		w, err := command{"worker", dir, environment(dir), []string{
			"taskset", "-c", "1", r.bankai, "worker", "--connect", "nats://" + b.address, "--token-file", "token", "--threads", "1",
		}}.start()
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
