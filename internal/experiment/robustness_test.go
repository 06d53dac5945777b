package experiment

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/internal/testmodel"
	"bankai/search"
)

var fourLines = []string{"the king sleeps", "an apple a day keeps the doctor away", "1+1 = 2", "in the end it will rain"}

// someFlips is a small experiment with curves of every kind.
func someFlips() RobustnessOptions {
	return RobustnessOptions{
		Text: "four lines", Lines: fourLines,
		Where: []string{"mlp", "embedding"}, Sizes: []search.Granularity{search.Bit, search.Group, search.Row}, Scales: []string{"any", "high"},
		Amounts: []float64{1, 0.01, 20000}, Draws: 2,
	}
}

// plainPerplexity is from the logits of every line by itself, in float64: the
// first token is given, the line's end is predicted too.
func plainPerplexity(t *testing.T, m *engine.Model, lines []string) float64 {
	t.Helper()
	var lost float64
	n := 0
	for _, line := range lines {
		ids := m.Tokenizer().Encode(line + "\n")
		b := m.NewBatch(0)
		rows, err := b.Step(context.Background(), []engine.Input{{Seq: b.NewSeq(nil), Tokens: ids, Logits: len(ids)}})
		if err != nil {
			t.Fatal(err)
		}
		vocab := len(rows[0]) / len(ids)
		for i, id := range ids[1:] {
			logits := rows[0][i*vocab : (i+1)*vocab]
			var total float64
			for _, l := range logits {
				total += math.Exp(float64(l))
			}
			lost += math.Log(total) - float64(logits[id])
			n++
		}
	}
	return math.Exp(lost / float64(n))
}

// What is measured is the perplexity of a file in which the drawn bits, as many as asked
// for and of the part asked for, are inverted by hand.
func TestRobustnessAgainstFlippedFiles(t *testing.T) {
	m := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})
	o := someFlips()
	x, err := MeasureRobustness(t.Context(), &Run{Model: m, Seed: 5}, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := plainPerplexity(t, m, fourLines); math.Abs(x.Base/want-1) > 1e-6 {
		t.Errorf("perplexity %v, want %v", x.Base, want)
	}
	if len(x.Curves) != 5 {
		t.Errorf("%d curves, want the standard one and one for each of four changes", len(x.Curves))
	}
	for i, k := range o.kinds() {
		c := x.Curves[i]
		p, err := newPool(m.Weights(), k.where, nil, k.size, k.scale)
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range c.Points {
			total := 0
			for d := range o.Draws {
				pieces := draw(drawing(5, fmt.Sprintf("%s: %d pieces, draw %d", k, point.Pieces, d+1)), point.Pieces, p.pieces())
				flipped := madeModel()
				flipBytes(flipped, m.Weights().Shape, p.patch(pieces).Flips())
				n, tensors := differing(flipped, madeModel())
				if k.size == search.Bit && n != int(point.Pieces) || k.size == search.Group && n != 128*int(point.Pieces) {
					t.Errorf("%s: %d bits differ for %d pieces", k, n, point.Pieces)
				}
				for _, name := range tensors {
					if (k.where == "mlp") != strings.Contains(name, "ffn_") {
						t.Errorf("%s: flips %s", k, name)
					}
				}
				total += n
				want := plainPerplexity(t, enginetest.Load(t, flipped.Bytes(), engine.Options{Threads: 1}), fourLines)
				if got := float64(point.Each[d]); math.Abs(got/want-1) > 1e-6 {
					t.Errorf("%s, %d pieces: perplexity %v, want %v", k, point.Pieces, got, want)
				}
			}
			if want := float64(total) / float64(o.Draws); point.Bits != want {
				t.Errorf("%s: %v bits, want %v", k, point.Bits, want)
			}
		}
	}
	if again := plainPerplexity(t, m, fourLines); math.Abs(again/x.Base-1) > 1e-6 {
		t.Error("the model is not as it was")
	}
}

// Ratios are geometric means with Student's interval of their logarithms: by hand,
// of 2 and 8 times as much. t is 12.706 for one degree of freedom.
func TestRobustnessFigures(t *testing.T) {
	x := &Robustness{Base: 3}
	p := x.point(7, []flipMeasure{{6, 10}, {24, 20}})
	half := 12.7062047 * math.Log(2)
	for _, c := range []struct{ got, want float64 }{
		{p.Bits, 15},
		{p.Ratio.Value, 4},
		{p.Ratio.Low, 4 * math.Exp(-half)},
		{p.Ratio.High, 4 * math.Exp(half)},
		{p.Perplexity.Value, 12},
	} {
		if math.Abs(c.got/c.want-1) > 1e-7 {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	flat := func(low, high float64) FlipPoint {
		return FlipPoint{Bits: 1, Ratio: report.Estimate{Value: 1, Low: low, High: high, N: 5}}
	}
	for _, c := range []struct {
		points []FlipPoint
		want   int // index, −1 for none
	}{
		{[]FlipPoint{flat(0.995, 1.005), flat(0.999, 1.0099), flat(1, 1.02), flat(1, 1)}, 1},
		{[]FlipPoint{flat(0.98, 1.005)}, -1},
		{[]FlipPoint{flat(math.NaN(), math.NaN())}, -1},
	} {
		curve := FlipCurve{Points: c.points}
		got := -1
		for i := range c.points {
			if curve.harmless() == &c.points[i] {
				got = i
			}
		}
		if got != c.want {
			t.Errorf("harmless up to %d, want %d", got, c.want)
		}
	}
}

// Equal bits: as many groups as hold them, and rows of mean width.
func TestAmounts(t *testing.T) {
	m := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1}) // an MLP has 2·256 rows of 128 bits and 128 of 256
	for _, c := range []struct {
		size search.Granularity
		bits float64
		want uint64
	}{
		{search.Bit, 1, 1},
		{search.Bit, 500, 500},
		{search.Bit, 0.5, 98304},
		{search.Bit, 1e-9, 1},
		{search.Group, 500, 4},
		{search.Group, 1, 1},
		{search.Group, 0.5, 768},
		{search.Row, 1536, 10},
		{search.Row, 0.5, 640},
		{search.Row, 3, 1},
	} {
		p, err := newPool(m.Weights(), "mlp", nil, c.size, "any")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.amount(c.bits); got != c.want {
			t.Errorf("%v bits are %d %ss, want %d", c.bits, got, c.size, c.want)
		}
	}
}

func TestRobustnessCurves(t *testing.T) {
	o := someFlips()
	for cross, want := range map[bool]string{
		false: "mlp, bit, any scale; mlp, bit, high scale; mlp, group, any scale; mlp, row, any scale; embedding, bit, any scale",
		true: "mlp, bit, any scale; mlp, bit, high scale; mlp, group, any scale; mlp, group, high scale; mlp, row, any scale; mlp, row, high scale; " +
			"embedding, bit, any scale; embedding, bit, high scale; embedding, group, any scale; embedding, group, high scale; embedding, row, any scale; embedding, row, high scale",
	} {
		o.Cross = cross
		var names []string
		for _, k := range o.kinds() {
			names = append(names, k.String())
		}
		if got := strings.Join(names, "; "); got != want {
			t.Errorf("cross %v: %s", cross, got)
		}
	}
}

func TestRobustnessRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(o *RobustnessOptions)
		want   string
	}{
		{func(o *RobustnessOptions) { o.Where = []string{"mpl"} }, `unknown part of the model "mpl": use mlp, attention, delta-net, embedding, head, all`},
		{func(o *RobustnessOptions) { o.Where = nil }, "there is nothing to draw from"},
		{func(o *RobustnessOptions) { o.Scales = []string{"low"} }, `unknown scale "low": use any, medium, high`},
		{func(o *RobustnessOptions) { o.Amounts = []float64{1.5} }, "1.5 bits: give whole numbers, or shares of all bits, above 0 and below 1"},
		{func(o *RobustnessOptions) { o.Amounts = []float64{0} }, "0 bits: give"},
		{func(o *RobustnessOptions) { o.Amounts = []float64{math.NaN()} }, "NaN bits: give"},
		{func(o *RobustnessOptions) { o.Draws = 0 }, "0 draws: at least 1 is needed"},
		{func(o *RobustnessOptions) { o.Amounts = []float64{196609} }, "mlp, bit, any scale: there are 196,608 bits, and 196609 is 196,609: give less"},
		{func(o *RobustnessOptions) { o.Layers = []int{2} }, "layer 2: the model has layers 0 to 1"},
		{func(o *RobustnessOptions) { o.Where = []string{"mlp", "head"} }, "its embedding is the head"},
		{func(o *RobustnessOptions) { o.Lines = nil }, "the text has nothing to predict"},
	} {
		o := someFlips()
		c.change(&o)
		m := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})
		if _, err := MeasureRobustness(t.Context(), &Run{Model: m}, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
}

// measured does an experiment from the beginning, and once more from a journal
// that was cut off in the middle, with other threads: the results are equal, go
// through JSON unchanged and are shown the same.
func measured[T report.Result](t *testing.T, name string, measure func(ctx context.Context, r *Run) (T, error)) T {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.journal")
	once := func(threads int, resume bool) T {
		j, err := OpenJournal(path, nil, resume)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		x, err := measure(t.Context(), &Run{Model: enginetest.Load(t, testmodel.Bytes(testmodel.Tiny, 3), engine.Options{Threads: threads}), Seed: 2, Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		x.Head().Experiment = name
		return x
	}
	asJSON := func(x T) string {
		var b strings.Builder
		if err := report.WriteJSON(&b, x); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	x := once(1, false)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	if again, want := asJSON(once(2, true)), asJSON(x); again != want {
		t.Errorf("resumed with two threads:\n%s\nwant\n%s", again, want)
	}
	read, err := report.Read(strings.NewReader(asJSON(x)), Own)
	if err != nil {
		t.Fatal(err)
	}
	reporttest.SameFiles(t, x, read)
	return x
}

func TestRobustnessIsDeterministic(t *testing.T) {
	o := someFlips()
	x := measured(t, "robustness", func(ctx context.Context, r *Run) (*Robustness, error) { return MeasureRobustness(ctx, r, o) })
	if p := x.Present(); len(p.Charts[0].Panels) != 3 || len(p.Tables[0].Rows) != 15 || len(p.Findings) != 3 {
		t.Errorf("%d panels, %d rows, findings %q", len(p.Charts[0].Panels), len(p.Tables[0].Rows), p.Findings)
	}
}
