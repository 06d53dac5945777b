package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bankai"
	"bankai/internal/report"
	"bankai/search"
	"bankai/server"
)

const (
	lookEvery = 250 * time.Millisecond // at a search that somebody follows
	pingEvery = 15 * time.Second
)

// searchEvent is what happened since the last one: the trajectory from a point on, and how
// the search is now. Its id is a line of the journal.
type searchEvent struct {
	From   int        `json:"from"` // the number of the first of the points; those behind it are others now
	Points []pointDoc `json:"points"`
	Search searchDoc  `json:"search"`
	Over   bool       `json:"over"` // nothing follows
}

// pointDoc is a point of a trajectory, with the move that led to it.
type pointDoc struct {
	search.Point
	Line  int       `json:"line"`
	Gain  float64   `json:"gain"`
	Moved int       `json:"moved"`          // flips of the move
	Moves []flipDoc `json:"move,omitempty"` // the first of them
	Said  saidPoint `json:"said"`
}

// saidPoint is a point as the command line writes such numbers.
type saidPoint struct {
	Fitness string `json:"fitness"`
	Gain    string `json:"gain"`
	Cost    string `json:"cost"`
}

// flipDoc is a flip; without n it is of a whole row.
type flipDoc struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col,omitempty"`
	N      uint32 `json:"n,omitempty"`
}

// shownFlips is how many flips of a move are told: a move by bits has hundreds.
const shownFlips = 3

func pointOf(p search.FollowedPoint) pointDoc {
	d := pointDoc{Point: p.Point, Line: p.Line, Gain: p.Gain, Moved: len(p.Move), Said: saidPoint{fmt.Sprintf("%+.4f", p.Fitness), fmt.Sprintf("%+.4f", p.Gain), spent(p.Cost)}}
	for _, f := range p.Move[:min(len(p.Move), shownFlips)] {
		flip := flipDoc{f.Tensor, f.Row, f.Col, f.N}
		if f.Col == 0 && f.N == bankai.ToEnd {
			flip.N = 0
		}
		d.Moves = append(d.Moves, flip)
	}
	return d
}

// since is what happened behind a line of the journal; 0: all of it.
func (r *searchRun) since(line int) searchEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
	points := r.follower.Points
	if line > r.follower.Lines {
		line = 0 // of another journal
	}
	e := searchEvent{Points: []pointDoc{}, Search: r.docNow()}
	e.From, _ = slices.BinarySearchFunc(points, line+1, func(p search.FollowedPoint, line int) int { return cmp.Compare(p.Line, line) })
	for _, p := range points[e.From:] {
		e.Points = append(e.Points, pointOf(p))
	}
	e.Over = !e.Search.Running
	return e
}

// events answers GET /api/searches/{id}/events: with what there is behind the line that the
// header Last-Event-ID names, then with what comes, until the search has ended.
func (s *searches) events(x *server.Exchange, r *searchRun) error {
	line, _ := strconv.Atoi(x.Request().Header.Get("Last-Event-ID"))
	events := x.Events()
	look, ping := time.NewTicker(lookEvery), time.NewTicker(pingEvery)
	defer look.Stop()
	defer ping.Stop()
	var last searchEvent
	for first := true; ; first = false {
		e := r.since(max(0, line))
		if first || e.differs(last) {
			line, last = e.Search.State.Line, e
			if err := events.Send(strconv.Itoa(line), e); err != nil || e.Over {
				return nil
			}
			ping.Reset(pingEvery)
		}
		select {
		case <-look.C:
		case <-ping.C:
			if events.Ping() != nil {
				return nil
			}
		case <-x.Request().Context().Done():
			return nil
		case <-s.closing:
			return nil
		}
	}
}

// differs says whether there is anything to tell behind the last event.
func (e *searchEvent) differs(last searchEvent) bool {
	a, b := &e.Search, &last.Search
	return a.State.Line != b.State.Line || a.Phase != b.Phase || a.saidOf() != b.saidOf() || a.Running != b.Running ||
		len(a.Warnings) != len(b.Warnings) || (a.Patch == nil) != (b.Patch == nil)
}

// saidOf is how far the search is with what is no trying of flips.
func (d *searchDoc) saidOf() searchProgress {
	if d.Progress == nil {
		return searchProgress{}
	}
	return *d.Progress
}

// chart answers GET /api/searches/{id}/chart.svg with the trajectory so far, as reports
// show it, in the colours of the page that it is put into.
func (s *searches) chart(x *server.Exchange, r *searchRun) error {
	points, total := r.trajectory()
	picture, err := report.Trajectory(points, total)
	if err != nil {
		return err
	}
	if picture == "" {
		return server.Refuse(http.StatusNotFound, "id", "no_chart_yet", "the search has tried nothing yet")
	}
	return sendPicture(x, picture)
}

// trajectory is what there is to draw of a search: to where it is now, or as it ended.
func (r *searchRun) trajectory() (points []report.Point, validation int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
	f := r.follower
	var all []search.Point
	for _, p := range f.Points {
		all = append(all, p.Point)
	}
	if n := len(all); n > 0 && all[n-1].Cost != f.Cost {
		now := f.Point
		now.Right = nil
		all = append(all, now)
	}
	wentBack := func(search.Point) bool { return false }
	if d := r.result; d != nil {
		all = d.Trajectory
		wentBack = func(p search.Point) bool {
			return d.WentBack != "" && p.Right != nil && p.Flips == d.Flips && p.Fitness == d.Fitness
		}
	}
	for _, p := range all {
		points = append(points, report.Point{Step: p.Step, Cost: p.Cost, Fitness: p.Fitness, Flips: p.Flips, Seconds: p.Seconds, Right: p.Right, Kept: wentBack(p)})
	}
	return points, f.Total
}
