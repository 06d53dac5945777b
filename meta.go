package bankai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Meta is a patch's provenance: what it is called, where it comes from and what
// was measured of it. It has no part in what the patch does.
type Meta struct {
	Name, Description string
	BaseModel         string    // the base's name in words; Patch.Base decides
	Created           time.Time // from 1970 to 9999, whole seconds, UTC; zero if unknown
	Tool              string    // the program that made the patch, with its version
	Command           string    // the command line that made it
	Metric            string    // the metric of the search's fitness, as "answer_logprob"
	License           string    // an SPDX identifier or expression, as "Apache-2.0", or words
	Author            string    // who made the patch, or answers for it
	Claims            []Claim   // measurements, in the order they are to be read
	// Conflicts are other patches that this one must not be combined with, by ascending
	// content digest, each once.
	Conflicts []Conflict
	// Arithmetic is that of the model the patch was made on, without which what was
	// measured cannot be measured again; zero if unknown.
	Arithmetic Arithmetic
	// Stats and Metadata are the members of the JSON form's objects of these
	// names that this package gives no meaning to. They are carried along.
	Stats, Metadata map[string]json.RawMessage
}

// Claim is one measurement of the patched model against its base, by greedy
// generation on a file of probes.
type Claim struct {
	Name   string  `json:"name"`            // what was measured, as "held-out"
	Probes Digest  `json:"probes,omitzero"` // SHA-256 of the probe file
	Total  int     `json:"total"`           // probes
	Before int     `json:"before"`          // answered rightly by the base
	After  int     `json:"after"`           // answered rightly with the patch
	Fixed  int     `json:"fixed"`           // wrong before, right after
	Broke  int     `json:"broke"`           // right before, wrong after
	PValue float64 `json:"p_value"`         // exact two-sided McNemar
}

// Members of the JSON form's objects that this package writes itself.
const (
	metricKey    = "metric"    // of metadata: Meta.Metric
	licenseKey   = "license"   // of metadata: Meta.License
	authorKey    = "author"    // of metadata: Meta.Author
	conflictsKey = "conflicts" // of metadata: Meta.Conflicts
	bankaiKey    = "bankai"    // of metadata: what the JSON form has no place for
)

var statsKeys = []string{"n_flips", "bits_flipped", "size_bytes"}

// maxMeta bounds the encoded metadata, in bytes.
const maxMeta = 1 << 20

// maxLine bounds a text that is a line to people, in bytes.
const maxLine = 1 << 10

// canonical returns a copy in which what means the same is the same: text is
// UTF-8, times are whole seconds UTC, carried JSON is compact with sorted keys,
// and members that this package writes itself are gone from the carried ones.
func (m Meta) canonical() Meta {
	m = m.clone()
	for _, s := range []*string{&m.Name, &m.Description, &m.BaseModel, &m.Tool, &m.Command, &m.Metric, &m.License, &m.Author} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	m.Arithmetic = m.Arithmetic.canonical()
	m.Created = m.Created.UTC().Truncate(time.Second)
	if m.Created.Year() < 1970 || m.Created.Year() > 9999 {
		m.Created = time.Time{}
	}
	for i := range m.Claims {
		c := &m.Claims[i]
		c.Name = strings.ToValidUTF8(c.Name, "\uFFFD")
		c.PValue += 0 // minus zero becomes zero
	}
	for _, key := range statsKeys {
		delete(m.Stats, key)
	}
	delete(m.Metadata, bankaiKey)
	m.lift(metricKey, &m.Metric, math.MaxInt)
	m.lift(licenseKey, &m.License, maxLine)
	m.lift(authorKey, &m.Author, maxLine)
	m.liftConflicts()
	m.Stats, m.Metadata = canonicalMembers(m.Stats), canonicalMembers(m.Metadata)
	return m
}

func (m Meta) clone() Meta {
	m.Claims, m.Conflicts = slices.Clone(m.Claims), slices.Clone(m.Conflicts)
	m.Stats, m.Metadata = cloneMembers(m.Stats), cloneMembers(m.Metadata)
	return m
}

// lift takes a text of at most most bytes out of the carried metadata. A member that is no
// such text stays there, unless the field is set.
func (m *Meta) lift(key string, field *string, most int) {
	var text string
	if *field == "" && json.Unmarshal(m.Metadata[key], &text) == nil && len(text) <= most {
		*field = text
	}
	if *field != "" {
		delete(m.Metadata, key)
	}
}

// lifted are the members of the metadata that the fields which were lifted from there make
// up.
func (m Meta) lifted() (map[string]json.RawMessage, error) {
	members := maps.Clone(m.Metadata)
	for _, f := range []struct {
		key   string
		value any
		has   bool
	}{{licenseKey, m.License, m.License != ""}, {authorKey, m.Author, m.Author != ""}, {conflictsKey, m.Conflicts, len(m.Conflicts) > 0}} {
		if !f.has {
			continue
		}
		text, err := marshalPlain(f.value, "")
		if err == nil {
			text, err = canonicalJSON(text)
		}
		if err != nil {
			return nil, err
		}
		if members == nil {
			members = map[string]json.RawMessage{}
		}
		members[f.key] = text
	}
	return members, nil
}

func cloneMembers(members map[string]json.RawMessage) map[string]json.RawMessage {
	members = maps.Clone(members)
	for key, value := range members {
		members[key] = bytes.Clone(value)
	}
	return members
}

// canonicalMembers rewrites members in place; nil if there are none. A value
// that is not JSON stays, for check to report.
func canonicalMembers(members map[string]json.RawMessage) map[string]json.RawMessage {
	if len(members) == 0 {
		return nil
	}
	for key, value := range members {
		if v, err := canonicalJSON(value); err == nil {
			members[key] = v
		}
	}
	return members
}

// canonicalJSON returns a JSON value without white space, with the keys of
// objects sorted and numbers as they were written.
func canonicalJSON(value []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return marshalPlain(v, "")
}

// marshalPlain is json.Marshal without the escapes for HTML.
func marshalPlain(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// check reports what no encoding can hold.
func (m Meta) check() error {
	for i, c := range m.Claims {
		for _, n := range []int{c.Total, c.Before, c.After, c.Fixed, c.Broke} {
			if n < 0 || n > math.MaxInt32 {
				return fmt.Errorf("claim %d (%.40q): the count %d is out of range", i, c.Name, n)
			}
		}
		if !(c.PValue >= 0 && c.PValue <= 1) {
			return fmt.Errorf("claim %d (%.40q): the p-value %v is not from 0 to 1", i, c.Name, c.PValue)
		}
	}
	for _, f := range []struct{ what, text string }{{"license", m.License}, {"author", m.Author}} {
		if len(f.text) > maxLine {
			return fmt.Errorf("the %s takes %d bytes: the limit is %d", f.what, len(f.text), maxLine)
		}
	}
	if err := cmp.Or(checkConflicts(m.Conflicts), m.Arithmetic.check()); err != nil {
		return err
	}
	for _, members := range []map[string]json.RawMessage{m.Stats, m.Metadata} {
		for _, key := range slices.Sorted(maps.Keys(members)) {
			value := members[key]
			// Once more within a list, because nesting has a limit.
			nested := slices.Concat([]byte("["), value, []byte("]"))
			if !utf8.ValidString(key) || !json.Valid(value) || !json.Valid(nested) {
				return fmt.Errorf("member %.40q of the stats or metadata is not valid JSON", key)
			}
		}
	}
	return nil
}
