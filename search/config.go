package search

import (
	"errors"
	"fmt"
	"math"
	"time"

	"bankai"
)

// Config holds the limits of a run and what watches it. A limit of zero is none,
// except that Steps must be set.
type Config struct {
	Steps    int     // candidates to decide on
	MaxFlips int     // the most flips of the patch (see [bankai.Patch.Len])
	MaxBytes int     // the most bytes of the patch's content, fitted to Shape: see [bankai.Patch.ContentSize]
	MaxCost  float64 // stop once this much or more was spent, in forward-pass equivalents
	// MaxSeconds is the time after which to stop, that of the resumed run included. It
	// decides where a run ends, not how it goes until then. Looking at the answers, and
	// measuring the result of a search on samples, take what they take beyond it.
	MaxSeconds float64
	Prune      bool // at the end, take out flips without which the fitness is no lower

	Shape bankai.Shape // of the model; needed for MaxBytes only
	Batch int          // candidates to score at once; 0 means 1

	Progress   func(Progress) // called after the start and after each round, may be nil
	Validation *Validation    // what the search must not lose sight of; may be nil
	Journal    *Journal       // written as the run goes, and answers what it already holds; may be nil
}

// MaxBatch bounds Config.Batch: the memory of a round grows with it.
const MaxBatch = 4096

// Check reports a limit that has no meaning, as an *OptionError.
func (c Config) Check() error {
	switch {
	case c.Steps <= 0:
		return &OptionError{"Steps", c.Steps, "must be at least 1"}
	case c.Steps > math.MaxInt32:
		return &OptionError{"Steps", c.Steps, fmt.Sprintf("must be at most %d", math.MaxInt32)}
	case c.MaxFlips < 0:
		return &OptionError{"MaxFlips", c.MaxFlips, "must be at least 1, or 0 for no limit"}
	case c.MaxBytes < 0:
		return &OptionError{"MaxBytes", c.MaxBytes, "must be at least 1, or 0 for no limit"}
	case c.Batch < 0:
		return &OptionError{"Batch", c.Batch, "must be at least 1, or 0 for the default"}
	case c.Batch > MaxBatch:
		return &OptionError{"Batch", c.Batch, fmt.Sprintf("must be at most %d", MaxBatch)}
	case !(c.MaxSeconds >= 0):
		return &OptionError{"MaxSeconds", c.MaxSeconds, "must be above 0, or 0 for no limit"}
	case !(c.MaxCost >= 0):
		return &OptionError{"MaxCost", c.MaxCost, "must be above 0, or 0 for no limit"}
	}
	return nil
}

// check reports what a run cannot go by.
func (c Config) check() error {
	if err := c.Check(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if c.MaxBytes > 0 && c.Shape == nil {
		return errors.New("search: max bytes: the shape of the model is needed")
	}
	return nil
}

// Stop says why a run ended.
type Stop string

// The reasons for which a run ends without an error.
const (
	StopSteps       Stop = "steps"       // Config.Steps candidates were decided
	StopFlips       Stop = "max flips"   // the patch has Config.MaxFlips flips
	StopOverfit     Stop = "validation"  // the watched answers got worse while the fitness rose
	StopCost        Stop = "max cost"    // Config.MaxCost was spent
	StopTime        Stop = "max seconds" // Config.MaxSeconds passed
	StopExhausted   Stop = "exhausted"   // the strategy has no more moves
	StopInterrupted Stop = "interrupted" // the context ended
)

// Point is a state of a run. While a search goes by samples, its fitness is what the
// samples said of the moves that were kept, added up. A trajectory begins with the start, has a point for
// every patch that was kept, and ends with the state at the end.
type Point struct {
	Step    int     `json:"step"` // candidates decided
	Cost    float64 `json:"cost"` // forward-pass equivalents spent
	Fitness float64 `json:"fitness"`
	Flips   int     `json:"flips"`
	Seconds float64 `json:"seconds"`         // since the run began
	Right   *int    `json:"right,omitempty"` // watched answers that are right, where it was looked
}

// Outcome is what a predicted move was predicted to change and what it changed.
type Outcome struct {
	Granularity Granularity // of its first flip
	Predicted   float64     // change of the fitness
	True        float64
	Kept        bool
}

// Progress is what a run reports while it goes on.
type Progress struct {
	Point
	Steps    int           // Config.Steps
	Accepted int           // candidates kept
	Screened int           // candidates given up after the worst targets
	Rate     float64       // candidates scored a second; 0 while it cannot be told
	ETA      time.Duration // to the limit of steps, cost or time, whichever comes first; 0 while it cannot be told
}

// Result is what a run found.
type Result struct {
	Patch       *bankai.Patch // the fittest patch, or the one that [Validation] tells, with the metadata of the patch the run started from
	Fitness     float64       // of Patch
	Start       Score         // of the patch the run started from; of a search on samples, on its yardstick
	Final       Score         // of Patch; its Fitness is the one above, but for a search on samples that was interrupted: what it measured last
	Trajectory  []Point
	Outcomes    []Outcome
	Checkpoints []Checkpoint // what Config.Validation saw
	WentBack    string       // to which checkpoint for Patch, and why, if it is not the last of them
	Warning     string       // what the validation has to say, if anything
	Cost        float64      // forward-pass equivalents, those of resumed steps included
	Seconds     float64      // time spent, that of the resumed run included
	Steps       int          // candidates decided
	Accepted    int
	Screened    int
	Stopped     Stop // empty if Run returned an error
}
