// Package card writes the page that a patch is shared with: what it is, what it is for,
// how to use it, and what was measured of it, as Markdown with the front matter that the
// Hugging Face hub reads. It is made of the patch alone.
//
// A patch is somebody else's file: no text of it becomes markup, a link or HTML.
package card

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/claims"
	"bankai/internal/guard"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/store"
)

// Options are what a card says that the patch does not.
type Options struct {
	Ref    string // by which commands find the patch; "" for its name
	Base   string // the model on the Hugging Face hub, OWNER/NAME; "" for the patch's own word
	Signed string // by whom, in words; "" if that is not known
}

// page is a card that is being written.
type page struct {
	bytes.Buffer
	Options
	patch *bankai.Patch
	meta  bankai.Meta
	title string
}

// Of is the card of a patch. The error is that the patch cannot be encoded.
func Of(p *bankai.Patch, o Options) ([]byte, error) {
	c := &page{Options: o, patch: p, meta: p.Meta()}
	if c.title = c.meta.Name; printable(c.title) == "" {
		c.title = fmt.Sprintf("patch %.12s", p.ContentDigest())
	}
	if c.Ref == "" {
		c.Ref = "patch.bankai"
		if store.CheckName(c.meta.Name) == nil {
			c.Ref = c.meta.Name
		}
	}
	if c.Base == "" && IsHubModel(c.meta.BaseModel) {
		c.Base = c.meta.BaseModel
	}
	c.front()
	c.about()
	c.flips()
	c.base()
	c.use()
	c.claims()
	c.conflicts()
	if err := c.origin(); err != nil {
		return nil, err
	}
	c.limits()
	sum := sha256.Sum256(c.Bytes())
	c.say("\n%s%x -->\n", seal, sum)
	return c.Bytes(), nil
}

// seal begins the last line of a card, which tells whether somebody changed it.
const seal = "<!-- written by bankai patch card, sha256:"

// IsOwn reports whether a file is a card as this package wrote it, and whether it is one
// that was changed since.
func IsOwn(file []byte) (own, changed bool) {
	at := bytes.LastIndex(file, []byte("\n"+seal))
	if at < 0 {
		return false, false
	}
	sum, err := hex.DecodeString(string(bytes.TrimSuffix(file[at+1+len(seal):], []byte(" -->\n"))))
	is := sha256.Sum256(file[:at])
	own = err == nil && bytes.Equal(sum, is[:])
	return own, !own
}

func (c *page) say(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// front is what the hub reads.
func (c *page) front() {
	c.say("---\n")
	if c.meta.License != "" {
		id := hubLicense(c.meta.License)
		c.say("license: %s\n", id)
		if id == "other" {
			c.say("license_name: %s\n", quoted(licenseName(c.meta.License)))
		}
	}
	if c.Base != "" {
		c.say("base_model: %s\nbase_model_relation: adapter\n", quoted(c.Base))
	}
	c.say("library_name: bankai\ntags:\n- bankai\n- 1-bit\n- patch\n---\n\n")
}

// about is what the patch is.
func (c *page) about() {
	c.say("# %s\n\n", prose(c.title))
	if about := prose(c.meta.Description); about != "" {
		c.say("%s\n\n", about)
	}
	model := "a true 1-bit language model"
	if name := prose(c.meta.BaseModel); name != "" {
		model = "the 1-bit language model " + name
	}
	c.say("This is a patch for %s: it inverts %s of its weights, and adds nothing. ", model, c.bits())
	c.say("Applying it is one XOR, taking it off is the same XOR, and it costs nothing while the model runs.\n\n")
}

// bits says how many sign bits the patch inverts.
func (c *page) bits() string {
	n, known := c.patch.Bits()
	if !known {
		return "the signs in " + text.Count(c.patch.Len(), "run")
	}
	noun := "signs"
	if n == 1 {
		noun = "sign"
	}
	return fmt.Sprintf("the %s of %s", noun, text.Thousands(int64(n)))
}

// flips is where the patch flips, by layer and projection.
func (c *page) flips() {
	tensors := anatomy.FlipsByTensor(c.patch)
	if len(tensors) == 0 {
		return
	}
	c.say("## What it flips\n\nRuns of weights in one row, by layer and matrix:\n\n")
	var names []string
	for _, t := range tensors {
		if t.Layer != nil {
			names = append(names, t.Proj)
		}
	}
	if projs := measure.Projections(nil, names...); len(projs) > 0 {
		header := []string{"layer"}
		for _, p := range projs {
			header = append(header, prose(p))
		}
		c.row(header...)
		c.row(slices.Repeat([]string{"--:"}, len(header))...)
		tensors = c.layers(tensors, projs)
		c.say("\n")
	}
	for _, t := range tensors {
		c.say("- %s: %s\n", code(t.Tensor), text.Count(t.Flips, "run"))
	}
	if len(tensors) > 0 {
		c.say("\n")
	}
}

// layers writes the rows of the layers, and returns what is in none.
func (c *page) layers(tensors []anatomy.TensorFlips, projs []string) []anatomy.TensorFlips {
	for len(tensors) > 0 && tensors[0].Layer != nil {
		layer := *tensors[0].Layer
		cells := slices.Repeat([]string{""}, len(projs)+1)
		cells[0] = fmt.Sprint(layer)
		for len(tensors) > 0 && tensors[0].Layer != nil && *tensors[0].Layer == layer {
			cells[1+slices.Index(projs, tensors[0].Proj)] = fmt.Sprint(tensors[0].Flips)
			tensors = tensors[1:]
		}
		c.row(cells...)
	}
	return tensors
}

// row is one of a table.
func (c *page) row(cells ...string) { c.say("| %s |\n", strings.Join(cells, " | ")) }

// fact is a line of a list; nothing is said of what is not known.
func (c *page) fact(what, value string) {
	if value != "" {
		c.say("- %s: %s\n", what, value)
	}
}

// base is the model that the patch is for.
func (c *page) base() {
	c.say("## The model it is for\n\n")
	base, refused := "", "The patch does not name its model's digest: whether it fits is checked by shape alone."
	if d := c.patch.Base(); !d.IsZero() {
		base, refused = code(d.String()), "Any other model refuses it."
	}
	c.fact("Name", prose(c.meta.BaseModel))
	c.fact("On the hub", prose(c.Base))
	c.fact("Digest of its weights (`bankai info MODEL` prints it)", base)
	if a := c.meta.Arithmetic; a != (bankai.Arithmetic{}) {
		c.fact("How it computes", a.String())
		c.fact("Fingerprint of that", code(a.Fingerprint().String()))
	}
	c.say("\n%s\n\n", refused)
}

// use is how to use the patch.
func (c *page) use() {
	ref, prompt := text.Quoted(c.Ref), "'...'"
	c.say("## How to use it\n\n%s\n", block(
		"bankai generate --model MODEL.gguf --patch "+ref+" --compare "+prompt,
		"bankai serve --model MODEL.gguf --patch "+ref,
		"bankai patch apply MODEL.gguf -o patched.gguf --patch "+ref+"   # for other programs",
		"bankai library verify --model MODEL.gguf "+ref+"   # measures the claims below again",
	))
}

// claims is what was measured.
func (c *page) claims() {
	c.say("## What was measured\n\n")
	if len(c.meta.Claims) == 0 {
		c.say("The patch claims nothing.\n\n")
		return
	}
	c.row("claim", "asked", "right before", "after", "fixed", "broke", "p", "which is", "set (SHA-256)")
	c.row("---", "--:", "--:", "--:", "--:", "--:", "--:", "---", "---")
	for _, m := range c.meta.Claims {
		c.row(claimCells(m)...)
	}
	c.say("\n\"Fixed\" answers were wrong without the patch and are right with it, \"broke\" is the other way round, and p is how likely ")
	c.say("a split as uneven would be if the patch did nothing (McNemar's exact test, two-sided).\n\n")
	if g := guard.RecordOf(c.meta); g != nil {
		c.say("A guard, made of what the model itself says (edition %d, seed %d, %s tokens), kept watch: on texts that no search saw, ", g.Edition, g.Seed, text.Thousands(int64(g.Tokens)))
		c.say("the model's words diverge by %s nats a token with the patch.\n\n", fmt.Sprintf("%.2g", g.KL))
	} else {
		c.say("No guard is recorded: what else the patch changed was not measured.\n\n")
	}
}

// claimCells are a claim in the columns of the table.
func claimCells(m bankai.Claim) []string {
	set := "not named"
	if !m.Probes.IsZero() {
		set = code(fmt.Sprintf("%.12s", m.Probes))
	}
	before, after, fixed, broke := fmt.Sprint(m.Before), fmt.Sprint(m.After), fmt.Sprint(m.Fixed), fmt.Sprint(m.Broke)
	means := claims.Meaning(m)
	switch claims.KindOf(m) {
	case claims.Likelier:
		before, after, fixed, broke = "", "", fixed+" likelier", broke+" less likely"
	case claims.Unchanged:
		before, after, fixed, broke = "", after+" the same", "", broke+" changed"
	}
	return []string{prose(m.Name), fmt.Sprint(m.Total), before, after, fixed, broke, text.Probability(m.PValue), means, set}
}

// conflicts is what the patch does not go with.
func (c *page) conflicts() {
	if len(c.meta.Conflicts) == 0 {
		return
	}
	c.say("## What it does not go with\n\n")
	for _, x := range c.meta.Conflicts {
		name, why := prose(x.Name), prose(x.Why)
		if name == "" {
			name = "a patch without a name"
		}
		if why != "" {
			why = ": " + why
		}
		c.say("- %s (content %s)%s\n", name, code(x.Content.String()), why)
	}
	c.say("\n")
}

// origin is where the patch comes from.
func (c *page) origin() error {
	file, err := c.patch.Encode()
	if err != nil {
		return err
	}
	c.say("## Where it comes from\n\n")
	c.fact("Author", prose(c.meta.Author))
	c.fact("License", prose(c.meta.License))
	c.fact("Signed by", prose(c.Signed))
	c.fact("Made by", prose(c.meta.Tool))
	if !c.meta.Created.IsZero() {
		c.fact("Made on", c.meta.Created.Format(text.TimeLayout))
	}
	c.fact("Climbed", prose(c.meta.Metric))
	c.fact("Digest of what it flips", code(c.patch.ContentDigest().String()))
	c.fact("SHA-256 of its .bankai file", fmt.Sprintf("%s (%s bytes)", code(fmt.Sprintf("%x", sha256.Sum256(file))), text.Thousands(int64(len(file)))))
	c.say("\n")
	if c.meta.Command != "" {
		c.say("%s\n", block(c.meta.Command))
	}
	return nil
}

// limits is what a reader should not take for more than it is.
func (c *page) limits() {
	c.say(`## Limits

- What is claimed above is the author's word. "bankai library verify" measures it again,
  to the same counts, where the questions are at hand; without them nobody can check it.
- It holds for this model as it computes here. Another model refuses the patch, and a
  program that computes otherwise gives other answers.
- Answers were counted on some questions of some kinds. Of others, and of longer
  conversations, only the guard says something, if there was one.
- Together with other patches the counts are other ones: "bankai library compare" tells
  what two share and do to each other.
`)
}
