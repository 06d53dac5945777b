package search

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
)

// Follower follows the journal of a run that began from an empty patch. It makes the
// trajectory of the run from what is written there, to the bit, as long as the run
// is no vote, whose draws have journals of their own. Costs are of what the journal has: a
// prediction that an evolution asks for again is paid for again, but written once. What a run
// did beyond a limit, and forgets when it is resumed with another one, counts as the cost of
// what comes then.
type Follower struct {
	tail *durable.Tail
	base bankai.Digest

	Followed
	states    map[bankai.Digest]*followedState
	at        *followedState
	yardstick Sample
	trials    int // measured
}

// followedState is a patch that the run had.
type followedState struct {
	patch   *bankai.Patch
	points  int // of the trajectory, up to it
	fitness float64
	cost    float64 // spent when it was last measured on
	tried   []followedTrial
	now     map[Sample]float64 // its fitness on samples
}

// followedTrial is a candidate that was not kept when it was measured.
type followedTrial struct {
	move Move
	line followedLine
}

// followedLine is what a record says that a follower goes by: journals are long, and most of
// a line is the scores of single probes.
type followedLine struct {
	On      bankai.Digest `json:"on"`
	Seconds Number        `json:"seconds"`
	Trial   *struct {
		Step int `json:"step"`
		moveRecord
		Fitness Number `json:"fitness"`
		Cost    Number `json:"cost"`
		Kept    bool   `json:"kept"`
	} `json:"trial"`
	Prediction *struct {
		Want string `json:"want"`
		Cost Number `json:"cost"`
	} `json:"forecast"`
	Checkpoint *checkpointRecord `json:"look"`
	Written    *Number           `json:"written"`
}

// NewFollower follows the journal at path, which need not be there yet. base is the digest
// of the model that is searched in.
func NewFollower(path string, base bankai.Digest) *Follower {
	f := &Follower{base: base}
	f.tail = durable.NewTail(path, durable.Format{
		What: "the journal of a search", Header: f.begin, Record: f.take,
	})
	return f
}

// Poll reads what the journal has got since the last call, and tells whether that is
// anything.
func (f *Follower) Poll() (more bool, err error) {
	more, err = f.tail.Read()
	if err != nil {
		err = fmt.Errorf("journal: %w", err)
	}
	return more, err
}

// begin begins anew, with the header of a journal.
func (f *Follower) begin(line []byte) error {
	var h header
	if json.Unmarshal(line, &h) != nil {
		return errors.New("it is no header")
	}
	if h.Version != journalVersion {
		return fmt.Errorf("it is of journal version %d, this program reads %d", h.Version, journalVersion)
	}
	start := bankai.New(f.base, bankai.Meta{})
	for _, fact := range h.Run {
		if fact.Name == "start patch" && fact.Value != start.ContentDigest().String() {
			return errors.New("the run began from a patch, or in another model")
		}
	}
	f.trials = 0
	f.Followed = Followed{Lines: 1}
	f.at = &followedState{patch: start, now: map[Sample]float64{}}
	f.states = map[bankai.Digest]*followedState{start.ContentDigest(): f.at}
	return nil
}

// take takes in a line.
func (f *Follower) take(data []byte) error {
	var l followedLine
	if err := json.Unmarshal(data, &l); err != nil {
		return err
	}
	tries := l.Prediction != nil || l.Trial != nil && len(l.Trial.Flips) > 0
	f.Lines++
	if err := f.goTo(l.On, tries); err != nil {
		f.Lines--
		return err
	}
	switch {
	case l.Trial != nil:
		return f.trial(l)
	case l.Prediction != nil:
		f.Written = false
		f.Pruning = strings.Contains(l.Prediction.Want, "] true") // only what prunes asks for flips that are held
		f.spend(float64(l.Prediction.Cost))
	case l.Checkpoint != nil:
		f.look(l.Checkpoint.Right)
	case l.Written != nil:
		f.Written = true
	}
	return nil
}

// goTo goes to the patch that a line is about. If no line said that it was kept, it was so
// later than it was measured, which costs the measurement once more. A run that was resumed
// with other limits goes on from an earlier patch: what came behind that counts no more.
func (f *Follower) goTo(on bankai.Digest, tries bool) error {
	state, known := f.states[on]
	if state == f.at && known {
		return nil
	}
	for _, t := range slices.Backward(f.at.tried) {
		next, err := f.at.patch.Xor(bankai.New(f.base, bankai.Meta{}, t.move.Flips...))
		if err == nil && next.ContentDigest() == on {
			f.spend(float64(t.line.Trial.Cost))
			return f.keep(t.move, t.line)
		}
	}
	if !known {
		return fmt.Errorf("it is of the patch %.12s, which no line before it leads to", on)
	}
	if tries {
		f.at, f.Points, f.Pruning = state, f.Points[:state.points], false
		maps.DeleteFunc(f.states, func(_ bankai.Digest, s *followedState) bool { return s.points > state.points })
		f.Flips, f.Fitness, f.Cost = state.patch.Len(), state.fitness, state.cost
		f.Accepted = 0
		for _, p := range f.Points {
			if len(p.Move) > 0 {
				f.Accepted++
			}
		}
		f.Step = 0
		if n := len(f.Points); n > 0 {
			f.Step = f.Points[n-1].Step
		}
	}
	return nil
}

// spend counts a cost.
func (f *Follower) spend(cost float64) {
	f.Cost += cost
	f.at.cost = f.Cost
}

// trial takes in a candidate, or the measurement of the patch as it is.
func (f *Follower) trial(l followedLine) error {
	t := l.Trial
	f.trials++
	if f.Written { // a run that had ended goes on
		f.Written, f.Pruning = false, false
	}
	f.spend(float64(t.Cost))
	f.Seconds = max(f.Seconds, float64(l.Seconds))
	if f.Seconds > 0 && f.trials > 1 {
		f.Rate = float64(f.trials) / f.Seconds
	}
	move := t.move()
	if len(move.Flips) == 0 {
		f.at.now[move.Sample] = float64(t.Fitness)
		if len(f.Points) == 0 {
			f.yardstick = move.Sample
		}
		if move.Sample == f.yardstick {
			f.at.fitness, f.Fitness = float64(t.Fitness), float64(t.Fitness)
		}
		if len(f.Points) == 0 {
			f.point(nil, 0)
		}
		return nil
	}
	if !f.Pruning {
		f.Step = max(f.Step, t.Step)
	}
	if t.Kept {
		return f.keep(move, l)
	}
	f.at.tried = append(f.at.tried, followedTrial{move, l})
	return nil
}

// keep makes the patch of a move the current one.
func (f *Follower) keep(move Move, l followedLine) error {
	next, err := f.at.patch.Xor(bankai.New(f.base, bankai.Meta{}, move.Flips...))
	if err != nil {
		return err
	}
	fitness, before := float64(l.Trial.Fitness), f.Fitness
	if move.Sample != f.yardstick {
		fitness = before + (fitness - f.at.now[move.Sample])
	}
	f.at.tried = nil // a patch that is come back to is measured anew
	f.at = &followedState{patch: next, fitness: fitness, cost: f.Cost, now: map[Sample]float64{}}
	if !move.Sample.All() {
		f.at.now[move.Sample] = float64(l.Trial.Fitness)
	}
	f.states[next.ContentDigest()] = f.at
	f.Fitness, f.Flips = fitness, next.Len()
	if !f.Pruning {
		f.Accepted++
	}
	f.point(move.Flips, fitness-before)
	return nil
}

// point adds where the run is to the trajectory.
func (f *Follower) point(flips []bankai.Flip, gain float64) {
	p := f.Point
	p.Right = nil
	f.Points = append(f.Points, FollowedPoint{Point: p, Line: f.Lines, Move: flips, Gain: gain})
	f.at.points = len(f.Points)
}

// look takes in which of the watched answers are right.
func (f *Follower) look(answers string) {
	n := strings.Count(answers, "1")
	f.Total, f.Right = len(answers), &n
	last := len(f.Points) - 1
	if last < 0 || cmp.Or(cmp.Compare(f.Points[last].Step, f.Step), cmp.Compare(f.Points[last].Flips, f.Flips)) != 0 {
		f.point(nil, 0)
		last++
	}
	f.Points[last].Right, f.Points[last].Line = &n, f.Lines
}
