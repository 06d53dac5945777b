package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bankai"
	"bankai/internal/text"
)

// Types of artifacts and of their layers. The one of patches is also the type of their
// layer.
const (
	PatchType     = "application/vnd.bankai.patch.v1"
	SignatureType = "application/vnd.minisign.v1"
	CardType      = "application/vnd.bankai.card.v1+markdown"
	ProbesType    = "application/vnd.bankai.probes.v1"
	ReportType    = "application/vnd.bankai.report.v1"
)

// Annotations of a patch's manifest, beside those of the OCI's own.
const (
	BaseAnnotation    = "dev.bankai.base"    // digest of the model, left out if the patch names none
	ContentAnnotation = "dev.bankai.content" // the patch's content digest
	FlipsAnnotation   = "dev.bankai.flips"
	BitsAnnotation    = "dev.bankai.bits"   // left out if unknown
	ClaimsAnnotation  = "dev.bankai.claims" // a JSON list, of the first that fit
)

// maxClaims bounds the annotation with the claims, in bytes: some registries refuse large
// annotations, and the patch has them all.
const maxClaims = 4 << 10

// maxText bounds annotations with texts of people's, in characters.
const maxText = 1000

type descriptor = ocispec.Descriptor

// describe is the descriptor of data.
func describe(mediaType string, data []byte) descriptor {
	return descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// plain is a descriptor with nothing but what it describes, as it is named by what is
// attached to it.
func plain(d descriptor) descriptor {
	return descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// sum is a descriptor's digest, which must be a SHA-256.
func sum(d descriptor) (bankai.Digest, error) {
	hex, is := strings.CutPrefix(string(d.Digest), digestPrefix)
	if !is {
		return bankai.Digest{}, fmt.Errorf("the digest %.80q is no SHA-256", d.Digest)
	}
	return bankai.ParseDigest(hex)
}

// checkDescriptor refuses a descriptor of more than a number of bytes, before any is
// read. The digest must be written as this package writes it.
func checkDescriptor(d descriptor, what string, most int64) error {
	s, err := sum(d)
	switch {
	case err != nil:
		return fmt.Errorf("the %s: %w", what, err)
	case digestPrefix+s.String() != string(d.Digest):
		return fmt.Errorf("the %s: the digest %.80q is not in lower case", what, d.Digest)
	case d.Size < 0 || d.Size > most:
		return fmt.Errorf("the %s is said to have %d bytes, and at most %s are taken", what, d.Size, text.Size(most))
	}
	return nil
}

// patchManifest is the manifest of a patch: equal patches have equal bytes.
func patchManifest(p *bankai.Patch, data []byte) (descriptor, []byte, error) {
	layer := describe(PatchType, data)
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: fileName(p)}
	about, err := annotations(p)
	if err != nil {
		return descriptor{}, nil, err
	}
	return encodeManifest(PatchType, layer, about, nil)
}

// fileName is what the patch is called where another program writes it to a file.
func fileName(p *bankai.Patch) string {
	name := p.Meta().Name + ".bankai"
	if checkFile(name, nil) != nil {
		return "patch.bankai"
	}
	return name
}

// manifest is the manifest of an attachment.
func (x attachment) manifest(subject descriptor) (descriptor, []byte, error) {
	layer := describe(x.kind.mediaType, x.data)
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: x.name}
	return encodeManifest(x.kind.artifact, layer, nil, &subject)
}

func encodeManifest(artifactType string, layer descriptor, about map[string]string, subject *descriptor) (descriptor, []byte, error) {
	data, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config: ocispec.DescriptorEmptyJSON, Layers: []descriptor{layer},
		Subject: subject, Annotations: about,
	})
	d := describe(ocispec.MediaTypeImageManifest, data)
	d.ArtifactType = artifactType
	return d, data, err
}

// annotations say of a patch what it says of itself. Nothing in them is of the moment.
func annotations(p *bankai.Patch) (map[string]string, error) {
	meta := p.Meta()
	claims, err := encodeClaims(meta.Claims)
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		ocispec.AnnotationTitle:       text.Clip(meta.Name, maxText),
		ocispec.AnnotationDescription: text.Clip(meta.Description, maxText),
		ocispec.AnnotationLicenses:    text.Clip(meta.License, maxText),
		ocispec.AnnotationAuthors:     text.Clip(meta.Author, maxText),
		ContentAnnotation:             p.ContentDigest().String(),
		FlipsAnnotation:               strconv.Itoa(p.Len()),
		ClaimsAnnotation:              claims,
	}
	if !meta.Created.IsZero() {
		all[ocispec.AnnotationCreated] = meta.Created.UTC().Format(time.RFC3339)
	}
	if !p.Base().IsZero() {
		all[BaseAnnotation] = p.Base().String()
	}
	if bits, known := p.Bits(); known {
		all[BitsAnnotation] = strconv.FormatUint(bits, 10)
	}
	for key, value := range all {
		if value == "" {
			delete(all, key)
		}
	}
	return all, nil
}

// encodeClaims writes the first claims, as many as fit.
func encodeClaims(claims []bankai.Claim) (string, error) {
	for n := len(claims); n > 0; n-- {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(claims[:n]); err != nil {
			return "", err
		}
		if b.Len() <= maxClaims {
			return strings.TrimSpace(b.String()), nil
		}
	}
	return "", nil
}

// decodeManifest reads a manifest whose digest was checked.
func decodeManifest(d descriptor, data []byte) (m ocispec.Manifest, err error) {
	if d.MediaType != ocispec.MediaTypeImageManifest {
		return m, otherKind(d, m)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("the manifest is no JSON of one (%w): whoever made it should push again", err)
	}
	switch {
	case m.SchemaVersion != 2:
		return m, fmt.Errorf("the manifest has schemaVersion %d: only 2 is known", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != d.MediaType:
		return m, fmt.Errorf("the manifest calls itself %.80q, and the registry calls it %.80q", m.MediaType, d.MediaType)
	}
	return m, nil
}

// layer is the one layer of a manifest of a type.
func layer(m ocispec.Manifest, mediaType, what string, most int64) (descriptor, error) {
	if len(m.Layers) != 1 {
		return descriptor{}, fmt.Errorf("the manifest of the %s has %d layers, want one", what, len(m.Layers))
	}
	l := m.Layers[0]
	if l.MediaType != mediaType {
		return l, fmt.Errorf("the layer of the %s is of type %.80q, want %s", what, l.MediaType, mediaType)
	}
	return l, checkDescriptor(l, what, most)
}

// agrees refuses annotations that say something else than the patch does. Those that are
// missing are not missed: the patch has it all.
func agrees(about map[string]string, p *bankai.Patch) error {
	want, err := annotations(p)
	if err != nil {
		return err
	}
	for _, key := range []string{BaseAnnotation, ContentAnnotation, FlipsAnnotation, BitsAnnotation} {
		if said, has := about[key]; has && said != want[key] {
			return fmt.Errorf("the manifest says %s is %.80q, and the patch says %q: whoever pushed it should do so again", key, said, want[key])
		}
	}
	return nil
}

// otherKind is the error about something else than a patch.
func otherKind(d descriptor, m ocispec.Manifest) error {
	return fmt.Errorf("this is %s, not a patch: give the reference of what \"bankai push\" wrote", kindInWords(d, m))
}

// kindInWords tells what a manifest is of.
func kindInWords(d descriptor, m ocispec.Manifest) string {
	switch d.MediaType {
	case ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.list.v2+json":
		return "a list of container images"
	case "application/vnd.docker.distribution.manifest.v2+json":
		return "a container image of Docker's"
	case ocispec.MediaTypeImageManifest:
	default:
		return fmt.Sprintf("something of type %.80q", d.MediaType)
	}
	if k := kindOf(m.ArtifactType); k != nil {
		return "something attached to a patch (" + k.what + ")"
	}
	for _, l := range m.Layers {
		if strings.HasPrefix(l.MediaType, "application/vnd.ollama.") {
			return "a model of Ollama's"
		}
	}
	switch config := m.Config.MediaType; {
	case m.ArtifactType != "":
		return fmt.Sprintf("an artifact of type %.80q", m.ArtifactType)
	case config == ocispec.MediaTypeImageConfig, config == "application/vnd.docker.container.image.v1+json":
		return "a container image"
	case config == "application/vnd.cncf.helm.config.v1+json":
		return "a Helm chart"
	case strings.HasPrefix(config, "application/vnd.wasm."):
		return "a WebAssembly module"
	default:
		return fmt.Sprintf("an artifact of type %.80q", config)
	}
}

// errNone is that nothing is behind a tag or a digest.
var errNone = errors.New("nothing is there")

// otherTags is errNone where other tags are.
type otherTags struct {
	asked string // a tag or a digest
	tags  []string
}

func (e *otherTags) Unwrap() error { return errNone }

func (e *otherTags) Error() string {
	const most = 8
	tags, noun := e.tags, "tag"
	if len(tags) > 1 {
		noun = "tags"
	}
	if len(tags) > most {
		tags = append(slices.Clone(tags[:most]), "others")
	}
	return fmt.Sprintf("there is no %s, but the %s %s: give one of them", e.asked, noun, text.Listed(tags))
}

// none says which tags there are where a version is not, if that can be found out.
func none(ctx context.Context, t target, version string) error {
	tags, err := t.tags(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool {
		return !tagPattern.MatchString(tag) || strings.HasPrefix(tag, "sha256-") // which leads to what is attached
	})
	if err != nil || len(tags) == 0 {
		return errNone
	}
	slices.Sort(tags)
	return &otherTags{version, slices.Compact(tags)}
}
