package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// document has one member of every kind.
type document struct {
	Name  string              `json:"name"`
	Kinks []string            `json:"kinks,omitempty"`
	Parts map[string]document `json:"parts,omitempty"`
	Bound int                 `json:"bound,omitzero"`
}

func TestUnmarshal(t *testing.T) {
	const whole = `{"bound":2,"kinks":["a","b"],"name":"n","parts":{"P":{"name":""},"p":{"name":"x"}}}`
	var d document
	if err := Unmarshal([]byte(" "+whole+"\n"), &d); err != nil {
		t.Fatal(err)
	}
	want := document{"n", []string{"a", "b"}, map[string]document{"p": {Name: "x"}, "P": {}}, 2}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v", d)
	}
	for data, want := range map[string]string{
		``:                                   "EOF",
		`{"name":`:                           "unexpected EOF",
		`{"name":"a"`:                        "unexpected EOF",
		`{"name":"a"} {}`:                    "something follows it",
		`{"name":"a"}]`:                      "something follows it",
		`{"name":1}`:                         "cannot unmarshal number",
		`{"name":"a","more":1}`:              `unknown field "more"`,
		`{"name":"a","name":"a"}`:            `the member "name" stands there twice`,
		`{"parts":{"p":{},"p":{}}}`:          `the member "p" stands there twice`,
		`{"parts":{"p":{"name":"","name":`:   `the member "name" stands there twice`,
		`{"kinks":["a"],"\u006binks":["b"]}`: `the member "kinks" stands there twice`,
		`{"Name":"a"}`:                       `the member "Name" is not known`,
		`{"name":"a","Kinks":["b"]}`:         `the member "Kinks" is not known`,
		`{"name":"a","\u212ainks":["b"]}`:    "the member \"\u212ainks\" is not known", // the sign of the kelvin
		`{"name":"a","kinks":[]}`:            `the member "kinks" is empty`,
		`{"name":"a","kinks":null}`:          `the member "kinks" is empty`,
		`{"name":null}`:                      `the member "name" is empty`,
		`{"name":"a","bound":0}`:             `the member "bound" is empty`,
		`{"parts":{"p":{"Bound":1}}}`:        `the member "Bound" is not known`,
	} {
		if err := Unmarshal([]byte(data), &document{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", data, err, want)
		}
	}
}

// What is accepted is what is written: no member got lost, and none was read as another.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"name":"a","kinks":["b"]}`, `{"Name":"a"}`, `{"name":"a","name":"b"}`, `{"parts":{"p":{"name":"x"}}}`, `null`, `[{}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d document
		if Unmarshal(data, &d) != nil {
			return
		}
		var read any
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatalf("%s: encoding/json says %v", data, err)
		}
		if members, _ := read.(map[string]any); members != nil {
			if _, named := members["name"]; named != (d.Name != "" || members["name"] == "") {
				t.Errorf("%s: read as %+v", data, d)
			}
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var twice document
		if err := Unmarshal(again, &twice); err != nil && !strings.Contains(err.Error(), "is empty") || err == nil && !reflect.DeepEqual(twice, d) {
			t.Errorf("%s: written as %s, and read as %+v, %v", data, again, twice, err)
		}
	})
}
