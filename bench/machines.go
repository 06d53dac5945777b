//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bankai/internal/text"
)

// machinesOptions are what the command line of `bench machines` says.
type machinesOptions struct {
	schedules int    // of failures; 0: none
	seed      uint64 // of the first of them; the next ones have the next ones
	atOnce    int    // schedules
	limit     time.Duration
	speed     bool
	rounds    int    // of speed
	shape     string // of its model; "": the built-in one
	soak      time.Duration
	dir       string // where the folders of schedules are
}

func parseMachines(args []string) (o machinesOptions, err error) {
	flags := flag.NewFlagSet("bench machines", flag.ContinueOnError)
	flags.IntVar(&o.schedules, "schedules", 0, "run so many schedules of failures and compare what comes out with one process")
	flags.Uint64Var(&o.seed, "seed", 1, "of the first schedule; the second has the next one, and so on")
	flags.IntVar(&o.atOnce, "at-once", 2, "schedules that run at a time")
	flags.DurationVar(&o.limit, "limit", 3*time.Minute, "what a schedule may take: one that takes longer hangs")
	flags.BoolVar(&o.speed, "speed", false, "measure two processes of one core each against one, and what they send")
	flags.IntVar(&o.rounds, "rounds", 5, "how often -speed measures each")
	flags.StringVar(&o.shape, "shape", "", "-speed on a random model: `name` of "+shapeNames()+" (default: the built-in model)")
	flags.DurationVar(&o.soak, "soak", 0, "let workers and coordinators come and go for so long, and look at their memory")
	flags.StringVar(&o.dir, "dir", "", "`folder` for what failing schedules leave (default: a new one among temporary files)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	tasks := 0
	for _, given := range []bool{o.schedules > 0, o.speed, o.soak > 0} {
		if given {
			tasks++
		}
	}
	if _, known := models[o.shape]; o.shape != "" && (!known || !o.speed) {
		return o, fmt.Errorf("-shape %s: -speed takes one of %s", o.shape, shapeNames())
	}
	if flags.NArg() > 0 || tasks != 1 || o.atOnce < 1 || o.rounds < 1 || o.limit <= 0 {
		return o, errors.New("want one of -schedules, -speed and -soak: see machines -help")
	}
	return o, nil
}

// benchMachines shows that several machines keep their promise: the results of one, sooner,
// whatever fails.
func benchMachines(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseMachines(args)
	if err != nil {
		return err
	}
	if o.dir, err = workFolder(o.dir); err != nil {
		return err
	}
	r, err := newRig(ctx, o.dir)
	if err != nil {
		return err
	}
	switch {
	case o.speed:
		err = r.speed(ctx, o.rounds, o.shape, out)
	case o.soak > 0:
		err = r.soak(ctx, o.soak, o.seed, out)
	default:
		err = r.schedules(ctx, o, out)
	}
	if err != nil {
		return fmt.Errorf("%w\nwhat is left is in %s", err, o.dir)
	}
	return os.RemoveAll(o.dir)
}

// workFolder is a new folder in dir, or among the temporary files if that is empty.
func workFolder(dir string) (string, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
	}
	dir, err := os.MkdirTemp(dir, "bankai-machines-")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// schedules runs schedules of failures, and fails if one of them ends otherwise than one
// process alone.
func (r *rig) schedules(ctx context.Context, o machinesOptions, out io.Writer) error {
	if err := r.refer(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "alone: a search of %.1f s, an evaluation of %.1f s\n", r.alone[searching].took.Seconds(), r.alone[evaluating].took.Seconds())
	var (
		mu     sync.Mutex
		next   = o.seed
		failed []string
		sum    tally
		played int
		all    sync.WaitGroup
	)
	began := time.Now()
	for range min(o.atOnce, o.schedules) {
		all.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				mu.Unlock()
				if seed-o.seed >= uint64(o.schedules) || ctx.Err() != nil {
					return
				}
				t, err := r.schedule(ctx, seed, o.limit)
				mu.Lock()
				played++
				sum.add(t)
				fmt.Fprintf(out, "%s\n", t.line(seed, err))
				if err != nil {
					failed = append(failed, fmt.Sprint(seed))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Fprintf(out, "\n%s in %s, of which %s:\n%s", text.Count(played, "schedule"), text.Elapsed(time.Since(began).Seconds()),
		text.Plural(len(failed), "failed", "failed"), sum.table())
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("schedules %s failed: -seed N -schedules 1 runs one again", strings.Join(failed, ", "))
	}
	return nil
}
