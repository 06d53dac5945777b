package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"bankai/engine"
)

// sseEvent is what a reader of server-sent events gets.
type sseEvent struct{ name, data string }

// readEvents reads a stream as the HTML standard has it, but forgives nothing: a line that
// it would pass over, a field that it does not know, and an event that does not end are
// errors.
func readEvents(stream string) (all []sseEvent, err error) {
	if !utf8.ValidString(stream) {
		return nil, errors.New("it is no UTF-8")
	}
	if strings.HasPrefix(stream, "\ufeff") {
		return nil, errors.New("it begins with a byte order mark")
	}
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	var e sseEvent
	var data []string
	for line := range strings.Lines(stream) {
		line, ended := strings.CutSuffix(line, "\n")
		field, value, colon := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case !ended:
			return nil, fmt.Errorf("it ends in the line %q", line)
		case line == "":
			if data == nil && e.name != "" {
				return nil, fmt.Errorf("the event %q has no data", e.name)
			}
			if data != nil {
				e.data = strings.Join(data, "\n")
				all = append(all, e)
			}
			e, data = sseEvent{}, nil
		case strings.HasPrefix(line, ":"): // a comment
		case colon && field == "data":
			data = append(data, value)
		case colon && field == "event" && e.name == "":
			e.name = value
		default:
			return nil, fmt.Errorf("a line is %q", line)
		}
	}
	if data != nil || e.name != "" {
		return nil, fmt.Errorf("it ends in the event %+v", e)
	}
	return all, nil
}

// spokenBy streams a text, in pieces of some bytes, as the answer of one API.
func (r *running) spokenBy(t *testing.T, path, text string, size int) *httptest.ResponseRecorder {
	t.Helper()
	got := httptest.NewRecorder()
	q := httptest.NewRequestWithContext(context.Background(), "POST", path, http.NoBody)
	x := &exchange{s: r.Server, loaded: r.current.Load(), r: q, w: &answerWriter{ResponseWriter: got}, say: dialectOf(q)}
	pieces := make(chan piece, len(text)+2)
	for rest := text; rest != ""; {
		n := min(size, len(rest))
		pieces <- piece{event: engine.Event{ID: 1, Text: rest[:n]}}
		rest = rest[n:]
	}
	pieces <- piece{end: &engine.Result{Finish: "stop"}}
	j := &job{model: "demo:" + text, set: &patchSet{}, choices: 1}
	run := &run{job: j, pieces: pieces, streams: []*engine.Stream{{}}, cancel: func() {}}
	var err error
	switch path {
	case chats:
		j.talk = &conversation{}
		err = x.streamChat(run, streaming{on: true})
	case texts:
		err = x.streamTexts(run, &completionRequest{job: j, how: streaming{on: true}})
	default:
		j.talk = &conversation{}
		s := x.stream(events)
		out := &output{loaded: x.loaded, speaker: x.speakers(run, "resp_1")[0], tell: func(e event) error { return s.event(e.Type, e) }}
		_, err = s.each(run, func(_ int, e engine.Event) error { return out.token(e) }, func(_ int, result engine.Result) error { return out.end(result) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Whatever a model says and is called, and in whatever pieces, a strict reader of
// server-sent events gets it: as JSON in one line of data each, and the text whole.
func FuzzStreamedText(f *testing.F) {
	for _, text := range []string{
		"", "At night the sailor sleeps.", "a\nb\r\nc\rd\n\n", "data: [DONE]\n\ndata: {}\n\n", ": ping\n\n", "event: error\nid: 1\nretry: 1\n",
		"\u2028\u2029\u0085", "\ufeff\x00\x1b[0m\x7f", "\xff\xfe\xc0\x80\xed\xa0\x80", "🌳 é e\u0301", "</script><!-- & \" ' \\ \\u000a", "[DONE]", "\"}\n\n",
	} {
		for _, size := range []byte{1, 3, 200} {
			f.Add(text, size)
		}
	}
	r := start(f, Options{})
	f.Fuzz(func(t *testing.T, text string, size byte) {
		for _, path := range []string{chats, texts, responses} {
			got := r.spokenBy(t, path, text, int(max(size, 1)))
			all, err := readEvents(got.Body.String())
			if err != nil {
				t.Fatalf("%s of %q: %v", path, text, err)
			}
			said := ""
			for i, e := range all {
				last := i == len(all)-1
				if done := e.data == "[DONE]"; done && (path == responses || !last) || last && path != responses && !done {
					t.Fatalf("%s of %q: event %d of %d is %q", path, text, i, len(all), e.data)
				} else if done {
					continue
				}
				if strings.ContainsAny(e.data, "\n\r\u2028\u2029") {
					t.Errorf("%s of %q: the data have several lines: %q", path, text, e.data)
				}
				var doc struct {
					Type    string
					Delta   string
					Choices []struct {
						Text  string
						Delta struct{ Content string }
					}
				}
				if err := json.Unmarshal([]byte(e.data), &doc); err != nil {
					t.Fatalf("%s of %q: %v in %q", path, text, err, e.data)
				}
				if e.name != doc.Type {
					t.Errorf("%s: the event of a document of type %q is called %q", path, doc.Type, e.name)
				}
				if doc.Type == "response.output_text.delta" {
					said += doc.Delta
				}
				for _, c := range doc.Choices {
					said += c.Text + c.Delta.Content
				}
			}
			// The engine sends whole characters: only what is none becomes U+FFFD, and a
			// chat's text has no spaces around it.
			if whole := utf8.ValidString(text) && (int(size) >= len(text) || isASCII(text)); whole && !strings.Contains(text, "<") && strings.TrimSpace(said) != strings.TrimSpace(text) {
				t.Errorf("%s of %q: a reader gets %q", path, text, said)
			}
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// The reader is strict: it takes no stream that others might read in another way.
func TestReadEvents(t *testing.T) {
	for _, bad := range []string{"data: x", "data: x\n", "data: x\n\nevent: y\n\n", "id: 1\n\n", "x\n\n", "data: \xff\n\n", "\ufeffdata: x\n\n", "\ndata\n\n"} {
		if all, err := readEvents(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, all)
		}
	}
	all, err := readEvents(": ping\n\nevent: a\ndata: x\ndata:y\r\n\r\ndata: z\n\n")
	if err != nil || fmt.Sprint(all) != "[{a x\ny} { z}]" {
		t.Errorf("%q, %v", all, err)
	}
}
