package recheck

import "testing"

// How answers were judged is read from the command that made the patch, or it is said that
// it cannot be.
func TestJudgingOf(t *testing.T) {
	for _, c := range []struct {
		command, rule string
		most          int
		lost          string
	}{
		{"bankai adapt a.jsonl -o p.bankai", "", 0, ""},
		{"bankai adapt a.jsonl --match contains:fold -o p.bankai --max-tokens=9", "contains", 9, ""},
		{"bankai adapt a.jsonl --match=number", "number", 0, ""},
		{"bankai adapt a.jsonl --match 'regex:^a b$'", "", 0, "--match"},
		{"bankai adapt a.jsonl --match", "", 0, "--match"},
		{"bankai adapt a.jsonl --judge judge.sh", "", 0, "--judge"},
		{"bankai adapt a.jsonl --judge 'python3 judge.py' --match number", "number", 0, "--judge"},
		{"bankai adapt a.jsonl --max-tokens many", "", 0, "--max-tokens"},
		{"", "", 0, ""},
	} {
		got, rule := judgingOf(c.command), ""
		if got.rule != nil {
			rule = string(got.rule.Kind)
		}
		if rule != c.rule || got.most != c.most || got.lost != c.lost {
			t.Errorf("%s: rule %q, %d tokens, lost %q", c.command, rule, got.most, got.lost)
		}
	}
}
