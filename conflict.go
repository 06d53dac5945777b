package bankai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Conflict is a patch that another one must not be combined with.
type Conflict struct {
	Content Digest `json:"content"`        // what it flips: see [Patch.ContentDigest]
	Name    string `json:"name,omitempty"` // what people call it
	Why     string `json:"why,omitempty"`  // what goes wrong with both
}

// MaxConflicts bounds the conflicts that a patch declares.
const MaxConflicts = 256

// ConflictOf returns the conflict that one of two patches declares with the other. Whether
// they are bound to a model makes no difference, as long as it is not to different ones; that
// they know the widths may make one: see [Patch.ContentDigest].
func ConflictOf(p, q *Patch) (c Conflict, declared bool) {
	if c, declared = p.declares(q); declared {
		return c, true
	}
	return q.declares(p)
}

// declares finds q among the conflicts of p.
func (p *Patch) declares(q *Patch) (Conflict, bool) {
	if len(p.meta.Conflicts) == 0 {
		return Conflict{}, false
	}
	bases := []Digest{q.base, p.base, {}}
	for i, base := range bases {
		if slices.Contains(bases[:i], base) {
			continue
		}
		d := q.WithBase(base).ContentDigest()
		for _, c := range p.meta.Conflicts {
			if c.Content == d {
				return c, true
			}
		}
	}
	return Conflict{}, false
}

// canonicalConflicts sorts conflicts in place by what they flip, and keeps the first of
// each.
func canonicalConflicts(list []Conflict) []Conflict {
	for i := range list {
		c := &list[i]
		c.Name, c.Why = strings.ToValidUTF8(c.Name, "\uFFFD"), strings.ToValidUTF8(c.Why, "\uFFFD")
	}
	slices.SortStableFunc(list, func(a, b Conflict) int { return bytes.Compare(a.Content[:], b.Content[:]) })
	list = slices.CompactFunc(list, func(a, b Conflict) bool { return a.Content == b.Content })
	if len(list) == 0 {
		return nil
	}
	return list
}

// checkConflicts reports what no encoding can hold.
func checkConflicts(list []Conflict) error {
	if len(list) > MaxConflicts {
		return fmt.Errorf("%d conflicts: the limit is %d", len(list), MaxConflicts)
	}
	for i, c := range list {
		switch {
		case c.Content.IsZero():
			return fmt.Errorf("conflict %d (%.40q): it names no content digest", i, c.Name)
		case len(c.Name) > maxLine || len(c.Why) > maxLine:
			return fmt.Errorf("conflict %d (%.40q): a text of it takes more than %d bytes", i, c.Name, maxLine)
		}
	}
	return nil
}

// liftConflicts takes the conflicts out of the carried metadata. What is no list of them
// stays there, unless the field is set.
func (m *Meta) liftConflicts() {
	if len(m.Conflicts) == 0 {
		m.Conflicts = parseConflicts(m.Metadata[conflictsKey])
	}
	if m.Conflicts = canonicalConflicts(m.Conflicts); m.Conflicts != nil {
		delete(m.Metadata, conflictsKey)
	}
}

// parseConflicts reads a list of conflicts; nil if it is something else, or says more than
// a [Conflict] holds.
func parseConflicts(data []byte) []Conflict {
	var raw []map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || len(raw) > MaxConflicts {
		return nil
	}
	list := make([]Conflict, len(raw))
	for i, object := range raw {
		c := &list[i]
		var content string
		for _, f := range []struct {
			key  string
			text *string
		}{{"content", &content}, {"name", &c.Name}, {"why", &c.Why}} {
			value, there := object[f.key]
			delete(object, f.key)
			if there && (!bytes.HasPrefix(value, []byte(`"`)) || json.Unmarshal(value, f.text) != nil) {
				return nil
			}
		}
		var err error
		if c.Content, err = ParseDigest(content); err != nil || len(object) > 0 {
			return nil
		}
	}
	if checkConflicts(list) != nil {
		return nil
	}
	return list
}
