package chart

import "math"

// axis is one of the two of a panel: continuous, or with names at 0, 1, 2, ….
type axis struct {
	label     string
	low, high float64 // low < high
	log       bool    // then both above 0
	names     []string
	vertical  bool
	grid      bool
	prefer    []float64 // places to mark, if there is room for their labels

	// fit sets these.
	ticks  []tick
	turned bool // labels are written upwards
}

// continuous is an axis that holds some values, with a little room around them;
// those that cannot be drawn do not count. It ends at the base, if given one,
// where all values are on one side of it.
func continuous(label string, log bool, values []float64, base ...float64) axis {
	a := axis{label: label, log: log, low: math.Inf(1), high: math.Inf(-1)}
	for _, v := range append(values, base...) {
		if drawable(v, log) {
			a.low, a.high = min(a.low, v), max(a.high, v)
		}
	}
	a.widen()
	low, high := a.low, a.high
	if log {
		room := math.Pow(high/low, 0.04)
		a.low, a.high = low/room, high*room
		return a
	}
	room := 0.05 * (high - low)
	if a.low = low - room; low >= 0 && a.low < 0 {
		a.low = 0
	}
	if a.high = high + room; high <= 0 && a.high > 0 {
		a.high = 0
	}
	return a
}

// widen gives the axis a range where the values have none, or none that can be
// told apart.
func (a *axis) widen() {
	switch {
	case a.low > a.high && a.log:
		a.low, a.high = 1, 10
	case a.low > a.high:
		a.low, a.high = 0, 1
	case a.log && a.high < a.low*(1+1e-6):
		a.low, a.high = a.low/2, a.high*2
	case !a.log && a.high-a.low <= 1e-6*max(math.Abs(a.low), math.Abs(a.high), 1e-90):
		room := max(math.Abs(a.low), math.Abs(a.high)) / 10
		if room < 1e-90 {
			room = 0.5
		}
		a.low, a.high = a.low-room, a.high+room
	}
}

// drawable reports whether a value has a place on an axis. Beyond these bounds
// there are no figures, but sums of them would overflow.
func drawable(v float64, log bool) bool {
	return math.Abs(v) <= 1e100 && (!log || v >= 1e-100)
}

// categories is an axis with a place for each name, one at the least.
func categories(label string, names []string, n int) axis {
	a := axis{label: label, low: -0.5, high: float64(max(n, 1)) - 0.5, names: make([]string, n)}
	for i := range min(n, len(names)) {
		a.names[i] = clean(names[i])
	}
	return a
}

// norm is the place of v as a share of the axis, from its lower end: on a
// vertical axis of categories the first is on top. What is beyond the axis is at
// its end.
func (a *axis) norm(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		if v <= low {
			return 0
		}
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	share := min(max((v-low)/(high-low), 0), 1)
	if a.names != nil && a.vertical {
		return 1 - share
	}
	return share
}

// mostName is the share of a picture's width, or the width in points of a label
// that is written upwards, that the names of categories may take.
const (
	mostName   = 0.45
	mostTurned = 150
)

// fit chooses the ticks for an axis of that many points; names may be most wide.
func (a *axis) fit(length, most float64) {
	switch {
	case a.names != nil:
		a.fitNames(length, most)
	case a.vertical:
		a.ticks = a.about(int(length / 34))
	default:
		a.ticks = nil
		for _, v := range a.prefer {
			a.ticks = append(a.ticks, tick{v, short(v)})
		}
		if len(a.ticks) > 1 && a.apart(length) {
			return
		}
		for n := int(length / 40); ; n-- {
			a.ticks = a.about(n)
			if a.apart(length) {
				return
			}
			if n <= 2 {
				break
			}
		}
		a.thin(length)
	}
}

func (a *axis) about(n int) []tick {
	if a.log {
		return logTicks(a.low, a.high, max(n, 2))
	}
	return linearTicks(a.low, a.high, max(n, 2))
}

// apart reports whether the labels leave room between them.
func (a *axis) apart(length float64) bool {
	for i := 1; i < len(a.ticks); i++ {
		if a.touch(a.ticks[i-1], a.ticks[i], length) {
			return false
		}
	}
	return true
}

func (a *axis) touch(was, is tick, length float64) bool {
	between := length * (a.norm(is.at) - a.norm(was.at))
	return between < 9+(widthOf(was.label, tickFont)+widthOf(is.label, tickFont))/2
}

// thin leaves out the ticks whose labels would touch the one before.
func (a *axis) thin(length float64) {
	kept := a.ticks[:0]
	for _, t := range a.ticks {
		if len(kept) == 0 || !a.touch(kept[len(kept)-1], t, length) {
			kept = append(kept, t)
		}
	}
	a.ticks = kept
}

// fitNames writes the names upwards if they are too wide for their places, and
// leaves some out where even so there is no room.
func (a *axis) fitNames(length, most float64) {
	room := length / float64(max(len(a.names), 1))
	if !a.vertical {
		a.turned = widest(a.names, tickFont) > room-6
		most = mostTurned
	}
	every := 1
	if a.vertical || a.turned {
		every = max(1, int(math.Ceil(lineOf(tickFont)*0.85/room)))
	}
	a.ticks = nil
	for i := 0; i < len(a.names); i += every {
		name := a.names[i]
		if a.vertical || a.turned {
			name = cut(name, tickFont, most)
		}
		a.ticks = append(a.ticks, tick{float64(i), name})
	}
}

// room is the width of the labels of the ticks.
func (a *axis) room() (width float64) {
	for _, t := range a.ticks {
		width = max(width, widthOf(t.label, tickFont))
	}
	return width
}
