// Package report says to people what was measured: as pages, as tables and sentences
// on a terminal, and as files of figures and pictures.
//
// A [Search] is all that the page about a search says. A [Result] is what an experiment
// found: it gives its [Presentation], and [Save] and [WriteResults] write it. Every page
// is one file without scripts, fonts or pictures from elsewhere, to be read in light or
// dark, all in one style.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"strings"

	"bankai/internal/look"
)

//go:embed page.html
var frame string

// page is a kind of page: a template that pages are made by.
type page struct{ template *template.Template }

// newPage makes a kind of page of its templates: "by" is the command that made the page,
// "title" its title and "body" what it says. They may use functions: those given, and
// style, which is the style sheet. It panics if a template cannot be parsed.
func newPage(name, source string, functions template.FuncMap) *page {
	all := template.FuncMap{"style": func() template.CSS { return template.CSS(look.Style) }}
	maps.Copy(all, functions)
	return &page{template.Must(template.Must(template.New(name).Funcs(all).Parse(frame)).Parse(source))}
}

// write writes the page of some data; nothing, if the data do not fit the template.
func (p *page) write(w io.Writer, data any) error {
	var b strings.Builder
	if err := p.template.Execute(&b, data); err != nil {
		return fmt.Errorf("writing the %s: %w", p.template.Name(), err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
