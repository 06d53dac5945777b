//go:build unix

package external

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var three = []Question{
	{"a", "1 + 1 =", "2", "2"},
	{"b", "capital of France?", "Paris", "It's \"Lyon\"\nor so"},
	{"c", "<&>", "é", ""},
}

// echo gives a verdict on every line.
const echo = `while read -r l; do echo '{"right": true}'; done`

func TestAsk(t *testing.T) {
	for _, c := range []struct {
		name, command string
		verdicts      int    // before the failure
		fails         string // what the error says
	}{
		{"right", echo, 3, ""},
		{"reads all first", `cat > /dev/null; for i in 1 2 3; do echo '{"right": false, "reason": "no", "score": 3}'; done`, 3, ""},
		{"empty lines", `for n in a b c; do echo; echo "{\"name\": \"$n\", \"right\": true}"; done`, 3, ""},
		{"reads last", `for n in a b c; do echo '{"right": true}'; done; cat >/dev/null`, 3, ""},
		{"says much", `head -c 100000 /dev/zero >&2; ` + echo, 3, ""},

		{"no such program", "no-such-judge", 0, `"no-such-judge" ended after 0 of 3 verdicts (next: a), with exit status 127; on its standard error: `},
		{"half-way", `read -r l; echo '{"right": true}'; echo oops >&2; exit 3`, 1, "ended after 1 of 3 verdicts (next: b), with exit status 3; on its standard error: oops"},
		{"fails at the end", echo + `; exit 4`, 3, "gave all verdicts, and then failed with exit status 4"},
		{"garbage", `echo hello; sleep 100`, 0, `line 1 that is no verdict (it is no JSON object): "hello"`},
		{"no right", `echo '{"reason": "x"}'`, 0, "is no verdict"},
		{"right is no bool", `echo '{"right": "yes"}'`, 0, "is no verdict"},
		{"right twice", `echo '{"right": true, "right": false}'`, 0, `the key "right" is there twice`},
		{"another key twice", `echo '{"right": true, "a": 1, "a": 1}'`, 0, `the key "a" is there twice`},
		{"a list", `echo '[true]'`, 0, "it is no JSON object"},
		{"no UTF-8", `printf '{"right": true, "reason": "\377"}\n'`, 0, "it is not UTF-8"},
		{"steers a terminal", `printf 'a\nb\033[31m\n\007' >&2; exit 3`, 0, `on its standard error: a; b\x1b[31m; \a`},
		{"says much and fails", `head -c 100000 /dev/zero | tr '\0' x >&2; echo end >&2; exit 3`, 0, "error: …xxx"},
		{"another language", `echo True`, 0, "is no verdict"},
		{"a line without end", `head -c 2000000 /dev/zero; sleep 100`, 0, "line 1 of more than"},
		{"too few", `echo '{"right": true}'`, 1, "ended after 1 of 3"},
		{"too many", echo + `; echo '{"right": true}'`, 3, "more verdicts than the 3"},
		{"twice", `for n in a a b c; do echo "{\"name\": \"$n\", \"right\": true}"; done`, 1, "line 2 about a, where b was next"},
		{"out of order", `for n in a c b; do echo "{\"name\": \"$n\", \"right\": true}"; done`, 1, "line 2 about c, where b was next"},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := 0
			v, err := Judge{c.command, time.Minute}.Ask(context.Background(), three, func(n int) { told = n })
			if len(v) != c.verdicts || told != c.verdicts {
				t.Errorf("%d verdicts, told of %d, want %d", len(v), told, c.verdicts)
			}
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v, want %q", err, c.fails)
			}
		})
	}
}

// Verdicts on answers that were never given cannot be about them, unless they say so.
func TestInputClosed(t *testing.T) {
	many := slices.Repeat([]Question{{"a", strings.Repeat("long ", 100_000), "", ""}}, 3)
	v, err := Judge{`exec <&-; for n in 1 2 3; do echo '{"right": true}'; done`, time.Minute}.Ask(context.Background(), many, nil)
	if len(v) != 3 || err == nil || !strings.Contains(err.Error(), "before it had been given all answers") {
		t.Errorf("%d verdicts, %v", len(v), err)
	}
}

func TestKnownBeforehand(t *testing.T) {
	many := slices.Repeat([]Question{{"a", strings.Repeat("long ", 100_000), "", ""}}, 3)
	v, err := Judge{`exec <&-; for n in 1 2 3; do echo '{"name": "a", "right": true}'; done`, time.Minute}.Ask(context.Background(), many, nil)
	if len(v) != 3 || err != nil {
		t.Errorf("%d verdicts, %v", len(v), err)
	}
}

// Only a verdict counts as a sign of life.
func TestEmptyLinesForEver(t *testing.T) {
	v, err := Judge{`echo '{"right": true}'; while :; do echo; sleep 0.05; done`, 3 * time.Second}.Ask(context.Background(), three, nil)
	if len(v) != 1 || err == nil || !strings.Contains(err.Error(), "no verdict for 3s, after 1 of 3") {
		t.Errorf("%v, %v", v, err)
	}
}

// What the program gets are lines of JSON, in order; and nothing is asked of nobody.
func TestWhatIsAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asked")
	if _, err := (Judge{"tee " + path + " | " + echo, time.Minute}).Ask(context.Background(), three, nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	want := `{"name":"a","prompt":"1 + 1 =","wanted":"2","answer":"2"}
{"name":"b","prompt":"capital of France?","wanted":"Paris","answer":"It's \"Lyon\"\nor so"}
{"name":"c","prompt":"<&>","wanted":"é","answer":""}
`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if v, err := (Judge{"exit 1", time.Minute}).Ask(context.Background(), nil, nil); v != nil || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// A program that hangs is ended with all that it started, and what it said is kept.
func TestHanging(t *testing.T) {
	path := filepath.Join(t.TempDir(), "child")
	command := `echo '{"right": false}'; echo waiting >&2; sleep 1000 & echo $! > ` + path + `; wait`
	v, err := Judge{command, 3 * time.Second}.Ask(context.Background(), three, nil)
	if len(v) != 1 || err == nil || !strings.Contains(err.Error(), "no verdict for 3s, after 1 of 3 (next: b)") || !strings.Contains(err.Error(), "error: waiting") {
		t.Errorf("%v, %v", v, err)
	}
	gone(t, path)
}

// So is one that does not end after its last verdict, or leaves a child; all is well then.
func TestLingering(t *testing.T) {
	for name, rest := range map[string]string{"hangs": "; wait", "leaves a child": "", "leaves a child without output": " "} {
		path := filepath.Join(t.TempDir(), "child")
		to := ""
		if rest == " " {
			to = ">/dev/null 2>&1 "
		}
		v, err := Judge{echo + "; sleep 1000 " + to + "& echo $! > " + path + rest, 2 * time.Second}.Ask(context.Background(), three, nil)
		if len(v) != 3 || err != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		gone(t, path)
	}
}

func TestCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "child")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Judge{`sleep 1000 & echo $! > ` + path + `; echo '{"right": true}'; wait`, time.Minute}.Ask(ctx, three, func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	gone(t, path)
}

// gone waits until the process whose number a file holds has ended.
func gone(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return // ended, and nobody has asked for its status yet
		}
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}
