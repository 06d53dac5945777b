package report

import (
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every colour that the style sheet uses or defines is defined twice, once in light and
// once in dark.
func TestColours(t *testing.T) {
	values := map[string][]string{}
	for _, m := range regexp.MustCompile(`(--[\w-]+): ([^;]+);`).FindAllStringSubmatch(Style, -1) {
		values[m[1]] = append(values[m[1]], m[2])
	}
	for _, m := range regexp.MustCompile(`var\((--[\w-]+)\)`).FindAllStringSubmatch(Style, -1) {
		values[m[1]] = append(values[m[1]], "")
	}
	if len(values) < 20 {
		t.Errorf("found only %d colours", len(values))
	}
	for name, found := range values {
		defined := slices.DeleteFunc(found, func(s string) bool { return s == "" })
		if len(defined) != 2 {
			t.Errorf("%s is defined %d times: %q", name, len(defined), defined)
		}
	}
}

// A page is written whole or not at all.
func TestWrite(t *testing.T) {
	p := New("page", `<style>{{style}}</style>{{range .}}{{shout .}}{{end}}`, template.FuncMap{"shout": strings.ToUpper})
	var b strings.Builder
	if err := p.Write(&b, []string{"a", "<b>"}); err != nil || b.String() != "<style>"+Style+"</style>A&lt;B&gt;" {
		t.Errorf("wrote %.200s, %v", b.String(), err)
	}
	b.Reset()
	err := p.Write(&b, []int{1})
	if err == nil || !strings.HasPrefix(err.Error(), "writing the page: ") || b.Len() > 0 {
		t.Errorf("wrote %q, %v", b.String(), err)
	}
}
