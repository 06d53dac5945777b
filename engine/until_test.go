package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bankai/internal/testmodel"
)

// anyLine ends a request at the token that has a line break.
func anyLine(tok *Tokenizer) func(ids []int32) bool {
	return func(ids []int32) bool { return strings.Contains(tok.Decode(ids[len(ids)-1:]), "\n") }
}

// firstLine ends a request behind the first line that has something on it.
func firstLine(tok *Tokenizer) func(ids []int32) bool {
	first := func(text string) string {
		begin := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
		if n := strings.Index(text[begin:], "\n"); n >= 0 {
			return text[:begin+n]
		}
		return text
	}
	return func(ids []int32) bool {
		if !strings.Contains(tok.Decode(ids[len(ids)-1:]), "\n") {
			return false
		}
		text := tok.Decode(ids)
		return first(text) != text
	}
}

// An Until ends where the function does that it takes the place of, token by token.
func TestUntil(t *testing.T) {
	tok := testModel(t, shapes["tied, head_dim 64"], Options{}).Tokenizer()
	rng := rand.New(rand.NewPCG(5, 1))
	pieces := []string{"\n", " ", "\t", "\r\n", "x", " y", "é", "\n\n", " \n z", ""}
	ended := map[LineBreak]int{}
	for range 2000 {
		var ids []int32
		for range 1 + rng.IntN(8) {
			if rng.IntN(4) == 0 {
				ids = append(ids, int32(rng.IntN(shapes["tied, head_dim 64"].Vocab)))
				continue
			}
			ids = append(ids, tok.EncodeOrdinary(pieces[rng.IntN(len(pieces))])...)
		}
		for n := 1; n <= len(ids); n++ {
			for line, stop := range map[LineBreak]func(ids []int32) bool{
				NoLine:    func([]int32) bool { return false },
				AnyLine:   anyLine(tok),
				FirstLine: firstLine(tok),
			} {
				want := stop(ids[:n])
				if got := (Until{Line: line}).Reached(tok, ids[:n]); got != want {
					t.Fatalf("%q, line break %d: %v, want %v", tok.Decode(ids[:n]), line, got, want)
				}
				if want {
					ended[line]++
				}
			}
			last := ids[n-1]
			if (Until{Tokens: []int32{last + 1}}).Reached(tok, ids[:n]) || !(Until{Tokens: []int32{last + 1, last}}).Reached(tok, ids[:n]) {
				t.Fatalf("token %d does not end it alone", last)
			}
		}
	}
	if ended[AnyLine] <= ended[FirstLine] || ended[FirstLine] == 0 {
		t.Errorf("it ended %v times: the texts tell nothing apart", ended)
	}
}

// A generation ends with an Until as with the function.
func TestGenerateUntil(t *testing.T) {
	m := testModel(t, testmodel.TinyHybrid, Options{})
	rng := rand.New(rand.NewPCG(6, 1))
	same := func(until Until, stop func(ids []int32) bool) {
		t.Helper()
		var with, without []Request
		for i := range 24 {
			r := Request{Prompt: randomIDs(rng, 3, testmodel.TinyHybrid.Vocab-3), Max: 40, Sampling: Sampling{Temperature: 3, Seed: uint64(i)}}
			without = append(without, r)
			without[i].Stop = stop
			r.Until = until
			with = append(with, r)
		}
		got, err := m.Generate(context.Background(), with, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Generate(context.Background(), without, nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := 0
		for i := range want {
			if !slices.Equal(got[i].IDs, want[i].IDs) || got[i].Text != want[i].Text || got[i].Finish != want[i].Finish || got[i].Generated != want[i].Generated {
				t.Errorf("request %d gives %+v, want %+v", i, got[i], want[i])
			}
			if want[i].Finish == "stop" && want[i].Generated == len(want[i].IDs) {
				ended++
			}
		}
		if ended == 0 {
			t.Error("nothing ended by it")
		}
	}
	tok := m.Tokenizer()
	same(Until{Line: AnyLine}, anyLine(tok))
	same(Until{Line: FirstLine}, firstLine(tok))
	some := randomIDs(rng, 40, testmodel.TinyHybrid.Vocab-3)
	same(Until{Tokens: some}, func(ids []int32) bool { return slices.Contains(some, ids[len(ids)-1]) })
}
