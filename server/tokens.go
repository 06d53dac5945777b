package server

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"bankai/chat"
)

// tokenPiece is a token with what it stands for: a text, or a list of bytes if it is a
// part of a character.
type tokenPiece struct {
	ID    int32 `json:"id"`
	Piece any   `json:"piece"`
}

// maxPieces bounds the tokens that are told with their pieces, which take a hundred bytes
// each.
const maxPieces = 1 << 20

// tokenize answers POST /tokenize: which tokens a text is made of. What it spells makes
// no special token unless "parse_special" says so.
func (s *Server) tokenize(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	content, there := f.text("content")
	if !there {
		f.fail(invalid("content", "there is no content: give a text"))
	}
	add, parse, pieces := f.bool("add_special"), f.bool("parse_special"), f.bool("with_pieces")
	if err := x.endNamed(f); err != nil {
		return err
	}
	t := x.loaded.model.Tokenizer()
	begin := t.Encode("") // the token that begins a text, if there is one
	ids := t.EncodeOrdinary(content)
	if parse {
		ids = t.Encode(content)[len(begin):]
	}
	if add {
		ids = append(begin, ids...)
	}
	if pieces && len(ids) > maxPieces {
		return invalid("with_pieces", "the text has %d tokens: pieces are told of at most %d", len(ids), maxPieces)
	}
	if pieces {
		return x.document(struct {
			Tokens []tokenPiece `json:"tokens"`
		}{x.pieces(ids)})
	}
	return x.document(struct {
		Tokens []int32 `json:"tokens"`
	}{append([]int32{}, ids...)})
}

// pieces are tokens with what they stand for.
func (l *loaded) pieces(ids []int32) []tokenPiece {
	all := make([]tokenPiece, len(ids))
	for i, id := range ids {
		raw := l.model.Tokenizer().Bytes(id)
		all[i] = tokenPiece{id, string(raw)}
		if !utf8.Valid(raw) {
			all[i].Piece = numbers(raw)
		}
	}
	return all
}

// numbers are bytes as JSON has lists: a []byte would be written as base64.
func numbers(raw []byte) []int {
	all := make([]int, len(raw))
	for i, b := range raw {
		all[i] = int(b)
	}
	return all
}

// detokenize answers POST /detokenize: which text tokens make, those that are no part of
// a text by their names.
func (s *Server) detokenize(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	var tokens []tokenID
	if !f.take("tokens", &tokens, "a list of token ids") {
		f.fail(invalid("tokens", "there are no tokens: give a list of token ids"))
	}
	ids := f.inVocabulary(x.loaded, "tokens", [][]tokenID{tokens})
	if err := x.endNamed(f); err != nil {
		return err
	}
	return x.document(struct {
		Content string `json:"content"`
	}{x.spelled(ids[0])})
}

// spelled is the text of tokens; those that are no part of a text stand in it by their
// names.
func (l *loaded) spelled(ids []int32) string {
	d := l.model.Tokenizer().Decoder()
	d.ShowControl = true
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(d.Push(id))
	}
	text.WriteString(d.Flush())
	return text.String()
}

// applyTemplate answers POST /apply-template: the prompt that a chat with the same body
// has.
func (s *Server) applyTemplate(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	f.streaming()
	generate := f.boolOr("add_generation_prompt", true)
	j, err := x.chatRequest(f)
	if err != nil {
		return err
	}
	j.talk.Generate = generate
	parts, err := x.render(j.talk)
	if err != nil {
		return err
	}
	return x.document(struct {
		Prompt string `json:"prompt"`
	}{chat.Text(parts)})
}

// endNamed ends the fields of a request that no patch changes. It may name the model, as
// it is or with patches.
func (x *exchange) endNamed(f *fields) error {
	id, named := f.text("model")
	if err := f.end(); err != nil || !named {
		return err
	}
	_, err := x.patches.resolve(x.name, id)
	return err
}

// document is a whole answer.
func (x *exchange) document(doc any) error {
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}
