package report

import (
	"fmt"
	"io"
	"strings"

	"bankai/internal/text"
	"bankai/measure"
)

// EvaluatedData is what `eval` measured on people's data.
type EvaluatedData struct {
	About
	Data    []string // the files
	Patches []string
	Taken   []string // what was taken as what, and what was left out
	Result  *measure.DataResult
}

// Present implements Result.
func (e *EvaluatedData) Present() *Presentation {
	patched := len(e.Patches) > 0
	p := &Presentation{Title: "Answers to " + strings.Join(e.Data, ", "), Purpose: "What the model answers as it is.", Notes: e.Taken}
	if patched {
		p.Purpose = "What the model answers without a patch and with " + strings.Join(e.Patches, ", ") + "."
	}
	for _, part := range e.Result.Parts() {
		finding := BaseVerdict(part.Result)
		if patched {
			finding = Verdict(part.Result)
		}
		p.Findings = append(p.Findings, sentence(part.Name)+": "+finding)
		p.Tables = append(p.Tables, rightTable("eval-"+part.Name, aboutPart[part.Name], part.Name, part.Result, patched))
		p.Changes = append(p.Changes, changesOf(part.Name, part.Result, patched)...)
	}
	if c := e.Result.Confusion; c != nil {
		p.Tables = append(p.Tables, confusionTable(c, patched))
	}
	if l := e.Result.Likelihood; l != nil {
		p.Findings = append(p.Findings, LikelihoodVerdict(l, patched))
		p.Tables = append(p.Tables, shiftTable(l, patched))
	}
	p.Notes = append(p.Notes, dataNotes(e.Result)...)
	return p
}

var aboutPart = map[string]string{
	"answers":     "Right answers by category",
	"preferences": "Preferences: the chosen answer is likelier than the rejected one",
	"labels":      "Labels: the right one is the likeliest",
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// dataNotes say what the figures rest on.
func dataNotes(r *measure.DataResult) (notes []string) {
	if r.Answers != nil {
		notes = append(notes, fmt.Sprintf("Answers are greedy generations of at most %s.", text.Count(r.MaxTokens, "token")))
	}
	if r.Cut > 0 {
		notes = append(notes, fmt.Sprintf("%s cut off there: --max-tokens gives more room.", text.Plural(r.Cut, "answer was", "answers were")))
	}
	if r.Undecided > 0 {
		notes = append(notes, fmt.Sprintf("%s neither right nor wrong, being long: they count by their likelihood. --match or --judge would decide.",
			text.Plural(r.Undecided, "answer is", "answers are")))
	}
	if r.Preferences != nil {
		notes = append(notes, "Preferences compare the log-probabilities of whole answers, so that the shorter one has an advantage.")
	}
	if r.Labels != nil {
		notes = append(notes, "Labels are compared by the log-probability of the whole label and what ends it.")
	}
	return notes
}

// LikelihoodVerdict says what a patch did to the likelihood of wanted answers, and whether
// it may be chance.
func LikelihoodVerdict(l *measure.Likelihood, patched bool) string {
	if !patched {
		return fmt.Sprintf("Wanted answers: mean log-probability per token %+.4f nats, perplexity %s, of %s.", l.PerToken.Before, text.Digits(l.Perplexity.Before), text.Count(l.Examples, "example"))
	}
	s := fmt.Sprintf("Wanted answers: mean log-probability per token %+.4f nats before, %+.4f after, %+.4f", l.PerToken.Before, l.PerToken.After, l.Gain)
	if l.Interval != nil {
		s += fmt.Sprintf(" [%+.4f, %+.4f]", l.Interval.Low, l.Interval.High)
	}
	s += fmt.Sprintf("; perplexity %s, then %s. Of %s %d became likelier and %d less likely (sign test: p = %s; Wilcoxon: p = %s).",
		text.Digits(l.Perplexity.Before), text.Digits(l.Perplexity.After), text.Count(l.Examples, "example"), l.Better, l.Worse, text.Probability(l.SignP), text.Probability(l.RankP))
	switch {
	case l.SignP >= Significance && l.RankP >= Significance:
		s += " This is no evidence of a difference."
	case l.SignP >= Significance || l.RankP >= Significance:
		s += " The tests disagree: how many examples changed and by how much say different things."
	}
	return s
}

// confusionTable has a row for each wanted label and a column for each that was likeliest;
// with a patch, two figures in each.
func confusionTable(c *measure.Confusion, patched bool) Table {
	t := Table{Name: "eval-confusion", Caption: "Labels: wanted (rows) and likeliest (columns)", Columns: []string{"wanted"}}
	for _, l := range c.Labels {
		t.Columns = append(t.Columns, l)
		if patched {
			t.Columns = append(t.Columns, l+", after")
		}
	}
	for i, l := range c.Labels {
		row := []any{l}
		for j := range c.Labels {
			row = append(row, c.Before[i][j])
			if patched {
				row = append(row, c.After[i][j])
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// shiftTable lists the likelihood of every example.
func shiftTable(l *measure.Likelihood, patched bool) Table {
	t := Table{Name: "eval-likelihood", Caption: "Mean log-probability per token of the wanted answer, nats", Columns: []string{"example", "before"}, Brief: 10}
	if patched {
		t.Columns = append(t.Columns, "after", "change")
	}
	for _, s := range l.PerAnswer {
		row := []any{s.Name, s.Before}
		if patched {
			row = append(row, s.After, s.After-s.Before)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// WriteData writes what a patch did on people's data for a person to read. All answers are
// listed when all is set.
func WriteData(w io.Writer, r *measure.DataResult, patched, all bool) error {
	var b strings.Builder
	for i, part := range r.Parts() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, aboutPart[part.Name])
		write := WriteBase
		if patched {
			write = WriteAnswers
		}
		if err := write(&b, part.Result, all); err != nil {
			return err
		}
		if part.Name == "labels" {
			t := confusionTable(r.Confusion, patched)
			fmt.Fprintf(&b, "\n%s\n", t.Caption)
			t.write(&b)
		}
	}
	if r.Likelihood != nil {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, LikelihoodVerdict(r.Likelihood, patched))
	}
	for _, note := range dataNotes(r) {
		fmt.Fprintln(&b, note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
