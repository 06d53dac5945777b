package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"bankai"
	"bankai/internal/source"
	"bankai/store/signature"
)

// hostile is a text that would steer a terminal and forge a line: by escape sequences of
// both kinds, by every way to end a line, and by what turns the order of the letters round.
const hostile = "X\x1b[31m\u009b31m\r\n" + forged + "\r\u2028" + forged + "\u2029\v\f\u0085" + forged + "\n\n" + forged + " \u202egnp\u2066\u202b\a\b\x7f\t."

// forged begins lines that only the program may write.
const forged = "signed by  Ada"

// fill sets every text of a value, however deep, to the hostile one.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		}
	}
}

// steers says what of an output could steer a terminal or pass for a line of the program,
// "" if nothing does.
func steers(out string) string {
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if at := strings.IndexFunc(line, func(r rune) bool {
			return unicode.IsControl(r) || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
		}); at >= 0 {
			return "a control character: " + line[at:]
		}
		if strings.HasPrefix(line, forged) {
			return "a forged line: " + line
		}
	}
	return ""
}

// Whatever the texts of a patch hold, no command that tells of it lets them through to the
// terminal as they are, nor to lines of their own.
func TestHostileTexts(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_HOME", filepath.Join(t.TempDir(), "library"))
	writeHostile(t)
	run := func(args ...string) string {
		t.Helper()
		status, out, log := runApp(args...)
		if status == statusUsage || strings.Contains(out+log, "panic") {
			t.Fatalf("%v: %s", args, log)
		}
		if why := steers(out + log); why != "" {
			t.Errorf("%q: %s", args, why)
		}
		return log
	}
	run("keygen", "-o", "k.key", "--no-password")
	run("library", "trust", "k.pub", "--name", hostile)
	run("library", "trust")
	for _, p := range []string{"bound.bankai", "unbound.bankai"} {
		name := strings.TrimSuffix(p, ".bankai")
		run("info", p)
		run("library", "add", p)
		run("patch", "sign", p, "--key", "k.key")
		run("patch", "verify", p)
		run("patch", "verify", p, "--model", "demo")
		run("patch", "card", p)
		run("patch", "describe", p, "--description", hostile, "-o", "described.bankai", "--force")
		run("push", p, "oci:shared:"+name)
		run("pull", "oci:shared:"+name)
		run("library", "show", name)
		run("library", "verify", name)
		run("library", "verify", name, "--model", "demo")
		run("library", "add", "other.bankai", "--name", name+":v2", "--force")
	}
	run("info", "tensor.bankai")
	run("patch", "verify", "tensor.bankai", "--model", "demo")
	run("library", "list")
	run("patch", "compose", "bound.bankai", "other.bankai", "-o", "both.bankai")
	run("library", "compare", "bound.bankai", "other.bankai")
	run("generate", "--model", "demo", "--patch", "unbound.bankai", "-n", "1", "x")
	run("info", strings.ReplaceAll(hostile, "/", "")+".bankai")
	run("library", "remove", "bound")
	run("library", "gc")
	edited(t)
	run("library", "trust")
	run("patch", "verify", "bound.bankai")
}

// A server's log, for people, has none of it either.
func TestHostileTextsInServersLog(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BANKAI_HOME", filepath.Join(t.TempDir(), "library"))
	writeHostile(t)
	if status, _, log := runApp("library", "add", "bound.bankai"); status != statusDone {
		t.Fatal(log)
	}
	s := serve(t, "--patch", "unbound=unbound.bankai")
	s.await(200, "ok")
	s.ask("POST", "/v1/completions", `{"model":"demo:bound","prompt":"x","max_tokens":1}`)
	s.ask("POST", "/v1/completions", `{"model":"demo:unbound+bound","prompt":"x","max_tokens":1}`)
	s.cmd.Process.Kill()
	<-s.ended
	if log := s.log.String(); !strings.Contains(log, "unbound") {
		t.Errorf("the log is %q", log)
	} else if why := steers(log); why != "" {
		t.Error(why)
	}
}

// writeHostile writes two patches of which every text is hostile: bound.bankai says which
// model it is for, and unbound.bankai does not. other.bankai conflicts with both.
func writeHostile(t *testing.T) {
	t.Helper()
	demo, err := source.OpenModel(source.DemoModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := demo.Digest()
	demo.Close()
	row := func(n uint32) bankai.Flip {
		return bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: n, N: bankai.ToEnd}
	}
	for name, p := range map[string]*bankai.Patch{
		"bound": bankai.New(base, bankai.Meta{}, row(0)), "unbound": bankai.New(bankai.Digest{}, bankai.Meta{}, row(1)), "other": bankai.New(base, bankai.Meta{}, row(2)),
	} {
		var m bankai.Meta
		fill(reflect.ValueOf(&m).Elem())
		m.Claims[0].Total, m.Claims[0].Before, m.Claims[0].PValue = 2, 3, 1
		if m.Conflicts[0].Content = bankai.New(base, bankai.Meta{}, row(0)).ContentDigest(); name == "bound" {
			m.Conflicts[0].Content = bankai.Digest{1}
		}
		if err := p.WithMeta(m).WriteFile(name + ".bankai"); err != nil {
			t.Fatal(err)
		}
	}
	// A name of a tensor is a text, too.
	p := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: hostile, N: bankai.ToEnd})
	if err := p.WriteFile("tensor.bankai"); err != nil {
		t.Fatal(err)
	}
}

// edited gives the keys that are trusted a name that no command would give them.
func edited(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("BANKAI_HOME"), "keys", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	k, err := signature.ParseTrusted(data)
	if err != nil {
		t.Fatal(err)
	}
	k.Name = hostile
	if data, err = json.Marshal(k); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], data, 0o666); err != nil {
		t.Fatal(err)
	}
}
