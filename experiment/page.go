package experiment

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"bankai/evaluate"
	"bankai/internal/chart"
)

// Generator is what a page says that it was made by, after the program's name.
const Generator = "experiment"

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"generator": func() string { return "bankai " + Generator },
	"style":     func() template.CSS { return template.CSS(evaluate.Style + chart.Style) },
	"svg":       func(c chart.Chart) (template.HTML, error) { return c.Inline() },
	"text":      text,
	"words":     func(t Table, column int) bool { return t.isText(column) },
	"elapsed":   evaluate.Elapsed,
	"of":        func(t Table, row []any) tableRow { return tableRow{t, row} },
	"head":      func(rows [][]any) [][]any { return rows[:min(len(rows), pageRows)] },
	"rest":      func(rows [][]any) [][]any { return rows[min(len(rows), pageRows):] },
}).Parse(pageHTML))

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

// WriteHTML writes results as one self-contained page, in their order: no
// scripts, no fonts or pictures from elsewhere.
func WriteHTML(w io.Writer, results ...Result) error {
	all := make([]shown, len(results))
	for i, r := range results {
		all[i] = shown{r.Head(), r.Present()}
	}
	var b strings.Builder
	if err := page.Execute(&b, all); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
