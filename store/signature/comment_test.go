package signature

import (
	"strings"
	"testing"
)

// A comment has one spelling: the owner of a key could sign others with other tools.
func TestCommentSpelling(t *testing.T) {
	content := patch(gate).ContentDigest().String()
	line := func(base, content, rest string) string {
		return "bankai patch v1 base=" + base + " content=" + content + " " + rest
	}
	for _, c := range []struct{ line, refused string }{
		{line(model.String(), content, "name=a%20fix time=1"), ""},
		{line(model.String(), content, "name= time=0 note=x  note="), ""},
		{line(model.String(), content, "name="+strings.Repeat("x", 64)+" time=1"), ""},
		{line(model.String(), content, "name="+strings.Repeat("%C3%A9", 64)+" time=1"), ""},
		{line(model.String(), content, "name="+strings.Repeat("x", 65)+" time=1"), "name has 65 characters: at most 64"},
		{line(model.String(), strings.ToUpper(content), "name=a time=1"), "is not written as it has to be"},
		{line(strings.ToUpper(model.String()[:1]+"a"+model.String()[2:]), content, "name=a time=1"), "is not written as it has to be"},
		{line(model.String(), content, "name=a%2fb time=1"), "is not written as it has to be"},
		{line(model.String(), content, "name=%61 time=1"), "is not written as it has to be"},
		{line(model.String(), content, "name=a time=01"), "is not written as it has to be"},
		{line(model.String(), content, "name=a time=+1"), "is not written as it has to be"},
		{line(model.String(), content, "name=a time=1 note="), "is not written as it has to be"},
		{line(model.String(), content, "time=1 name=a"), "is malformed"},
	} {
		_, ours, err := parseComment(c.line)
		if !ours || (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %t, %v, want %q", c.line, ours, err, c.refused)
		}
	}
}
