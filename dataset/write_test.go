package dataset

import (
	"bytes"
	"reflect"
	"testing"
)

// What is written is read as the same examples, whatever their form.
func TestWriteReads(t *testing.T) {
	for name, data := range map[string]string{
		"a prompt and an answer":  `{"prompt": "5 + 7 =", "completion": " 12", "category": "sum", "weight": 2, "match": "number", "id": "x"}`,
		"marks of markup":         `{"prompt": "<b> & [x]", "completion": "\u2028 é\n"}`,
		"a probe":                 `{"prompt": "5 + 7 =", "correct": " 12", "wrong": " 13", "alternates": [" twelve"]}` + "\n" + `{"prompt": "Bees make", "correct": " honey"}`,
		"a preference":            `{"prompt": "Bees make", "chosen": " honey", "rejected": " milk"}`,
		"one without a prompt":    `{"chosen": "Bees make honey", "rejected": "Bees make milk"}`,
		"one with nothing shared": `{"chosen": " honey", "rejected": " milk"}`,
		"a preference of chats":   `{"prompt": [{"role": "user", "content": "Bees?"}], "chosen": [{"role": "assistant", "content": "honey"}], "rejected": [{"role": "assistant", "content": "milk"}]}`,
		"a chat of two answers":   `{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "5 + 7?"}, {"role": "assistant", "content": "12"}]}`,
		"a call of a tool": `{"messages": [{"role": "user", "content": "Rain?"}, {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "rain", "arguments": "{\"where\": \"Ulm\"}"}}]}],
 "tools": [{"type":"function","function":{"name":"rain"}}]}`,
		"Alpaca's": `{"instruction": "Add.", "input": "5 and 7", "output": "12"}`,
		"labels":   "{\"text\": \"Bees make honey.\", \"label\": \"fact\"}\n{\"text\": \"5 + 7?\", \"label\": \"sum\"}",
		"text":     `{"text": "Bees make honey."}`,
	} {
		d, err := Read("x.json", []byte(data), Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		var file bytes.Buffer
		if err := Write(&file, d.Examples, d.Labels); err != nil {
			t.Fatal(name, err)
		}
		again, err := Read("y.jsonl", file.Bytes(), Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		if len(again.Skipped) > 0 || len(again.Files[0].Ignored) > 0 {
			t.Errorf("%s: %v %v", name, again.Skipped, again.Files[0].Ignored)
		}
		for i := range again.Examples {
			again.Examples[i].Source, again.Examples[i].Line = "x.json", d.Examples[i].Line
		}
		if !reflect.DeepEqual(again.Examples, d.Examples) || !reflect.DeepEqual(again.Labels, d.Labels) {
			t.Errorf("%s: %s\n%+v\nwant\n%+v", name, file.Bytes(), again.Examples, d.Examples)
		}
	}
}

// A part that lacks a label is still told of it: the label is one that could be given.
func TestWriteNamesAllLabels(t *testing.T) {
	d, err := Read("x.csv", []byte("text,label\nBees make honey.,fact\n5 + 7?,sum\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := Write(&file, d.Examples[1:], d.Labels); err != nil {
		t.Fatal(err)
	}
	again, err := Read("y.jsonl", file.Bytes(), Options{})
	if err != nil || !reflect.DeepEqual(again.Labels, []string{"fact", "sum"}) {
		t.Error(again.Labels, err)
	}
}

// A piece has one form, and pieces joined are the examples.
func TestPieces(t *testing.T) {
	wrong := said("no")
	list := []Example{
		{Source: "a", Kind: Answer},
		{Source: "a", Kind: Answer, Rejected: &wrong},
		{Source: "b", Kind: Answer},
		{Source: "c", Kind: Label},
		{Source: "c", Kind: Label},
		{Source: "d", Kind: Text},
	}
	var sizes []int
	for _, p := range Pieces(list) {
		sizes = append(sizes, len(p))
	}
	if !reflect.DeepEqual(sizes, []int{2, 1, 2, 1}) {
		t.Error(sizes)
	}
}
