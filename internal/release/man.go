package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// page is a command's help, as the program prints it with --json.
type page struct {
	Command  string   `json:"command"`
	Short    string   `json:"short"`
	Help     string   `json:"help"`
	Commands []string `json:"commands"`
}

func versionOf(program string) (string, error) {
	text, err := exec.Command(program, "version", "--json").Output()
	if err != nil {
		return "", err
	}
	var doc struct{ Version string }
	err = json.Unmarshal(text, &doc)
	return doc.Version, err
}

// manual makes a manual page of every command's help, below man/man1.
func manual(program, version string, when time.Time, words ...string) ([]file, error) {
	text, err := exec.Command(program, append([]string{"help", "--json"}, words...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("help %s: %w", strings.Join(words, " "), err)
	}
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	name := strings.ReplaceAll(p.Command, " ", "-")
	files := []file{{name: "man/man1/" + name + ".1", content: []byte(p.roff(name, version, when))}}
	for _, c := range p.Commands {
		below, err := manual(program, version, when, append(words[:len(words):len(words)], c)...)
		if err != nil {
			return nil, err
		}
		files = append(files, below...)
	}
	return files, nil
}

// roff is the page for man(1). The help is set as it is, since its columns are laid
// out already.
func (p page) roff(name, version string, when time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %q 1 %q %q %q\n", strings.ToUpper(name), when.Format(time.DateOnly), "bankai "+version, "bankai")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escaped(name), escaped(p.Short))
	b.WriteString(".SH DESCRIPTION\n.nf\n")
	for line := range strings.Lines(p.Help) {
		line = escaped(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line // or it would be a request
		}
		b.WriteString(line + "\n")
	}
	b.WriteString(".fi\n")
	return b.String()
}

// escaped is a text without what roff would take for its own.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
}
