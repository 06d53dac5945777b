package bankai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// jsonReader reads the JSON form token by token, so that every error can name
// the flip and the field, and memory is needed for the flips alone.
type jsonReader struct {
	dec   *json.Decoder
	meta  Meta
	own   jsonBankai
	flips []Flip
}

// readJSON reads any of the JSON form's three generations. Members it does not
// know are skipped.
func readJSON(r io.Reader) (*Patch, error) {
	j := jsonReader{dec: json.NewDecoder(r)}
	j.dec.UseNumber()
	seen, err := j.object(j.member)
	if err != nil {
		return nil, err
	}
	if !seen["flips"] {
		return nil, errors.New(`not a patch: the member "flips" is missing`)
	}
	for _, key := range []string{"version", "format"} { // which the checksum is not of
		if !j.own.Checksum.IsZero() && !seen[key] {
			return nil, fmt.Errorf("the member %q is missing: the file is damaged or was changed", key)
		}
	}
	if _, err := j.dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("bytes after the end of the patch, at byte %d", j.dec.InputOffset())
	}
	return j.patch()
}

// patch builds the patch from what was read.
func (j *jsonReader) patch() (*Patch, error) {
	for i, f := range j.flips {
		width, ok := j.own.Widths[f.Tensor]
		if ok && f.N != ToEnd && f.Col+f.N > width {
			return nil, fmt.Errorf("flips[%d]: group: %d is out of range: a row of %s has %d weights", i, f.Col/GroupSize, f.Tensor, width)
		}
	}
	j.meta.Created, j.meta.Tool, j.meta.Command, j.meta.Claims = j.own.Created, j.own.Tool, j.own.Command, j.own.Claims
	j.meta.Arithmetic = j.own.Arithmetic
	p := New(j.own.Base, j.meta, j.flips...)
	if err := p.meta.check(); err != nil {
		return nil, fmt.Errorf("metadata: %s: %w", bankaiKey, err)
	}
	masks := p.masks[:0]
	for _, m := range p.masks {
		if width, ok := j.own.Widths[m.tensor]; ok {
			var err error
			if m, err = m.fit(width); err != nil {
				return nil, err
			}
		}
		if len(m.edges) > 0 {
			masks = append(masks, m)
		}
	}
	p.masks = masks
	return p, j.verify(p)
}

// verify compares the patch that was read with the digests in the file, if it has
// any: those of other tools have none.
func (j *jsonReader) verify(p *Patch) error {
	if content := j.own.Content; !content.IsZero() {
		if content != p.ContentDigest() {
			return errors.New("the content digest does not match: a flip, a width or the base is damaged or was changed")
		}
		var units uint64
		for _, m := range p.masks {
			units += m.split().units()
		}
		if listed := uint64(len(j.flips)); listed != units {
			return fmt.Errorf("flips: %d are listed where %d say it all: some are there twice", listed, units)
		}
		if err := j.checkStats(p.jsonStats(len(j.flips))); err != nil {
			return err
		}
	}
	if j.own.Checksum.IsZero() {
		return nil
	}
	sum, err := jsonPatch{
		Name: j.meta.Name, Description: j.meta.Description, BaseModel: j.meta.BaseModel, Stats: j.meta.Stats, Metadata: j.meta.Metadata,
	}.provenanceDigest()
	if err == nil && sum != j.own.Checksum {
		err = errors.New("the checksum of what the file says beside its flips does not match: it is damaged or was changed; to read it all the same, take metadata.bankai.checksum out")
	}
	return err
}

// checkStats compares what the file counts with what there is.
func (j *jsonReader) checkStats(there map[string]json.RawMessage) error {
	for _, key := range statsKeys {
		said, ok := j.meta.Stats[key]
		if is := there[key]; ok && is != nil && string(said) != string(is) {
			return fmt.Errorf("stats: %s is %.40s, but the flips make %s: the file is damaged or was changed", key, said, is)
		}
	}
	return nil
}

// object reads an object; member must read the value that belongs to key.
func (j *jsonReader) object(member func(key string) error) (seen map[string]bool, err error) {
	if err := j.open('{', "an object"); err != nil {
		return nil, err
	}
	seen = map[string]bool{}
	for j.dec.More() {
		tok, err := j.token()
		if err != nil {
			return nil, err
		}
		key, _ := tok.(string) // the decoder allows nothing else here
		if seen[key] {
			return nil, fmt.Errorf("member %.40q is there twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return nil, err
		}
	}
	_, err = j.token()
	return seen, err
}

func (j *jsonReader) open(delim json.Delim, what string) error {
	tok, err := j.token()
	if err == nil && tok != delim {
		err = fmt.Errorf("want %s, found %s", what, describe(tok))
	}
	return err
}

func (j *jsonReader) token() (json.Token, error) {
	tok, err := j.dec.Token()
	return tok, j.syntax(err)
}

// syntax says where the JSON is broken.
func (j *jsonReader) syntax(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("not a whole JSON patch: it ends at byte %d", j.dec.InputOffset())
	case errors.As(err, &syntax) && j.dec.InputOffset() == 0:
		return errors.New("not a patch: neither a .bankai file nor JSON")
	case errors.As(err, &syntax): // its own offset counts from some earlier token
		return fmt.Errorf("broken JSON after byte %d: %w", j.dec.InputOffset(), err)
	}
	return err
}

// describe names a token in an error.
func describe(tok json.Token) string {
	switch v := tok.(type) {
	case nil:
		return "null"
	case json.Delim:
		return map[json.Delim]string{'{': "an object", '[': "a list"}[v]
	case string:
		return fmt.Sprintf("the text %.40q", v)
	}
	return fmt.Sprintf("%.40v", tok)
}

// member reads a member of the patch itself.
func (j *jsonReader) member(key string) (err error) {
	switch key {
	case "version":
		var v uint64
		if v, err = j.number(1 << 32); err == nil && v != jsonVersion {
			err = fmt.Errorf("%d is not read by this program, which reads %d: use a newer bankai", v, jsonVersion)
		}
	case "format":
		var s string
		if s, err = j.text(); err == nil && s != jsonFormat {
			err = fmt.Errorf("%.40q is unknown, want %q", s, jsonFormat)
		}
	case "name":
		j.meta.Name, err = j.text()
	case "description":
		j.meta.Description, err = j.text()
	case "base_model":
		j.meta.BaseModel, err = j.text()
	case "flips":
		return j.readFlips() // says where by itself
	case "stats":
		j.meta.Stats, err = j.members()
	case "metadata":
		err = j.readMetadata()
	default:
		_, err = j.raw()
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (j *jsonReader) readFlips() error {
	if err := j.open('[', "a list"); err != nil {
		return fmt.Errorf("flips: %w", err)
	}
	for i := 0; j.dec.More(); i++ {
		if i == MaxFlips {
			return fmt.Errorf("flips: more than %d", MaxFlips)
		}
		f, err := j.flip()
		if err != nil {
			return fmt.Errorf("flips[%d]: %w", i, err)
		}
		j.flips = append(j.flips, f)
	}
	_, err := j.token()
	return err
}

func (j *jsonReader) flip() (Flip, error) {
	var layer, row, group uint64
	var proj string
	whole := true
	seen, err := j.object(func(key string) (err error) {
		switch key {
		case "layer":
			layer, err = j.number(maxLayer)
		case "proj":
			proj, err = j.text()
		case "row":
			row, err = j.number(maxRows - 1)
		case "group":
			group, whole, err = j.optional(maxColumns/GroupSize - 1)
		default:
			_, err = j.raw()
			return err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return Flip{}, err
	}
	for _, key := range []string{"layer", "proj", "row"} {
		if !seen[key] {
			return Flip{}, fmt.Errorf("%s is missing", key)
		}
	}
	tensor, err := TensorName(int(layer), proj)
	if err != nil {
		return Flip{}, fmt.Errorf("proj: %w", err)
	}
	if whole {
		return Flip{tensor, uint32(row), 0, ToEnd}, nil
	}
	return Flip{tensor, uint32(row), uint32(group) * GroupSize, GroupSize}, nil
}

// readMetadata reads the metadata and takes out the member "bankai".
func (j *jsonReader) readMetadata() (err error) {
	j.meta.Metadata, err = j.members()
	if err != nil {
		return err
	}
	if own, ok := j.meta.Metadata[bankaiKey]; ok {
		if err := json.Unmarshal(own, &j.own); err != nil {
			return fmt.Errorf("%s: %w", bankaiKey, err)
		}
		var named struct{ Base *Digest }
		if err := json.Unmarshal(own, &named); err == nil && named.Base != nil && named.Base.IsZero() {
			return fmt.Errorf("%s: base: is zero, which is no model's digest: the file is damaged, or the member has to be left out", bankaiKey)
		}
	}
	for _, tensor := range slices.Sorted(maps.Keys(j.own.Widths)) {
		if w := j.own.Widths[tensor]; w == 0 || w > maxColumns {
			return fmt.Errorf("%s: widths: %d for %.80q is out of range, 1 to %d", bankaiKey, w, tensor, uint32(maxColumns))
		}
	}
	return nil
}

func (j *jsonReader) raw() (json.RawMessage, error) {
	var raw json.RawMessage
	err := j.dec.Decode(&raw)
	return raw, j.syntax(err)
}

// members reads an object, or null for none.
func (j *jsonReader) members() (members map[string]json.RawMessage, err error) {
	raw, err := j.raw()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(raw, []byte("{")) && string(raw) != "null" {
		return nil, fmt.Errorf("want an object, found %.40q", raw)
	}
	if len(raw) > maxMeta {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(raw), maxMeta)
	}
	return members, json.Unmarshal(raw, &members)
}

// text reads a string, or null for none.
func (j *jsonReader) text() (string, error) {
	tok, err := j.token()
	if err != nil || tok == nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("want a text, found %s", describe(tok))
	}
	return s, nil
}

// number reads a whole number from 0 to limit.
func (j *jsonReader) number(limit uint64) (uint64, error) {
	n, null, err := j.optional(limit)
	if null {
		err = fmt.Errorf("want a whole number from 0 to %d, found null", limit)
	}
	return n, err
}

// optional reads a whole number from 0 to limit, or null.
func (j *jsonReader) optional(limit uint64) (n uint64, null bool, err error) {
	tok, err := j.token()
	if err != nil || tok == nil {
		return 0, err == nil, err
	}
	text, ok := tok.(json.Number)
	if ok {
		n, err = strconv.ParseUint(text.String(), 10, 64)
	}
	if !ok || err != nil || n > limit {
		return 0, false, fmt.Errorf("want a whole number from 0 to %d, found %s", limit, describe(tok))
	}
	return n, false, nil
}
