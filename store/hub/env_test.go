package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The cache and the token are where Python's library has them.
func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	in := func(parts ...string) string { return filepath.Join(append([]string{home}, parts...)...) }
	if err := os.WriteFile(in("token"), []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{"HOME", "USERPROFILE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE"}
	for _, c := range []struct {
		set           map[string]string
		folder, token string
		endpoint      string
		wrong         string
	}{
		{nil, in(".cache", "huggingface", "hub"), "", official, ""},
		{map[string]string{"XDG_CACHE_HOME": in("xdg")}, in("xdg", "huggingface", "hub"), "", official, ""},
		{map[string]string{"XDG_CACHE_HOME": in("xdg"), "HF_HOME": home}, in("hub"), "hf_file", official, ""},
		{map[string]string{"HF_HOME": "~/x"}, in("x", "hub"), "", official, ""},
		{map[string]string{"HF_HOME": "$HOME/y"}, in("y", "hub"), "", official, ""},
		{map[string]string{"HF_HOME": home, "HUGGINGFACE_HUB_CACHE": in("a")}, in("a"), "hf_file", official, ""},
		{map[string]string{"HF_HOME": home, "HF_HUB_CACHE": in("b"), "HF_TOKEN": " hf_x\n"}, in("b"), "hf_x", official, ""},
		{map[string]string{"HF_TOKEN_PATH": in("token")}, in(".cache", "huggingface", "hub"), "hf_file", official, ""},
		{map[string]string{"HF_ENDPOINT": "https://mirror.example/hub/"}, in(".cache", "huggingface", "hub"), "", "https://mirror.example/hub", ""},
		{map[string]string{"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "x"}, in(".cache", "huggingface", "hub"), "x", "http://127.0.0.1:9", ""},
		{map[string]string{"HF_ENDPOINT": "http://mirror.example", "HF_TOKEN": "x"}, "", "", "", "the token would be sent to it in the clear"},
		{map[string]string{"HF_ENDPOINT": "mirror.example"}, "", "", "", `"mirror.example" is no address of a hub`},
		{map[string]string{"HF_ENDPOINT": "https://me:pw@mirror.example"}, "", "", "", "is no address of a hub"},
		{map[string]string{"HF_TOKEN": "two words"}, "", "", "", "HF_TOKEN: is no token"},
	} {
		for _, name := range names {
			t.Setenv(name, c.set[name])
		}
		t.Setenv("HOME", home)
		t.Setenv("USERPROFILE", home)
		got, err := New(&quiet{})
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "two words") {
				t.Errorf("%v: %v", c.set, err)
			}
		case err != nil || got.Folder != c.folder || got.Token != c.token || got.Endpoint != c.endpoint || got.Offline:
			t.Errorf("%v: %+v, %v", c.set, got, err)
		}
	}
	t.Setenv("HF_TOKEN", "")
	for value, want := range map[string]bool{"1": true, "true": true, "0": false, "": false} {
		t.Setenv("HF_HUB_OFFLINE", value)
		if c, err := New(&quiet{}); err != nil || c.Offline != want {
			t.Errorf("HF_HUB_OFFLINE=%s: %+v, %v", value, c, err)
		}
	}
}

// https is never left for http.
func TestNoWayBackToHTTP(t *testing.T) {
	for location, want := range map[string]string{
		"http://storage.example/x":  "leads from https to http, to storage.example: this is refused",
		"https://storage.example/x": "",
		"/x":                        "",
		"":                          "",
	} {
		err := redirectFrom(t, "https://hub.example/a", location)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("to %q: %v", location, err)
		}
	}
}
