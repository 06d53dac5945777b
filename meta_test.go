package bankai

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawMeta draws any provenance, well-formed or not where New repairs it.
func drawMeta(t *rapid.T) Meta {
	text := rapid.String()
	m := Meta{
		Name: text.Draw(t, "name"), Description: text.Draw(t, "description"), BaseModel: text.Draw(t, "base model"),
		Tool: text.Draw(t, "tool"), Command: text.Draw(t, "command"), Metric: text.Draw(t, "metric"),
	}
	if rapid.Bool().Draw(t, "dated") {
		m.Created = time.Unix(rapid.Int64Range(-1, maxCreated+1).Draw(t, "seconds"), 5)
	}
	for range rapid.IntRange(0, 2).Draw(t, "claims") {
		count := rapid.IntRange(0, math.MaxInt32)
		m.Claims = append(m.Claims, Claim{
			Name: text.Draw(t, "claim"), Probes: drawDigest(t),
			Total: count.Draw(t, "total"), Before: count.Draw(t, "before"), After: count.Draw(t, "after"),
			Fixed: count.Draw(t, "fixed"), Broke: count.Draw(t, "broke"), PValue: rapid.Float64Range(0, 1).Draw(t, "p"),
		})
	}
	if rapid.Bool().Draw(t, "owned") {
		m.License, m.Author = text.Draw(t, "license"), text.Draw(t, "author")
		for range rapid.IntRange(0, 3).Draw(t, "conflicts") {
			d := drawDigest(t)
			d[31] = 1
			m.Conflicts = append(m.Conflicts, Conflict{d, text.Draw(t, "foe"), text.Draw(t, "why")})
		}
	}
	if rapid.Bool().Draw(t, "computes") {
		m.Arithmetic = drawArithmetic(t)
	}
	value := rapid.SampledFrom([]string{`"MIT"`, `[]`, conflictJSON(1, ``), conflictJSON(2, `,"why":"w"`), conflictJSON(3, `,"more":1`), `1`, `1.50`, `1e999`, `"a<b\u2028\ud800"`, `[1, {"b":2, "a":[]}]`, `null`, `true`})
	key := rapid.OneOf(text, rapid.SampledFrom([]string{metricKey, licenseKey, authorKey, conflictsKey}))
	members := rapid.MapOfN(key, rapid.Custom(func(t *rapid.T) json.RawMessage {
		return json.RawMessage(value.Draw(t, "value"))
	}), 0, 3)
	m.Stats, m.Metadata = members.Draw(t, "stats"), members.Draw(t, "metadata")
	return m
}

func TestMetaIsMadeCanonical(t *testing.T) {
	got := New(Digest{}, Meta{
		Name:     "bad \xff byte",
		Created:  time.Date(2026, 11, 22, 20, 0, 0, 999, time.FixedZone("CET", 3600)),
		Claims:   []Claim{{Name: "held-out", PValue: math.Copysign(0, -1)}},
		Stats:    rawMembers(`{"n_flips": 3, "bits_flipped": 4, "size_bytes": 5, "kept": {"b": 1.0, "a": "<"}}`),
		Metadata: rawMembers(`{"metric": "token_gap", "bankai": {}, "license": "MIT"}`),
	}).Meta()
	want := Meta{
		Name:    "bad \uFFFD byte",
		Created: time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC),
		Metric:  "token_gap",
		License: "MIT",
		Claims:  []Claim{{Name: "held-out"}},
		Stats:   map[string]json.RawMessage{"kept": json.RawMessage(`{"a":"<","b":1.0}`)},
	}
	if !reflect.DeepEqual(got, want) || math.Signbit(got.Claims[0].PValue) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMetricOfTheMetadata(t *testing.T) {
	for _, c := range []struct {
		name, metric, metadata   string
		wantMetric, wantMetadata string
	}{
		{"a text is the metric", "", `{"metric":"seq_logprob"}`, "seq_logprob", ``},
		{"the metric that is given decides", "token_gap", `{"metric":"seq_logprob"}`, "token_gap", ``},
		{"anything else is carried along", "", `{"metric":7}`, "", `7`},
		{"unless a metric is given", "token_gap", `{"metric":7}`, "token_gap", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(Digest{}, Meta{Metric: c.metric, Metadata: rawMembers(c.metadata)}).Meta()
			if m.Metric != c.wantMetric || string(m.Metadata["metric"]) != c.wantMetadata {
				t.Errorf("got %q, %q", m.Metric, m.Metadata["metric"])
			}
		})
	}
}

// conflictJSON is a list of one conflict, with further members of it.
func conflictJSON(first byte, further string) string {
	return fmt.Sprintf(`[{"content":"%s"%s}]`, Digest{first}, further)
}

// Licence, author and conflicts are lifted out of the members that hold them. What has
// another shape is carried along as it is.
func TestLiftedMembers(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	for _, c := range []struct {
		name, metadata string
		want           Meta
		carried        string // of the member that the test is about
	}{
		{"texts", `{"license":"MIT","author":"Ada"}`, Meta{License: "MIT", Author: "Ada"}, ``},
		{"a number is no licence", `{"license":7}`, Meta{}, `7`},
		{"nor is an empty text", `{"license":""}`, Meta{}, `""`},
		{"nor one that is too long", `{"author":"` + long + `"}`, Meta{}, `"` + long + `"`},
		{"a conflict", `{"conflicts":` + conflictJSON(1, `,"name":"n","why":"w"`) + `}`, Meta{Conflicts: []Conflict{{Digest{1}, "n", "w"}}}, ``},
		{"no digest", `{"conflicts":[{"name":"n"}]}`, Meta{}, `[{"name":"n"}]`},
		{"a digest of zeros", `{"conflicts":` + conflictJSON(0, ``) + `}`, Meta{}, conflictJSON(0, ``)},
		{"a name that is none", `{"conflicts":` + conflictJSON(1, `,"name":null`) + `}`, Meta{}, conflictJSON(1, `,"name":null`)},
		{"more than is known", `{"conflicts":` + conflictJSON(1, `,"since":"v1"`) + `}`, Meta{}, conflictJSON(1, `,"since":"v1"`)},
		{"other cases of the keys", `{"conflicts":[{"Content":"x"}]}`, Meta{}, `[{"Content":"x"}]`},
		{"no list", `{"conflicts":{}}`, Meta{}, `{}`},
		{"an empty list", `{"conflicts":[]}`, Meta{}, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(Digest{}, Meta{Metadata: rawMembers(c.metadata)}).Meta()
			var carried string
			for _, value := range m.Metadata {
				carried = string(value)
			}
			if m.License != c.want.License || m.Author != c.want.Author || !slices.Equal(m.Conflicts, c.want.Conflicts) || carried != c.carried {
				t.Errorf("got %+v, carried %.80q", m, carried)
			}
		})
	}
}

// Conflicts are sorted by what they are with, and the first of each stays.
func TestConflictsAreMadeCanonical(t *testing.T) {
	m := New(Digest{}, Meta{
		Conflicts: []Conflict{{Digest{2}, "b", ""}, {Digest{1}, "a", "\xff"}, {Digest{2}, "again", "w"}},
		Metadata:  rawMembers(`{"conflicts":` + conflictJSON(9, ``) + `}`),
	}).Meta()
	if want := []Conflict{{Digest{1}, "a", "\uFFFD"}, {Digest{2}, "b", ""}}; !slices.Equal(m.Conflicts, want) || m.Metadata != nil {
		t.Errorf("got %+v, %s", m.Conflicts, m.Metadata)
	}
}

// A conflict is found from either side, whatever the patches are bound to.
func TestConflictOf(t *testing.T) {
	base := Digest{7}
	q := New(base, Meta{}, row(gate2, 1))
	for _, c := range []struct {
		name    string
		p, q    *Patch
		content Digest
		want    bool
	}{
		{"as it is", New(base, Meta{}, row(up10, 1)), q, q.ContentDigest(), true},
		{"the other is not bound", New(base, Meta{}, row(up10, 1)), q.WithBase(Digest{}), q.ContentDigest(), true},
		{"it was not bound then", New(base, Meta{}, row(up10, 1)), q, q.WithBase(Digest{}).ContentDigest(), true},
		{"something else", New(base, Meta{}, row(up10, 1)), q, Digest{5}, false},
	} {
		p := c.p.WithMeta(Meta{Conflicts: []Conflict{{c.content, "q", "both are worse"}}})
		for _, pair := range [][2]*Patch{{p, c.q}, {c.q, p}} {
			got, declared := ConflictOf(pair[0], pair[1])
			if declared != c.want || declared && got.Why != "both are worse" {
				t.Errorf("%s: %+v, %v", c.name, got, declared)
			}
		}
	}
}

func TestMetaThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		meta Meta
		want string
	}{
		{Meta{Claims: []Claim{{}, {Name: "x", Fixed: -1}}}, `claim 1 ("x"): the count -1 is out of range`},
		{Meta{Claims: []Claim{{PValue: math.NaN()}}}, `claim 0 (""): the p-value NaN is not from 0 to 1`},
		{Meta{Arithmetic: Arithmetic{Heads: 1, KVHeads: 1, HeadDim: 1, RopeTheta: math.Inf(1), RMSEps: 1}}, `arithmetic: +Inf is not a number above 0`},
		{Meta{Arithmetic: Arithmetic{Heads: 1, KVHeads: 1, RopeTheta: 2, RMSEps: 1}}, `arithmetic: 0 is not a number from 1 to 16777216`},
		{Meta{License: strings.Repeat("x", maxLine+1)}, `the license takes 1025 bytes: the limit is 1024`},
		{Meta{Conflicts: []Conflict{{}}}, `conflict 0 (""): it names no content digest`},
		{Meta{Conflicts: []Conflict{{Digest{1}, "n", strings.Repeat("x", maxLine+1)}}}, `conflict 0 ("n"): a text of it takes more than 1024 bytes`},
		{Meta{Claims: []Claim{{PValue: 1.5}}}, `the p-value 1.5 is not from 0 to 1`},
		{Meta{Stats: map[string]json.RawMessage{"k": json.RawMessage(`{`)}}, `member "k" of the stats or metadata is not valid JSON`},
		{Meta{Stats: map[string]json.RawMessage{"k": json.RawMessage(`1],[2`)}}, `member "k"`},
		{Meta{Metadata: map[string]json.RawMessage{"k": json.RawMessage(strings.Repeat("[", 1e5))}}, `member "k"`},
		{Meta{Metadata: map[string]json.RawMessage{"\xff": json.RawMessage(`1`)}}, `member "\xff"`},
	} {
		p := New(Digest{}, c.meta)
		if _, err := p.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("WriteTo: %v, want %q", err, c.want)
		}
		if err := p.WriteJSON(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("WriteJSON: %v, want %q", err, c.want)
		}
	}
	_, err := New(Digest{}, Meta{Name: strings.Repeat("x", maxMeta)}).WriteTo(io.Discard)
	if err == nil || !strings.Contains(err.Error(), "cannot write 1048580 bytes of metadata: the limit is 1048576") {
		t.Errorf("a name of a mebibyte: %v", err)
	}
}
