package repair

import (
	"context"
	"fmt"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// Sets are the files that a repair by probes reads.
type Sets struct {
	Targets              []source.Set // what is to be answered better; at least one
	Validation, Controls source.Set   // without probes if there are none
	Text                 []string     // lines, for perplexity and divergence
	TextFile             string       // that they are from
}

// all are the target sets as one.
func (s Sets) all() source.Set {
	all := s.Targets[0]
	for _, t := range s.Targets[1:] {
		all.Source += ", " + t.Source
		all.Set = slices.Concat(all.Set, t.Set)
	}
	return all
}

// Probes is the task of answering probes better.
type Probes struct {
	Sets
	Model     *engine.Model
	Objective score.Objective
	Name      string // of the model, as a command takes it
	Force     bool   // search in spite of fatal findings
	To        progress.Watcher

	ProbesResult
}

var _ Task = (*Probes)(nil)

// ProbesResult is what was measured of a repair by probes.
type ProbesResult struct {
	Validate   *Counts              `json:"validate"`   // null without --validate, or if interrupted
	Controls   *Counts              `json:"controls"`   // null without --controls, or if interrupted
	Perplexity *measure.BeforeAfter `json:"perplexity"` // null without --control-text, or if interrupted
	Audits     []measure.KindCount  `json:"audit"`

	OnValidation *measure.Result `json:"-"`
	OnControls   *measure.Result `json:"-"`

	audits []report.SetAudit
}

// NewProbes is the task of answering sets better under an objective. Probes that are too
// long for the model are an error.
func NewProbes(m *engine.Model, name string, s Sets, o score.Objective, force bool, to progress.Watcher) (*Probes, error) {
	if err := watched.Fit(m, watched.Named(s.all(), s.Validation, s.Controls)...); err != nil {
		return nil, err
	}
	return &Probes{
		Sets: s, Model: m, Objective: o, Name: name, Force: force, To: to,
		ProbesResult: ProbesResult{Audits: []measure.KindCount{}},
	}, nil
}

// Noun is what a target is called.
func (*Probes) Noun() string { return "probe" }

// Items are the probes as the search takes them.
func (p *Probes) Items() (targets, controls []score.Item, err error) {
	return score.OfProbes(p.Model.Tokenizer(), p.all().Set, p.Sets.Controls.Set, p.Objective.Metric)
}

// Avoid are the prompts of the targets, and the tokens of these with both answers.
func (p *Probes) Avoid() (prompts []string, tokens int, err error) {
	return promptsOf(p.Model, p.all().Set)
}

// Watch looks at the answers to the validation set.
func (p *Probes) Watch() *search.Validation { return WatchProbes(p.Model, p.Validation) }

// WatchProbes looks at a model's answers to a set; nil if that is empty.
func WatchProbes(m *engine.Model, s source.Set) *search.Validation {
	if len(s.Set) == 0 {
		return nil
	}
	return &search.Validation{Of: s.Identity(), Answers: func(ctx context.Context, p *bankai.Patch) ([]bool, error) {
		overlay, err := m.Overlay(p)
		if err != nil {
			return nil, err
		}
		return measure.Right(ctx, m, overlay, s.Set)
	}}
}

// Forecast says nothing: a search of probes shows its progress from the start.
func (p *Probes) Forecast(context.Context, *score.Setup) error { return nil }

// Audit looks for what is wrong with the probes, and says what the search cannot hold
// on to or go by.
func (p *Probes) Audit(ctx context.Context) error {
	for _, s := range p.Targets {
		found, err := Checked(ctx, p.To, p.Model, s, p.Objective.Metric, []source.Set{p.Validation, p.Sets.Controls}, p.Force)
		if err != nil {
			return err
		}
		p.audits = append(p.audits, report.SetAudit{Role: "Search", Source: s.Source, Probes: len(s.Set), Findings: found})
		p.Audits = append(p.Audits, found.Summary()...)
	}
	if p.Objective.Divergence > 0 {
		WarnCut(p.To, p.Model, p.TextFile, p.Text)
	}
	if n := len(p.Validation.Set); n > 0 && n < search.StopAnswers {
		p.To.Warn("%s has %s: too few to end the search by when answers get worse; %d would do", p.Validation.Source, text.Count(n, "probe"), search.StopAnswers)
	}
	return nil
}

// WarnCut says which lines of a text a search does not hold on to, if any.
func WarnCut(w progress.Watcher, m *engine.Model, file string, lines []string) {
	if held := len(score.HeldLines(m, lines)); held < len(lines) {
		w.Warn("%s: only the first %d of its %s are held on to: what the model says of them fills %d MiB, which is the limit",
			file, held, text.Count(len(lines), "line"), score.TextMemory>>20)
	}
}

// Measure measures a patch on the sets and the text that there are.
func (p *Probes) Measure(ctx context.Context, overlay *engine.Overlay) (err error) {
	for _, x := range []struct {
		set    source.Set
		result **measure.Result
		counts **Counts
	}{{p.Validation, &p.OnValidation, &p.Validate}, {p.Sets.Controls, &p.OnControls, &p.ProbesResult.Controls}} {
		if len(x.set.Set) == 0 {
			continue
		}
		if *x.result, err = watched.Compare(ctx, p.To, p.Model, overlay, x.set); err != nil {
			return err
		}
		n := CountsOf(*x.result)
		*x.counts = &n
	}
	if len(p.Text) > 0 {
		p.Perplexity, err = watched.Perplexity(ctx, p.To, p.Model, overlay, p.Text)
	}
	return err
}

// Claims is the result on the validation set.
func (p *Probes) Claims() []bankai.Claim {
	if p.OnValidation == nil {
		return nil
	}
	return []bankai.Claim{Claim("validation", p.Validation, p.OnValidation)}
}

// Tell adds the results and audits to a page.
func (p *Probes) Tell(page *report.Search, path string) {
	page.Audits, page.ValidationTotal = p.audits, len(p.Validation.Set)
	for _, m := range []report.NamedResult{
		{Name: "Validation", Remark: "Prompts that the search did not use, but watched.", Result: p.OnValidation},
		{Name: "Controls", Remark: "What the search was to leave as it is.", Result: p.OnControls},
	} {
		if m.Result != nil {
			page.Others = append(page.Others, m)
		}
	}
	if p.Perplexity != nil {
		page.Search = append(page.Search, PerplexityFact(p.Perplexity))
	}
	page.Try = Facts(
		[2]string{"Measure it on prompts that nothing here has seen", "bankai eval " + ModelFlag(p.Name) + "--probes heldout.json --patch " + text.Quoted(path)},
		[2]string{"See what is in the patch", "bankai info " + text.Quoted(path)})
}

// ModelFlag names a model in a command line; it is empty for the built-in one.
func ModelFlag(name string) string {
	if name == source.DemoModel {
		return ""
	}
	return "--model " + text.Quoted(name) + " "
}

// Checked audits the search probes against the sets that must not share prompts
// with them. Fatal findings are an error unless force is set.
func Checked(ctx context.Context, w progress.Watcher, m *engine.Model, targets source.Set, metric probe.Metric, others []source.Set, force bool) (measure.Findings, error) {
	found, err := watched.Audit(ctx, w, m, targets, metric, others)
	if err != nil || !found.Fatal() || force {
		return found, err
	}
	n, first := 0, measure.Finding{}
	for _, x := range found {
		if x.Severity == measure.Fatal {
			if n++; n == 1 {
				first = x
			}
		}
	}
	return found, fmt.Errorf("%s: %s, the first: %s: %s; repair the probes (see bankai audit), or search all the same with --force",
		targets.Source, text.Count(n, "fatal finding"), first.Subject(), first.Detail)
}
