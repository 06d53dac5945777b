//go:build cluster_faults && unix

package cluster

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"bankai/internal/cluster/desk"
	"bankai/score"
)

// A program with the tag cluster_faults can be told to fail, to see what others make of
// it: with BANKAI_CLUSTER_FAULT=wrong the worker that it runs computes other bits, the
// last ones of the first number of every answer; with wrong:N of those behind the first N
// answers to units. On SIGUSR1 it says how many goroutines it has. Programs without the tag
// have none of this.
var (
	wrong bool
	right atomic.Int64 // answers to units that are still to be right
)

func init() {
	kind, after, _ := strings.Cut(os.Getenv("BANKAI_CLUSTER_FAULT"), ":")
	wrong = kind == "wrong"
	n, _ := strconv.ParseInt(after, 10, 64)
	right.Store(n)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			fmt.Fprintf(os.Stderr, "goroutines: %d\n", runtime.NumGoroutine())
		}
	}()
}

func spoilValues(values [][]float64) {
	if wrong && len(values) > 0 && len(values[0]) > 0 {
		values[0][0] = math.Float64frombits(math.Float64bits(values[0][0]) ^ 1)
	}
}

func spoilEffects(e *score.Effects) {
	if wrong && len(e.Data) > 0 {
		e.Data[0] = math.Float32frombits(math.Float32bits(e.Data[0]) ^ 1)
	}
}

func spoilAnswers(a *desk.Answers) {
	switch {
	case !wrong, right.Add(-1) >= 0:
	case len(a.Scores) > 0 && len(a.Scores[0]) > 0:
		a.Scores[0][0][0] ^= 1
	case len(a.Results) > 0 && len(a.Results[0].IDs) > 0:
		a.Results[0].IDs[0] ^= 1
	}
}
