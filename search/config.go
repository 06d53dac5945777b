package search

import (
	"errors"
	"fmt"
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
	Prune    bool    // at the end, take out flips without which the fitness is no lower

	Shape bankai.Shape // of the model; needed for MaxBytes only
	Batch int          // candidates to score at once; 0 means 1

	Progress func(Progress) // called after the start and after each round, may be nil
	Watch    *Watch         // what the search must not lose sight of; may be nil
	Journal  *Journal       // written as the run goes, and answers what it already holds; may be nil
}

func (c Config) check() error {
	switch {
	case c.Steps <= 0:
		return fmt.Errorf("search: steps %d: must be at least 1", c.Steps)
	case c.MaxFlips < 0:
		return fmt.Errorf("search: max flips %d: must be at least 1, or 0 for no limit", c.MaxFlips)
	case c.MaxBytes < 0:
		return fmt.Errorf("search: max bytes %d: must be at least 1, or 0 for no limit", c.MaxBytes)
	case c.MaxBytes > 0 && c.Shape == nil:
		return errors.New("search: max bytes: the shape of the model is needed")
	case c.Batch < 0:
		return fmt.Errorf("search: batch %d: must be at least 1, or 0 for the default", c.Batch)
	case !(c.MaxCost >= 0):
		return fmt.Errorf("search: max cost %v: must be above 0, or 0 for no limit", c.MaxCost)
	}
	return nil
}

// Stop says why a run ended.
type Stop string

// The reasons for which a run ends without an error.
const (
	StopSteps       Stop = "steps"       // Config.Steps candidates were decided
	StopFlips       Stop = "max flips"   // the patch has Config.MaxFlips flips
	StopFooled      Stop = "validation"  // the watched answers got worse while the fitness rose
	StopCost        Stop = "max cost"    // Config.MaxCost was spent
	StopExhausted   Stop = "exhausted"   // the strategy has no more moves
	StopInterrupted Stop = "interrupted" // the context ended
)

// Point is a state of a run. A trajectory begins with the start, has a point for
// every patch that was kept, and ends with the state at the end.
type Point struct {
	Step    int     `json:"step"` // candidates decided
	Cost    float64 `json:"cost"` // forward-pass equivalents spent
	Fitness float64 `json:"fitness"`
	Flips   int     `json:"flips"`
	Seconds float64 `json:"seconds"`         // since the run began
	Right   *int    `json:"right,omitempty"` // watched answers that are right, where it was looked
}

// Outcome is what a foreseen move was predicted to change and what it changed.
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
	ETA      time.Duration // to the step or cost limit, whichever comes first; 0 while it cannot be told
}

// Result is what a run found.
type Result struct {
	Patch      *bankai.Patch // the fittest patch, or the one that [Watch] tells, with the metadata of the patch the run started from
	Fitness    float64       // of Patch
	Start      Score         // of the patch the run started from
	Final      Score         // of Patch; its Fitness is the one above
	Trajectory []Point
	Outcomes   []Outcome
	Looks      []Look  // what Config.Watch saw
	WentBack   string  // to which look for Patch, and why, if it is not the last of them
	Warning    string  // what the watch has to say, if anything
	Cost       float64 // forward-pass equivalents, those of resumed steps included
	Seconds    float64 // time spent, that of the resumed run included
	Steps      int     // candidates decided
	Accepted   int
	Screened   int
	Stopped    Stop // empty if Run returned an error
}
