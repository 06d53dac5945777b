package measure

import (
	"strings"
	"unicode"

	"bankai/engine"
	"bankai/probe"
)

// start is where a greedy answer begins: behind the prompt and the ids that are
// forced on it.
type start struct {
	i      int // of the probe
	prompt []int32
	forced []int32
}

// ids are the prompt's and the forced ones.
func (s start) ids() []int32 { return append(s.prompt[:len(s.prompt):len(s.prompt)], s.forced...) }

// completion is what follows a probe's prompt in a greedy answer, up to and
// without probe.Stop.
type completion struct {
	line   string
	ended  bool   // by the model, not by the budget
	judged string // of line, what a measurement would judge
}

// spare is how many tokens a wrong answer may have beyond what a measurement
// generates, which is measured by the right ones.
const spare = probe.MaxTokens

// complete answers greedily, behind the forced ids.
func (w *miner) complete(starts []start) ([]completion, error) {
	reqs := make([]engine.Request, len(starts))
	for k, s := range starts {
		reqs[k] = engine.Request{
			Prompt: s.ids(), Overlay: w.overlay,
			Max:   max(1, budget(w.tok, w.set[s.i])+spare-len(s.forced)),
			Until: answered,
		}
		if strings.Contains(w.tok.Decode(s.forced), probe.Stop) {
			reqs[k].Max = 0
		}
	}
	results, err := w.model.Generate(w.ctx, reqs, nil)
	if err != nil {
		return nil, err
	}
	out := make([]completion, len(starts))
	for k, s := range starts {
		ids := append(s.ids(), results[k].IDs...)
		line, stopped := w.line(s, ids)
		out[k] = completion{line: line, ended: stopped || results[k].Finish == "stop"}
		out[k].judged, _ = w.line(s, ids[:min(len(ids), len(s.prompt)+budget(w.tok, w.set[s.i]))])
	}
	return out, nil
}

// line is the text of ids behind the prompt and whether probe.Stop ends it.
func (w *miner) line(s start, ids []int32) (string, bool) {
	prompt := w.tok.Decode(w.tok.Encode(w.set[s.i].Prompt)) // normalised, as ids are
	text, _ := strings.CutPrefix(w.tok.Decode(ids), prompt)
	line, _, stopped := strings.Cut(text, probe.Stop)
	return line, stopped
}

// answer is the text as a wrong answer to p: without space at the end and, if the
// model was not done with it, without what goes beyond an answer. That is where
// the answer is complete by the rule of probe.Probe.Match, has parted from the
// right one, and has as many words.
func (c completion) answer(p probe.Probe) string {
	line := strings.TrimRightFunc(c.line, unicode.IsSpace)
	if c.ended {
		return line
	}
	isEnd := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;:.!?", r) }
	words := len(strings.Fields(p.Correct))
	for end, r := range line {
		head := line[:end]
		if !isEnd(r) || head != strings.TrimRightFunc(head, isEnd) {
			continue
		}
		whole := probe.Probe{Correct: head}
		if len(strings.Fields(head)) >= words && whole.Match(line) && parted(p, head) {
			return head
		}
	}
	return line
}

// parted reports whether text is no mere beginning of a right answer.
func parted(p probe.Probe, text string) bool {
	for _, s := range p.Spellings() {
		if strings.HasPrefix(probe.Normalize(s), probe.Normalize(text)) {
			return false
		}
	}
	return true
}
