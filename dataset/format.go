package dataset

import (
	"slices"
	"strings"

	"bankai/internal/text"
)

// Shape is how the records of a file are written down.
type Shape string

// The shapes of files.
const (
	JSONL      Shape = "jsonl"      // an object a line
	JSON       Shape = "json"       // a list of objects, or objects over many lines
	CSV        Shape = "csv"        // a header and rows, with , or ; between the values
	TSV        Shape = "tsv"        // a header and rows, with tabs
	Lines      Shape = "lines"      // text, a piece a line
	Paragraphs Shape = "paragraphs" // text, pieces with blank lines between
)

func (s Shape) one() string {
	return map[Shape]string{
		JSONL: "line of JSON", JSON: "object in JSON", CSV: "row of CSV", TSV: "row of TSV",
		Lines: "line of text", Paragraphs: "paragraph of text",
	}[s]
}

func (s Shape) many() string {
	first, rest, _ := strings.Cut(s.one(), " ")
	return first + "s " + rest
}

// Format is what the keys of a file's records mean.
type Format string

// The formats, by the keys that tell them.
const (
	Outputs       Format = "preferred_output" // OpenAI's preferences
	Pairs         Format = "chosen"           // preferences of Hugging Face, with or without a prompt
	Messages      Format = "messages"         // OpenAI's chats
	Conversations Format = "conversations"    // ShareGPT's chats
	Probes        Format = "correct"          // a probe file of bankai's
	Completion    Format = "completion"       // prompt and completion
	Judged        Format = "completion+label" // a completion that is marked as wanted or not
	Instruction   Format = "instruction"      // Alpaca's
	Question      Format = "question"         // question and answer
	Labelled      Format = "label"            // text and label
	PlainText     Format = "text"             // text alone
	Several       Format = "several"          // of a Dataset whose files differ
)

// formats lists what keys a format needs and may have, the most telling first. A key with
// bars is any one of several.
var formats = []struct {
	format Format
	need   []string
	may    []string
	about  string
}{
	{Outputs, []string{"preferred_output", "non_preferred_output"}, []string{"input"}, "preferences (OpenAI: input, preferred_output, non_preferred_output)"},
	{Pairs, []string{"chosen", "rejected"}, []string{"prompt", "question", "instruction", "input", "messages", "conversations", "system", "tools"}, "preferences (prompt, chosen, rejected)"},
	{Messages, []string{"messages"}, []string{"tools", "functions", "parallel_tool_calls", "function_call", "tool_choice"}, "chats (OpenAI: messages)"},
	{Conversations, []string{"conversations|conversation"}, []string{"system", "tools"}, "chats (ShareGPT: conversations)"},
	{Probes, []string{"prompt", "correct"}, []string{"wrong", "alternates"}, "probes (prompt, correct, wrong)"},
	{Judged, []string{"prompt", "completion", "label"}, []string{"tools"}, "answers marked as wanted or not (prompt, completion, label)"},
	{Completion, []string{"prompt", "completion|response|answer|output"}, []string{"system", "tools"}, "answers (prompt, completion)"},
	{Instruction, []string{"instruction", "output|response|completion|answer"}, []string{"input", "context", "system", "history", "tools"}, "answers (Alpaca: instruction, input, output)"},
	{Question, []string{"question", "answer|response|output"}, []string{"system", "context"}, "answers (question, answer)"},
	{Labelled, []string{"text|sentence", "label"}, []string{"labels"}, "labelled texts (text, label)"},
	{PlainText, []string{"text"}, nil, "text"},
}

// common are keys that any format may have.
var common = []string{"id", "name", "custom_id", "group", "category", "match", "judge", "weight"}

func (f Format) about() string {
	for _, x := range formats {
		if x.format == f {
			return x.about
		}
	}
	return string(f)
}

// formatOf returns the format that an object's keys tell, or "".
func formatOf(keys []string) Format {
	for _, f := range formats {
		if !slices.ContainsFunc(f.need, func(need string) bool { return pick(keys, need) == "" }) {
			return f.format
		}
	}
	return ""
}

// pick returns the first of the names, which bars divide, that is among the keys.
func pick(keys []string, names string) string {
	for name := range strings.SplitSeq(names, "|") {
		if slices.Contains(keys, name) {
			return name
		}
	}
	return ""
}

// meant returns the keys that mean something in records of the format.
func (f Format) meant(keys []string) []string {
	meant := slices.Clone(common)
	for _, x := range formats {
		if x.format == f {
			meant = append(meant, x.may...)
			for _, need := range x.need {
				meant = append(meant, pick(keys, need))
			}
		}
	}
	return meant
}

// unknownKeys says what keys a record has and which ones are known.
func unknownKeys(what string, keys []string) string {
	var known []string
	for _, f := range formats {
		var names []string
		for _, need := range f.need {
			name, _, _ := strings.Cut(need, "|")
			names = append(names, name)
		}
		known = append(known, strings.Join(names, "+"))
	}
	has := "no " + what
	if len(keys) > 0 {
		has = "the " + what + " " + text.Clip(strings.Join(keys, ", "), 200)
	}
	return "it has " + has + ", of which nothing can be learnt: give " + strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
}
