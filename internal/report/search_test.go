package report

import (
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"

	"bankai/internal/look"
	"bankai/measure"
)

// sampleReport has something in every part of the page, and text that would
// break a page which did not escape it.
func sampleReport() *Search {
	const hostile = `<script>alert("&'` + "`" + `")</script>`
	set, before, after := fourFates()
	set[1].Prompt, before.Texts[1], after.Texts[3] = hostile, hostile, hostile
	after.Texts[2] = ""
	result := measure.Compare(set, before, after)
	return &Search{
		Title:   "A patch " + hostile,
		Command: "bankai demo --out '" + hostile + "'",
		Model:   []Fact{{"digest", strings.Repeat("ab", 32)}, {hostile, hostile}},
		Search:  []Fact{{"strategy", "greedy"}},
		Audits: []SetAudit{
			{Role: "Search", Source: hostile, Probes: 4, Findings: measure.Findings{{Probe: hostile, Kind: measure.Dead, Severity: measure.Fatal, Detail: hostile}, {Kind: measure.Overview, Severity: measure.Info, Detail: "the model knows 2 of 4"}}},
			{Role: "Controls", Probes: 1},
		},
		Watch: "Beware of " + hostile,
		Trajectory: []Point{
			{Cost: 1, Right: right(5)},
			{Step: 3, Cost: 4, Fitness: 0.25, Flips: 1, Right: right(0), Kept: true},
			{Step: 9, Cost: 1234, Fitness: 0.5, Flips: 2, Seconds: 41, Right: right(4)},
		},
		ValidationTotal: 30,
		Outcomes:        []Outcome{{hostile, 0.1, 0.2, true}, {hostile, 0.2, 0.1, false}, {"bit", 1, 2, true}},
		Flips: []measure.FlipCell{
			{Tensor: "blk.1.ffn_up.weight", Layer: 1, Projection: "up_proj", Flips: 2, Rows: 1, Groups: 3, Weights: 640},
			{Tensor: hostile, Layer: -1, Projection: hostile, Flips: 1, Bits: 1, Weights: 1},
		},
		Searched: []string{"gate", "up", hostile}, Layers: 2,
		HeldOut:   result,
		Others:    []NamedResult{{"Controls", "What must hold.", result}},
		Patch:     PatchFacts{Flips: 2, Bits: 512, ModelBits: 4849664, Bytes: 92, Facts: []Fact{{"base", hostile}}},
		PatchJSON: `{"name": "` + hostile + `"}`,
		Try:       []Fact{{"Look", "bankai generate"}},
	}
}

func render(t *testing.T, r *Search) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReportSaysWhatHappened(t *testing.T) {
	page := render(t, sampleReport())
	for _, want := range []string{
		"512 of 4,849,664", "(0.011 %)", "2 flips", "92 bytes", // the patch
		`<b>1</b><span>fixed</span>`, `<b>1</b><span>broke</span>`, // as prominent as each other
		"This is no evidence of a difference.",
		"practically always", "p = 1.00",
		`id="fixed"`, `id="broke"`, "(nothing)",
		"The model knows 2 of 4.", "No defects found.", `<span class="sev fatal">fatal</span>`,
		"What must hold.",
		"<strong>1 answer</strong></span> of 2 that were right is wrong with the patch",
		"fitness</text>", "var(--accent)",
		"of 30 validation prompts, the share that the model answers right, 5 at the start (dashed) and 4 when last asked",
		"marks the state that was kept, 1 flip of fitness &#43;0.250, 0 right.", "In all: 1,234 forward-pass equivalents, 41 s.",
		"<strong>Warning.</strong> Beware of",
		"2 tried, 1 kept (50 %)", "ρ of predicted and true: −1.00, n&nbsp;=&nbsp;2", "<strong>bit moves</strong>", "not defined, n&nbsp;=&nbsp;1",
		`<th scope="col">gate</th><th scope="col">up</th>`, `<th scope="row">1</th><td class="h0">·</td><td class="h5">1 row<br/>3 groups</td>`,
		"1 row, 3 groups, 1 bit in all.",
		"bankai generate",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("the template engine refused a value")
	}
}

// Nothing that a report holds can become markup, and the page loads nothing.
func TestReportIsSelfContained(t *testing.T) {
	page := render(t, sampleReport())
	if strings.Contains(page, "<script") {
		t.Error("text from the report became markup")
	}
	for _, fetch := range []string{`src=`, `url\(`, `@import`, `<link`, `href="[^#]`, `xlink:href`} {
		if m := regexp.MustCompile(fetch).FindString(page); m != "" {
			t.Errorf("the page refers to something else: %q", m)
		}
	}
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("the page lets a browser fetch things")
	}
}

// Every element that is opened is closed, in order.
func TestReportNests(t *testing.T) {
	for _, r := range []*Search{sampleReport(), {Title: "nothing"}} {
		page := regexp.MustCompile(`<meta [^>]*>`).ReplaceAllString(render(t, r), "") // has no end tag
		d := xml.NewDecoder(strings.NewReader(page))
		d.Entity = xml.HTMLEntity
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestReportIsRepeatable(t *testing.T) {
	first, second := render(t, sampleReport()), render(t, sampleReport())
	if first != second {
		t.Error("equal reports give different pages")
	}
}

// Parts of which there is nothing to say are left out, and nothing in the page
// says that they are missing.
func TestReportOfNothing(t *testing.T) {
	page := render(t, &Search{Title: "interrupted", PatchJSON: "{}"})
	for _, part := range []string{"Warning.", "The search", "Predicted", "Where the flips", "What broke", "<svg", "<figure", "<td"} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %q", part)
		}
	}
	if page := render(t, &Search{Searched: []string{"gate"}}); !strings.Contains(page, "The patch inverts nothing.") {
		t.Error("a search that found nothing is not said to have")
	}
}

// On narrow screens pictures keep the letters they were laid out for, and scroll: larger
// ones would run into each other.
func TestNarrowPagesKeepTheLetters(t *testing.T) {
	if strings.Contains(look.Style, ".plot.wide text") || !strings.Contains(look.Style, ".plot.wide { overflow-x: auto }") {
		t.Error("the style changes the text of pictures, or does not let them scroll")
	}
}
