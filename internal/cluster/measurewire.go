package cluster

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"
	"bankai/search"
)

// What a worker is asked to measure goes to three subjects of its own, instead of a
// block: several messages of one request, its acknowledgements, and its end.
const (
	askToken  = "ask"
	goToken   = "go"
	stopToken = "stop"
)

// askHeader is the header of a request: a line of JSON, behind which the patch follows as a
// patch file without metadata.
type askHeader struct {
	Task  bankai.Digest `json:"task"` // of the score.Task, in the object store
	Moves [][]wireFlip  `json:"moves,omitempty"`
	Want  *search.Want  `json:"want,omitempty"` // nil: values of the moves
	Parts []wirePart    `json:"parts"`
}

// wirePart is a score.Part as [first, n, index], its questions, and its tokens.
type wirePart struct {
	Block     [3]int  `json:"block"`
	Questions []int   `json:"questions"`
	Tokens    float64 `json:"tokens"`
}

// wireFlip is a bankai.Flip as [tensor, row, column, n].
type wireFlip bankai.Flip

// MarshalJSON implements json.Marshaler.
func (f wireFlip) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{f.Tensor, f.Row, f.Col, f.N})
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *wireFlip) UnmarshalJSON(b []byte) error {
	fields := []any{&f.Tensor, &f.Row, &f.Col, &f.N}
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if len(fields) != 4 {
		return fmt.Errorf("a flip of %d numbers", len(fields))
	}
	return nil
}

// encodeAsk is a request as it goes over the wire.
func encodeAsk(task bankai.Digest, q division.Query, parts []score.Part) ([]byte, error) {
	a := askHeader{Task: task, Want: q.Want}
	for _, p := range parts {
		a.Parts = append(a.Parts, wirePart{[3]int{p.Sample.First, p.Sample.N, p.Index}, p.Questions, p.Tokens})
	}
	for _, m := range q.Moves {
		flips := make([]wireFlip, len(m.Flips))
		for i, f := range m.Flips {
			flips[i] = wireFlip(f)
		}
		a.Moves = append(a.Moves, flips)
	}
	patch, err := q.Patch.WithMeta(bankai.Meta{}).Encode()
	if err != nil {
		return nil, err
	}
	return append(append(encode(a), '\n'), patch...), nil
}

// decodeAsk reads what encodeAsk wrote.
func decodeAsk(data []byte) (task bankai.Digest, q division.Query, parts []score.Part, err error) {
	header, patch, _ := bytes.Cut(data, []byte("\n"))
	a, err := decode[askHeader]("a request to measure", header)
	if err != nil {
		return task, q, nil, err
	}
	if q.Patch, err = bankai.Read(bytes.NewReader(patch)); err != nil {
		return task, q, nil, fmt.Errorf("the patch of a request to measure: %w", err)
	}
	for _, p := range a.Parts {
		parts = append(parts, score.Part{
			Block:     score.Block{Sample: search.Sample{First: p.Block[0], N: p.Block[1]}, Index: p.Block[2]},
			Questions: p.Questions, Tokens: p.Tokens,
		})
	}
	for _, flips := range a.Moves {
		var m search.Move
		for _, f := range flips {
			m.Flips = append(m.Flips, bankai.Flip(f))
		}
		q.Moves = append(q.Moves, m)
	}
	q.Want = a.Want
	return a.Task, q, parts, nil
}

// frame is a message of either direction: 1 byte of kind, the message's number in its
// request or answer from 0 (4 bytes), the number of the part that it is about (4 bytes),
// then data. All numbers are little-endian.
type frame struct {
	kind byte
	seq  uint32
	part uint32
	data []byte
}

// Kinds of frames. What has more than one message goes in pieces, of which the last has
// the capital letter.
const (
	askFrame     = 'a'
	askLast      = 'A'
	valuesFrame  = 'v'
	valuesLast   = 'V'
	effectsFrame = 'e'
	effectsLast  = 'E'
	partEnd      = 'n' // all effects of the part were sent
	workingFrame = 'w' // nothing new, but it is worked on
	doneFrame    = 'd' // all was sent; data is the nanoseconds it took (8 bytes)
	failedFrame  = 'x' // data says why
	lackFrame    = 'l' // the same, where what is measured cannot be read
)

const frameHead = 9 // bytes

func (f frame) encode() []byte {
	b := make([]byte, 0, frameHead+len(f.data))
	b = append(b, f.kind)
	b = binary.LittleEndian.AppendUint32(b, f.seq)
	b = binary.LittleEndian.AppendUint32(b, f.part)
	return append(b, f.data...)
}

func decodeFrame(b []byte) (frame, error) {
	if len(b) < frameHead {
		return frame{}, errors.New("a message is too short")
	}
	return frame{b[0], binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint32(b[5:]), b[frameHead:]}, nil
}

// pieces cuts what is sent into messages: kinds of all but the last, and of that.
func pieces(data []byte, part int, more, last byte, send func(frame) error) error {
	const most = maxMessage - frameHead
	for len(data) > most {
		if err := send(frame{kind: more, part: uint32(part), data: data[:most]}); err != nil {
			return err
		}
		data = data[most:]
	}
	return send(frame{kind: last, part: uint32(part), data: data})
}

// mark is how far somebody is in a request: its inbox, and the number of the last message
// that was taken.
type mark struct {
	ID  string `json:"id"`
	Seq uint32 `json:"seq"`
}

// encodeValues are values as the number of moves, then for each the number of questions
// and as many float64.
func encodeValues(values [][]float64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(values)))
	for _, row := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(row)))
		for _, v := range row {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

var errShort = errors.New("an answer makes no sense: its length is another than it says")

func decodeValues(b []byte) ([][]float64, error) {
	d := wireReader{b: b}
	values := make([][]float64, d.count(4))
	for i := range values {
		values[i] = make([]float64, d.count(8))
		for k := range values[i] {
			values[i][k] = math.Float64frombits(binary.LittleEndian.Uint64(d.take(8)))
		}
	}
	return values, d.end()
}

// encodeEffects are effects as the tensor's name, the size of the flips, the columns, and
// the numbers as float32, each list behind its length.
func encodeEffects(e *score.Effects) []byte {
	b := make([]byte, 0, 16+len(e.Tensor)+4*len(e.Columns)+4*len(e.Data))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Tensor)))
	b = append(b, e.Tensor...)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Size))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Columns)))
	for _, c := range e.Columns {
		b = binary.LittleEndian.AppendUint32(b, uint32(c))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Data)))
	for _, x := range e.Data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func decodeEffects(b []byte) (*score.Effects, error) {
	d := wireReader{b: b}
	e := &score.Effects{Tensor: string(d.take(d.count(1)))}
	size := d.number()
	if size >= uint32(search.Granularities) {
		d.bad = true
	}
	e.Size = search.Granularity(size)
	e.Columns = make([]int, d.count(4))
	for i := range e.Columns {
		e.Columns[i] = int(binary.LittleEndian.Uint32(d.take(4)))
	}
	e.Data = make([]float32, d.count(4))
	for i := range e.Data {
		e.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(d.take(4)))
	}
	return e, d.end()
}

// wireReader reads numbers. Behind an end that comes too soon all are zero.
type wireReader struct {
	b   []byte
	bad bool
}

// take is the next n bytes.
func (d *wireReader) take(n int) []byte {
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, max(n, 8))
	}
	head := d.b[:n]
	d.b = d.b[n:]
	return head
}

func (d *wireReader) number() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }

// count is how many things of a size follow; 0 if there cannot be so many.
func (d *wireReader) count(size int) int {
	n := int(d.number())
	if n > len(d.b)/size {
		d.bad = true
		return 0
	}
	return n
}

func (d *wireReader) end() error {
	if d.bad || len(d.b) > 0 {
		return errShort
	}
	return nil
}

// encodeBusy and decodeBusy are for doneFrame.
func encodeBusy(d time.Duration) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(d)) }

func decodeBusy(b []byte) time.Duration {
	if len(b) != 8 {
		return 0
	}
	return time.Duration(binary.LittleEndian.Uint64(b))
}
