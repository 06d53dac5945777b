package anatomy

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/modelref"
	"bankai/internal/text"
)

// Trace tells where patches act on a text, token by token and layer by layer.
type Trace struct {
	Kind    string       `json:"kind"` // "trace"
	Model   modelref.Ref `json:"model"`
	Patches []string     `json:"patches"`
	IDs     []int32      `json:"ids"`
	Pieces  []Piece      `json:"pieces"` // what the tokens spell
	KL      []Figure     `json:"kl"`     // by token, of what is said behind it: base to patched, nats
	Base    Said         `json:"base"`
	Patched Said         `json:"patched"`
	Cuts    []TracedCut  `json:"cuts"`
	Most    *Most        `json:"most"`    // where most differs; null if nothing does
	Verdict string       `json:"verdict"` // the same in words
}

// Piece is a token with what it spells.
type Piece struct {
	ID   int32  `json:"id"`
	Text string `json:"text"` // as the vocabulary spells it if it is a part of a character
}

// Said is what is said behind every token.
type Said struct {
	LogProbs  []Figure `json:"logprobs"`  // of the token that follows, nats; all but the last
	Likeliest []Piece  `json:"likeliest"` // the likeliest token to follow
}

// TracedCut compares the residual streams at one place.
type TracedCut struct {
	Layer      *int     `json:"layer"` // null above the embedding
	Part       string   `json:"part"`  // of the layer right below: "attention", "delta-net" or "mlp"; or "embedding"
	Difference []Figure `json:"difference"`
	Lens       *Lens    `json:"lens"` // null where it was not asked for, and inside of layers
}

// Lens is the log-probabilities of the tokens that follow if the layers above a cut are left
// out, nats; all but the last.
type Lens struct {
	Base    []Figure `json:"base"`
	Patched []Figure `json:"patched"`
}

// Most is where a patch acts most.
type Most struct {
	First      Place `json:"first"`      // the lowest cut where anything differs, and the first token there
	Difference Place `json:"difference"` // where the streams differ most
	KL         Place `json:"kl"`         // where what is said differs most
	Changed    int   `json:"changed"`    // tokens behind which another one is likeliest
}

// Place is a token at a cut, with the figure there.
type Place struct {
	Token int    `json:"token"` // from 0
	Cut   int    `json:"cut"`   // index into cuts
	Value Figure `json:"value"`
}

// Figure is a number that is null in JSON if it is infinite or none at all.
type Figure float64

// MarshalJSON implements json.Marshaler.
func (f Figure) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsInf(v, 0) || math.IsNaN(v) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// figures are numbers as a document has them. A float32 becomes the float64 of the same
// digits.
func figures[F float32 | float64](all []F) []Figure {
	if all == nil {
		return nil
	}
	out := make([]Figure, len(all))
	for i, v := range all {
		out[i] = Figure(v)
		if single, ok := any(v).(float32); ok {
			shortest, _ := strconv.ParseFloat(strconv.FormatFloat(float64(single), 'g', -1, 32), 64)
			out[i] = Figure(shortest)
		}
	}
	return out
}

// NewTrace makes a document of a trace of a prompt under patches.
func NewTrace(model modelref.Ref, tok *engine.Tokenizer, patches []string, ids []int32, t *engine.Trace) *Trace {
	d := &Trace{
		Kind: "trace", Model: model, Patches: append([]string{}, patches...), IDs: ids, Pieces: piecesOf(tok, ids),
		KL: figures(t.KL), Base: newSaid(tok, t.Base), Patched: newSaid(tok, t.Patched),
	}
	for _, c := range t.Cuts {
		cut := TracedCut{Part: c.Part, Difference: figures(c.Difference)}
		if c.Layer >= 0 {
			cut.Layer = &c.Layer
		}
		if c.BaseLens != nil {
			cut.Lens = &Lens{figures(c.BaseLens), figures(c.PatchedLens)}
		}
		d.Cuts = append(d.Cuts, cut)
	}
	d.Most = d.most()
	d.Verdict = d.verdict()
	return d
}

func newSaid(tok *engine.Tokenizer, s engine.Said) Said {
	return Said{figures(s.LogProbs), piecesOf(tok, s.Likeliest)}
}

func piecesOf(tok *engine.Tokenizer, ids []int32) []Piece {
	all := make([]Piece, len(ids))
	for i, id := range ids {
		all[i] = Piece{id, tok.Token(id)}
		if raw := tok.Bytes(id); len(raw) > 0 && utf8.Valid(raw) {
			all[i].Text = string(raw)
		}
	}
	return all
}

// most finds where most differs, of equal places the first.
func (t *Trace) most() *Most {
	var m *Most
	for c, cut := range t.Cuts {
		for i, d := range cut.Difference {
			if d == 0 {
				continue
			}
			here := Place{i, c, d}
			if m == nil {
				m = &Most{First: here, Difference: here}
			}
			if d > m.Difference.Value {
				m.Difference = here
			}
		}
	}
	if m == nil && !t.saysOther() {
		return nil
	}
	if m == nil { // the head alone is patched
		m = &Most{First: Place{Cut: len(t.Cuts) - 1}, Difference: Place{Cut: len(t.Cuts) - 1}}
	}
	m.KL = Place{0, len(t.Cuts) - 1, t.KL[0]}
	for i, kl := range t.KL {
		if kl > m.KL.Value {
			m.KL.Token, m.KL.Value = i, kl
		}
		if t.Base.Likeliest[i] != t.Patched.Likeliest[i] {
			m.Changed++
		}
	}
	return m
}

// saysOther reports whether anything that is said has another probability.
func (t *Trace) saysOther() bool {
	for i, kl := range t.KL {
		if kl != 0 || i < len(t.Base.LogProbs) && t.Base.LogProbs[i] != t.Patched.LogProbs[i] {
			return true
		}
	}
	return false
}

// verdict says where the patches act most.
func (t *Trace) verdict() string {
	switch {
	case t.Most == nil && len(t.Patches) == 0:
		return "There is no patch, so nothing differs."
	case t.Most == nil:
		return "Nothing differs on this text, to the bit."
	}
	m, many := t.Most, text.Count(len(t.IDs), "token")
	var said []string
	if m.Difference.Value == 0 {
		said = append(said, "The residual stream is the same at every layer: the head alone acts.")
	} else {
		said = append(said,
			fmt.Sprintf("The residual stream first differs %s, at %s.", t.after(m.First), t.token(m.First.Token)),
			fmt.Sprintf("It differs most %s, at %s: by %s of its length.", t.after(m.Difference), t.token(m.Difference.Token), percent(m.Difference.Value)))
	}
	at := m.KL.Token
	said = append(said, fmt.Sprintf("What follows changes most behind %s: by %s nats of KL divergence, %s.", t.token(at), text.Minus(text.Digits(float64(m.KL.Value))), t.likeliest(at)))
	switch m.Changed {
	case 0:
		said = append(said, fmt.Sprintf("The likeliest token to follow is the same behind each of %s.", many))
	default:
		said = append(said, fmt.Sprintf("Another token is likeliest behind %d of %s.", m.Changed, many))
	}
	return strings.Join(said, " ")
}

// likeliest says which token is likeliest behind another.
func (t *Trace) likeliest(at int) string {
	was, is := t.Base.Likeliest[at], t.Patched.Likeliest[at]
	if was == is {
		return "where " + quoted(was.Text) + " stays the likeliest"
	}
	return "where " + quoted(is.Text) + " is the likeliest instead of " + quoted(was.Text)
}

// after says at which cut a place is.
func (t *Trace) after(p Place) string {
	cut := t.Cuts[p.Cut]
	if cut.Layer == nil {
		return "after the " + cut.Part
	}
	return fmt.Sprintf("after the %s of layer %d", cut.Part, *cut.Layer)
}

// token names a token.
func (t *Trace) token(i int) string { return fmt.Sprintf("token %d, %s", i, quoted(t.Pieces[i].Text)) }

// quoted is a piece in a sentence.
func quoted(piece string) string { return "“" + text.Printable(piece) + "”" }

// percent is a relative difference in words.
func percent(v Figure) string {
	if math.IsInf(float64(v), 0) {
		return "more than any share"
	}
	return text.Digits(100*float64(v)) + " %"
}
