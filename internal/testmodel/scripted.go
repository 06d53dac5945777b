package testmodel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bankai/internal/gguf"
)

// Script is what a scripted model says behind a special token.
type Script struct {
	Cue     string   // the special token, such as <|cue|>, that the prompt ends with
	Says    []string // one token each
	Forever bool     // the last of them again and again; otherwise the answer ends behind it
}

// Scripted makes a model that knows scripts by heart: whatever stands before a cue, and
// at any temperature but a very high one, it says what the cue's script has. So a test
// can have the answers that random weights never give: reasoning, calls of tools, texts
// that come to their end or never do. No text may stand in two places of the scripts, or
// be a token of the vocabulary, as single characters are.
func Scripted(template string, scripts ...Script) *Model {
	p := newPlay()
	for _, s := range scripts {
		p.learn(s)
	}
	shape := Tiny
	shape.Tied, shape.Vocab = false, len(p.tokens)
	m := New(shape, 1)
	m.Set("tokenizer.ggml.tokens", gguf.Strings(p.tokens))
	m.Set("tokenizer.ggml.token_type", gguf.Int32s(p.types))
	m.Set("tokenizer.ggml.eos_token_id", gguf.Uint32(uint32(p.end)))
	m.Set("tokenizer.ggml.padding_token_id", gguf.Uint32(uint32(p.end-1)))
	m.Set("tokenizer.ggml.bos_token_id", gguf.Uint32(uint32(p.end-1)))
	m.Set("tokenizer.chat_template", gguf.String(template))
	m.Set("qwen3.context_length", gguf.Uint32(1<<15))
	p.write(m)
	return m
}

// Adder is a scripted model that calls the tool add with 2 and 3 if it has tools, says
// that it is 5 when it is told, greets if it has no tools, and laughs without an end when
// it is asked to.
func Adder() *Model {
	const template = `{%- for t in tools or [] %}{{ t | tojson }}
{% endfor %}{%- for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>{%- endfor %}
{%- if add_generation_prompt %}
{%- if messages and messages[-1].role == 'tool' %}<|sum|>
{%- elif tools %}<|add|>
{%- elif messages and messages[-1].content == 'Laugh.' %}<|laugh|>
{%- else %}<|greet|>{% endif %}{% endif %}`
	return Scripted(
		template,
		Script{Cue: "<|add|>", Says: []string{
			"<think>", "\nTwo and", " three.\n", "</think>", "\n\nI add.",
			"<tool_", "call>\n", `{"name": "add", "arguments": {"a": 2,`, ` "b": 3}}`, "\n</tool_call>",
		}},
		Script{Cue: "<|sum|>", Says: []string{"It is", " 5."}},
		Script{Cue: "<|greet|>", Says: []string{"Good", " day!"}},
		Script{Cue: "<|laugh|>", Says: []string{"ha "}, Forever: true},
	)
}

// play is what a scripted model has to know. It is in the state that the last token
// leaves it in, and each state has one token that it says next.
type play struct {
	tokens []string
	types  []int32
	end    int         // the token that ends answers
	leaves map[int]int // the state that a token leaves the model in
	says   map[int]int // by token: the state in which it is said
	states int
}

// ending is the state in which an answer is at its end.
const ending = 0

func newPlay() *play {
	tokens, types, _ := vocabulary(Tiny.Vocab)
	end := len(tokens) - 1
	return &play{tokens: tokens, types: types, end: end, leaves: map[int]int{}, says: map[int]int{end: ending}, states: 1}
}

func (p *play) learn(s Script) {
	state := p.state()
	p.leaves[p.token(s.Cue, controlToken)] = state
	for i, text := range s.Says {
		id, next := p.token(byteLevel(text), normalToken), ending
		switch last := i == len(s.Says)-1; {
		case last && s.Forever:
			next = state
		case !last:
			next = p.state()
		}
		p.says[id], p.leaves[id] = state, next
		state = next
	}
}

func (p *play) state() int {
	p.states++
	return p.states - 1
}

func (p *play) token(text string, typ int32) int {
	if slices.Contains(p.tokens, text) {
		panic(fmt.Sprintf("the vocabulary has the token %q already", text))
	}
	p.tokens, p.types = append(p.tokens, text), append(p.types, typ)
	return len(p.tokens) - 1
}

// write makes the weights. A state is a vector of signs: the embedding of the tokens that
// leave the model in it, and the output row of the one that it says then, whose logit is
// far above all others. The blocks between the two add nothing.
func (p *play) write(m *Model) {
	rng := rand.New(rand.NewPCG(1, 1))
	vectors := make([][2]uint64, p.states)
	for i := range vectors {
		vectors[i] = [2]uint64{rng.Uint64(), rng.Uint64()}
	}
	for _, t := range m.Tensors {
		switch {
		case t.Name == "token_embd.weight":
			writeRows(t.Data, p.leaves, vectors)
		case t.Name == "output.weight":
			writeRows(t.Data, p.says, vectors)
		case strings.HasSuffix(t.Name, "attn_output.weight"), strings.HasSuffix(t.Name, "ffn_down.weight"):
			for block := range slices.Chunk(t.Data, gguf.BlockBytes) {
				binary.LittleEndian.PutUint16(block, 0)
			}
		}
	}
}

// writeRows writes rows of one block each, with a scale of 1.
func writeRows(data []byte, state map[int]int, vectors [][2]uint64) {
	for id, s := range state {
		row := data[id*gguf.BlockBytes : (id+1)*gguf.BlockBytes]
		binary.LittleEndian.PutUint16(row, half(1))
		binary.LittleEndian.PutUint64(row[2:], vectors[s][0])
		binary.LittleEndian.PutUint64(row[10:], vectors[s][1])
	}
}

// byteLevel is a text as vocabularies write it: a character for each byte.
func byteLevel(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		out.WriteRune(byteRune(b))
	}
	return out.String()
}
