package guard

import (
	_ "embed"
	"strings"
)

//go:embed prompts.txt
var promptsText string

// prompt is a line of the built-in list.
type prompt struct {
	category string
	chat     string // what a user says
	plain    string // a beginning to go on with
}

// listed reads the built-in list: tab-separated lines, of which those that begin
// with # are comments.
func listed() (all []prompt) {
	for line := range strings.Lines(promptsText) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "\t")
		all = append(all, prompt{parts[0], unescaped.Replace(parts[1]), unescaped.Replace(parts[2])})
	}
	return all
}

// unescaped writes the line breaks and tabs of a prompt out.
var unescaped = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)
