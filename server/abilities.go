package server

import (
	"encoding/json"
	"strings"

	"bankai/chat"
)

// abilities are what can be asked of a model, as far as its chat template has it.
type abilities struct {
	tools    bool // it is told of tools
	thinking bool // it thinks before it answers, if it is let
	quiet    bool // it can do without
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
	obeys := prompt(chat.Options{Thinking: &yes}) != prompt(chat.Options{Thinking: &no})
	always := t.ThinkOpen(chat.Options{Generate: true}) && !obeys
	a.thinking, a.quiet = obeys || always, !always
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
