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
	prompt := func(o chat.Options) string {
		o.Generate = true
		parts, err := t.Render([]chat.Message{{Role: "user", Content: "?"}}, o)
		if err != nil {
			return ""
		}
		return chat.Text(parts)
	}
	const name = "find_abilities"
	tool := `{"type":"function","function":{"name":"` + name + `","description":"","parameters":{"type":"object","properties":{}}}}`
	a.tools = strings.Contains(prompt(chat.Options{Tools: []json.RawMessage{json.RawMessage(tool)}}), name)
	yes, no := true, false
	a.obeys = prompt(chat.Options{Thinking: &yes}) != prompt(chat.Options{Thinking: &no})
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
