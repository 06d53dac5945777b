package hub

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Ref is what people call a model or a file that somebody published.
type Ref struct {
	Text     string // as it was written
	Repo     string // OWNER/REPO on the hub; empty for a model of Ollama's
	Revision string // a branch, a tag or a commit
	File     string // its path in the repository; empty: the file that fits is chosen
	Model    *Model // that a short name stands for, or nil
	Most     int64  // bytes that a file may have to be downloaded; 0: any number
	Ollama   string // HOST/NAMESPACE/NAME/TAG; empty for what is on the hub
}

// What references begin with.
const (
	hubScheme    = "hf:"
	ollamaScheme = "ollama:"
)

// main is the branch that is meant where none is named.
const main = "main"

// Is reports whether a text is meant as a reference: one with hf: or ollama:, or a short
// name. It need not be a right one.
func Is(text string) bool {
	if strings.HasPrefix(text, hubScheme) || strings.HasPrefix(text, ollamaScheme) {
		return true
	}
	_, known := named(text)
	return known || isTernary(text)
}

// Parse reads a reference. Ternary models are refused by name.
func Parse(text string) (Ref, error) {
	if name, ok := strings.CutPrefix(text, ollamaScheme); ok {
		return parseOllama(text, name)
	}
	rest, ok := strings.CutPrefix(text, hubScheme)
	if !ok {
		if m, ok := named(text); ok {
			return Ref{Text: text, Repo: m.Repo, Revision: main, Model: &m}, nil
		}
		if isTernary(text) {
			return Ref{}, fmt.Errorf("%s: %s", text, ternary)
		}
		return Ref{}, fmt.Errorf("%s: is no reference: write hf:OWNER/REPO[@REVISION][/FILE], ollama:NAME, or a name that bankai pull lists", text)
	}
	r := Ref{Text: text, Revision: main}
	owner, rest, _ := strings.Cut(rest, "/")
	repo, file, hasFile := strings.Cut(rest, "/")
	repo, revision, hasRevision := strings.Cut(repo, "@")
	r.Repo, r.File = owner+"/"+repo, file
	if !repoPart.MatchString(owner) || !repoPart.MatchString(repo) || strings.Contains(owner+repo, "--") || strings.Contains(owner+repo, "..") {
		return Ref{}, fmt.Errorf("%s: %q is no repository: write hf:OWNER/REPO, as hf:prism-ml/Bonsai-8B-gguf", text, r.Repo)
	}
	if hasRevision {
		var err error
		if r.Revision, err = url.PathUnescape(revision); err != nil || !revisionText.MatchString(r.Revision) || checkPath(r.Revision) != nil {
			return Ref{}, fmt.Errorf("%s: %q is no revision: write a branch, a tag or a commit, with %%2F for a slash", text, revision)
		}
	}
	if hasFile {
		if err := checkPath(file); err != nil {
			return Ref{}, fmt.Errorf("%s: the file's name %w", text, err)
		}
	}
	if isTernary(repo) && !isPatch(file) {
		return Ref{}, fmt.Errorf("%s: %s", text, ternary)
	}
	return r, nil
}

// String is the reference in full.
func (r Ref) String() string {
	if r.Ollama != "" {
		return ollamaScheme + r.Ollama
	}
	text := hubScheme + r.Repo
	if r.Revision != main {
		text += "@" + url.PathEscape(r.Revision)
	}
	if r.File != "" {
		text += "/" + r.File
	}
	return text
}

// Title is a word for what a reference means: the short name, the file's name without
// folders, Ollama's name, or that of the repository where a whole folder of it is meant.
func (r Ref) Title() string {
	switch {
	case r.Model != nil:
		return r.Model.Name
	case r.Ollama != "":
		return strings.Split(r.Ollama, "/")[2]
	case r.File != "" && !commitText.MatchString(r.File):
		return path.Base(r.File)
	}
	return path.Base(r.Repo)
}

var (
	repoPart     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)
	revisionText = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$`)
	commitText   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	// devices are names that Windows keeps for devices, whatever ending they have.
	devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)([0-9]|[¹²³]))( *\.|$)`)
)

// checkPath refuses the path of a file in a repository that would not be one below a
// folder on every system. The error follows what the name is of.
func checkPath(path string) error {
	if !utf8.ValidString(path) || len(path) > 1000 {
		return fmt.Errorf("%.40q is no UTF-8, or too long", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return fmt.Errorf("%q leads out of its folder, or is not in its simplest form", path)
		case len(part) > 255 || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || devices.MatchString(part):
			return fmt.Errorf("%q cannot be one on every system", path)
		case strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`\:<>"|?*`, r) }):
			return fmt.Errorf("%q has characters that no file may have on every system", path)
		}
	}
	return nil
}

// isPatch tells a patch by its name.
func isPatch(file string) bool { return strings.HasSuffix(strings.ToLower(file), ".bankai") }
