package bankai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func readTestdata(t *testing.T, name string) *Patch {
	t.Helper()
	p, err := ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// All three generations of the JSON form say the same things in their own ways.
func TestReadJSONGenerations(t *testing.T) {
	for _, c := range []struct {
		file, name, metric string
		flips              []Flip
	}{
		// A flip that is listed twice is XORed twice, which is not at all.
		{"newest.json", "newest", "seq_logprob", []Flip{row(gate2, 7), row(up10, 4)}},
		// A group within a flipped row is flipped back.
		{"middle.json", "middle", "", []Flip{group(gate2, 6, 1), group(gate2, 6, 3), {up10, 0, 0, 256}, {up10, 0, 384, ToEnd}}},
		{"oldest.json", "", "", []Flip{row(gate2, 1), row(up10, 1)}},
	} {
		t.Run(c.file, func(t *testing.T) {
			p := readTestdata(t, c.file)
			m := p.Meta()
			if m.Name != c.name || m.Metric != c.metric || !strings.HasPrefix(m.BaseModel, "acme/one-bit") {
				t.Errorf("meta is %+v", m)
			}
			if !slices.Equal(p.Flips(), c.flips) {
				t.Errorf("flips are %v, want %v", p.Flips(), c.flips)
			}
			if !p.Base().IsZero() {
				t.Errorf("the patch claims to be for %v", p.Base())
			}
			if _, err := p.Resolve(toy); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReadJSONKeepsWhatItDoesNotKnow(t *testing.T) {
	m := readTestdata(t, "newest.json").Meta()
	for _, c := range []struct{ got, want string }{
		{string(m.Stats["accepted"]), "0.25"},
		{string(m.Stats["n_flips"]), ""}, // counted anew when written
		{string(m.Metadata["control_penalty"]), "2.0"},
		{string(m.Metadata["search_layers"]), "[2,10]"},
		{string(m.Metadata["metric"]), ""}, // Meta.Metric
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	p := mustFit(t, New(Digest{1}, Meta{
		Name: "written", Description: "a < b", BaseModel: "toy", Metric: "answer_logprob",
		Created: time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC), Tool: "bankai 0.1", Command: "bankai search -o written.json",
		Claims: []Claim{{"held-out", Digest{2}, 298, 184, 223, 43, 4, 2.7e-9}},
		Stats:  rawMembers(`{"seconds": 1.50}`), Metadata: rawMembers(`{"steps": 40}`),
	}, row(up10, 7), group(gate2, 1, 2), group(gate2, 1, 3)))
	var got bytes.Buffer
	if err := p.WriteJSON(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/written.json")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s", got.String())
	}
}

func TestWriteJSONOfNothing(t *testing.T) {
	var got bytes.Buffer
	if err := New(Digest{}, Meta{}).WriteJSON(&got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"flips": []`, `"n_flips": 0`, `"content": "` + New(Digest{}, Meta{}).ContentDigest().String()} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no %s in\n%s", want, got.String())
		}
	}
}

func TestWriteJSONRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		patch *Patch
		want  string
	}{
		{
			"a tensor without a projection name", New(Digest{}, Meta{}, row(gate2, 1), row(embd, 0)),
			`the JSON form has no name for tensor "token_embd.weight": write a .bankai file`,
		},
		{
			"a bit", New(Digest{}, Meta{}, row(gate2, 1), bit(gate2, 3, 70), bit(gate2, 3, 80)),
			"cannot hold columns 70 to 70 of row 3 of blk.2.ffn_gate.weight, which are not whole groups of 128: write a .bankai file",
		},
		{
			"part of a group", New(Digest{}, Meta{}, group(gate2, 2, 0), Flip{gate2, 2, 256, 200}),
			"cannot hold columns 256 to 455 of row 2 of blk.2.ffn_gate.weight",
		},
		{
			"a bit left out of a row", New(Digest{}, Meta{}, row(gate2, 0), bit(gate2, 0, 6)),
			"cannot hold columns 0 to 5 of row 0 of blk.2.ffn_gate.weight",
		},
		{
			"a bit left out of a row of known width", fitTo(t, 512, row(gate2, 0), bit(gate2, 0, 0)),
			"cannot hold columns 1 to 511 of row 0 of blk.2.ffn_gate.weight",
		},
		{
			"more groups than a file may hold", New(Digest{}, Meta{}, Flip{gate2, 0, 0, MaxFlips * GroupSize}, group(gate2, 1, 0)),
			"the JSON form would need 4194305 flips up to tensor blk.2.ffn_gate.weight, the limit is 4194304",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.patch.WriteJSON(&b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes are written all the same", b.Len())
			}
		})
	}
}

func TestReadJSONRefuses(t *testing.T) {
	const good = `{"layer":1,"proj":"up_proj","row":2}`
	flip := func(f string) string { return `{"flips":[` + good + `,` + f + `]}` }
	for _, c := range []struct{ in, want string }{
		{``, "the file is empty"},
		{` `, "not a whole JSON patch"},
		{`hello`, "not a patch: neither a .bankai file nor JSON"},
		{"\x00\x01\x02\x03\x04\x05\x06", "not a patch: neither a .bankai file nor JSON"},
		{"GGUF\x03\x00\x00\x00", "this is a GGUF model, not a patch"},
		{`[]`, "want an object, found a list"},
		{`"flips"`, `want an object, found the text "flips"`},
		{`{}`, `not a patch: the member "flips" is missing`},
		{`{"flips":[` + good, "not a whole JSON patch: it ends at byte 46"},
		{`{"flips":[` + good + `}`, "broken JSON after byte 46"},
		{`{"flips":[]} {}`, "bytes after the end of the patch"},
		{`{"flips":[]}]`, "bytes after the end of the patch"},
		{`{"flips":[],"flips":[]}`, `member "flips" is there twice`},
		{`{"flips":{}}`, "flips: want a list, found an object"},
		{`{"flips":null}`, "flips: want a list, found null"},
		{`{"flips":[],"version":2}`, "version: 2 is not read by this program, which reads 1: use a newer bankai"},
		{`{"flips":[],"version":"1"}`, `version: want a whole number from 0 to 4294967296, found the text "1"`},
		{`{"flips":[],"format":"lora"}`, `format: "lora" is unknown, want "bankai_row_xor_v1"`},
		{`{"flips":[],"name":7}`, "name: want a text, found 7"},
		{`{"flips":[],"stats":[]}`, `stats: want an object, found "[]"`},
		{"{\"flips\":[],\"metadata\":[1,\n2]}", `metadata: want an object, found "[1,\n2]"`},
		{"{\"flips\":[],\"a\\nb\":}", "broken JSON after byte 19"},

		{flip(`7`), "flips[1]: want an object, found 7"},
		{flip(`{}`), "flips[1]: layer is missing"},
		{flip(`{"layer":1,"row":2}`), "flips[1]: proj is missing"},
		{flip(`{"layer":1,"proj":"up_proj","Row":2}`), "flips[1]: row is missing"},
		{flip(`{"layer":1,"proj":"up_proj","row":2,"row":3}`), `flips[1]: member "row" is there twice`},
		{flip(`{"layer":-1,"proj":"up_proj","row":2}`), "flips[1]: layer: want a whole number from 0 to 65535, found -1"},
		{flip(`{"layer":65536,"proj":"up_proj","row":2}`), "flips[1]: layer: want a whole number from 0 to 65535, found 65536"},
		{flip(`{"layer":true,"proj":"up_proj","row":2}`), "flips[1]: layer: want a whole number from 0 to 65535, found true"},
		{flip(`{"layer":1,"proj":"lm_head","row":2}`), `flips[1]: proj: unknown projection "lm_head", want gate_proj`},
		{flip(`{"layer":1,"proj":null,"row":2}`), `flips[1]: proj: unknown projection ""`},
		{flip(`{"layer":1,"proj":"up_proj","row":-2}`), "flips[1]: row: want a whole number from 0 to 4294967295, found -2"},
		{flip(`{"layer":1,"proj":"up_proj","row":2.5}`), "flips[1]: row: want a whole number from 0 to 4294967295, found 2.5"},
		{flip(`{"layer":1,"proj":"up_proj","row":4294967296}`), "flips[1]: row: want"},
		{flip(`{"layer":1,"proj":"up_proj","row":1e99}`), "flips[1]: row: want"},
		{flip(`{"layer":1,"proj":"up_proj","row":"2"}`), `flips[1]: row: want a whole number from 0 to 4294967295, found the text "2"`},
		{flip(`{"layer":1,"proj":"up_proj","row":null}`), "flips[1]: row: want a whole number from 0 to 4294967295, found null"},
		{flip(`{"layer":1,"proj":"up_proj","row":2,"group":-1}`), "flips[1]: group: want a whole number from 0 to 16777215, found -1"},
		{flip(`{"layer":1,"proj":"up_proj","row":2,"group":16777216}`), "flips[1]: group: want"},
		{flip(`{"layer":1,"proj":"up_proj","row":[2]}`), "flips[1]: row: want a whole number from 0 to 4294967295, found a list"},
	} {
		checkRefused(t, c.in, c.want)
	}
}

func TestReadJSONRefusesWrongProvenance(t *testing.T) {
	own := func(s string) string { return `{"flips":[],"metadata":{"bankai":` + s + `}}` }
	for _, c := range []struct{ in, want string }{
		{own(`7`), "metadata: bankai: "},
		{own(`{"base":"12"}`), `metadata: bankai: digest "12" has 2 characters, want 64 hexadecimal digits`},
		{own(`{"created":"yesterday"}`), "metadata: bankai: "},
		{own(`{"claims":[{"fixed":-1}]}`), `metadata: bankai: claim 0 (""): the count -1 is out of range`},
		{own(`{"widths":{"a":0}}`), `metadata: bankai: widths: 0 for "a" is out of range, 1 to 2147483648`},
		{own(`{"widths":{"a":4294967295}}`), `widths: 4294967295 for "a" is out of range`},
		{
			`{"flips":[{"layer":2,"proj":"gate_proj","row":1,"group":4}],"metadata":{"bankai":{"widths":{"blk.2.ffn_gate.weight":512}}}}`,
			"flips[0]: group: 4 is out of range: a row of blk.2.ffn_gate.weight has 512 weights",
		},
		{
			fmt.Sprintf(`{"flips":[],"metadata":{"x":%q}}`, strings.Repeat("x", maxMeta)),
			"metadata: 1048584 bytes, the limit is 1048576",
		},
	} {
		checkRefused(t, c.in, c.want)
	}
}

// Of a file that this program wrote, no digit can change without being noticed:
// not those of flips, of the base, of counts, nor of what is said beside them.
func TestReadJSONNoticesEveryDigit(t *testing.T) {
	file, err := os.ReadFile("testdata/written.json")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for i, was := range file {
		if was < '0' || was > '9' {
			continue
		}
		for digit := byte('0'); digit <= '9'; digit++ {
			if digit == was {
				continue
			}
			damaged := bytes.Clone(file)
			damaged[i] = digit
			tried++
			if _, err := Read(bytes.NewReader(damaged)); err == nil {
				t.Errorf("with %c for %c: accepted\n%s", digit, was, damaged[max(0, i-60):min(len(damaged), i+20)])
			}
		}
	}
	if tried < 2000 {
		t.Errorf("only %d digits were changed", tried)
	}
}

func TestReadJSONNoticesDamage(t *testing.T) {
	data, err := os.ReadFile("testdata/written.json")
	if err != nil {
		t.Fatal(err)
	}
	file := string(data)
	const flip = `{
      "layer": 10,
      "proj": "up_proj",
      "row": 7
    }`
	noBase := regexp.MustCompile(`"base": "\w*",`).ReplaceAllString(file, "")
	noChecksum := regexp.MustCompile(`,\s*"checksum": "\w*"`).ReplaceAllString(file, "")
	for _, c := range []struct{ name, in, want string }{
		{"a flip is missing", strings.Replace(file, ",\n    "+flip, "", 1), "the content digest does not match"},
		{"a flip is there twice", strings.Replace(file, flip, flip+","+flip, 1), "the content digest does not match"},
		{"a flip is there three times", strings.Replace(file, flip, flip+","+flip+","+flip, 1), "flips: 5 are listed where 3 say it all: some are there twice"},
		{"wrong counts", strings.Replace(file, `"n_flips": 3`, `"n_flips": 5`, 1), "stats: n_flips is 5, but the flips make 3"},
		{"wrong bits", strings.Replace(file, `"bits_flipped": 768`, `"bits_flipped": 7680`, 1), "stats: bits_flipped is 7680, but the flips make 768"},
		{"a base of zeros", strings.Replace(file, Digest{1}.String(), Digest{}.String(), 1), "metadata: bankai: base: is zero"},
		{"no base", noBase, "the content digest does not match"},
		{"no version", strings.Replace(file, `"version"`, `"wersion"`, 1), `the member "version" is missing`},
		{"no format", strings.Replace(file, `"format"`, `"vormat"`, 1), `the member "format" is missing`},
		{"another name", strings.Replace(file, `"written"`, `"rewritten"`, 1), "the checksum of what the file says beside its flips does not match"},
		{"another claim", strings.Replace(file, `"after": 223`, `"after": 298`, 1), "the checksum"},
		{"another member", strings.Replace(file, `"steps": 40`, `"steps": 41`, 1), "the checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.in == file {
				t.Fatal("nothing has changed")
			}
			checkRefused(t, c.in, c.want)
		})
	}

	// Laid out otherwise it is the same; whoever changes it by hand can say so.
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	renamed := strings.Replace(noChecksum, `"written"`, `"rewritten"`, 1)
	for _, in := range []string{compact.String(), renamed} {
		if _, err := Read(strings.NewReader(in)); err != nil {
			t.Errorf("%v\n%s", err, in)
		}
	}
}

func checkRefused(t *testing.T, in, want string) {
	t.Helper()
	p, err := Read(strings.NewReader(in))
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%.80s: got %v, %v, want one line with %q", in, p, err, want)
	}
}

// An error while reading is not a broken file.
func TestReadPassesErrorsOn(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := Read(dir); err == nil || strings.Contains(err.Error(), "patch") {
		t.Errorf("reading a folder: %v", err)
	}
}

func TestReadJSONWithByteOrderMark(t *testing.T) {
	p, err := Read(strings.NewReader("\xef\xbb\xbf{\"flips\":[]}"))
	if err != nil || p.Len() != 0 {
		t.Errorf("%v, %v", p, err)
	}
}
