package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// The units of a search on the demo are timed, and simulated.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-dir", dir, "-model", "demo", "-blocks", "4", "-candidates", "2", "-gradients", "1", "-workers", "1,3", "-sizes", "row,group"}
	var out bytes.Buffer
	if err := benchCluster(t.Context(), append(args, "-json"), &out); err != nil {
		t.Fatal(err)
	}
	var r clustered
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	u := r.Units
	if u.Values <= 0 || u.Pass <= 0 || u.Effects <= 0 || u.Sum <= 0 || u.EffectBytes <= 0 || u.Tensors <= 0 || u.AskBytes <= 0 || u.Byte <= 0 {
		t.Errorf("units %+v", u)
	}
	if r.Alone.Time <= 0 || r.Alone.Messages != 0 || len(r.Simulated) != 2 || r.Simulated[1].Messages == 0 || r.Simulated[1].Received < u.EffectBytes {
		t.Errorf("alone %+v, then %+v", r.Alone, r.Simulated)
	}
	out.Reset()
	if err := benchCluster(t.Context(), args, &out); err != nil || !strings.Contains(out.String(), "| 3 |") {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, wrong := range [][]string{{"x"}, {"-sizes", "bit"}, {"-workers", "-1"}, {"-gradients", "99"}, {"-model", "9z"}} {
		if _, err := parseCluster(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
