package chart

import (
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"
)

var (
	svgOpen  = regexp.MustCompile(`(?s)^.*?<svg width="([^"]*)" height="([^"]*)"`)
	svgStyle = regexp.MustCompile(`style="[^"]*"`) // a quote in a text is escaped
	svgFont  = regexp.MustCompile(`font-family:[^;"]*`)
)

// inlineSVG turns an SVG document into an element that takes its width and
// colours from the page around it, and is set in a font.
func inlineSVG(doc, label, font string) string {
	open := `<svg role="img" aria-label="` + template.HTMLEscapeString(label) + `"`
	doc = open + doc[len(svgOpen.FindString(doc)):]
	return svgStyle.ReplaceAllStringFunc(doc, func(style string) string {
		return inks.Replace(svgFont.ReplaceAllLiteralString(style, "font-family:"+font))
	})
}

// svgDocument gives an SVG document a title and a description, and names fonts
// of the same widths for readers that lack the one it was set in.
func svgDocument(doc, title, description string) string {
	size := svgOpen.FindStringSubmatch(doc)
	doc = doc[len(size[0]):]
	attributes, content, _ := strings.Cut(doc, ">")
	content = svgStyle.ReplaceAllStringFunc(content, func(style string) string {
		return svgFont.ReplaceAllLiteralString(style, "font-family:Liberation Sans,Arial,Helvetica,sans-serif")
	})
	return fmt.Sprintf("<svg width=%q height=%q role=\"img\"%s>\n<title>%s</title>\n<desc>%s</desc>%s",
		size[1], size[2], attributes, html.EscapeString(title), html.EscapeString(description), content)
}

// clean makes a text one line of characters that XML can hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0xfffe || r == 0xffff:
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
