package server

import (
	"encoding/json"
	"strings"

	"bankai/chat"
)

// abilities are what can be asked of a model, as far as its chat template has it.
type abilities struct {
	tools    bool // it is told of tools
	obeys    bool // enable_thinking says whether it thinks before it answers
	thinking bool // it thinks, at least if it is let
}

// abilitiesOf finds them in prompts that the template makes.
func abilitiesOf(t *chat.Template) (a abilities) {
	const name = "find_abilities"
	tool := `{"type":"function","function":{"name":"` + name + `","description":"","parameters":{"type":"object","properties":{}}}}`
	o := chat.Options{Generate: true, Tools: []json.RawMessage{json.RawMessage(tool)}}
	parts, err := t.Render([]chat.Message{{Role: "user", Content: "?"}}, o)
	a.tools = err == nil && strings.Contains(chat.Text(parts), name)
	a.obeys = t.HeedsThinking()
	a.thinking = a.obeys || t.ThinkOpen(chat.Options{Generate: true})
	return a
}

// names are what Ollama calls them.
func (a abilities) names() []string {
	names := []string{"completion"}
	if a.tools {
		names = append(names, "tools")
	}
	if a.thinking {
		names = append(names, "thinking")
	}
	return names
}
