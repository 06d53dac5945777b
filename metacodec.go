package bankai

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Tags of the metadata's fields in the binary form, written in this order.
const (
	tagName = iota + 1
	tagDescription
	tagBaseModel
	tagCreated
	tagTool
	tagCommand
	tagMetric
	tagClaim // once per claim
	tagStats
	tagMetadata
	tagArithmetic
)

type metaText struct {
	tag  byte
	text *string
}

// texts lists the fields that are plain text.
func (m *Meta) texts() []metaText {
	return []metaText{
		{tagName, &m.Name},
		{tagDescription, &m.Description},
		{tagBaseModel, &m.BaseModel},
		{tagTool, &m.Tool},
		{tagCommand, &m.Command},
		{tagMetric, &m.Metric},
	}
}

// encode writes the fields that are set as tag, length, bytes.
func (m Meta) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var fields [tagArithmetic + 1][][]byte
	for _, f := range m.texts() {
		if *f.text != "" {
			fields[f.tag] = [][]byte{[]byte(*f.text)}
		}
	}
	if !m.Created.IsZero() {
		fields[tagCreated] = [][]byte{binary.AppendUvarint(nil, uint64(m.Created.Unix()))}
	}
	for _, c := range m.Claims {
		fields[tagClaim] = append(fields[tagClaim], c.encode())
	}
	metadata, err := m.lifted()
	if err != nil {
		return nil, err
	}
	for i, members := range []map[string]json.RawMessage{m.Stats, metadata} {
		if len(members) > 0 {
			text, err := marshalPlain(members, "")
			if err != nil {
				return nil, err
			}
			fields[tagStats+i] = [][]byte{text}
		}
	}
	if m.Arithmetic != (Arithmetic{}) {
		fields[tagArithmetic] = [][]byte{m.Arithmetic.encode()}
	}
	var data []byte
	for tag, values := range fields {
		for _, value := range values {
			data = appendString(append(data, byte(tag)), value)
		}
	}
	if len(data) > maxMeta {
		return nil, fmt.Errorf("cannot write %d bytes of metadata: the limit is %d", len(data), maxMeta)
	}
	return data, nil
}

func (c Claim) encode() []byte {
	data := appendString(nil, c.Name)
	if c.Probes.IsZero() {
		data = append(data, 0)
	} else {
		data = appendString(data, c.Probes[:])
	}
	for _, n := range []int{c.Total, c.Before, c.After, c.Fixed, c.Broke} {
		data = binary.AppendUvarint(data, uint64(n))
	}
	return binary.LittleEndian.AppendUint64(data, math.Float64bits(c.PValue))
}

// meta reads what Meta.encode wrote, after its length.
func (d *decoder) meta() Meta {
	data := d.string()
	if len(data) > maxMeta {
		d.fail("%d bytes of metadata are over the limit of %d", len(data), maxMeta)
		return Meta{}
	}
	var m Meta
	fields := decoder{rest: data}
	for len(fields.rest) > 0 {
		tag := fields.bytes(1)[0]
		value := decoder{rest: fields.string(), err: fields.err}
		m.read(tag, &value)
		if len(value.rest) > 0 {
			value.fail("%d bytes too many", len(value.rest))
		}
		if value.err != nil {
			d.fail("metadata field %d: %w", tag, value.err)
			return Meta{}
		}
	}
	return m.canonical()
}

// maxCreated is the last second of the year 9999, the last that RFC 3339 names.
const maxCreated = 253402300799

// read reads the field of the given tag; the order and repetitions of fields
// are decode's to check.
func (m *Meta) read(tag byte, d *decoder) {
	for _, f := range m.texts() {
		if f.tag == tag {
			*f.text = d.text()
			return
		}
	}
	switch tag {
	case tagCreated:
		m.Created = time.Unix(int64(d.number("time", maxCreated)), 0)
	case tagClaim:
		m.Claims = append(m.Claims, d.claim())
	case tagStats:
		m.Stats = d.members()
	case tagMetadata:
		m.Metadata = d.members()
	case tagArithmetic:
		m.Arithmetic = d.arithmetic()
	default:
		d.fail("unknown tag")
	}
}

// text reads the rest as text.
func (d *decoder) text() string {
	b := d.bytes(uint64(len(d.rest)))
	if !utf8.Valid(b) {
		d.fail("the text is not UTF-8")
	}
	return string(b)
}

func (d *decoder) members() (members map[string]json.RawMessage) {
	if err := json.Unmarshal(d.bytes(uint64(len(d.rest))), &members); err != nil {
		d.fail("not a JSON object: %w", err)
	}
	return members
}

func (d *decoder) claim() Claim {
	c := Claim{Name: string(d.string())}
	if probes := d.string(); copy(c.Probes[:], probes) != len(probes) {
		d.fail("the probe file's digest has %d bytes", len(probes))
	}
	for _, n := range []*int{&c.Total, &c.Before, &c.After, &c.Fixed, &c.Broke} {
		*n = int(d.number("count", math.MaxInt32))
	}
	if p := d.bytes(8); d.err == nil {
		c.PValue = math.Float64frombits(binary.LittleEndian.Uint64(p))
	}
	return c
}
