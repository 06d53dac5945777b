package dialog

import (
	"errors"
	"io"
	"strings"
)

// Input is what somebody typed: a message, or a command with what follows its name.
type Input struct {
	Message  string
	Command  string // without its /; "" for a message
	Argument string
}

// fence begins and ends a message of several lines.
const fence = `"""`

// Read takes the next message or command from lines. A message goes on in the next line
// behind a \, and from one """ to another. A line that begins with / is a command, with
// // a message that begins with one. line is asked for further lines with more set; one
// that is pasted and not the last of what is pasted goes on, too. A message that the end
// of the input cuts off is complete.
func Read(line func(more bool) (text string, pasted bool, err error)) (Input, error) {
	text, pasted, err := line(false)
	if err != nil {
		return Input{}, err
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(trimmed, fence):
		message, err := readFenced(strings.TrimPrefix(trimmed, fence), line)
		return Input{Message: message}, err
	case strings.HasPrefix(trimmed, "//"):
		text = strings.Replace(text, "//", "/", 1)
	case strings.HasPrefix(trimmed, "/") && !pasted:
		name, argument, _ := strings.Cut(trimmed[1:], " ")
		return Input{Command: name, Argument: strings.TrimSpace(argument)}, nil
	}
	var message strings.Builder
	for {
		begun, goesOn := strings.CutSuffix(text, `\`)
		message.WriteString(begun)
		if !goesOn && !pasted {
			return Input{Message: message.String()}, nil
		}
		text, pasted, err = line(true)
		switch {
		case errors.Is(err, io.EOF):
			return Input{Message: message.String()}, nil
		case err != nil:
			return Input{}, err
		}
		message.WriteByte('\n')
	}
}

// readFenced reads up to the line that ends with a fence. text is what follows the first
// fence in its line.
func readFenced(text string, line func(more bool) (string, bool, error)) (string, error) {
	var lines []string
	for first := true; ; first = false {
		before, ended := strings.CutSuffix(strings.TrimRight(text, " \t"), fence)
		if ended {
			text = before
		}
		if text != "" || !first && !ended { // a fence alone is no line
			lines = append(lines, text)
		}
		if ended {
			break
		}
		var err error
		if text, _, err = line(true); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
	}
	return strings.Join(lines, "\n"), nil
}
