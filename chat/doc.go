// Package chat turns a conversation into a prompt, and what a model generates back
// into messages.
//
// A [Template] renders messages as the model's file asks for. Its prompt is a list of
// parts, and only the template's own text makes special tokens: what a user, a tool
// or a client wrote stays text, whatever it looks like. A [Parser] reads generated
// text as it comes and tells reasoning, content and tool calls apart.
package chat
