package oci

import (
	"strings"
	"testing"
)

const someDigest = "@sha256:00000000000000000000000000000000000000000000000000000000000000aa"

func TestParseRef(t *testing.T) {
	for _, c := range []struct{ text, registry, repository, layout, tag, name string }{
		{"registry.example.com/team/fix:v1", "registry.example.com", "team/fix", "", "v1", "fix"},
		{"registry.example.com/fix", "registry.example.com", "fix", "", "", "fix"},
		{"localhost/fix:v1", "localhost", "fix", "", "v1", "fix"},
		{"localhost:5000/a/b/c:V_1.0", "localhost:5000", "a/b/c", "", "V_1.0", "c"},
		{"[::1]:5000/fix", "[::1]:5000", "fix", "", "", "fix"},
		{"127.0.0.1:5000/fix:v1" + someDigest, "127.0.0.1:5000", "fix", "", "v1", "fix"},
		{"ghcr.io/team/fix" + someDigest, "ghcr.io", "team/fix", "", "", "fix"},
		{"oci:layout", "", "", "layout", "", "layout"},
		{"oci:some/layout.tar:v1", "", "", "some/layout.tar", "v1", "layout"},
		{"oci:/a:b/layout", "", "", "/a:b/layout", "", "layout"},
		{"oci:./layout:v1" + someDigest, "", "", "./layout", "v1", "layout"},
	} {
		r, err := ParseRef(c.text)
		if err != nil || r.Registry != c.registry || r.Repository != c.repository || r.Layout != c.layout || r.Tag != c.tag || r.Name() != c.name {
			t.Errorf("%s: %+v, %q, %v", c.text, r, r.Name(), err)
		}
		if r.String() != c.text || r.Digest.IsZero() == strings.Contains(c.text, "@") || !IsRef(c.text) {
			t.Errorf("%s is written as %s", c.text, r)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "has no registry and repository",
		"fix":                     "has no registry and repository",
		"fix:v1":                  "has no registry and repository",
		"team/fix:v1":             `"team" is no host of a registry`,
		"./fix":                   `"." is no host of a registry`,
		"../x/fix":                `".." is no host of a registry`,
		"/etc/passwd":             `"" is no host of a registry`,
		"https://ghcr.io/fix":     `leave "https://" out`,
		"docker://ghcr.io/fix:v1": `leave "docker://" out`,
		"oci://ghcr.io/fix":       `leave "oci://" out`,
		"oci:-":                   "does not begin with '-', and is no pipe",
		"oci:-x.tar:v1":           "does not begin with '-', and is no pipe",
		"user@ghcr.io/fix":        "is no host of a registry",
		"ghcr.io/Team/fix":        "cannot be the name of a repository",
		"ghcr.io/":                "cannot be the name of a repository",
		"ghcr.io/a//b":            "cannot be the name of a repository",
		"ghcr.io/../b":            "cannot be the name of a repository",
		"ghcr.io/fix:":            "cannot be a tag",
		"ghcr.io/fix:a:b":         "cannot be a tag",
		"ghcr.io/fix:-a":          "cannot be a tag",
		"ghcr.io/fix@sha256:12":   "want 64 hexadecimal digits",
		"ghcr.io/fix@sha512:12":   "cannot be the name",
		"oci:":                    "is followed by no path",
		"oci::v1":                 "is followed by no path",
		"oci:a:not a tag":         "cannot be a tag",
		"oci:a@sha256:xyz":        "want 64 hexadecimal digits",
		"oci:a:v1@sha256:" + strings.Repeat("0", 64): "nothing has the digest of zeros alone",
		strings.Repeat("a", 5000):                    "longer than 4096 bytes",
	} {
		_, err := ParseRef(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "write REGISTRY/REPOSITORY[:TAG]") || IsRef(text) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// What is read is written as it was, and read again as the same.
func FuzzParseRef(f *testing.F) {
	for _, text := range []string{"ghcr.io/team/fix:v1" + someDigest, "oci:a/b.tar:v1", "localhost:5000/x", "oci:C:\\x:v1", "[::1]:1/x", "oci:.00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRef(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
				t.Errorf("%q: more than a line: %q", text, err)
			}
			return
		}
		if again, err := ParseRef(r.String()); err != nil || again != r {
			t.Errorf("%q is %+v, written as %q, and then %+v, %v", text, r, r, again, err)
		}
		if r.Name() == "" || (r.Layout == "") == (r.Registry == "") {
			t.Errorf("%q: %+v", text, r)
		}
	})
}
