package guard

import (
	"context"
	"crypto/sha256"
	"slices"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/progress"
	"bankai/internal/rng"
)

const (
	shortAnswer  = 24  // tokens of a greedy answer at most
	likelyAnswer = 8   // tokens of one that ends early, as most do
	longAnswer   = 128 // tokens of a drawn answer of a chat model at most
	longText     = 512 // tokens of a drawn text of a plain model at most
	wave         = 32  // generations between two looks at what is still missing
)

// maker is at work on a guard.
type maker struct {
	m        *engine.Model
	tok      *engine.Tokenizer
	template *chat.Template
	avoid    *likeness
	seeds    *rng.Stream
	guard    *Guard
	unsure   bool // answers count of which the model is not sure
	to       progress.Watcher
}

// side is one of the two parts.
type side int

const (
	used side = iota
	heldOut
	sides
)

// sideOf puts one text in three into the part that is held out: by the text alone, so
// that a prompt of the list that a search with some seed was held to is held out by none.
func sideOf(text string) side {
	sum := sha256.Sum256([]byte("bankai guard\n" + text))
	if sum[0]%3 == 2 {
		return heldOut
	}
	return used
}

// part is the items of a side, and room is how many tokens of a budget it gets.
func (w *maker) part(s side) *[]Item {
	if s == heldOut {
		return &w.guard.HeldOut
	}
	return &w.guard.Used
}

func (w *maker) room(s side, share float64) int {
	n := int(share * float64(w.guard.Tokens))
	if s == heldOut {
		n /= 2
	}
	return n
}

// fits reports whether a sequence of a number of tokens fits into the model's context.
func (w *maker) fits(tokens int) bool { return w.m.Context() == 0 || tokens <= w.m.Context() }

// leastSure is a number of answers below which a plain model is sure of next to nothing:
// then those count of which it is not.
const leastSure = 8

// make collects what the guard is made of.
func (w *maker) make(ctx context.Context) error {
	if err := w.collect(ctx); err != nil {
		return err
	}
	if !w.plain() || Greedy(w.guard.Used) >= leastSure {
		return nil
	}
	w.unsure, w.seeds = true, rng.New(w.guard.Seed, "guard")
	w.guard.Used, w.guard.HeldOut, w.guard.LeftOut = nil, nil, 0
	return w.collect(ctx)
}

// collect makes the parts. A plain model has seen few of the list's prompts, and most of
// what it is for is in its own texts, so these get more room there.
func (w *maker) collect(ctx context.Context) error {
	var own func(context.Context) error
	list := 0.1
	if w.plain() {
		own = w.ownTexts
	} else {
		list, own = 0.5, w.ownTurns
	}
	if err := w.list(ctx, list); err != nil {
		return err
	}
	return own(ctx)
}

// plain reports whether the model has no chat template.
func (w *maker) plain() bool { return w.template.Name() == "none" }

// asked is a prompt that is to be answered.
type asked struct {
	category string
	ids      []int32
}

// list lets the model answer prompts of the built-in list, in an order that is drawn.
func (w *maker) list(ctx context.Context, share float64) error {
	all := listed()
	rng.New(w.guard.Seed, "list").Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var chosen [sides][]asked
	var spent [sides]int
	for _, p := range all {
		text, ids := p.plain, []int32(nil)
		if !w.plain() {
			text = p.chat
		}
		if w.avoid.resembles(text) {
			w.guard.LeftOut++
			continue
		}
		if w.plain() {
			ids = w.tok.EncodeOrdinary(text)
		} else if ids = w.turn(text); ids == nil {
			continue
		}
		s, cost := sideOf(text), len(ids)+likelyAnswer
		if !w.fits(len(ids)+shortAnswer) || len(ids) == 0 || spent[s]+cost > w.room(s, share) {
			continue
		}
		spent[s] += cost
		chosen[s] = append(chosen[s], asked{p.category, ids})
	}
	var wanted func(Item, engine.Answer) bool // of a plain model, which may know nothing of them
	if w.plain() {
		wanted = w.sure
	}
	return w.answer(ctx, "guard, listed prompts", chosen, share, wanted)
}

// turn is a user's message as the template has it, up to where the answer begins, without
// thinking if the template has the choice; nil if the template refuses it.
func (w *maker) turn(text string) []int32 {
	no := false
	ids, _, err := w.template.Encode(w.tok, []chat.Message{{Role: "user", Content: text}}, chat.Options{Generate: true, Thinking: &no})
	if err != nil {
		return nil
	}
	return ids
}

// answer adds the model's own greedy answers to prompts, of each side as many as its
// share has room for: those that are wanted, if that is not nil.
func (w *maker) answer(ctx context.Context, what string, chosen [sides][]asked, share float64, wanted func(Item, engine.Answer) bool) error {
	all := slices.Concat(chosen[used], chosen[heldOut])
	reqs := make([]engine.Request, len(all))
	for i, a := range all {
		reqs[i] = engine.Request{Prompt: a.ids, Max: shortAnswer, Until: w.lineEnds()}
	}
	results, err := w.generate(ctx, what, reqs)
	if err != nil {
		return err
	}
	for s := range sides {
		var items []Item
		for i, a := range chosen[s] {
			if s == heldOut {
				i += len(chosen[used])
			}
			items = append(items, Item{Category: a.category, Greedy: true, Question: engine.Question{Prompt: a.ids, Answers: [][]int32{w.ended(results[i])}}})
		}
		if items, err = w.greedy(ctx, items, wanted); err != nil {
			return err
		}
		w.add(s, items, share)
	}
	return nil
}

// add adds as many items as a share has room for.
func (w *maker) add(s side, items []Item, share float64) {
	room := w.room(s, share)
	for _, it := range items {
		if room -= it.Tokens(); room < 0 {
			return
		}
		*w.part(s) = append(*w.part(s), it)
	}
}

// lineEnds ends the answer of a plain model with its line; a chat model ends its turn.
func (w *maker) lineEnds() (u engine.Until) {
	if w.plain() {
		u.Line = engine.AnyLine
	}
	return u
}

// ended is what was generated, with the end token if the model itself came to an end. A
// result does not say which of its end tokens it was: the usual one is supposed, and
// greedy takes it back where it was another.
func (w *maker) ended(r engine.Result) []int32 {
	if eos := w.tok.EOS(); r.Generated > len(r.IDs) && eos >= 0 {
		return append(slices.Clone(r.IDs), eos)
	}
	return r.IDs
}

// greedy returns the items whose answers greedy decoding gives, all of them but for end
// tokens that were supposed wrongly. Answers without a token are left out, and those that
// are not wanted.
func (w *maker) greedy(ctx context.Context, items []Item, wanted func(Item, engine.Answer) bool) (out []Item, err error) {
	items = slices.DeleteFunc(items, func(it Item) bool { return len(it.Answers[0]) == 0 })
	scores, err := w.m.Score(ctx, Questions(items))
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		if a := it.Answers[0]; !scores[i][0].Greedy {
			it.Answers = [][]int32{a[:len(a)-1]}
		}
		if len(it.Answers[0]) > 0 && (wanted == nil || wanted(it, scores[i][0])) {
			out = append(out, it)
		}
	}
	return out, nil
}

// generate runs requests and shows how far they are.
func (w *maker) generate(ctx context.Context, what string, reqs []engine.Request) ([]engine.Result, error) {
	var most int64
	for _, r := range reqs {
		most += int64(r.Max)
	}
	if w.to == nil || most == 0 {
		return w.m.Generate(ctx, reqs, nil)
	}
	meter := w.to.Meter(what, most)
	defer meter.Stop()
	done := int64(0)
	return w.m.Generate(ctx, reqs, func(int, int32) {
		done++
		meter.Set(done, "")
	})
}
