package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/gguf"
)

// Keys by which a file that Bake wrote says so.
const (
	ownPrefix      = "bankai."
	bakedBaseKey   = ownPrefix + "base"        // digest of the model without the patches, 64 hexadecimal digits
	bakedFromKey   = ownPrefix + "from"        // what the model came from, if that was no single file of 1-bit matrices
	bakedNameKey   = ownPrefix + "name"        // general.name of the model without the patches, if it has one
	bakedFileKey   = ownPrefix + "file"        // SHA-256 of the file without the patches, if it was a single file of 1-bit matrices
	bakedPatchKey  = ownPrefix + "patch"       // content digests of the patches, in the order they were baked
	bakedTitlesKey = ownPrefix + "patch.name"  // their names
	bakedFlipsKey  = ownPrefix + "patch.flips" // content digests of what they flip, as of patches that name no model
	bakedSumKey    = ownPrefix + "sum"         // SHA-256 of the copy's metadata and digest, see sumOf
	generalNameKey = "general.name"
	fileTypeKey    = "general.file_type"
	mostlyQ1_0     = 40 // general.file_type of a 1-bit model
)

// Baked is what a file that Bake wrote says about its making.
type Baked struct {
	Base    bankai.Digest // of the model without the patches
	From    string        // what it came from, "" for a GGUF file that Remove gives back to the byte
	Patches []BakedPatch  // in the order they were baked
	File    bankai.Digest // SHA-256 of the file without the patches; zero if From is not "", or not known

	name    string // of the model without the patches
	hasName bool
}

// BakedPatch names a patch that is in a file.
type BakedPatch struct {
	Name    string
	Content bankai.Digest // see bankai.Patch.ContentDigest
	Flips   bankai.Digest // the same without the model that the patch names
}

// Baked returns what the file says about its making; ok is false if Bake did not
// write it.
func (f *File) Baked() (b Baked, ok bool) { return f.baked, !f.baked.Base.IsZero() }

// Sum is the SHA-256 of the model's file, the first one of a split model's. It is of
// no use for a model that is a folder.
func (f *File) Sum() bankai.Digest { return f.parts[0].Sum() }

// IsAsBaked reports whether the file is as Bake or Remove wrote it, with patches in it
// or converted: whoever has the model and the patches may write it anew.
func (f *File) IsAsBaked() bool {
	if f.baked.Base.IsZero() || len(f.parts) != 1 {
		return false
	}
	v, _ := f.parts[0].Value(bakedSumKey)
	text, _ := v.Str()
	kvs := slices.DeleteFunc(slices.Clone(f.parts[0].KVs), func(kv gguf.KV) bool { return kv.Key == bakedSumKey })
	sum, err := sumOf(kvs, f.Digest())
	return err == nil && text == sum
}

// sumOf is what a copy says about itself in bakedSumKey, in hex: the SHA-256 of its
// digest and its metadata but for that key.
func sumOf(kvs []gguf.KV, digest bankai.Digest) (string, error) {
	head, _, err := gguf.Header(kvs, nil)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat([]byte("bankai copy v1\n"), digest[:], head))
	return hex.EncodeToString(sum[:]), nil
}

// readBaked reads the keys that Bake writes; the result is zero where there are none.
func readBaked(file *gguf.File) (b Baked, err error) {
	k := &keys{file: file}
	if !k.has(bakedBaseKey) {
		return b, nil
	}
	digest := func(key, text string) bankai.Digest {
		d, err := bankai.ParseDigest(text)
		if err != nil || d.IsZero() {
			k.fail("%s does not hold a digest: the file is damaged or was changed", key)
		}
		return d
	}
	b.Base = digest(bakedBaseKey, k.text(bakedBaseKey))
	b.From, b.name, b.hasName = k.text(bakedFromKey), k.text(bakedNameKey), k.has(bakedNameKey)
	contents, titles, flips := k.texts(bakedPatchKey), k.texts(bakedTitlesKey), k.texts(bakedFlipsKey)
	if k.has(bakedFileKey) {
		b.File = digest(bakedFileKey, k.text(bakedFileKey))
	}
	if len(titles) != len(contents) {
		k.fail("%s does not name the %d patches of %s: the file is damaged or was changed", bakedTitlesKey, len(contents), bakedPatchKey)
	}
	if len(flips) != len(contents) {
		k.fail("%s does not have a digest for each of the %d patches of %s: the file is damaged or was changed", bakedFlipsKey, len(contents), bakedPatchKey)
	}
	if k.err != nil {
		return Baked{}, k.err
	}
	for i, text := range contents {
		b.Patches = append(b.Patches, BakedPatch{titles[i], digest(bakedPatchKey, text), digest(bakedFlipsKey, flips[i])})
	}
	if len(b.Patches) == 0 { // only converted: the name is still its own
		b.name, b.hasName = k.text(generalNameKey), k.has(generalNameKey)
	}
	if k.err != nil {
		return Baked{}, k.err
	}
	return b, nil
}

// texts reads a list of strings, nil where there is none.
func (k *keys) texts(key string) []string {
	v, ok := k.file.Value(key)
	list, isList := v.Strings()
	if ok && !isList {
		k.fail("%s is not a list of strings", key)
	}
	return list
}

// toggle adds a patch to the list, or takes it out: a patch that is baked twice is
// gone.
func (b *Baked) toggle(p BakedPatch) {
	for i, old := range b.Patches {
		if old.Flips == p.Flips {
			b.Patches = slices.Delete(slices.Clone(b.Patches), i, i+1)
			return
		}
	}
	b.Patches = append(slices.Clone(b.Patches), p)
}

// whatHappened completes "before …".
func (b Baked) whatHappened() string {
	var names []string
	for _, p := range b.Patches {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "it was converted"
	}
	return strings.Join(names, " and ") + " went in"
}

// making returns how a copy of this file is made that has further patches in it.
func (f *File) making() Baked {
	b := f.baked
	if b.Base.IsZero() {
		name, ok := f.parts[0].Value(generalNameKey)
		b = Baked{Base: f.Digest(), From: f.origin}
		if f.origin == "" {
			b.File = f.Sum()
		}
		b.name, _ = name.Str()
		b.hasName = ok
	}
	return b
}

// metadata returns the metadata of a file that was made as b says: that of the
// original where nothing happened to it, and otherwise with our keys, and with the
// patches in the model's name. flips are what the copy inverts.
func (f *File) metadata(b Baked, flips []bankai.Flip) ([]gguf.KV, error) {
	kvs := f.plainMetadata(b)
	if b.Base.IsZero() || len(b.Patches) == 0 && b.From == "" {
		return kvs, nil
	}
	sum, err := sumOf(kvs, f.digestWith(flips))
	return append(kvs, gguf.KV{Key: bakedSumKey, Value: gguf.String(sum)}), err
}

// plainMetadata is metadata without the sum of the copy.
func (f *File) plainMetadata(b Baked) []gguf.KV {
	var kvs []gguf.KV
	for _, kv := range f.parts[0].KVs {
		switch {
		case strings.HasPrefix(kv.Key, "split."), strings.HasPrefix(kv.Key, ownPrefix):
			continue
		case kv.Key == fileTypeKey && f.packed != gguf.Q1_0:
			kv.Value = gguf.Uint32(mostlyQ1_0)
		case kv.Key != generalNameKey || b.Base.IsZero():
		case !b.hasName && len(b.Patches) == 0:
			continue
		default:
			kv.Value = gguf.String(b.title())
		}
		kvs = append(kvs, kv)
	}
	if b.Base.IsZero() || len(b.Patches) == 0 && b.From == "" {
		return kvs
	}
	add := func(key string, v gguf.Value) { kvs = append(kvs, gguf.KV{Key: key, Value: v}) }
	if _, ok := f.parts[0].Value(generalNameKey); !ok && len(b.Patches) > 0 {
		add(generalNameKey, gguf.String(b.title()))
	}
	add(bakedBaseKey, gguf.String(b.Base.String()))
	if b.From != "" {
		add(bakedFromKey, gguf.String(b.From))
	}
	if len(b.Patches) == 0 {
		return kvs
	}
	if !b.File.IsZero() {
		add(bakedFileKey, gguf.String(b.File.String()))
	}
	if b.hasName {
		add(bakedNameKey, gguf.String(b.name))
	}
	var contents, titles, flips []string
	for _, p := range b.Patches {
		contents, titles, flips = append(contents, p.Content.String()), append(titles, p.Name), append(flips, p.Flips.String())
	}
	add(bakedPatchKey, gguf.Strings(contents))
	add(bakedTitlesKey, gguf.Strings(titles))
	add(bakedFlipsKey, gguf.Strings(flips))
	return kvs
}

// title is the model's name with the patches that are in it.
func (b Baked) title() string {
	parts := []string{}
	if b.name != "" {
		parts = append(parts, b.name)
	}
	for _, p := range b.Patches {
		parts = append(parts, p.Name)
	}
	return strings.Join(parts, " + ")
}

// bakedPatch is what a file says of a patch that was baked into it. fitted is p,
// fitted to the model.
func bakedPatch(p, fitted *bankai.Patch) BakedPatch {
	b := BakedPatch{strings.TrimSpace(p.Meta().Name), p.ContentDigest(), flipsDigest(fitted)}
	if b.Name == "" {
		b.Name = fmt.Sprintf("patch %.12s", b.Content)
	}
	return b
}

// flipsDigest identifies what a patch flips, whatever model it names.
func flipsDigest(fitted *bankai.Patch) bankai.Digest {
	return fitted.WithBase(bankai.Digest{}).ContentDigest()
}
