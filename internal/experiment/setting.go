package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// Setting is one way to search, as far as [MeasureAblate] varies it.
type Setting struct {
	Probes      int          `json:"probes"` // drawn from the pool
	Strategy    score.Method `json:"strategy"`
	Granularity string       `json:"granularity"` // of flips; several used in turn as "row+bit"
	Projections []string     `json:"projections"`
	Layers      []int        `json:"layers"` // null for all
	Metric      string       `json:"metric"`
}

// The factors that a Setting has, in the order in which they are shown.
var factors = []string{"probes", "strategy", "granularity", "proj", "layers", "metric"}

// Factors lists the names of what [MeasureAblate] can vary.
func Factors() []string { return slices.Clone(factors) }

// With is the setting with another value of a factor, as the command line has
// it: 15; greedy; row or row+bit; gate+up; 0-2, 0-2+5 or all; answer_logprob.
// Equal settings are spelled alike afterwards.
func (s Setting) With(factor, value string) (Setting, error) {
	var err error
	switch factor {
	case "probes":
		if s.Probes, err = strconv.Atoi(value); err != nil || s.Probes < 1 {
			return s, fmt.Errorf("%q is not a number of probes", value)
		}
	case "strategy":
		s.Strategy, err = score.ParseMethod(value)
	case "granularity":
		_, err = sizesOf(value)
		s.Granularity = value
	case "proj":
		s.Projections = strings.Split(value, "+")
		known := score.Projections()
		slices.SortStableFunc(s.Projections, func(a, b string) int {
			return cmp.Compare(slices.Index(known, a), slices.Index(known, b))
		})
		s.Projections = slices.Compact(s.Projections)
	case "layers":
		s.Layers, err = layersOf(value)
	case "metric":
		_, err = probe.ParseMetric(value)
		s.Metric = value
	default:
		err = fmt.Errorf("nothing called %q can be varied: use %s", factor, strings.Join(factors, ", "))
	}
	return s, err
}

// value is the inverse of With.
func (s Setting) value(factor string) string {
	switch factor {
	case "probes":
		return strconv.Itoa(s.Probes)
	case "strategy":
		return s.Strategy.String()
	case "granularity":
		return s.Granularity
	case "proj":
		return strings.Join(s.Projections, "+")
	case "layers":
		return layersText(s.Layers)
	}
	return s.Metric
}

// String is the whole setting in a line, which tells it from any other.
func (s Setting) String() string {
	noun := "probes"
	if s.Probes == 1 {
		noun = "probe"
	}
	layers := "all layers"
	if s.Layers != nil {
		layers = "layers " + layersText(s.Layers)
	}
	return fmt.Sprintf("%d %s, %s by %s in %s of %s, %s",
		s.Probes, noun, s.Strategy, s.Granularity, strings.Join(s.Projections, "+"), layers, s.Metric)
}

func sizesOf(value string) (sizes []search.Granularity, err error) {
	for name := range strings.SplitSeq(value, "+") {
		g, err := search.ParseGranularity(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(sizes, g) {
			return nil, fmt.Errorf("%s is named twice", g)
		}
		sizes = append(sizes, g)
	}
	return sizes, nil
}

// maxLayers bounds what a range of layers may ask for.
const maxLayers = 1 << 12

func layersOf(value string) (layers []int, err error) {
	if value == "all" {
		return nil, nil
	}
	for part := range strings.SplitSeq(value, "+") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || a < 0 || b < a || b >= maxLayers {
			return nil, fmt.Errorf("%q is not a set of layers such as 0-2+5, or all", value)
		}
		for l := a; l <= b; l++ {
			layers = append(layers, l)
		}
	}
	slices.Sort(layers)
	return slices.Compact(layers), nil
}

// layersText is the inverse of layersOf, for layers in ascending order.
func layersText(layers []int) string {
	if layers == nil {
		return "all"
	}
	var parts []string
	for i := 0; i < len(layers); {
		end := i
		for end+1 < len(layers) && layers[end+1] == layers[end]+1 {
			end++
		}
		part := strconv.Itoa(layers[i])
		if end > i {
			part += "-" + strconv.Itoa(layers[end])
		}
		parts, i = append(parts, part), end+1
	}
	return strings.Join(parts, "+")
}
