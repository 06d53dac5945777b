package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"bankai/chat"
)

// shown writes an example as KIND prompt => answer, with a message as ROLE:content.
func shown(e Example) string {
	message := func(m chat.Message) string {
		s := m.Content
		for _, c := range m.ToolCalls {
			s += fmt.Sprintf("%s(%s)", c.Name, c.Arguments)
		}
		return s
	}
	s := string(e.Kind) + " " + e.Prompt
	for _, m := range e.Messages {
		s += m.Role[:1] + ":" + message(m) + "|"
	}
	s += "=>" + message(e.Want)
	if e.Rejected != nil {
		s += " not " + message(*e.Rejected)
	}
	if e.Weight != 1 {
		s += fmt.Sprint(" x", e.Weight)
	}
	return s
}

func all(d *Dataset) string {
	var lines []string
	for _, e := range d.Examples {
		lines = append(lines, shown(e))
	}
	return strings.Join(lines, "\n")
}

// Each format is told from the data, whatever the file is called.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		name, data string
		format     Format
		shape      Shape
		want       string
	}{
		{
			"OpenAI: an example for each answer, weight 0 is only context",
			`{"messages":[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0},{"role":"user","content":"c"},{"role":"assistant","content":"d","weight":1}]}`,
			Messages, JSONL, "answer s:S|u:a|a:b|u:c|=>d",
		},
		{
			"OpenAI: tool calls, content null",
			`{"messages":[{"role":"user","content":"w"},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"1","content":"7"},{"role":"assistant","content":"it is 7"}],"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false}`,
			Messages, JSONL, "answer u:w|=>f({\"x\":1})\nanswer u:w|a:f({\"x\":1})|t:7|=>it is 7",
		},
		{
			"OpenAI: the old form of calls",
			`{"messages":[{"role":"user","content":"w"},{"role":"assistant","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"7"}],"functions":[{"name":"f"}]}`,
			Messages, JSONL, "answer u:w|=>f({})",
		},
		{
			"OpenAI: content in parts",
			`{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":5}]}`,
			Messages, JSONL, "answer u:a\nb|=>5",
		},
		{
			"OpenAI: preferences",
			`{"input":{"messages":[{"role":"user","content":"q"}],"tools":[]},"preferred_output":[{"role":"assistant","content":"good"}],"non_preferred_output":[{"role":"assistant","content":"bad"}]}`,
			Outputs, JSONL, "preference u:q|=>good not bad",
		},
		{"prompt and completion", `{"prompt":"2 + 2 =","completion":" 4"}`, Completion, JSONL, "answer 2 + 2 ==> 4"},
		{
			"prompt and completion as messages",
			`{"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]}`,
			Completion, JSONL, "answer u:q|=>a",
		},
		{"marked completions", `{"prompt":"p","completion":" a","label":true}` + "\n" + `{"prompt":"p","completion":" b","label":false}`, Judged, JSONL, "answer p=> a"},
		{"preference", `{"prompt":"The sky is","chosen":" blue","rejected":" green"}`, Pairs, JSONL, "preference The sky is=> blue not  green"},
		{"preference, what both begin with is the prompt", `{"chosen":"The sky is blue.","rejected":"The sky is green."}`, Pairs, JSONL, "preference The sky is=> blue. not  green."},
		{
			"preference, conversations",
			`{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]}`,
			Pairs, JSONL, "preference u:q|=>a not b",
		},
		{
			"preference of ShareGPT",
			`{"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"a"},"rejected":{"from":"gpt","value":"b"}}`,
			Pairs, JSONL, "preference u:q|=>a not b",
		},
		{"labels", "text,label\n\"Nice, really\",good\nAwful,bad\n", Labelled, CSV, "label Nice, really=>good\nlabel Awful=>bad"},
		{"labels with tabs", "label\ttext\ngood\tNice \"one\"\n", Labelled, TSV, "label Nice \"one\"=>good"},
		{"labels as numbers", `[{"text":"a","label":0},{"text":"b","label":1}]`, Labelled, JSON, "label a=>0\nlabel b=>1"},
		{"semicolons, as spreadsheets have them", "Question;Answer\r\nq;a\r\n", Question, CSV, "answer u:q|=>a"},
		{"Alpaca", "[\n {\"instruction\":\"Add\",\"input\":\"1 2\",\"output\":\"3\",\"history\":[[\"h\",\"i\"]]}\n]", Instruction, JSON, "answer u:h|=>i\nanswer u:h|a:i|u:Add\n1 2|=>3"},
		{
			"ShareGPT",
			`{"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},{"from":"observation","value":"1"},{"from":"gpt","value":"a"}],"system":"S","tools":"[{\"name\":\"f\"}]"}`,
			Conversations, JSONL, "answer s:S|u:q|=>f({\"x\":1})\nanswer s:S|u:q|a:f({\"x\":1})|t:1|=>a",
		},
		{"question and answer", `{"question":"q","answer":"a","weight":2}`, Question, JSONL, "answer u:q|=>a x2"},
		{"probes: an answer, with one that is wrong", `{"prompt":"p","correct":" a","wrong":" b"}`, Probes, JSONL, "answer p=> a not  b"},
		{"objects over many lines", "{\n \"prompt\": \"p\",\n \"completion\": \" a\"\n}\n{\n \"prompt\": \"q\",\n \"completion\": \" b\"\n}", Completion, JSON, "answer p=> a\nanswer q=> b"},
		{"text, a line each", "One.\nTwo.\n", PlainText, Lines, "text =>One.\ntext =>Two."},
		{"text, paragraphs", "One,\nand on.\n\nTwo.\n", PlainText, Paragraphs, "text =>One,\nand on.\ntext =>Two."},
		{"text in JSON", `{"text":"One."}`, PlainText, JSONL, "text =>One."},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Read("data", []byte(c.data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d.Format != c.format || d.Files[0].Shape != c.shape || all(d) != c.want {
				t.Errorf("%s in %s:\n%s\nwant %s in %s:\n%s", d.Format, d.Files[0].Shape, all(d), c.format, c.shape, c.want)
			}
			if len(d.Skipped) > 0 {
				t.Errorf("skipped: %v", d.Skipped)
			}
		})
	}
}

// A bad line is named with its number and a reason, and the rest is read.
func TestFaults(t *testing.T) {
	good := `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`
	chat := func(messages string) string { return `{"messages":[` + messages + `]}` }
	for _, c := range []struct{ line, want string }{
		{`{"messages":`, "not JSON: it ends too soon"},
		{`not JSON`, `not JSON: "not JSON" at character 1 is not expected there: mend the line`},
		{`{"é": 1,}`, `not JSON: "}" at character 9 is not expected there`},
		{`17`, "it is 17 and no object"},
		{`{"a":1}`, "it has the keys a, of which nothing can be learnt"},
		{`{"messages":[],"messages":[]}`, `the key "messages" is given twice`},
		{`{"messages":"hello"}`, "messages is no list of messages"},
		{`{"messages":null}`, "no message of an assistant answers one of a user"},
		{"{\"messages\":[],\"x\":\"\xff\"}", "byte 0xff is not UTF-8"},
		{"{\"messages\":[],\"x\":\"\x00\"}", "it holds NUL bytes"},
		{chat(`{"role":"user","content":"q\u0000"},{"role":"assistant","content":"a"}`), "it holds a NUL character"},
		{chat(`{"role":"user","content":"q"}`), "no message of an assistant answers one of a user"},
		{chat(`{"role":"assistant","content":"hi"}`), "no message of an assistant answers one of a user"},
		{chat(`{"role":"user","content":"q"},{"role":"assistant","content":" \n"}`), "messages[1]: the answer is empty"},
		{chat(`{"role":"wizard","content":"q"}`), `messages[0]: role "wizard" is not known`},
		{chat(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]},{"role":"assistant","content":"a"}`), "messages[0]: it holds an image"},
		{chat(`{"role":"user","content":{"a":1}}`), "messages[0]: content is an object"},
		{chat(`{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"function":{}}]}`), "messages[1]: tool_calls are not"},
		{chat(`{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":-1}`), "messages[1]: weight is -1"},
		{`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"match":"maybe"}`, `match "maybe" is not known`},
		{`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"match":"regex:("}`, "match: error parsing regexp"},
		{`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"tools":[{}]}`, "tools[0] is no function with a name"},
		{`{"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "not JSON: lists and objects are nested too deeply"},
		{`{"messages":"` + strings.Repeat("a", maxLine) + `"}`, "it has 16.8 MB: no model reads that much"},
	} {
		d, err := Read("a.jsonl", []byte(good+"\r\n\r\n"+c.line+"\n"), Options{})
		if err != nil {
			t.Errorf("%.60s: %v", c.line, err)
			continue
		}
		if len(d.Skipped) != 1 || d.Skipped[0].Line != 3 || !strings.HasPrefix(d.Skipped[0].Reason, c.want) || all(d) != "answer u:q|=>a" {
			t.Errorf("%.60s: %.300v; %s; want line 3: %s", c.line, d.Skipped, all(d), c.want)
		}
	}
}

// What cannot be read at all says what to do.
func TestFilesRefused(t *testing.T) {
	good := `{"prompt":"p","completion":" a"}` + "\n"
	for _, c := range []struct{ name, data, want string }{
		{"a.jsonl", "", "a.jsonl is empty"},
		{"a.jsonl", "\ufeff \n", "a.jsonl is empty"},
		{"a.json", "[]", "a.json has no examples"},
		{"a.json", "[" + good, "a.json: line 2: the JSON ends too soon"},
		{"a.json", "[" + good + ",\n{\"prompt\":}]", "a.json: line 2, or soon behind it: not JSON"},
		{"a.json", "[" + good + "] x", "a.json: line 2: something follows the list"},
		{"a.csv", "one,two\n1,2\n", "a.csv: line 1: the first row names the columns, and it has the columns one, two"},
		{"a.csv", "text,label,text\n1,2,3\n", `a.csv: line 1: the column "text" stands there twice`},
		{"a.parquet", "PAR1....", "a.parquet: is a Parquet file"},
		{"a.jsonl", good + `{"text":"t","label":"l"}`, "a.jsonl: line 1 holds answers (prompt, completion), line 2 labelled texts (text, label): give files of one format each"},
		{"a.jsonl", good + "x\ny\nz\n", "a.jsonl: 3 of 4 lines of JSON cannot be used, too many to go on without them\n  a.jsonl:2: not JSON"},
		{"a.jsonl", `{"prompt":"p","completion":" "}`, "a.jsonl: 1 of 1 line of JSON cannot be used\n  a.jsonl:1: completion is empty"},
		{"a.jsonl", `{"prompt":"p","completion":" a","weight":0}`, "a.jsonl: none of 1 answer is for learning"},
		{"a.jsonl", `{"prompt":"p","chosen":" a","rejected":" a"}`, "a.jsonl: 1 of 1 line of JSON cannot be used\n  a.jsonl:1: what is chosen and what is rejected are the same"},
	} {
		_, err := Read(c.name, []byte(c.data), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %q:\n%v\nwant\n%s", c.name, c.data, err, c.want)
		}
	}
}

// The same text gives the same examples, whatever it is written in.
func TestEncodings(t *testing.T) {
	plain := "text,label\r\nschön 🙂,good\r\nschlimm,bad\r\n"
	want := "label schön 🙂=>good\nlabel schlimm=>bad"
	wide := func(order binary.AppendByteOrder, mark bool) []byte {
		text := plain
		if mark {
			text = "\ufeff" + plain
		}
		var b []byte
		for _, u := range utf16.Encode([]rune(text)) {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(plain))
	z.Close()
	for name, data := range map[string][]byte{
		"plain.csv": []byte(plain), "mark.csv": []byte("\ufeff" + plain), "packed.csv.gz": packed.Bytes(),
		"le.csv": wide(binary.LittleEndian, true), "be.csv": wide(binary.BigEndian, true),
		"bare.csv": wide(binary.LittleEndian, false), "lf.txt": []byte(strings.ReplaceAll(plain, "\r", "")),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		d, err := ReadFiles([]string{path}, Options{})
		if err != nil || all(d) != want {
			t.Errorf("%s: %v, %v", name, err, d)
		}
	}
	if _, err := ReadFiles([]string{t.TempDir()}, Options{}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// What a person should know is said once, however often it is so.
func TestFacts(t *testing.T) {
	data := `{"prompt":"p","completion":"a","source":1,"id":"one"}
{"prompt":"p","completion":"a","source":1,"id":"two"}
{"prompt":"p","completion":" b","source":1,"id":"one"}
{"prompt":"q","completion":" c ` + "\ufffd" + `","other":1}
{"prompt":"q"}
`
	d, err := Read("dir/a.jsonl", []byte(data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `dir/a.jsonl: 5 lines of JSON, taken as answers (prompt, completion): 4 examples, 1 record skipped
dir/a.jsonl: ignored keys: source, other
1 example stands there twice: one of each is kept
dir/a.jsonl: line 1 has no white space between the prompt and the answer, which is said just so: begin answers with a space if one belongs there (so 2 times)
dir/a.jsonl: line 4 holds U+FFFD, which stands for bytes that were read in the wrong encoding: look where the file was made
1 example has the same prompt as another and a different answer, such as dir/a.jsonl:1 and dir/a.jsonl:3: both cannot be learnt`
	if got := strings.Join(d.Facts(), "\n"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var names []string
	for _, e := range d.Examples {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "one one~2 a.jsonl:4" {
		t.Errorf("names: %s", got)
	}
}

// Columns of labels that cannot be learnt are said.
func TestLabels(t *testing.T) {
	rows := func(label func(i int) string) []byte {
		var b strings.Builder
		b.WriteString("text,label\n")
		for i := range 100 {
			fmt.Fprintf(&b, "text %d,%s\n", i, label(i))
		}
		return []byte(b.String())
	}
	for _, c := range []struct {
		label func(i int) string
		want  string
	}{
		{func(i int) string { return fmt.Sprint(i % 3) }, ""},
		{func(i int) string { return fmt.Sprint(min(i, 1)) }, `1 label stands there only once, which cannot be both learnt and measured: "0"`},
		{func(int) string { return "one" }, "all labels are the same: there is nothing to tell apart"},
		{func(i int) string { return fmt.Sprint(i) }, "there are 100 different labels, up to 2 characters long: that is probably no column of labels; call it completion if it is what should be said"},
	} {
		d, err := Read("a.csv", rows(c.label), Options{})
		if err != nil || strings.Join(d.Notes, "\n") != c.want {
			t.Errorf("%v, %v; want %s", err, d.Notes, c.want)
		}
	}
}

// A conversation is one line for each exchange on a model without a chat template, and
// plain text is what a user says on one that has one.
func TestPlainAndChat(t *testing.T) {
	for _, c := range []struct{ data, plain, chat string }{
		{
			`{"messages":[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`,
			"answer S\na=> b", "answer s:S|u:a|=>b",
		},
		{`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}`, "answer a b\nc=> d", "answer u:a|a:b|u:c|=>d"},
		{`{"prompt":"a","completion":" b"}`, "answer a=> b", "answer u:a|=>b"},
		{`{"prompt":"a\n","completion":"b"}`, "answer a\n=>b", "answer u:a|=>b"},
		{`{"prompt":"a","chosen":" b","rejected":" c"}`, "preference a=> b not  c", "preference u:a|=>b not c"},
		{`{"text":"a","label":"b"}`, "label a=> b", "label u:a|=>b"},
		{`{"text":"a"}`, "text =>a", "text =>a"},
	} {
		d, err := Read("a.jsonl", []byte(c.data), Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := d.Examples[0]
		if shown(e.Plain()) != c.plain || shown(e.Chat()) != c.chat {
			t.Errorf("%s: %q, %q", c.data, shown(e.Plain()), shown(e.Chat()))
		}
	}
}

// Whatever a file holds, it is refused or gives examples that can be learnt, with distinct
// names, and all their parts are text.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`,
		`[{"prompt":"p","completion":" a"}]`,
		"text,label\na,b\n\"c,d\n", "One.\n\nTwo.", "{\n\"text\"\n:\"a\"}", "\xff\xfea\x00",
		`{"chosen":"a b","rejected":"a c"}`,
		`{"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"["}]}`,
		`{"instruction":"i","output":"o","history":[["a","b"]]}`,
		`{"input":{"messages":[]},"preferred_output":[],"non_preferred_output":{}}`,
	} {
		f.Add("a.jsonl", []byte(seed))
		f.Add("a", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		d, err := Read(name, data, Options{MostBad: 1})
		if err != nil {
			return
		}
		if len(d.Examples) == 0 {
			t.Fatal("neither examples nor an error")
		}
		names := map[string]bool{}
		for _, e := range d.Examples {
			if names[e.Name] {
				t.Errorf("two examples are called %q", e.Name)
			}
			names[e.Name] = true
			if e.Line < 1 || e.Group == "" || !(e.Weight > 0) || e.Want.Role != "assistant" {
				t.Errorf("%+v", e)
			}
			if err := checkAnswer(e.Want); err != nil {
				t.Errorf("%+v: %v", e, err)
			}
		}
		_ = d.Facts()
	})
}

// The lines that FORMAT.md shows are of different formats, each of which is read.
func TestFormatDocument(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "FORMAT.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "## 9. Data to learn from")
	_, block, _ := strings.Cut(section, "```json\n")
	block, _, _ = strings.Cut(block, "```")
	found := map[Format]bool{}
	for line := range strings.Lines(block) {
		d, err := Read("a.jsonl", []byte(line), Options{})
		if err != nil {
			t.Errorf("%s%v", line, err)
			continue
		}
		if found[d.Format] {
			t.Errorf("%s is shown twice", d.Format)
		}
		found[d.Format] = true
	}
	if len(found) != len(formats) {
		t.Errorf("%d of %d formats are shown", len(found), len(formats))
	}
}

// What is packed or encoded otherwise is named, with what to do.
func TestOtherPackings(t *testing.T) {
	pack := func(data []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	good := []byte(`{"prompt": "a", "completion": " b"}`)
	for name, c := range map[string]struct {
		data  []byte
		fails string
	}{
		"once":     {pack(good), ""},
		"twice":    {pack(pack(good)), "is packed with gzip twice"},
		"trailing": {append(pack(good), "and more that is no gzip"...), "stand behind the end of its gzip"},
		"cut":      {pack(good)[:30], "ends too soon or is damaged"},
		"UTF-32":   {[]byte("\xff\xfe\x00\x00{\x00\x00\x00"), "is UTF-32: save it as UTF-8"},
	} {
		path := filepath.Join(t.TempDir(), "a.jsonl.gz")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadFiles([]string{path}, Options{})
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
}
