package signature

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bankai"
)

// Comment is what a signature says of the patch that it is for, and what is signed
// like the patch. On a line it reads
//
//	bankai patch v1 base=HEX content=HEX name=NAME time=SECONDS note=TEXT
//
// where base is all zeros for a patch that names no model, NAME is escaped as in a
// URL, SECONDS count since 1970, and note with its text to the end of the line may be
// missing. A comment has one spelling: digits of a digest are small, no escape is needless.
type Comment struct {
	Base    bankai.Digest // of the model
	Content bankai.Digest // of what the patch flips in it
	Name    string        // what the patch is called
	Time    time.Time     // when it was signed, to the second
	Note    string        // what the signer wished to say
}

// Bounds of what a comment holds: minisign's own lines are not much longer.
const (
	maxName = 64  // characters; longer names are cut
	maxNote = 500 // bytes
)

const (
	commentWords = "bankai patch v"
	commentBegin = commentWords + "1 "
)

// String is the comment as a line.
func (c Comment) String() string {
	line := fmt.Sprintf("%sbase=%v content=%v name=%s time=%d", commentBegin, c.Base, c.Content, url.PathEscape(c.Name), c.Time.Unix())
	if c.Note != "" {
		line += " note=" + c.Note
	}
	return line
}

// CheckNote refuses what cannot be the note of a comment: what could not be read again, or
// could steer a terminal.
func CheckNote(note string) error {
	switch {
	case len(note) > maxNote:
		return fmt.Errorf("the comment has %d bytes: at most %d", len(note), maxNote)
	case !utf8.ValidString(note) || strings.ContainsFunc(note, unicode.IsControl) || strings.TrimSpace(note) != note:
		return fmt.Errorf("the comment %.60q must be one line of text, without spaces around it", note)
	}
	return nil
}

// parseComment reads a line. ours is false if it is not meant to be such a comment:
// minisign signs other ones.
func parseComment(line string) (c Comment, ours bool, err error) {
	if !strings.HasPrefix(line, commentWords) {
		return c, false, nil
	}
	rest, known := strings.CutPrefix(line, commentBegin)
	if !known {
		return c, true, fmt.Errorf("the trusted comment is of another version: %.60q: use a newer bankai", line)
	}
	rest, note, _ := strings.Cut(rest, " note=")
	c.Note = note
	var base, content, name, seconds string
	fields := strings.Split(rest, " ")
	for i, to := range []struct {
		key   string
		value *string
	}{{"base=", &base}, {"content=", &content}, {"name=", &name}, {"time=", &seconds}} {
		value, found := "", false
		if i < len(fields) {
			value, found = strings.CutPrefix(fields[i], to.key)
		}
		if !found || len(fields) != 4 {
			return c, true, fmt.Errorf("the trusted comment is malformed: want base, content, name and time, in this order, in %.200q", line)
		}
		*to.value = value
	}
	if c.Base, err = bankai.ParseDigest(base); err != nil {
		return c, true, fmt.Errorf("the trusted comment's base: %w", err)
	}
	if c.Content, err = bankai.ParseDigest(content); err != nil {
		return c, true, fmt.Errorf("the trusted comment's content: %w", err)
	}
	if c.Name, err = url.PathUnescape(name); err != nil {
		return c, true, fmt.Errorf("the trusted comment's name: %w", err)
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || at < 0 {
		return c, true, fmt.Errorf("the trusted comment's time %.40q is no number of seconds since 1970", seconds)
	}
	c.Time = time.Unix(at, 0).UTC()
	return c, true, c.spells(line)
}

// spells refuses a line from which the comment was read, and which is not how it is written.
func (c Comment) spells(line string) error {
	if n := utf8.RuneCountInString(c.Name); n > maxName {
		return fmt.Errorf("the trusted comment's name has %d characters: at most %d", n, maxName)
	}
	if again := c.String(); again != line {
		return fmt.Errorf("the trusted comment is not written as it has to be: %.200q, where %.200q says the same", line, again)
	}
	return nil
}

// agree refuses a patch that the comment is not about.
func (c Comment) agree(p *bankai.Patch) error {
	switch {
	case c.Base != p.Base():
		return fmt.Errorf("%w: its comment is about a patch for the model %.12v, and this one is for %.12v", ErrTampered, c.Base, p.Base())
	case c.Content != p.ContentDigest():
		return fmt.Errorf("%w: its comment is about the content %.12v, and this patch has %.12v", ErrTampered, c.Content, p.ContentDigest())
	}
	return nil
}
