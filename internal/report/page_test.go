package report

import (
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bankai/internal/look"
)

// Every colour that the style sheet uses or defines is defined twice, once in light and
// once in dark.
func TestColours(t *testing.T) {
	values := map[string][]string{}
	for _, m := range regexp.MustCompile(`(--[\w-]+): ([^;]+);`).FindAllStringSubmatch(look.Style, -1) {
		values[m[1]] = append(values[m[1]], m[2])
	}
	for _, m := range regexp.MustCompile(`var\((--[\w-]+)\)`).FindAllStringSubmatch(look.Style, -1) {
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
	p := newPage("page", `{{define "by"}}bankai{{end}}{{define "title"}}a title{{end}}{{define "body"}}{{range .}}{{shout .}}{{end}}{{end}}`, template.FuncMap{"shout": strings.ToUpper})
	var b strings.Builder
	if err := p.write(&b, []string{"a", "<b>"}); err != nil || !strings.HasSuffix(b.String(), "<title>a title</title>\n<style>"+look.Style+"</style>\n</head>\n<body>\nA&lt;B&gt;</body>\n</html>\n") {
		t.Errorf("wrote %.200s, %v", b.String(), err)
	}
	b.Reset()
	err := p.write(&b, []int{1})
	if err == nil || !strings.HasPrefix(err.Error(), "writing the page: ") || b.Len() > 0 {
		t.Errorf("wrote %q, %v", b.String(), err)
	}
}
