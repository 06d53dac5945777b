package main

import "testing"

func TestCheckPatchName(t *testing.T) {
	for name, ok := range map[string]bool{"a.JSON": true, "a.BANKAI": true, "x/y.bankai": true, "": false, "a": false, "a.gguf": false, "a.JSON/": false} {
		if err := checkPatchName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
