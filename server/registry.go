package server

import (
	"bytes"
	"cmp"
	"container/list"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"
	"bankai/store/signature"
)

// patch is one that requests can name. It does not change: another one under its name
// is another patch.
type patch struct {
	Name    string        // "" if it came inside a request
	Digest  bankai.Digest // of what it flips in this model: what names it for good
	Content *bankai.Patch // fitted to the model
	Size    int64         // bytes in the compact form
	Added   time.Time
	By      *signature.Signer // who signed it, and is trusted with it; nil for nobody

	brief    func() patchDoc // what lists say of it, worked out once
	unsigned error           // why By is nil; nil where it came inside a request
	signed   *Signed         // to be checked again; nil: not here
	kept     bool            // of the library: it goes, and changes, with that
}

// shown is how people read which patch it is.
func (p *patch) shown() string {
	if p.Name != "" {
		return p.Name
	}
	return fmt.Sprintf("sha256:%.12s", p.Digest)
}

// maxPatches bounds how many patches a server knows, so that nobody fills its memory.
const maxPatches = 10000

// registry knows the patches that there are, by name. A request takes its patches once,
// when it comes, and keeps them: what happens to the names later does not concern it.
type registry struct {
	model    *engine.Model
	base     string // the model's name
	overlays *overlayCache
	library  *shelf // nil for none

	mu      sync.RWMutex
	named   map[string]*patch
	refused map[string]error         // why names of patches that were given or put are not there
	left    map[string]error         // why names of the library are not there
	deleted map[string]bankai.Digest // what the library has under names that were deleted here

	// Of what is checked again when trust changes: what it was when that was done last, and
	// the patches that nobody who is trusted signed now.
	checked  *trusted // nil: something came since
	withheld map[string]*patch
}

func newRegistry(m *engine.Model, base string, made func(time.Duration)) *registry {
	return &registry{model: m, base: base, overlays: newOverlayCache(m, made), named: map[string]*patch{}, refused: map[string]error{}, deleted: map[string]bankai.Digest{}, withheld: map[string]*patch{}}
}

// get is the patch of a name, nil if there is none. A patch of the library is that of its
// tag "latest", too.
func (r *registry) get(name string) *patch {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if alone, tagged := strings.CutSuffix(name, ":"+latest); tagged {
		if p := r.named[alone]; p != nil && p.kept {
			return p
		}
	}
	return r.named[name]
}

// whyNot is why a name that could be expected is not there.
func (r *registry) whyNot(name string) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if why := r.refused[name]; why != nil {
		return why
	}
	return r.left[name]
}

// leave says what of the library was left out, and why.
func (r *registry) leave(left map[string]error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = left
}

// leftOut are the names that could be expected and are not there, in order.
func (r *registry) leftOut() []leftOut {
	r.mu.RLock()
	defer r.mu.RUnlock()
	why := maps.Clone(r.left)
	if why == nil {
		why = map[string]error{}
	}
	maps.Copy(why, r.refused)
	all := make([]leftOut, 0, len(why))
	for _, name := range slices.Sorted(maps.Keys(why)) {
		if why[name] != nil && r.named[name] == nil {
			all = append(all, leftOut{name, text.Clip(why[name].Error(), listedText)})
		}
	}
	return all
}

// missing says that there is no patch of a name, and why, or where to look for others.
func (r *registry) missing(name, where string) string {
	if why := r.whyNot(name); why != nil {
		return fmt.Sprintf("there is no patch %q, for it was left out: %v", name, why)
	}
	return fmt.Sprintf("there is no patch %q: %s lists those that there are", name, where)
}

// digest is a patch by its digest, of several equal ones the first by name.
func (r *registry) digest(d bankai.Digest) *patch {
	for _, p := range r.all() {
		if p.Digest == d {
			return p
		}
	}
	return nil
}

// all are the patches, by name.
func (r *registry) all() []*patch {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*patch, 0, len(r.named))
	for _, p := range r.named {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *patch) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// fit makes a patch of what was read, if it is for this model.
func (r *registry) fit(name string, p *bankai.Patch) (*patch, error) {
	fitted, err := r.model.Weights().Fit(p)
	if err != nil {
		return nil, err
	}
	fitted = fitted.WithBase(r.model.Digest())
	size, err := fitted.ContentSize()
	if err != nil {
		return nil, err
	}
	brief := sync.OnceValue(func() patchDoc { return briefOf(fitted, size) })
	return &patch{Name: name, Digest: fitted.ContentDigest(), Content: fitted, Size: size, Added: time.Now(), brief: brief}, nil
}

// put gives a patch its name, which another may have had. It makes the overlay, so that
// no request waits for it.
func (r *registry) put(p NamedPatch) (added *patch, replaced bool, err error) {
	return r.place(p, false)
}

// place is put of a patch that may be kept in the library.
func (r *registry) place(p NamedPatch, kept bool) (added *patch, replaced bool, err error) {
	name := p.Name
	if err := r.allows(name); err != nil {
		return nil, false, err
	}
	added, err = r.fit(name, p.Patch)
	if err != nil {
		return nil, false, err
	}
	if added.By = p.Signer; added.By == nil {
		added.unsigned = cmp.Or(p.Unsigned, signature.ErrUnsigned)
	}
	if _, err := r.set([]*patch{added}); err != nil {
		return nil, false, err
	}
	if added.kept = kept; !kept {
		added.signed = p.Signed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, replaced = r.named[name]
	if !replaced && len(r.named)+len(r.withheld) >= maxPatches {
		return nil, false, &failure{status: 507, kind: kindInvalid, code: "too_many_patches", message: fmt.Sprintf("there are %d patches already: delete some", len(r.named)), never: true}
	}
	r.named[name] = added
	delete(r.refused, name)
	delete(r.withheld, name)
	if added.signed != nil {
		r.checked = nil
	}
	return added, replaced, nil
}

// allows refuses what cannot be the name of a patch here.
func (r *registry) allows(name string) error {
	if err := CheckName(name); err != nil {
		return invalid("name", "%v", err)
	}
	if name == r.base {
		return invalid("name", "%q is the name of the model: give the patch another", name)
	}
	return nil
}

// withhold says why a name that could be expected is not there. Its patch is kept, if it has
// one of this model that is to be checked again.
func (r *registry) withhold(p NamedPatch, why error) {
	r.refused[p.Name] = why
	if p.Patch == nil || p.Signed == nil || p.Name == r.base {
		return
	}
	if fitted, err := r.fit(p.Name, p.Patch); err == nil {
		fitted.signed = p.Signed
		r.withheld[p.Name] = fitted
	}
}

// remove takes a name away, also of a patch that is withheld. Requests under its patch go
// on. What the library has under the name of a patch that was put is there again.
func (r *registry) remove(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, there := r.named[name]
	delete(r.named, name)
	switch {
	case !there || r.library == nil:
	case p.kept:
		r.deleted[name] = p.Digest
	default:
		r.library.again.Store(true)
	}
	if _, withheld := r.withheld[name]; withheld {
		there = true
		delete(r.withheld, name)
		delete(r.refused, name)
	}
	return there
}

// inline reads a patch that came inside a request, in base64.
func (r *registry) inline(data string, most int64) (*patch, error) {
	if most <= 0 {
		return nil, unsupported("patches", "patches inside of requests are not allowed here: name one that the server has, or start it with --inline-patches")
	}
	if int64(base64.StdEncoding.DecodedLen(len(data))) > most+2 {
		return nil, invalid("patches", "a patch inside of a request has more than %d bytes: put it under a name with PUT /api/patches/NAME", most)
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, invalid("patches", "the data of a patch is not base64 with padding: %v", err)
	}
	p, err := bankai.Read(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return r.fit("", p)
}

// patchSet is what a request is answered under: the XOR of its patches.
type patchSet struct {
	patches []*patch
	sum     *bankai.Patch   // the XOR; nil for no patches
	digest  bankai.Digest   // of the XOR; zero for the model as it is
	overlay *engine.Overlay // nil for the model as it is
}

// set combines patches.
func (r *registry) set(patches []*patch) (*patchSet, error) {
	s := &patchSet{patches: patches}
	if len(patches) == 0 {
		return s, nil
	}
	if err := together(patches); err != nil {
		return nil, err
	}
	s.sum = patches[0].Content
	for _, p := range patches[1:] {
		var err error
		if s.sum, err = s.sum.Xor(p.Content); err != nil {
			return nil, err
		}
	}
	if s.sum.Len() == 0 {
		return s, nil
	}
	s.digest = s.sum.ContentDigest()
	var err error
	s.overlay, err = r.overlays.get(s.digest, s.sum)
	return s, err
}

// together refuses patches that no request can have together: two that flip the same would
// cancel, which is hardly meant, and of two that conflict one says so.
func together(patches []*patch) error {
	seen := map[bankai.Digest]*patch{}
	for i, p := range patches {
		if same := seen[p.Digest]; same != nil {
			return cancels(same, p)
		}
		seen[p.Digest] = p
		for _, before := range patches[:i] {
			if c, declared := bankai.ConflictOf(before.Content, p.Content); declared {
				return conflicting(before, p, c)
			}
		}
	}
	return nil
}

func cancels(a, b *patch) *failure {
	if a.Name == b.Name {
		return invalid("patches", "the patch %s is named twice, and both together do nothing: name it once", a.shown())
	}
	return invalid("patches", "the patches %s and %s flip the same, so that both together do nothing: name one of them", a.shown(), b.shown())
}

// conflicting refuses two patches of which one says that it must not be combined with the
// other.
func conflicting(a, b *patch, c bankai.Conflict) *failure {
	why := ""
	if said := text.Printable(c.Why); said != "" {
		why = " (" + said + ")"
	}
	return &failure{
		status: http.StatusConflict, kind: kindInvalid, param: "patches", code: "patches_conflict", never: true,
		message: fmt.Sprintf("the patches %s and %s must not be combined%s: name one of them", a.shown(), b.shown(), why),
	}
}

// id is the model's id for the set, as requests write it.
func (s *patchSet) id(base string) string {
	if len(s.patches) == 0 {
		return base
	}
	return base + ":" + s.label()
}

// label lists the patches of a set, as in a model's id; "" for none.
func (s *patchSet) label() string {
	var names []string
	for _, p := range s.patches {
		names = append(names, p.shown())
	}
	return strings.Join(names, "+")
}

// header says which patches an answer is made under, by name and digest.
func (s *patchSet) header() string {
	var all []string
	for _, p := range s.patches {
		all = append(all, strings.TrimPrefix(p.Name+"@sha256:", "@")+p.Digest.String())
	}
	return strings.Join(all, ", ")
}

// Bounds of the overlays that are kept though no request may run under them: their number,
// and their bytes. A patch of a few kilobytes that touches many rows has one of megabytes.
const (
	maxOverlays     = 256
	maxOverlayBytes = 256 << 20
)

// overlayCache keeps overlays by what they flip, those used last. Requests under the same
// flips share one overlay, whatever the names of their patches: the engine computes for
// them together.
type overlayCache struct {
	model *engine.Model
	made  func(time.Duration)

	room int64 // for all

	mu    sync.Mutex
	known map[bankai.Digest]*list.Element // of *keptOverlay
	used  *list.List                      // the one used last first
	bytes int64                           // of those that are made
}

type keptOverlay struct {
	digest bankai.Digest
	make   func() (*engine.Overlay, error) // once
	bytes  int64                           // 0 before it is made
}

func newOverlayCache(m *engine.Model, made func(time.Duration)) *overlayCache {
	return &overlayCache{model: m, made: made, room: maxOverlayBytes, known: map[bankai.Digest]*list.Element{}, used: list.New()}
}

// get is the overlay of a patch that has a digest.
func (c *overlayCache) get(d bankai.Digest, p *bankai.Patch) (*engine.Overlay, error) {
	c.mu.Lock()
	e, there := c.known[d]
	if there {
		c.used.MoveToFront(e)
	} else {
		e = c.used.PushFront(&keptOverlay{digest: d, make: sync.OnceValues(func() (*engine.Overlay, error) { return c.overlay(p) })})
		c.known[d] = e
	}
	c.mu.Unlock()
	kept := e.Value.(*keptOverlay)
	o, err := kept.make() // without the lock: others need not wait
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept.bytes == 0 && c.known[d] == e {
		kept.bytes = o.Bytes()
		c.bytes += kept.bytes
	}
	c.shrink()
	return o, err
}

// shrink drops what was used longest ago. One overlay may be as large as it is.
func (c *overlayCache) shrink() {
	for c.used.Len() > maxOverlays || c.used.Len() > 1 && c.bytes > c.room {
		last := c.used.Remove(c.used.Back()).(*keptOverlay)
		delete(c.known, last.digest)
		c.bytes -= last.bytes
	}
}

func (c *overlayCache) overlay(p *bankai.Patch) (*engine.Overlay, error) {
	began := time.Now()
	o, err := c.model.Overlay(p)
	if c.made != nil {
		c.made(time.Since(began))
	}
	return o, err
}
