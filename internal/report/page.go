// Package report writes pages for people: each is one file without scripts, fonts or
// pictures from elsewhere, to be read in light or dark, all in one style.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"strings"

	"bankai/internal/chart"
)

//go:embed style.css
var style string

// Style is the style sheet of all pages and of the pictures on them.
var Style = style + chart.Style

// Page is a kind of page: a template that pages are made by.
type Page struct{ template *template.Template }

// New makes a kind of page of its template, which may use functions: those given, and
// style, which is the style sheet. It panics if the template cannot be parsed.
func New(name, source string, functions template.FuncMap) *Page {
	all := template.FuncMap{"style": func() template.CSS { return template.CSS(Style) }}
	maps.Copy(all, functions)
	return &Page{template.Must(template.New(name).Funcs(all).Parse(source))}
}

// Write writes the page of some data; nothing, if the data do not fit the template.
func (p *Page) Write(w io.Writer, data any) error {
	var b strings.Builder
	if err := p.template.Execute(&b, data); err != nil {
		return fmt.Errorf("writing the %s: %w", p.template.Name(), err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
