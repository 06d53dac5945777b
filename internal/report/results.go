package report

import (
	_ "embed"
	"html/template"
	"io"

	"bankai/internal/chart"
	"bankai/internal/text"
	"bankai/measure"
)

//go:embed results.html
var resultsHTML string

var resultsPage = newPage("page", resultsHTML, template.FuncMap{
	"svg":     func(c chart.Chart) (template.HTML, error) { return c.Inline() },
	"text":    CellText,
	"words":   func(t Table, column int) bool { return t.isText(column) },
	"elapsed": text.Elapsed,
	"diff":    shortened,
	"plain":   plainText,
	"some":    func(rows []measure.Output, c Changes) changeRows { return changeRows{c.Patched, rows} },
	"of":      func(t Table, row []any) tableRow { return tableRow{t, row} },
	"head":    func(rows [][]any) [][]any { return rows[:min(len(rows), pageRows)] },
	"rest":    func(rows [][]any) [][]any { return rows[min(len(rows), pageRows):] },
})

// changeRows are answers for the table of a page.
type changeRows struct {
	Patched bool
	Rows    []measure.Output
}

// pageRows is how many rows of a table a page shows at once.
const pageRows = 40

// tableRow is a row with the table that it is of.
type tableRow struct {
	Table
	Row []any
}

// shown is a result and how it is presented.
type shown struct {
	*About
	*Presentation
}

// pages are results and the command that puts them on a page.
type pages struct {
	By      string
	Results []shown
}

// ByExperiment is the command that a page of one experiment says it was made by.
const ByExperiment = "bankai experiment"

// WriteResults writes results as one self-contained page, in their order: no
// scripts, no fonts or pictures from elsewhere. The page names by as the command
// that made it.
func WriteResults(w io.Writer, by string, results ...Result) error {
	all := pages{By: by}
	for _, r := range results {
		all.Results = append(all.Results, shown{r.Head(), r.Present()})
	}
	return resultsPage.write(w, all)
}
