package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster"
	"bankai/internal/cluster/division"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// clusterOptions are what the command line of `bench cluster` says.
type clusterOptions struct {
	dir     string // as in cacheFolder
	model   string
	threads int
	sizes   []search.Granularity
	workers []int
	json    bool
	division.Simulation
}

func parseCluster(args []string) (o clusterOptions, err error) {
	flags := flag.NewFlagSet("bench cluster", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "`folder` for the models, kept for the next time (default: bankai-bench among the user's caches)")
	flags.StringVar(&o.model, "model", "1.7b", "`name` of the model whose blocks are timed here: demo is the built-in one, the others are as in bench")
	flags.IntVar(&o.threads, "threads", runtime.NumCPU(), "of every machine")
	sizes := flags.String("sizes", "row", "`sizes` of the flips that are predicted: row, group or both, with a comma")
	workers := flags.String("workers", "1,2,8,64", "`numbers` of workers, beside the coordinator's machine")
	flags.IntVar(&o.Blocks, "blocks", 128, "of about 256 tokens")
	flags.IntVar(&o.Candidates, "candidates", 40, "moves that are measured")
	flags.IntVar(&o.Gradients, "gradients", 10, "predictions among them")
	flags.Float64Var(&o.Mbit, "mbit", 100, "a second, of every machine's line and direction")
	flags.DurationVar(&o.Latency, "latency", 500*time.Microsecond, "of a message")
	flags.DurationVar(&o.Message, "message", 40*time.Microsecond, "of the coordinator's processor, for a message")
	flags.IntVar(&o.Check, "check", 20, "every how many units of a worker are checked; 0: none")
	flags.BoolVar(&o.json, "json", false, "print everything as JSON instead of the table")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.threads < 1 || o.Blocks < 1 || o.Candidates < 1 || o.Gradients < 0 || o.Gradients > o.Candidates || o.Mbit <= 0 || o.Check < 0 {
		return o, errors.New("want flags alone, numbers above 0, and at most as many gradients as candidates: see cluster -help")
	}
	for s := range strings.SplitSeq(*sizes, ",") {
		size, err := search.ParseGranularity(s)
		if err != nil || size == search.Bit {
			return o, fmt.Errorf("sizes %q: want row, group or both", *sizes)
		}
		o.sizes = append(o.sizes, size)
	}
	for s := range strings.SplitSeq(*workers, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return o, fmt.Errorf("workers %q: want numbers", *workers)
		}
		o.workers = append(o.workers, n)
	}
	_, err = loadOf(o.model)
	return o, err
}

// clustered is what was measured and simulated.
type clustered struct {
	CPU       string               `json:"cpu"`
	Threads   int                  `json:"threads"`
	Model     string               `json:"model"`
	Sizes     string               `json:"sizes"`
	Units     division.Simulation  `json:"units"`
	Alone     division.Simulated   `json:"alone"`
	Simulated []division.Simulated `json:"simulated"`
}

// benchCluster times the units of a search here, and simulates it on many machines.
func benchCluster(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseCluster(args)
	if err != nil {
		return err
	}
	dir, err := cacheFolder(o.dir)
	if err != nil {
		return err
	}
	path, err := servedFile(o.model, dir)
	if err != nil {
		return err
	}
	m, err := engine.Open(path, engine.Options{Threads: o.threads})
	if err != nil {
		return err
	}
	defer m.Close()
	r := clustered{CPU: cpuName(), Threads: o.threads, Model: o.model, Units: o.Simulation}
	for i, s := range o.sizes {
		r.Sizes += strings.Repeat(" and ", min(i, 1)) + s.String() + "s"
	}
	if err := timeUnits(ctx, m, o.sizes, &r.Units); err != nil {
		return err
	}
	r.Alone = r.Units.Run(0)
	for _, n := range o.workers {
		r.Simulated = append(r.Simulated, r.Units.Run(n))
	}
	if !o.json {
		_, err = io.WriteString(out, r.table())
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Two blocks of questions are timed: 256 tokens of random text each.
const (
	blockItems  = 8
	itemTokens  = 33 // the last one predicts nothing
	itemAnswers = 8
)

// blockItemsOf are as many items as two blocks have.
func blockItemsOf(m *engine.Model) (targets, controls []score.Item) {
	r := rand.New(rand.NewPCG(1, 1))
	ids := func(n int) []int32 {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(r.IntN(m.Config().Vocab - 2))
		}
		return all
	}
	item := func(i int) score.Item {
		return score.Item{
			Name: fmt.Sprint("item ", i), Prompt: ids(itemTokens - itemAnswers), Answers: [][]int32{ids(itemAnswers)}, Aim: score.Aim{Kind: score.Answer},
		}
	}
	for i := range 2 * blockItems {
		if i < 2*blockItems*3/4 {
			targets = append(targets, item(i))
		} else {
			controls = append(controls, item(i))
		}
	}
	return targets, controls
}

// timeUnits measures what a simulation needs to know.
func timeUnits(ctx context.Context, m *engine.Model, sizes []search.Granularity, s *division.Simulation) error {
	ms, err := score.Matrices(m.Weights(), nil, []string{"gate", "up"})
	if err != nil {
		return err
	}
	o := score.Options{Objective: score.Objective{Penalty: score.DefaultPenalty}}
	w := search.Want{Matrices: ms}
	for _, x := range ms {
		o.Tensors = append(o.Tensors, x.Name)
	}
	for _, size := range sizes {
		w.Best[size] = 100
	}
	targets, controls := blockItemsOf(m)
	e, err := score.NewEvaluator(m, targets, controls, o)
	if err != nil {
		return err
	}
	defer e.Release()
	u := &units{ctx: ctx, e: e, cur: bankai.New(m.Digest(), bankai.Meta{}), w: w, s: s}
	if n, err := e.Blocks(search.Sample{}); err != nil || n != 2 {
		return fmt.Errorf("%d blocks, not 2: %w", n, err)
	}
	progress("values and effects of a block")
	if err := errors.Join(u.values(), u.effects()); err != nil {
		return err
	}
	progress("the sum of the effects of two blocks")
	if err := u.sum(); err != nil {
		return err
	}
	s.Byte, s.Piece = cluster.ByteTime(), cluster.Piece
	move := search.Move{Flips: []bankai.Flip{{Tensor: ms[0].Name, N: bankai.ToEnd}}}
	s.AskBytes, err = cluster.AskBytes(u.cur, move, s.Blocks)
	return err
}

// units times what a worker does.
type units struct {
	ctx  context.Context
	e    *score.Evaluator
	cur  *bankai.Patch
	w    search.Want
	s    *division.Simulation
	said [][]score.Effects // of each block
}

// values times a block's values, for moves in five layers.
func (u *units) values() error {
	time1 := func(move search.Move) (time.Duration, error) {
		began := time.Now()
		_, err := u.e.Values(u.ctx, u.cur, score.Block{}, []search.Move{move}, nil)
		return time.Since(began), err
	}
	var err error
	if u.s.Pass, err = time1(search.Move{}); err != nil {
		return err
	}
	n := 0
	for i := 0; i < len(u.w.Matrices); i += max(1, len(u.w.Matrices)/5) {
		var best time.Duration
		for row := range uint32(3) {
			t, err := time1(search.Move{Flips: []bankai.Flip{{Tensor: u.w.Matrices[i].Name, Row: row, N: bankai.ToEnd}}})
			if err != nil {
				return err
			}
			if best == 0 || t < best {
				best = t
			}
		}
		u.s.Values += best
		n++
	}
	u.s.Values /= time.Duration(n)
	return nil
}

// effects times those of a block, and keeps those of both.
func (u *units) effects() error {
	u.said = make([][]score.Effects, 2)
	for b := range u.said {
		began := time.Now()
		err := u.e.Effects(u.ctx, u.cur, score.Block{Index: b}, u.w, func(e score.Effects) error {
			u.said[b] = append(u.said[b], e)
			return nil
		})
		if err != nil {
			return err
		}
		if b == 0 {
			u.s.Effects = time.Since(began)
		}
	}
	u.s.Tensors = len(u.said[0])
	for _, e := range u.said[0] {
		u.s.EffectBytes += int64(4*len(e.Data) + len(e.Tensor) + 32)
	}
	return nil
}

// sum times what a coordinator does with what blocks say: of all blocks, the ranking too.
func (u *units) sum() error {
	u.e.Divide(u)
	defer u.e.Divide(nil)
	_, _, err := u.e.Predict(u.ctx, u.cur, u.w)
	return err
}

// Values implements [score.Measurer].
func (u *units) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	out := make([][][]float64, len(parts))
	for i, p := range parts {
		var err error
		if out[i], err = u.e.Values(ctx, cur, p.Block, moves, p.Questions); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Effects implements [score.Measurer]: it says again what was said. The first block is only
// added up; with the second the flips are ranked, which is done once for all blocks.
func (u *units) Effects(_ context.Context, _ *bankai.Patch, _ search.Want, _ map[score.Subject]int, _ []score.Part, got func(k int, said score.Effects) error) error {
	var took [2]time.Duration
	for b, said := range u.said {
		began := time.Now()
		for _, e := range said {
			if err := got(b, e); err != nil {
				return err
			}
		}
		took[b] = time.Since(began)
	}
	u.s.Sum = took[0] + max(0, took[1]-took[0])/time.Duration(u.s.Blocks)
	return nil
}

// table is the report in Markdown.
func (r *clustered) table() string {
	var b strings.Builder
	u := r.Units
	fmt.Fprintf(&b, "One unit, measured: values of a move on a block %v, a pass over a block %v, effects of a block %v and %s, sum of a block's effects %v.\n\n",
		u.Values.Round(10*time.Microsecond), u.Pass.Round(10*time.Microsecond), u.Effects.Round(10*time.Microsecond), text.Size(u.EffectBytes), u.Sum.Round(time.Microsecond))
	fmt.Fprintf(&b, "| workers beside the coordinator | a candidate | a gradient | times as fast as alone, all in all | the line is busy | messages | sums | to and from the coordinator |\n|---|---|---|---|---|---|---|---|\n")
	for _, s := range slices.Concat([]division.Simulated{r.Alone}, r.Simulated) {
		gradient := "none"
		if u.Gradients > 0 {
			gradient = (s.Predicting / time.Duration(u.Gradients)).Round(time.Millisecond).String()
		}
		fmt.Fprintf(&b, "| %d | %v | %s | %s | %s | %s | %s | %s and %s |\n", s.Workers,
			((s.Time - s.Predicting) / time.Duration(u.Candidates)).Round(time.Millisecond), gradient,
			number(r.Alone.Time.Seconds()/s.Time.Seconds()), percent(s.Line, 1), percent(s.Handling, 1), percent(s.Summing, 1),
			text.Size(s.Sent), text.Size(s.Received))
	}
	fmt.Fprintf(&b, "\n%s shape, flips of %s, %d blocks, %d candidates, %d gradients; %s, %d threads; lines of %s Mbit/s, %v a message, every %d. unit checked\n",
		r.Model, r.Sizes, u.Blocks, u.Candidates, u.Gradients, r.CPU, r.Threads, number(u.Mbit), u.Latency, u.Check)
	return b.String()
}
