package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
)

// Two rows of the model of the tests, with which its patches are made.
var (
	gateRow = bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 3, N: 128}
	upRow   = bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 5, N: 128}
)

func open(t *testing.T, m *testmodel.Model) *weights.File {
	t.Helper()
	f, err := weights.FromBytes("test", m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// save writes a patch into a folder and returns its path.
func save(t *testing.T, dir, name string, p *bankai.Patch) string {
	t.Helper()
	path := filepath.Join(dir, name+".bankai")
	if err := p.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Patches combine by XOR. What makes no sense together is refused, and what may not be
// meant is warned of.
func TestCombine(t *testing.T) {
	f := open(t, testmodel.New(testmodel.Tiny, 1))
	dir := t.TempDir()
	bound := func(flips ...bankai.Flip) *bankai.Patch { return bankai.New(f.Digest(), bankai.Meta{}, flips...) }
	save(t, dir, "gate", bound(gateRow))
	save(t, dir, "gate2", bound(gateRow))
	save(t, dir, "up", bound(upRow))
	save(t, dir, "both", bound(gateRow, upRow))
	save(t, dir, "none", bound())
	save(t, dir, "unbound", bankai.New(bankai.Digest{}, bankai.Meta{BaseModel: "an old one"}, upRow))
	save(t, dir, "other", bankai.New(bankai.Digest{1}, bankai.Meta{}, upRow))
	for _, c := range []struct {
		refs           string
		flips          int
		warns, refuses string
	}{
		{"", 0, "", ""},
		{"gate", 1, "", ""},
		{"gate up", 2, "", ""},
		{"both up", 1, "", ""},
		{"none", 0, "none.bankai flips nothing: the model stays as it is", ""},
		{"both gate up", 0, "both.bankai, gate.bankai and up.bankai cancel to nothing", ""},
		{"unbound", 1, "unbound.bankai does not say which model it was made for (an old one); its shape fits", ""},
		{"gate gate", 0, "", "gate.bankai: is given twice, and both together do nothing: give it once"},
		{"gate gate2", 0, "", "gate2.bankai: flips what gate.bankai flips"},
		{"other", 0, "", "other.bankai: "},
		{"missing", 0, "", "missing.bankai"},
	} {
		var warned string
		r := Reader{Model: f, Warn: func(format string, args ...any) { warned += fmt.Sprintf(format, args...) }}
		var refs []string
		for _, name := range strings.Fields(c.refs) {
			refs = append(refs, filepath.Join(dir, name+".bankai"))
		}
		sum, err := r.Sum(refs)
		short := strings.NewReplacer(dir+string(filepath.Separator), "")
		if got := short.Replace(warned); !strings.Contains(got, c.warns) || (c.warns == "") != (got == "") {
			t.Errorf("%s: warned %q, want %q", c.refs, got, c.warns)
		}
		if c.refuses != "" {
			if err == nil || !strings.Contains(short.Replace(err.Error()), c.refuses) {
				t.Errorf("%s: %v, want %q", c.refs, err, c.refuses)
			}
			continue
		}
		if err != nil || sum.Len() != c.flips || sum.Base() != f.Digest() {
			t.Errorf("%s: %v, %v", c.refs, sum, err)
		}
	}
	if _, err := (Reader{Model: f}).Read(filepath.Join(dir, "other.bankai")); !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("a patch of another model: %v", err)
	}
	if all, _, err := (Reader{}).Combine([]string{filepath.Join(dir, "other.bankai")}); err != nil || all[0].Meta().Name != "other" {
		t.Errorf("without a model: %v, %v", all, err)
	}
}

// Patches of which one names the other as a conflict are refused with its reason, from
// either side and whether a model is there or not; with Force they are taken, and it is
// said.
func TestCombineConflicts(t *testing.T) {
	f := open(t, testmodel.New(testmodel.Tiny, 1))
	dir := t.TempDir()
	up, err := f.Fit(bankai.New(f.Digest(), bankai.Meta{}, upRow))
	if err != nil {
		t.Fatal(err)
	}
	foe := bankai.Conflict{Content: up.ContentDigest(), Name: "up", Why: "together they\nforget sums"}
	gate := bankai.New(f.Digest(), bankai.Meta{License: "MIT", Author: "Ada", Conflicts: []bankai.Conflict{foe}}, gateRow)
	a, b := save(t, dir, "gate", gate), save(t, dir, "up", up.WithMeta(bankai.Meta{License: "MIT", Author: "Bob"}))
	for _, refs := range [][]string{{a, b}, {b, a}} {
		for _, r := range []Reader{{}, {Model: f}} {
			_, _, err := r.Combine(refs)
			want := refs[1] + ": must not be combined with " + refs[0] + " (together they·forget sums): leave one of them out, or take both all the same with --force"
			if err == nil || err.Error() != want {
				t.Errorf("refused with %v, want %s", err, want)
			}
		}
	}
	var warned string
	r := Reader{Force: true, Warn: func(format string, args ...any) { warned += fmt.Sprintf(format, args...) }}
	p, err := r.Compose([]string{a, b})
	if err != nil || !strings.HasSuffix(warned, "both are taken because of --force") {
		t.Fatalf("by force: %v, warned %q", err, warned)
	}
	if m := p.Meta(); m.License != "MIT" || m.Author != "" || !slices.Equal(m.Conflicts, []bankai.Conflict{foe}) {
		t.Errorf("both together say %+v", m)
	}
}

// A patch that was made for other settings of the model is refused, or taken without
// what was measured of it.
func TestForce(t *testing.T) {
	base := open(t, testmodel.Published(testmodel.Tiny, 1))
	changed := testmodel.Published(testmodel.Tiny, 1)
	changed.Set("qwen3.rope.freq_base", gguf.Float32(1e4))
	f := open(t, changed)
	meta := bankai.Meta{Arithmetic: base.Arithmetic(), Claims: []bankai.Claim{{Name: "held out", Total: 1}}}
	path := save(t, t.TempDir(), "p", bankai.New(f.Digest(), meta, gateRow))
	_, err := Reader{Model: f}.Read(path)
	if !errors.Is(err, bankai.ErrArithmeticMismatch) || !strings.HasSuffix(err.Error(), "or take the patch all the same with --force") {
		t.Errorf("refused with %v", err)
	}
	p, err := Reader{Model: f, Force: true}.Read(path)
	if err != nil || p.Meta().Arithmetic != f.Arithmetic() || len(p.Meta().Claims) > 0 {
		t.Errorf("taken by force: %+v, %v", p.Meta(), err)
	}
}

// A composed patch says of its model what all its parts say.
func TestCompose(t *testing.T) {
	dir := t.TempDir()
	slow := open(t, testmodel.Published(testmodel.Tiny, 1)).Arithmetic()
	changed := testmodel.Published(testmodel.Tiny, 1)
	changed.Set("qwen3.rope.freq_base", gguf.Float32(1e4))
	fast := open(t, changed).Arithmetic()
	part := func(name, model string, a bankai.Arithmetic, flip bankai.Flip) string {
		return save(t, dir, name, bankai.New(bankai.Digest{1}, bankai.Meta{BaseModel: model, Arithmetic: a}, flip))
	}
	a, b := part("a", "m", slow, gateRow), part("b", "m", bankai.Arithmetic{}, upRow)
	c, d := part("c", "n", slow, upRow), part("d", "m", fast, upRow)
	for _, x := range []struct {
		refs  []string
		model string
	}{{[]string{a, b}, "m"}, {[]string{a, c}, ""}} {
		p, err := Reader{}.Compose(x.refs)
		want := bankai.Meta{Description: "the XOR of 2 patch files", BaseModel: x.model, Arithmetic: slow}
		if err != nil || p.Len() != 2 || p.Meta().BaseModel != want.BaseModel || p.Meta().Arithmetic != slow || p.Meta().Description != want.Description {
			t.Errorf("%v: %+v, %v", x.refs, p.Meta(), err)
		}
	}
	if _, err := (Reader{}).Compose([]string{a, d}); err == nil || !strings.Contains(err.Error(), "combine patches of one model") {
		t.Errorf("two arithmetics: %v", err)
	}
	if p, err := (Reader{Force: true}).Compose([]string{a, d}); err != nil || p.Meta().Arithmetic != fast {
		t.Errorf("two arithmetics by force: %v", err)
	}
}

func TestStamp(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	run := Provenance{Tool: "bankai 1", Command: "bankai demo"}
	got, err := run.Stamp(bankai.Meta{Metric: "m"}, filepath.Join("x", "fix.bankai"))
	if err != nil || got.Created.UTC().Format(time.DateTime) != "2023-11-14 22:13:20" ||
		!slices.Equal([]string{got.Name, got.Tool, got.Command, got.Metric}, []string{"fix", "bankai 1", "bankai demo", "m"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, _ := run.Stamp(bankai.Meta{Name: "mine"}, "fix.bankai"); got.Name != "mine" {
		t.Errorf("the name became %q", got.Name)
	}
	for _, wrong := range []string{"yesterday", "-5", "1.5"} {
		t.Setenv("SOURCE_DATE_EPOCH", wrong)
		if _, err := run.Stamp(bankai.Meta{}, "x"); err == nil {
			t.Errorf("%s was taken for a time", wrong)
		}
	}
}
