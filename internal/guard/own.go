package guard

import (
	"context"
	"slices"
	"strings"

	"bankai/chat"
	"bankai/engine"
)

// mostWaves bounds the draws where nearly all that the model says is to be avoided.
const mostWaves = 30

// Shares of a guard's tokens.
const (
	plainTexts  = 0.35 // of a plain model: whole texts
	plainLines  = 0.55 // lines that it goes on with, and is sure of
	turnAnswers = 0.25 // of a chat model: greedy answers to its own questions, and as many drawn ones
)

// document is lines that the model said, one behind the other, and not to be avoided.
type document struct {
	side  side
	lines []string
}

// ownTexts adds what a plain model says from nothing. Lines that resemble the targets are
// taken out. What is left is joined to texts as long as the model reads, so that it is
// guarded late in a context, too: a patch that was held to single lines can do harm there.
func (w *maker) ownTexts(ctx context.Context) error {
	docs, err := w.drawDocuments(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{} // lines that are used
	for _, d := range docs {
		for _, line := range d.lines {
			seen[line] = seen[line] || d.side == used
		}
	}
	for i, d := range docs {
		if d.side == heldOut {
			docs[i].lines = slices.DeleteFunc(d.lines, func(line string) bool { return seen[line] })
		}
	}
	for s := range sides {
		w.joinTexts(docs, s)
	}
	return w.goOn(ctx, docs)
}

// length is how long a drawn text may be.
func (w *maker) length() int {
	if c := w.m.Context(); c > 0 {
		return min(c, longText)
	}
	return longText
}

// drawDocuments draws until there is enough for all that is made of it.
func (w *maker) drawDocuments(ctx context.Context) (docs []document, err error) {
	start := w.tok.Encode("\n")
	most := w.length() - len(start)
	if len(start) == 0 || most < 1 {
		return nil, nil
	}
	var have [sides]int
	for n := 0; n < mostWaves && (have[used] < w.wanted(used) || have[heldOut] < w.wanted(heldOut)); n++ {
		results, err := w.generate(ctx, "guard, the model's own texts", w.draws(slices.Repeat([][]int32{start}, wave), most, engine.Until{}))
		if err != nil {
			return nil, err
		}
		for i, r := range results {
			d := document{side: used, lines: w.fresh(r)}
			if i%3 == 2 {
				d.side = heldOut
			}
			for _, line := range d.lines {
				have[d.side] += len(w.tok.EncodeOrdinary(line + "\n"))
			}
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// wanted is how many tokens of lines a side needs: every line can be both in a text and
// gone on with, of which few answers are sure.
func (w *maker) wanted(s side) int { return w.room(s, plainTexts+lineCuts*plainLines) }

// lineCuts is how often a line is cut, each time elsewhere, and gone on with.
const lineCuts = 2

// draws are requests at temperature 1, each with a seed of its own.
func (w *maker) draws(prompts [][]int32, most int, until engine.Until) []engine.Request {
	reqs := make([]engine.Request, len(prompts))
	for i, p := range prompts {
		n := most
		if c := w.m.Context(); c > 0 {
			n = min(n, c-len(p))
		}
		reqs[i] = engine.Request{Prompt: p, Max: n, Until: until, Sampling: engine.Sampling{Temperature: 1, Seed: w.seeds.Uint64()}}
	}
	return reqs
}

// fresh is the lines of a drawn text that do not resemble the targets. The last one is
// left out if it was cut off, unless there is no other.
func (w *maker) fresh(r engine.Result) (lines []string) {
	all := strings.Split(r.Text, "\n")
	if r.Finish == "length" && len(all) > 1 {
		all = all[:len(all)-1]
	}
	for _, line := range all {
		switch {
		case strings.TrimSpace(line) == "":
		case w.avoid.resembles(line):
			w.guard.LeftOut++
		default:
			lines = append(lines, line)
		}
	}
	return lines
}

// joinTexts makes long texts of a side's lines, and asks for all of their tokens.
func (w *maker) joinTexts(docs []document, s side) {
	room := w.room(s, plainTexts)
	var ids []int32
	flush := func() {
		ids = ids[:min(len(ids), room, w.length())]
		room -= len(ids)
		if len(ids) > 1 {
			q := engine.Question{Prompt: ids[:1], Answers: [][]int32{ids[1:]}}
			*w.part(s) = append(*w.part(s), Item{Category: OwnText, Question: q})
		}
		ids = nil
	}
	for _, d := range docs {
		if d.side != s {
			continue
		}
		for _, line := range d.lines {
			if ids = append(ids, w.tok.EncodeOrdinary(line+"\n")...); len(ids) >= min(room, w.length()) {
				flush()
			}
		}
	}
	flush()
}

// goOn lets the model go on with lines from somewhere in them.
func (w *maker) goOn(ctx context.Context, docs []document) error {
	var chosen [sides][]asked
	seen := map[string]bool{}
	for _, d := range docs { // those that are used come first, so that none of them is held out
		w.begin(d, used, &chosen, seen)
	}
	for _, d := range docs {
		w.begin(d, heldOut, &chosen, seen)
	}
	return w.answer(ctx, "guard, the model's own lines", chosen, plainLines, w.sure)
}

// begin chooses beginnings of a document's lines.
func (w *maker) begin(d document, s side, chosen *[sides][]asked, seen map[string]bool) {
	if d.side != s {
		return
	}
	for _, line := range d.lines {
		all := w.tok.EncodeOrdinary(line)
		for range min(lineCuts, len(all)-1) {
			ids := all[:1+w.seeds.Int(len(all)-1)]
			if text := w.tok.Decode(ids); !seen[text] && w.fits(len(ids)+shortAnswer) {
				seen[text] = true
				chosen[s] = append(chosen[s], asked{OwnLines, ids})
			}
		}
	}
}

// certain is the least log-probability of an answer that a model is sure of: one in two.
const certain = -0.7

// sure reports whether the model is sure of an answer, if it is of any, which does not
// resemble the targets. What else it says of a line's beginning is one way of many to go on, and
// nobody misses it.
func (w *maker) sure(it Item, score engine.Answer) bool {
	return (w.unsure || score.LogProb >= certain && len(it.Answers[0]) > 2) &&
		!w.avoid.resembles(w.tok.Decode(slices.Concat(it.Prompt, it.Answers[0])))
}

// ownTurns adds what a chat model asks itself, and answers.
func (w *maker) ownTurns(ctx context.Context) error {
	begin, end := w.user()
	if len(begin) == 0 || !w.fits(len(begin)+longAnswer) {
		return nil
	}
	until := engine.Until{Tokens: []int32{end}}
	var short, long [sides][]asked
	var spent [2][sides]int
	seen := map[string]bool{}
	full := func() bool {
		return spent[0][used] >= w.room(used, turnAnswers)-longAnswer && spent[1][used] >= w.room(used, turnAnswers)-longAnswer
	}
	for n := 0; n < mostWaves && !full(); n++ {
		results, err := w.generate(ctx, "guard, the model's own questions", w.draws(slices.Repeat([][]int32{begin}, wave), longAnswer, until))
		if err != nil {
			return err
		}
		for i, r := range results {
			text := strings.TrimSpace(w.tok.Decode(r.IDs))
			if r.Finish == "length" || text == "" || seen[text] {
				continue
			}
			seen[text] = true
			if w.avoid.resembles(text) {
				w.guard.LeftOut++
				continue
			}
			to, most, category := &short, shortAnswer, OwnTurns
			if i%2 == 1 {
				to, most, category = &long, longAnswer, OwnAnswers
			}
			s, ids := sideOf(text), w.turn(text)
			cost := len(ids) + most - 1
			if ids == nil || !w.fits(cost+1) || spent[i%2][s]+cost > w.room(s, turnAnswers) {
				continue
			}
			spent[i%2][s] += cost
			(*to)[s] = append((*to)[s], asked{category, ids})
		}
	}
	if err := w.answer(ctx, "guard, answers to them", short, turnAnswers, nil); err != nil {
		return err
	}
	return w.drawAnswers(ctx, long)
}

// drawAnswers adds answers at temperature 1.
func (w *maker) drawAnswers(ctx context.Context, chosen [sides][]asked) error {
	for s := range sides {
		var prompts [][]int32
		for _, a := range chosen[s] {
			prompts = append(prompts, a.ids)
		}
		results, err := w.generate(ctx, "guard, longer answers", w.draws(prompts, longAnswer, engine.Until{}))
		if err != nil {
			return err
		}
		var items []Item
		for i, r := range results {
			if len(r.IDs) > 0 {
				items = append(items, Item{Category: OwnAnswers, Question: engine.Question{Prompt: prompts[i], Answers: [][]int32{r.IDs}}})
			}
		}
		w.add(s, items, turnAnswers)
	}
	return nil
}

// user is what stands before a user's first message, and the token behind it: what two
// conversations of other words have in common at both ends.
func (w *maker) user() (begin []int32, end int32) {
	var both [2][]int32
	for i, word := range []string{"Amber", "Zebra"} {
		ids, _, err := w.template.Encode(w.tok, []chat.Message{{Role: "user", Content: word}}, chat.Options{})
		if err != nil {
			return nil, 0
		}
		both[i] = ids
	}
	a, b := both[0], both[1]
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	back := 0
	for back < min(len(a), len(b))-n && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	if back == 0 {
		return nil, 0
	}
	return a[:n:n], a[len(a)-back]
}
