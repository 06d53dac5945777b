package main

import (
	"fmt"
	"io"

	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/store/hub"
)

// publishedDoc is a published model in the list.
type publishedDoc struct {
	Name         string   `json:"name"`
	Repo         string   `json:"repo"`
	Published    []string `json:"published"` // names of its file, the current one first; none: a folder
	Form         string   `json:"form"`
	Architecture string   `json:"architecture"`
	Bytes        *int64   `json:"bytes"`
	License      string   `json:"license"`
	Known        string   `json:"known"`
	Unknown      string   `json:"unknown"`
	Path         *string  `json:"path"` // null: not on this machine
}

// listModels lists the published models.
func listModels(c *terminal.Console) error {
	doc := struct {
		Models []publishedDoc `json:"models"`
	}{}
	t := text.Table{Right: []bool{false, true}}
	t.Add("name", "size", "stored as", "architecture", "here")
	var facts []terminal.Fact
	for _, m := range hub.Models() {
		d := publishedDoc{m.Name, m.Repo, append([]string{}, m.Files...), m.Form, m.Architecture, nil, m.License, m.Known, m.Unknown, nil}
		if m.Bytes > 0 {
			d.Bytes = &m.Bytes
		}
		here := "–"
		if path, err := hub.Find(m.Name); err == nil {
			d.Path, here = &path, "yes"
		}
		doc.Models = append(doc.Models, d)
		t.Add(m.Name, sizeText(m), m.Form, m.Architecture, here)
		facts = append(facts, terminal.Fact{m.Name, knownText(m)})
	}
	return c.Print(doc, func(w io.Writer) {
		io.WriteString(w, t.String())
		fmt.Fprintln(w, "\nWhat is known of them, all of which are "+hub.Models()[0].License+" by their cards:")
		terminal.WriteFacts(w, facts...)
	})
}

// sizeText is what a model takes on the disk.
func sizeText(m hub.Model) string {
	switch {
	case m.Bytes == 0:
		return "?"
	case m.About:
		return "about " + text.Size(m.Bytes)
	}
	return text.Size(m.Bytes)
}

// knownText is what is known of a model, and what is not.
func knownText(m hub.Model) string {
	if m.Unknown == "" {
		return m.Known
	}
	return m.Known + "; not known: " + m.Unknown
}
