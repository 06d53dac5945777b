package measure

import (
	"cmp"
	"slices"

	"bankai/engine"
	"bankai/probe"
)

// branch is a beginning of an answer that parts from the right one with its last
// token. No answer that begins so is likelier than logprob.
type branch struct {
	prompt  []int32
	ids     []int32
	logprob float64 // of ids, nats
}

// branchesAt is how many tokens beside the right one are looked at in one place.
const branchesAt = 8

// path is a right answer in token ids, along which branches are looked for.
type path struct {
	of  *dig
	ids probe.Tokens
}

// findBranches looks where the model's second thoughts are along the right answer
// and, where it gives another right spelling, along that, too. A dig's branches
// are sorted, the likeliest first.
func (w *miner) findBranches(digs []*dig) error {
	var paths []path
	for _, d := range digs {
		p := w.set[d.i]
		texts := []string{p.Correct}
		if w.out[d.i].Right && w.out[d.i].Answer != p.Correct {
			texts = append(texts, w.out[d.i].Answer)
		}
		for _, text := range texts {
			p.Correct, p.Wrong = text, text
			ids, err := p.Tokens(w.tok)
			if err != nil {
				return err
			}
			paths = append(paths, path{d, ids})
		}
	}
	if err := w.follow(paths); err != nil {
		return err
	}
	for _, d := range digs {
		slices.SortStableFunc(d.branches, func(a, b branch) int { return cmp.Compare(b.logprob, a.logprob) })
	}
	return nil
}

// follow feeds the paths to the model and adds their branches.
func (w *miner) follow(paths []path) error {
	batch := w.model.NewBatch(0)
	in := make([]engine.Input, len(paths))
	defer func() {
		for _, x := range in {
			x.Seq.Release()
		}
	}()
	for k, p := range paths {
		right := p.ids.CorrectEnded
		in[k] = engine.Input{
			Seq:    batch.NewSeq(w.overlay),
			Tokens: append(p.ids.Prompt[:len(p.ids.Prompt):len(p.ids.Prompt)], right[:len(right)-1]...),
			Logits: len(right),
		}
	}
	sofar := make([]float64, len(paths)) // log p of the path's tokens before the place
	return batch.Each(w.ctx, in, func(k, pos int, logits []float32) {
		p := paths[k]
		n := pos - (len(p.ids.Prompt) - 1)
		right := p.ids.CorrectEnded
		lse := w.model.LogSumExp(logits)
		for _, id := range w.likeliest(logits, right[n]) {
			p.of.branches = append(p.of.branches, branch{
				prompt: p.ids.Prompt, ids: append(right[:n:n], id),
				logprob: sofar[k] + (float64(logits[id]) - lse),
			})
		}
		sofar[k] += float64(logits[right[n]]) - lse
	})
}

// likeliest are the tokens with the largest logits, best first, without one that
// is the path's own and without those that end a text, which no answer shows.
func (w *miner) likeliest(logits []float32, without int32) []int32 {
	var best []int32
	for i, l := range logits {
		id := int32(i)
		if len(best) == branchesAt && l <= logits[best[branchesAt-1]] || id == without || w.tok.IsEnd(id) {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, l, func(b int32, l float32) int {
			if logits[b] >= l {
				return -1
			}
			return 1
		})
		if best = slices.Insert(best, at, id); len(best) > branchesAt {
			best = best[:branchesAt]
		}
	}
	return best
}

// found is a candidate to be judged.
type found struct {
	of   *dig
	text string
}

// judge asks for the candidates' likelihood and for their place, as the audit does,
// and keeps each dig's best.
func (w *miner) judge(list []found) error {
	var questions []engine.Question // two a candidate
	for _, f := range list {
		p := w.set[f.of.i]
		p.Wrong = f.text
		t, err := p.Tokens(w.tok)
		if err != nil {
			return err
		}
		prompt, right, wrong := parting(t)
		questions = append(questions,
			engine.Question{Prompt: prompt, Answers: [][]int32{right, wrong}, Overlay: w.overlay},
			engine.Question{Prompt: t.Prompt, Answers: [][]int32{t.WrongEnded}, Overlay: w.overlay},
		)
	}
	answers, err := w.model.Score(w.ctx, questions)
	if err != nil {
		return err
	}
	for k, f := range list {
		at := answers[2*k]
		c := candidate{f.text, competition(at[0].Rank, at[1].Rank), answers[2*k+1][0].LogProb}
		if c.better(f.of.best) {
			f.of.best = c
		}
	}
	return nil
}
