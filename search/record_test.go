package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bankai"

	"pgregory.net/rapid"
)

// What a journal says of a trial is the trial, to the last bit.
func TestRecordsAreExact(t *testing.T) {
	value := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{
		0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1,
	}))
	flip := rapid.Custom(func(t *rapid.T) bankai.Flip {
		return bankai.Flip{
			Tensor: rapid.String().Draw(t, "tensor"), Row: rapid.Uint32().Draw(t, "row"),
			Col: rapid.Uint32Range(0, 300).Draw(t, "col"),
			N:   rapid.OneOf(rapid.Just(uint32(bankai.ToEnd)), rapid.Uint32Range(1, 300)).Draw(t, "n"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Trial{
			Move{Flips: rapid.SliceOf(flip).Draw(t, "flips")},
			Score{
				Fitness: value.Draw(t, "fitness"), Cost: rapid.Float64Range(0, math.MaxFloat64).Draw(t, "cost"), Screened: rapid.Bool().Draw(t, "screened"),
				Targets: rapid.SliceOf(value).Draw(t, "targets"), Controls: rapid.SliceOf(value).Draw(t, "controls"),
			},
		}
		line, err := json.Marshal(newTrialRecord(1, bankai.New(bankai.Digest{1}, bankai.Meta{}, want.Flips...), candidate{Trial: want, seconds: 1.5}, true))
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRecord(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Trial.trial(); exact(got) != exact(want) || got.Move.Digest() != want.Move.Digest() {
			t.Fatalf("got %v\nwant %v\nby %s", got, want, line)
		}
	})
}

// exact makes values comparable that == and DeepEqual do not tell apart, or do.
func exact(t Trial) string {
	b := []uint64{math.Float64bits(t.Fitness), math.Float64bits(t.Cost)}
	for _, list := range [][]float64{t.Targets, t.Controls} {
		b = append(b, uint64(len(list)))
		for _, v := range list {
			b = append(b, math.Float64bits(v))
		}
	}
	s, _ := json.Marshal(b)
	return string(s)
}

// So is what it says of a prediction and of a checkpoint.
func TestPredictionsAndCheckpointsAreExact(t *testing.T) {
	on := bankai.New(bankai.Digest{1}, bankai.Meta{}, bankai.Flip{Tensor: "a", Row: 1, N: 5})
	w := Want{Matrices: []Matrix{{Name: "a", Rows: 3, Groups: 1}}, Held: true}
	w.Best[Row], w.Best[Bit] = 2, 3
	var f Predictions
	f.Best[Row] = []Prediction{{bankai.Flip{Tensor: "a", Row: 2, N: bankai.ToEnd}, 0.1}, {bankai.Flip{Tensor: "a", N: bankai.ToEnd}, -0.3}}
	f.Best[Bit] = []Prediction{{bankai.Flip{Tensor: "a", Row: 1, Col: 77, N: 1}, math.Inf(-1)}}
	f.Held = []Prediction{{bankai.Flip{Tensor: "a", Row: 1, N: 5}, 1.0 / 3}}
	right := []bool{true, false, false, true}
	j := &Journal{futures: map[futureKey]knownFuture{}, checkpoints: map[checkpointKey][]bool{}}
	for _, r := range []record{newPredictedRecord(on, w, f, 2.9, 1), newCheckpointRecord(on, "these", right, 1)} {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = parseRecord(line); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		j.know(r)
	}
	if got, ok := j.predictions(on, w); !ok || got.cost != 2.9 || !reflect.DeepEqual(got.Predictions, f) {
		t.Errorf("prediction %v, %v, want %v", got, ok, f)
	}
	if got, ok := j.checkpoint(on, "these"); !ok || !reflect.DeepEqual(got, right) {
		t.Errorf("look %v, %v", got, ok)
	}
	if _, ok := j.checkpoint(on, "others"); ok {
		t.Error("a look at other prompts is the same")
	}
	w.Best[Bit]++
	if _, ok := j.predictions(on, w); ok {
		t.Error("another wish has the same answer")
	}
}

func TestNaNIsKept(t *testing.T) {
	b, err := json.Marshal(Number(math.NaN()))
	var x Number
	if err != nil || json.Unmarshal(b, &x) != nil || !math.IsNaN(float64(x)) {
		t.Errorf("%s became %v, %v", b, x, err)
	}
}

// Whatever is in a file, it is refused and left alone, or read, and what was read
// reads the same after more was appended.
func FuzzJournal(f *testing.F) {
	header := `{"bankai_search_journal":8,"run":[{"name":"seed","value":"1"}]}` + "\n"
	on := bankai.Digest{1}.String()
	line := `{"on":"` + on + `","seconds":1,"trial":{"step":1,"flips":[{"tensor":"a","row":1}],"fitness":"-Inf","screened":true,"cost":0.25}}` + "\n"
	future := `{"on":"` + on + `","seconds":1,"forecast":{"want":"[1 0 0] false","best":[[["a",1,0,0,0.5]]],"held":[["a",1,0,128,"NaN"]],"cost":3}}` + "\n"
	checkpoint := `{"on":"` + on + `","seconds":1,"look":{"of":"x","right":"0110"}}` + "\n"
	for _, s := range []string{"", "{", header, header + line, header + line + line[:30], header + "\x00\x00\n", "x\n", header + "1\n" + line, header + future + checkpoint, header + strings.Replace(future, `0.5]`, `0.5,6]`, 1), header + `{"on":"` + on + `","trial":{"targets":[1e999]}}` + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := bytes.SplitAfter(data, []byte("\n"))
		for i, line := range lines[1:] { // sealed, so that changed ones are read, too
			if record, whole := bytes.CutSuffix(line, []byte("\n")); whole {
				lines[1+i] = fmt.Appendf(nil, "%s\t\"%08x\"\n", record, crc32.ChecksumIEEE(record))
			}
		}
		data = bytes.Join(lines, nil)
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		facts := []Fact{{"seed", "1"}}
		j, err := OpenJournal(path, facts, true)
		if err != nil {
			if after, _ := os.ReadFile(path); !bytes.Equal(after, data) {
				t.Fatalf("refused, and changed to %q", after)
			}
			return
		}
		p := bankai.New(bankai.Digest{}, bankai.Meta{})
		if err := errors.Join(j.Wrote(p, 2.5), j.Close()); err != nil {
			t.Fatal(err)
		}
		again, err := OpenJournal(path, facts, true)
		if err != nil {
			t.Fatalf("cannot be opened again: %v", err)
		}
		defer again.Close()
		if fitness, ok := again.Written(p); !ok || fitness != 2.5 || again.Len() != j.Len() || len(again.checkpoints) != len(j.checkpoints) || len(again.futures) != len(j.futures) {
			t.Fatalf("held %d trials, then %d", j.Len(), again.Len())
		}
	})
}
